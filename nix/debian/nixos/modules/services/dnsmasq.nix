# services.dnsmasq: names and addresses for a network.
{ lib, config, pkgs, ... }:
let
  inherit (lib) mkIf mkOption types;
  cfg = config.services.dnsmasq;
  # A setting without a value is a flag, a list is the same setting several times.
  line = name: v: if v == true then "${name}\n" else if v == false || v == null then "" else "${name}=${toString v}\n";
  settings = lib.concatStrings (
    lib.concatLists (lib.mapAttrsToList (n: v: map (line n) (lib.toList v)) cfg.settings)
  );
  configFile = pkgs.writeText "dnsmasq.conf" (settings + cfg.extraConfig);
  stateDir = "/var/lib/dnsmasq";
in
{
  options.services.dnsmasq = {
    enable = lib.mkEnableOption "dnsmasq";
    package = mkOption {
      type = types.package;
      default = pkgs.dnsmasq;
      description = "The server's package.";
    };
    resolveLocalQueries = mkOption {
      type = types.bool;
      default = true;
      description = "Whether the guest itself asks this server; see the declaration's `network.dns`.";
    };
    alwaysKeepRunning = mkOption {
      type = types.bool;
      default = false;
      description = "Whether it is started again whenever it ends.";
    };
    settings = mkOption {
      default = { };
      example = {
        server = [ "9.9.9.9" ];
        dhcp-range = "10.0.0.10,10.0.0.99";
      };
      description = "Its settings, by the names of dnsmasq.conf.";
      type = types.submodule {
        freeformType = types.attrsOf (
          let
            atom = types.nullOr (types.oneOf [ types.bool types.int types.float types.str types.path ]);
          in
          types.either atom (types.listOf atom)
        );
        options.server = mkOption {
          type = types.listOf types.str;
          default = [ ];
          description = "Servers to ask.";
        };
      };
    };
    extraConfig = mkOption {
      type = types.lines;
      default = "";
      description = "Further lines of its configuration.";
    };
  };

  config = mkIf cfg.enable {
    services.dnsmasq.settings = {
      dhcp-leasefile = lib.mkDefault "${stateDir}/dnsmasq.leases";
      user = lib.mkDefault "dnsmasq";
      group = lib.mkDefault "dnsmasq";
    };
    users.users.dnsmasq = {
      isSystemUser = true;
      group = "dnsmasq";
      description = "Dnsmasq daemon user";
    };
    users.groups.dnsmasq = { };
    systemd.services.dnsmasq = {
      description = "Dnsmasq Daemon";
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      after = [ "network.target" "network-online.target" ];
      path = [ cfg.package ];
      preStart = "dnsmasq --test -C ${configFile}";
      serviceConfig = {
        # In the foreground, since its signal of readiness in NixOS is D-Bus.
        ExecStart = "${cfg.package}/bin/dnsmasq -k -C ${configFile}";
        ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
        StateDirectory = "dnsmasq";
        PrivateTmp = true;
        ProtectSystem = true;
        ProtectHome = true;
        Restart = if cfg.alwaysKeepRunning then "always" else "on-failure";
      };
    };
  };
}
