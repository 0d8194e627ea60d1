# The NixOS host module: containers as a part of the host's configuration.
#
#   nixunits.web2 = { caps_allow = [ … ]; network = …; config = { services.httpd.enable = true; }; };
#
# Each unit is evaluated like one that nixunits builds; its document is
# /etc/nixunits/<name>.json, and its store is the host's. So nothing is built or changed
# by hand there: `nixunits build` and `delete` refuse, the others work.
{ lib, config, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.programs.nixunits;
  units = config.nixunits;
  names = lib.attrNames units;

  inherit (pkgs.stdenv.hostPlatform) system;

  # What a unit is made of.
  parts =
    unit:
    if unit.nixpkgs == null || toString unit.nixpkgs == toString pkgs.path then
      {
        inherit lib pkgs;
        evalConfig = import (pkgs.path + "/nixos/lib/eval-config.nix");
      }
    else
      import ../parts.nix {
        inherit system;
        tree = unit.nixpkgs;
      };

  toModule = import ../declaration.nix {
    inherit lib;
    arguments = unit: {
      inherit lib pkgs;
      inherit (unit) id properties;
      self_config = unit.guest.config;
    };
  };
  unitType =
    types.coercedTo types.raw (toModule null) (
      types.submodule (
        { name, config, ... }:
        {
          imports = [ ../options.nix ];
          options.properties = mkOption {
            type = types.attrsOf types.anything;
            default = { };
            example = lib.literalExpression "lib.importJSON ./web2.json";
            description = ''
              The parameters of the declaration, where it is a function or imports one. What it
              imports can't depend on them.
            '';
          };
          options.guest = mkOption {
            type = types.raw;
            internal = true;
            readOnly = true;
            default = import ../system.nix (
              parts config
              // {
                inherit system config;
                inherit (cfg) toolbox;
              }
            );
            description = "The evaluated system inside.";
          };
          config._module.args.id = name;
        }
      )
    )
    // {
      description = "declaration";
    };

  document =
    unit:
    import ../unit.nix {
      inherit lib pkgs;
      inherit (unit) guest;
      config = unit;
    };
  # Checked when the host is built, and not when the container starts; what the document names
  # need not be there for that.
  file =
    name: unit:
    let
      json = builtins.toJSON (document unit);
    in
    pkgs.runCommandLocal "${name}.json" {
      document = pkgs.writeText "${name}.json" json;
      checked = lib.optional (pkgs.stdenv.buildPlatform.canExecute pkgs.stdenv.hostPlatform) (
        pkgs.runCommandLocal "nixunits.${name}" {
          document = pkgs.writeText "${name}.json" (builtins.unsafeDiscardStringContext json);
        } "${cfg.package}/bin/nixunits net plan - <$document >$out"
      );
    } "cp $document $out";
  files = lib.mapAttrs file units;

  # Each unit has a file of its own, not only the template's and a drop-in: when it is gone from
  # the configuration, its file is gone, and so a switch stops it. Else it would be taken for
  # one that has changed, and be started again.
  unitFiles = pkgs.runCommandLocal "nixunits-units" { } ''
    mkdir -p $out/lib/systemd/system
    for name in ${toString names}; do
      cp ${cfg.package}/lib/systemd/system/nixunits@.service $out/lib/systemd/system/nixunits@$name.service
    done
  '';

  # What nixunits calls by name.
  path =
    [ config.systemd.package pkgs.iproute2 pkgs.nftables ]
    ++ lib.optional config.virtualisation.vswitch.enable config.virtualisation.vswitch.package;
  nixunits = "/run/current-system/sw/bin/nixunits";
in
{
  options.nixunits = mkOption {
    type = types.attrsOf unitType;
    default = { };
    example = lib.literalExpression ''
      {
        web2 = {
          autoStart = true;
          caps_allow = [ "CAP_NET_BIND_SERVICE" ];
          network.interfaces.veth = { ip4 = "192.168.20.2/31"; hostIp4 = "192.168.20.1/31"; };
          config.services.httpd.enable = true;
        };
      }
    '';
    description = ''
      The containers of this host, by their ids. Each is a declaration as `nixunits build` takes
      it, or the file of one.
    '';
  };
  options.programs.nixunits = {
    enable = mkOption {
      type = types.bool;
      default = units != { };
      defaultText = lib.literalExpression "config.nixunits != { }";
      description = "Whether nixunits is installed: it is where units are declared.";
    };
    package = mkOption {
      type = types.package;
      default = if cfg.toolbox != null then cfg.toolbox else pkgs.callPackage ../package.nix { };
      defaultText = lib.literalMD "the toolbox; without one this repository's, of the host's packages";
      description = ''
        nixunits, for the host. What it builds by hand gets it inside, to wait for the network, if
        it is static.
      '';
    };
    toolbox = mkOption {
      type = types.nullOr types.package;
      default = pkgs.pkgsStatic.callPackage ../package.nix { static = true; };
      defaultText = lib.literalMD "this repository's, of the host's packages, linked statically";
      description = ''
        nixunits, for the containers: a static one, which waits for the network inside. null: their
        services are not held back until it is complete, and none may ask for that by
        `systemdDeps` or `preCheckNetReadyScript`.
      '';
    };
    group = mkOption {
      type = types.str;
      default = "nixunits";
      description = ''
        The group whose members may start, stop and restart the declared units, and see their
        status, by sudo(8) without a password. They may do nothing else.
      '';
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = map (name: {
      assertion = builtins.match "[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?" name != null;
      message = "nixunits.${name}: an id has small letters, digits and, between them, hyphens; at most 64";
    }) names;

    environment.systemPackages = [ cfg.package ];
    environment.etc = lib.mapAttrs' (name: file: lib.nameValuePair "nixunits/${name}.json" { source = file; }) files;

    systemd.packages = [ cfg.package unitFiles ];
    systemd.services = {
      "nixunits@" = { inherit path; };
    }
    // lib.mapAttrs' (
      name: unit:
      lib.nameValuePair "nixunits@${name}" {
        overrideStrategy = "asDropin";
        inherit path;
        wantedBy = lib.optional unit.autoStart "multi-user.target";
        restartTriggers = [ files.${name} ];
      }
    ) units;
    systemd.tmpfiles.rules = [
      "d /var/lib/nixunits 0755 root root -"
      "d /var/lib/nixunits/containers 0755 root root -"
    ];

    users.groups.${cfg.group} = { };
    security.sudo.extraRules = lib.optional (names != [ ]) {
      groups = [ cfg.group ];
      # Each command as a whole: an argument more, and it is another one.
      commands = lib.concatMap (
        name:
        map (verb: {
          command = "${nixunits} ${verb} ${name}";
          options = [ "NOPASSWD" ];
        }) [ "start" "stop" "restart" "status" ]
      ) names;
    };

    # The host's ends of veths are nixunits' own.
    networking.dhcpcd.denyInterfaces = [ "nu-*" ];
    systemd.network.networks."05-nixunits" = {
      matchConfig.Name = "nu-*";
      linkConfig.Unmanaged = true;
    };
    services.udev.extraRules = ''
      SUBSYSTEM=="net", ACTION=="add|change|move", ENV{INTERFACE}=="nu-*", ENV{NM_UNMANAGED}="1"
    '';
  };
}
