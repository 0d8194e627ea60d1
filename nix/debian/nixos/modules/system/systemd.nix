# systemd: the units of a guest, NixOS' options for them, and their files.
#
# PID 1 looks for units in one declared directory only. It holds what is declared here
# and those of systemd's own units that a guest needs; what else Debian's packages
# bring (timers, presets, generators) does not exist for it.
{ lib, config, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.systemd;
  unitLib = import ./systemd-unit.nix { inherit lib pkgs config; };

  upstreamUnits = [
    # Targets
    "basic.target"
    "exit.target"
    "final.target"
    "halt.target"
    "local-fs-pre.target"
    "local-fs.target"
    "multi-user.target"
    "network-online.target"
    "network-pre.target"
    "network.target"
    "nss-lookup.target"
    "nss-user-lookup.target"
    "paths.target"
    "poweroff.target"
    "reboot.target"
    "remote-fs-pre.target"
    "remote-fs.target"
    "shutdown.target"
    "sigpwr.target"
    "slices.target"
    "sockets.target"
    "swap.target"
    "sysinit.target"
    "time-set.target"
    "time-sync.target"
    "timers.target"
    "umount.target"
    # Slices
    "machine.slice"
    "user.slice"
    # The journal
    "systemd-journald.service"
    "systemd-journald.socket"
    "systemd-journald-dev-log.socket"
    "systemd-journal-flush.service"
    # Files that come and go
    "systemd-tmpfiles-setup.service"
    "systemd-tmpfiles-clean.service"
    "systemd-tmpfiles-clean.timer"
    # The end
    "systemd-exit.service"
    "systemd-halt.service"
    "systemd-poweroff.service"
    "systemd-reboot.service"
  ];
  upstreamWants = [
    "sysinit.target.wants"
    "sockets.target.wants"
    "local-fs.target.wants"
    "multi-user.target.wants"
    "timers.target.wants"
  ];

  # systemd.services.httpd -> units."httpd.service"
  toUnits =
    suffix: toText: defs:
    lib.mapAttrs' (n: def: lib.nameValuePair "${n}.${suffix}" (unitLib.unit toText def)) defs;

  unitDir = pkgs.runCommandLocal "system-units" {
    passAsFile = [ "script" ];
    script = unitLib.install {
      inherit upstreamUnits upstreamWants;
      upstream = "${cfg.package}/lib/systemd/system";
      inherit (cfg) packages suppressedSystemUnits additionalUpstreamSystemUnits defaultUnit;
      units = lib.attrsToList cfg.units;
    };
  } ''source "$scriptPath"'';
in
{
  options.systemd = {
    package = mkOption {
      type = types.package;
      default = pkgs.systemdMinimal;
      description = "The systemd that is PID 1.";
    };
    units = mkOption {
      type = types.attrsOf unitLib.unitType;
      default = { };
      description = "Units by file name, as text.";
    };
    packages = mkOption {
      type = types.listOf types.package;
      default = [ ];
      description = "Packages whose units (lib/systemd/system, etc/systemd/system) the guest has too.";
    };
    additionalUpstreamSystemUnits = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Further units of systemd itself.";
    };
    suppressedSystemUnits = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Units of systemd itself that the guest shall not have.";
    };
    defaultUnit = mkOption {
      type = types.str;
      default = "multi-user.target";
      description = "The unit that a start leads to.";
    };
    globalEnvironment = mkOption {
      type = types.attrsOf (types.nullOr (types.oneOf [ types.str types.path types.package ]));
      default = { };
      description = "Environment variables of every service.";
    };
    extraConfig = mkOption {
      type = types.lines;
      default = "";
      description = "Further lines of the [Manager] section of system.conf.";
    };
    services = mkOption {
      type = types.attrsOf unitLib.types.service;
      default = { };
      description = "Services.";
    };
    sockets = mkOption {
      type = types.attrsOf unitLib.types.socket;
      default = { };
      description = "Sockets that activate services.";
    };
    timers = mkOption {
      type = types.attrsOf unitLib.types.timer;
      default = { };
      description = "Timers that activate services.";
    };
    paths = mkOption {
      type = types.attrsOf unitLib.types.path;
      default = { };
      description = "Paths that activate services.";
    };
    targets = mkOption {
      type = types.attrsOf unitLib.types.target;
      default = { };
      description = "Targets.";
    };
    slices = mkOption {
      type = types.attrsOf unitLib.types.slice;
      default = { };
      description = "Slices.";
    };
  };

  config = {
    systemd.units =
      toUnits "service" unitLib.serviceText cfg.services
      // toUnits "socket" unitLib.socketText cfg.sockets
      // toUnits "timer" unitLib.timerText cfg.timers
      // toUnits "path" unitLib.pathText cfg.paths
      // toUnits "target" unitLib.plainText cfg.targets
      // toUnits "slice" unitLib.sliceText cfg.slices;

    systemd.timers = lib.mapAttrs (n: s: {
      wantedBy = [ "timers.target" ];
      timerConfig.OnCalendar = s.startAt;
    }) (lib.filterAttrs (_: s: s.enable && s.startAt != [ ]) cfg.services);

    environment.etc = {
      "systemd/system".source = unitDir;
      "systemd/system.conf".text = ''
        [Manager]
        ManagerEnvironment=${
          lib.concatStringsSep " " (
            lib.mapAttrsToList (n: v: builtins.toJSON "${n}=${toString v}") (lib.filterAttrs (_: v: v != null) cfg.globalEnvironment)
          )
        }
        ${cfg.extraConfig}
      '';
    };

    assertions = lib.concatLists (
      lib.mapAttrsToList (n: s: [
        {
          assertion = !s.enable || s.overrideStrategy == "asDropin" || s.serviceConfig ? ExecStart
            || s.serviceConfig ? ExecStop || s.serviceConfig.Type or "" == "oneshot" || lib.elem "${n}.service" upstreamUnits
            || lib.hasInfix "@" n || cfg.packages != [ ] || s.aliases != [ ];
          message = "systemd.services.${n}: nothing to start: set `script' or `serviceConfig.ExecStart'.";
        }
      ]) cfg.services
    );
  };
}
