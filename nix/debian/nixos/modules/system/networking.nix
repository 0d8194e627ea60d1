# networking: names. Links, addresses and routes are made from outside, before the
# guest's first service: see the declaration's own `network`.
{ lib, config, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.networking;
in
{
  options.networking = {
    hostName = mkOption {
      type = types.str;
      default = "";
      description = "The guest's name; empty: the one it is started with.";
    };
    domain = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "The guest's domain.";
    };
    fqdn = mkOption {
      type = types.str;
      readOnly = true;
      default = lib.concatStringsSep "." ([ cfg.hostName ] ++ lib.optional (cfg.domain != null) cfg.domain);
      description = "The full name.";
    };
    hosts = mkOption {
      type = types.attrsOf (types.listOf types.str);
      default = { };
      example = { "192.168.1.2" = [ "db" ]; };
      description = "Names by address, for /etc/hosts.";
    };
    extraHosts = mkOption {
      type = types.lines;
      default = "";
      description = "Further lines of /etc/hosts.";
    };
    enableIPv6 = mkOption {
      type = types.bool;
      default = true;
      description = "Whether services listen on IPv6.";
    };
    firewall =
      let
        ports = mkOption {
          type = types.listOf types.port;
          default = [ ];
          description = "Ports a firewall would open; a guest has none of its own, see the declaration's `network.nft`.";
        };
      in
      {
        allowedTCPPorts = ports;
        allowedUDPPorts = ports;
        allowPing = mkOption {
          type = types.bool;
          default = true;
          description = "Whether a firewall would answer pings; a guest has none of its own.";
        };
      };
  };

  config.networking.hosts = lib.mkIf (cfg.hostName != "") {
    "127.0.0.2" = lib.optional (cfg.domain != null) cfg.fqdn ++ [ cfg.hostName ];
  };
  config.environment.etc = {
    hostname = lib.mkIf (cfg.hostName != "") { text = cfg.hostName + "\n"; };
    hosts.text =
      ''
        127.0.0.1 localhost
        ::1 localhost
      ''
      + lib.concatStrings (lib.mapAttrsToList (a: names: "${a} ${toString names}\n") cfg.hosts)
      + cfg.extraHosts;
    "nsswitch.conf".text = ''
      passwd: files
      group: files
      shadow: files
      hosts: files dns
      networks: files
      services: files
      protocols: files
    '';
    "host.conf".text = "multi on\n";
  };
}
