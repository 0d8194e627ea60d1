# services.nginx: the nginx server.
{ lib, config, pkgs, ... }:
let
  inherit (lib) concatMapStrings mkIf mkOption optionalString types;
  cfg = config.services.nginx;

  flag = default: description: mkOption {
    type = types.bool;
    inherit default description;
  };
  text = description: mkOption {
    type = types.lines;
    default = "";
    inherit description;
  };
  maybe = type: description: mkOption {
    type = types.nullOr type;
    default = null;
    inherit description;
  };

  location.options = {
    proxyPass = maybe types.str "The server that requests are passed on to.";
    proxyWebsockets = flag false "Whether websockets are passed on too.";
    root = maybe types.path "The directory that is served.";
    alias = maybe types.path "The directory that takes the location's place.";
    index = maybe types.str "The files that are a directory's index.";
    tryFiles = maybe types.str "What is tried in turn.";
    return = maybe (types.oneOf [ types.str types.int ]) "What is answered, such as \"301 https://example.org\".";
    extraConfig = text "Further lines.";
    priority = mkOption {
      type = types.int;
      default = 1000;
      description = "The order among locations.";
    };
  };
  locationText = path: l: ''
    location ${path} {
      ${optionalString (l.proxyPass != null) ''
        proxy_pass ${l.proxyPass};
        ${optionalString cfg.recommendedProxySettings ''
          proxy_set_header Host $host;
          proxy_set_header X-Real-IP $remote_addr;
          proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
          proxy_set_header X-Forwarded-Proto $scheme;
        ''}
      ''}
      ${optionalString l.proxyWebsockets ''
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_upgrade;
      ''}
      ${optionalString (l.root != null) "root ${l.root};"}
      ${optionalString (l.alias != null) "alias ${l.alias};"}
      ${optionalString (l.index != null) "index ${l.index};"}
      ${optionalString (l.tryFiles != null) "try_files ${l.tryFiles};"}
      ${optionalString (l.return != null) "return ${toString l.return};"}
      ${l.extraConfig}
    }
  '';
  locations =
    set:
    concatMapStrings (x: locationText x.name x.value) (
      lib.sort (a: b: a.value.priority < b.value.priority) (lib.attrsToList set)
    );

  tls = h: h.addSSL || h.onlySSL || h.forceSSL;
  anywhere = port: ssl: map (addr: { inherit addr port ssl; }) ([ "0.0.0.0" ] ++ lib.optional config.networking.enableIPv6 "[::]");
  listens =
    h:
    if h.listen != [ ] then
      h.listen
    else
      lib.optionals (!h.onlySSL) (anywhere 80 false) ++ lib.optionals (tls h) (anywhere 443 true);
  listenLine = h: l: "listen ${l.addr}:${toString l.port}${optionalString l.ssl " ssl"}${optionalString h.default " default_server"};\n";
  server =
    name: h:
    let
      serverName = if h.serverName != null then h.serverName else name;
      plain = lib.filter (l: !l.ssl) (listens h);
      secure = lib.filter (l: l.ssl) (listens h);
      names = "server_name ${lib.concatStringsSep " " ([ serverName ] ++ h.serverAliases)};";
    in
    optionalString h.forceSSL ''
      server {
        ${concatMapStrings (listenLine h) plain}
        ${names}
        return 301 https://$host$request_uri;
      }
    ''
    + ''
      server {
        ${concatMapStrings (listenLine h) (if h.forceSSL then secure else listens h)}
        ${names}
        ${optionalString (tls h) ''
          ssl_certificate ${h.sslCertificate};
          ssl_certificate_key ${h.sslCertificateKey};
        ''}
        ${optionalString (h.root != null) "root ${h.root};"}
        ${optionalString (h.globalRedirect != null) "location / { return 301 http://${h.globalRedirect}$request_uri; }"}
        ${locations h.locations}
        ${h.extraConfig}
      }
    '';

  configFile = pkgs.writeText "nginx.conf" ''
    user ${cfg.user} ${cfg.group};
    daemon off;
    pid /run/nginx/nginx.pid;
    error_log ${cfg.logError};
    ${cfg.config}
    ${cfg.appendConfig}
    events {
      ${cfg.eventsConfig}
    }
    http {
      include ${cfg.package}/etc/nginx/mime.types;
      default_type application/octet-stream;
      # Requests go to the journal as well, by its socket.
      access_log syslog:server=unix:/dev/log,tag=nginx,nohostname;
      client_body_temp_path /var/cache/nginx/client_body;
      proxy_temp_path /var/cache/nginx/proxy;
      fastcgi_temp_path /var/cache/nginx/fastcgi;
      uwsgi_temp_path /var/cache/nginx/uwsgi;
      scgi_temp_path /var/cache/nginx/scgi;
      client_max_body_size ${cfg.clientMaxBodySize};
      server_tokens ${if cfg.serverTokens then "on" else "off"};
      ${optionalString cfg.recommendedOptimisation ''
        sendfile on;
        tcp_nopush on;
        tcp_nodelay on;
        keepalive_timeout 65;
      ''}
      ${optionalString cfg.recommendedGzipSettings ''
        gzip on;
        gzip_vary on;
        gzip_proxied any;
        gzip_types text/css text/plain text/xml application/javascript application/json application/xml image/svg+xml;
      ''}
      ${optionalString cfg.recommendedTlsSettings ''
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_prefer_server_ciphers off;
        ssl_session_timeout 1d;
        ssl_session_cache shared:SSL:10m;
      ''}
      map $http_upgrade $connection_upgrade {
        default upgrade;
        "" close;
      }
      ${cfg.commonHttpConfig}
      ${lib.concatStrings (lib.mapAttrsToList (n: u: ''
        upstream ${n} {
          ${concatMapStrings (s: "server ${s};\n") (lib.attrNames u.servers)}
          ${u.extraConfig}
        }
      '') cfg.upstreams)}
      ${lib.concatStrings (lib.mapAttrsToList server cfg.virtualHosts)}
      ${cfg.appendHttpConfig}
    }
    ${optionalString (cfg.streamConfig != "") ''
      stream {
        ${cfg.streamConfig}
      }
    ''}
  '';
in
{
  options.services.nginx = {
    enable = lib.mkEnableOption "the nginx server";
    package = mkOption {
      type = types.package;
      default = pkgs.nginx;
      description = "The server's package.";
    };
    user = mkOption {
      type = types.str;
      default = "nginx";
      description = "The user that requests are served by.";
    };
    group = mkOption {
      type = types.str;
      default = "nginx";
      description = "The group that requests are served by.";
    };
    logError = mkOption {
      type = types.str;
      default = "stderr";
      description = "Where errors are written, and from which level.";
    };
    clientMaxBodySize = mkOption {
      type = types.str;
      default = "10m";
      description = "The largest request.";
    };
    serverTokens = flag false "Whether answers name the server's version.";
    recommendedOptimisation = flag false "Settings for speed.";
    recommendedGzipSettings = flag false "Settings for compression.";
    recommendedProxySettings = flag false "Headers for proxied servers.";
    recommendedTlsSettings = flag false "Settings for TLS.";
    config = text "Further lines at the top.";
    appendConfig = text "Further lines at the top.";
    eventsConfig = text "Further lines of the events block.";
    commonHttpConfig = text "Further lines of the http block, before the servers.";
    appendHttpConfig = text "Further lines of the http block, after the servers.";
    streamConfig = text "Lines of the stream block.";
    upstreams = mkOption {
      default = { };
      description = "Groups of servers to pass requests on to.";
      type = types.attrsOf (types.submodule {
        options = {
          servers = mkOption {
            type = types.attrsOf types.attrs;
            default = { };
            description = "Addresses of the group.";
          };
          extraConfig = text "Further lines.";
        };
      });
    };
    virtualHosts = mkOption {
      default.localhost = { };
      description = "The sites.";
      type = types.attrsOf (types.submodule {
        options = {
          serverName = maybe types.str "The name of the site; the attribute's own by default.";
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
                addr = mkOption {
                  type = types.str;
                  default = "0.0.0.0";
                  description = "The address.";
                };
                port = mkOption {
                  type = types.port;
                  default = 80;
                  description = "The port.";
                };
                ssl = flag false "Whether TLS is spoken there.";
              };
            });
          };
          default = flag false "Whether requests for unknown names are answered by this site.";
          root = maybe types.path "The directory that is served.";
          globalRedirect = maybe types.str "The host that every request is sent to.";
          addSSL = flag false "Whether the site is served by TLS too.";
          onlySSL = flag false "Whether the site is served by TLS only.";
          forceSSL = flag false "Whether requests without TLS are redirected.";
          sslCertificate = maybe types.path "The certificate.";
          sslCertificateKey = maybe types.path "The certificate's key.";
          locations = mkOption {
            type = types.attrsOf (types.submodule location);
            default = { };
            description = "What is answered below a path.";
          };
          extraConfig = text "Further lines of the site.";
        };
      });
    };
  };

  config = mkIf cfg.enable {
    users.users = mkIf (cfg.user == "nginx") {
      nginx = {
        inherit (cfg) group;
        uid = 60;
        isSystemUser = true;
      };
    };
    users.groups = mkIf (cfg.group == "nginx") { nginx.gid = 60; };
    systemd.services.nginx = {
      description = "Nginx Web Server";
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      after = [ "network.target" "network-online.target" ];
      serviceConfig = {
        ExecStart = "${cfg.package}/bin/nginx -e stderr -c ${configFile}";
        ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
        RuntimeDirectory = "nginx";
        CacheDirectory = "nginx";
        CacheDirectoryMode = "0750";
        Restart = "always";
        RestartSec = "10s";
        KillMode = "mixed";
        KillSignal = "SIGQUIT";
        ProtectHome = true;
        PrivateTmp = true;
        ProtectKernelTunables = true;
        ProtectKernelModules = true;
        ProtectControlGroups = true;
        RestrictRealtime = true;
        LockPersonality = true;
      };
    };
  };
}
