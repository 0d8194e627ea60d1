# services.httpd: the Apache server.
{ lib, config, pkgs, ... }:
let
  inherit (lib) concatMapStrings mkIf mkOption optionalString types;
  cfg = config.services.httpd;
  stateDir = "/run/httpd";

  # Debian keeps all modules in one directory; those that every site needs, and what
  # is asked for.
  moduleDir = "${cfg.package}/lib/apache2/modules";
  modules = lib.unique (
    [
      "authn_core"
      "authz_core"
      "authz_host"
      "dir"
      "mime"
      "alias"
      "autoindex"
      "status"
      "setenvif"
      "headers"
      "rewrite"
      "reqtimeout"
      "env"
      "mpm_${cfg.mpm}"
    ]
    ++ lib.optionals usesTls [ "ssl" "socache_shmcb" ]
    ++ cfg.extraModules
  );
  # Part of the program as Debian builds it.
  builtIn = [ "log_config" "unixd" "version" "so" "watchdog" ];

  hosts = lib.mapAttrsToList (name: h: h // { name = if h.hostName != null then h.hostName else name; }) cfg.virtualHosts;
  tls = h: h.addSSL || h.onlySSL || h.forceSSL;
  usesTls = lib.any tls hosts;
  listens =
    h:
    if h.listen != [ ] then
      h.listen
    else
      lib.optional (!h.onlySSL) { ip = "*"; port = 80; ssl = false; }
      ++ lib.optional (tls h) { ip = "*"; port = 443; ssl = true; };
  allListens = lib.unique (map (l: "${l.ip}:${toString l.port}") (lib.concatMap listens hosts));

  # What is shown where nothing is declared yet.
  welcome = "${pkgs.apacheHttpd}/htdocs";

  address = l: if lib.hasInfix ":" l.ip then "[${l.ip}]:${toString l.port}" else "${l.ip}:${toString l.port}";
  directory = path: ''
    <Directory "${path}">
      Options Indexes FollowSymLinks
      AllowOverride None
      Require all granted
    </Directory>
  '';
  vhost = h: concatMapStrings (l: ''
    <VirtualHost ${address l}>
      ServerName ${h.name}
      ${concatMapStrings (a: "ServerAlias ${a}\n") h.serverAliases}
      ServerAdmin ${if h.adminAddr != null then h.adminAddr else cfg.adminAddr}
      ${optionalString l.ssl ''
        SSLEngine on
        SSLCertificateFile ${h.sslServerCert}
        SSLCertificateKeyFile ${h.sslServerKey}
        ${optionalString (h.sslServerChain != null) "SSLCertificateChainFile ${h.sslServerChain}"}
      ''}
      ${optionalString (h.forceSSL && !l.ssl) ''
        RewriteEngine on
        RewriteRule ^ https://%{HTTP_HOST}%{REQUEST_URI} [R=301,L]
      ''}
      ${optionalString (h.globalRedirect != null) "RedirectPermanent / ${h.globalRedirect}"}
      DocumentRoot "${if h.documentRoot != null then h.documentRoot else welcome}"
      ${directory (if h.documentRoot != null then h.documentRoot else welcome)}
      ${concatMapStrings (d: "Alias ${d.urlPath} ${d.dir}/\n${directory d.dir}") h.servedDirs}
      ${concatMapStrings (f: "Alias ${f.urlPath} ${f.file}\n${directory (dirOf f.file)}") h.servedFiles}
      ${h.extraConfig}
    </VirtualHost>
  '') (listens h);

  configFile = pkgs.writeText "httpd.conf" ''
    ServerRoot ${cfg.package}
    ServerName ${if config.networking.hostName != "" then config.networking.fqdn else "localhost"}
    DefaultRuntimeDir ${stateDir}/runtime
    PidFile ${stateDir}/httpd.pid
    Mutex default:${stateDir}
    User ${cfg.user}
    Group ${cfg.group}
    ServerAdmin ${cfg.adminAddr}
    ServerTokens Prod
    ServerSignature Off
    TraceEnable Off

    ${concatMapStrings (m: "LoadModule ${m}_module ${moduleDir}/mod_${m}.so\n") (lib.subtractLists builtIn modules)}
    ${concatMapStrings (l: "Listen ${l}\n") allListens}

    # What httpd says goes to the journal: errors by themselves, requests by a helper.
    ErrorLog syslog:daemon:httpd
    ErrorLogFormat "[%l] %M"
    LogLevel notice
    LogFormat "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-agent}i\"" combined
    LogFormat "%h %l %u %t \"%r\" %>s %b" common
    ${optionalString (cfg.logFormat != "none") ''CustomLog "|${pkgs.util-linux}/bin/logger -t httpd -p daemon.info" ${cfg.logFormat}''}

    MaxRequestWorkers ${toString cfg.maxClients}
    MaxConnectionsPerChild ${toString cfg.maxRequestsPerChild}
    ${optionalString usesTls ''
      SSLSessionCache shmcb:${stateDir}/ssl_scache(512000)
      SSLProtocol all -SSLv3 -TLSv1 -TLSv1.1
      SSLCipherSuite HIGH:!aNULL:!MD5
    ''}
    TypesConfig ${pkgs.mailcap}/etc/mime.types
    DirectoryIndex index.html
    <Directory />
      Options FollowSymLinks
      AllowOverride None
      Require all denied
    </Directory>

    ${cfg.extraConfig}
    ${concatMapStrings vhost hosts}
  '';

  path = description: mkOption {
    type = types.nullOr types.path;
    default = null;
    inherit description;
  };
  flag = description: mkOption {
    type = types.bool;
    default = false;
    inherit description;
  };
  served = kind: mkOption {
    type = types.listOf types.attrs;
    default = [ ];
    description = "Further ${kind}, by URL path.";
  };

  hostOptions.options = {
    hostName = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "The name of the site; the attribute's own by default.";
    };
    serverAliases = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Other names of the site.";
    };
    listen = mkOption {
      default = [ ];
      description = "Where to listen; by default on port 80, 443 with TLS.";
      type = types.listOf (types.submodule {
        options = {
          ip = mkOption {
            type = types.str;
            default = "*";
            description = "The address, \"*\" for any.";
          };
          port = mkOption {
            type = types.port;
            description = "The port.";
          };
          ssl = flag "Whether TLS is spoken there.";
        };
      });
    };
    documentRoot = path "The directory that is served; a page that says so when there is none.";
    servedDirs = served "directories ({ urlPath; dir; })";
    servedFiles = served "files ({ urlPath; file; })";
    adminAddr = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "The mail address of who runs the site.";
    };
    globalRedirect = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "Where every request is sent to.";
    };
    addSSL = flag "Whether the site is served by TLS too.";
    onlySSL = flag "Whether the site is served by TLS only.";
    forceSSL = flag "Whether requests without TLS are redirected.";
    sslServerCert = path "The certificate.";
    sslServerKey = path "The certificate's key.";
    sslServerChain = path "The chain of the certificate.";
    extraConfig = mkOption {
      type = types.lines;
      default = "";
      description = "Further lines of the site's configuration.";
    };
  };
in
{
  options.services.httpd = {
    enable = lib.mkEnableOption "the Apache server";
    package = mkOption {
      type = types.package;
      default = pkgs.apacheHttpd;
      description = "The server's package.";
    };
    adminAddr = mkOption {
      type = types.str;
      default = "root@localhost";
      description = "The mail address of who runs the server.";
    };
    user = mkOption {
      type = types.str;
      default = "wwwrun";
      description = "The user that requests are served by.";
    };
    group = mkOption {
      type = types.str;
      default = "wwwrun";
      description = "The group that requests are served by.";
    };
    mpm = mkOption {
      type = types.enum [ "event" "prefork" "worker" ];
      default = "event";
      description = "How connections are shared out among processes.";
    };
    maxClients = mkOption {
      type = types.int;
      default = 150;
      description = "How many requests are served at once.";
    };
    maxRequestsPerChild = mkOption {
      type = types.int;
      default = 0;
      description = "After how many connections a process is replaced; 0: never.";
    };
    logFormat = mkOption {
      type = types.str;
      default = "common";
      description = "The format of access lines; \"none\": no access lines.";
    };
    extraModules = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "proxy" "proxy_http" ];
      description = "Further modules of the server, by name.";
    };
    extraConfig = mkOption {
      type = types.lines;
      default = "";
      description = "Further lines of the configuration.";
    };
    virtualHosts = mkOption {
      type = types.attrsOf (types.submodule hostOptions);
      defaultText = "one for localhost";
      default.localhost = { };
      example."www.example.org".documentRoot = "/srv/www";
      description = "The sites.";
    };
    configFile = mkOption {
      type = types.path;
      default = configFile;
      description = "The configuration file, in place of the one made of these options.";
    };
  };

  config = mkIf cfg.enable {
    assertions = map (h: {
      assertion = tls h -> h.sslServerCert != null && h.sslServerKey != null;
      message = "services.httpd.virtualHosts.${h.name}: TLS needs sslServerCert and sslServerKey.";
    }) hosts;

    users.users = mkIf (cfg.user == "wwwrun") {
      wwwrun = {
        inherit (cfg) group;
        uid = 54;
        isSystemUser = true;
        description = "Apache httpd user";
      };
    };
    users.groups = mkIf (cfg.group == "wwwrun") { wwwrun.gid = 54; };
    environment.systemPackages = [ cfg.package ];

    systemd.services.httpd = {
      description = "Apache HTTPD";
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      after = [ "network.target" "network-online.target" ];
      path = [ cfg.package ];
      serviceConfig = {
        # Started when it is in the background: it listens then.
        Type = "forking";
        PIDFile = "${stateDir}/httpd.pid";
        ExecStart = "${cfg.package}/bin/httpd -k start -f ${cfg.configFile}";
        ExecReload = "${cfg.package}/bin/httpd -k graceful -f ${cfg.configFile}";
        RuntimeDirectory = "httpd httpd/runtime";
        RuntimeDirectoryMode = "0750";
        Restart = "always";
        RestartSec = "5s";
        KillMode = "mixed";
        PrivateTmp = true;
        ProtectHome = true;
      };
    };
  };
}
