# environment: the programs and variables of whoever enters the guest.
{ lib, config, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.environment;
in
{
  options = {
    environment = {
      systemPackages = mkOption {
        type = types.listOf types.package;
        default = [ ];
        example = lib.literalExpression "[ pkgs.curl ]";
        description = "Packages in the path of every user of the guest.";
      };
      defaultPackages = mkOption {
        type = types.listOf types.package;
        default = [ ];
        description = "Packages that are nice to have, but can be left out.";
      };
      pathsToLink = mkOption {
        type = types.listOf types.str;
        default = [ "/bin" "/etc/bash_completion.d" "/lib" "/share" ];
        description = "Directories of the packages that /run/current-system/sw has.";
      };
      extraOutputsToInstall = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "Further outputs of the packages; Debian's have one.";
      };
      variables = mkOption {
        type = types.attrsOf (types.oneOf [ types.str types.path types.int (types.listOf types.str) ]);
        default = { };
        description = "Environment variables of login shells.";
      };
      sessionVariables = mkOption {
        type = types.attrsOf (types.oneOf [ types.str types.path types.int (types.listOf types.str) ]);
        default = { };
        description = "Environment variables of login shells.";
      };
      shellAliases = mkOption {
        type = types.attrsOf types.str;
        default = { };
        description = "Aliases of interactive shells.";
      };
      shellInit = mkOption {
        type = types.lines;
        default = "";
        description = "Shell commands at the start of every login shell.";
      };
      interactiveShellInit = mkOption {
        type = types.lines;
        default = "";
        description = "Shell commands at the start of every interactive shell.";
      };
      binsh = mkOption {
        type = types.path;
        default = "${pkgs.bash}/bin/bash";
        description = "What /bin/sh is.";
      };
      shells = mkOption {
        type = types.listOf (types.oneOf [ types.package types.path ]);
        default = [ ];
        description = "Further login shells, for /etc/shells.";
      };
    };
    system.path = mkOption {
      type = types.package;
      internal = true;
      description = "All packages of the environment in one tree.";
    };
    time.timeZone = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "Europe/Paris";
      description = "The time zone; null: UTC.";
    };
    i18n.defaultLocale = mkOption {
      type = types.str;
      default = "C.UTF-8";
      description = "The locale; C.UTF-8 is part of the C library, others are not in a guest.";
    };
  };

  config = {
    environment.systemPackages = [
      pkgs.bash
      pkgs.coreutils
      pkgs.findutils
      pkgs.getent
      pkgs.gnugrep
      pkgs.gnused
      pkgs.mawk
      pkgs.procps
      pkgs.iproute2
      pkgs.util-linux
      config.systemd.package
    ] ++ cfg.defaultPackages;

    system.path = pkgs.buildEnv {
      name = "system-path";
      paths = cfg.systemPackages;
      inherit (cfg) pathsToLink;
    };

    environment.etc = {
      profile.text = ''
        export PATH=/run/current-system/sw/bin:/usr/bin:/bin
        export LANG=${config.i18n.defaultLocale}
        ${lib.concatStrings (
          lib.mapAttrsToList (
            n: v: "export ${n}=${lib.escapeShellArg (if lib.isList v then lib.concatStringsSep ":" v else toString v)}\n"
          ) (cfg.sessionVariables // cfg.variables)
        )}
        ${cfg.shellInit}
        if [ "$BASH" ] && [ "$PS1" ]; then . /etc/bashrc; fi
      '';
      bashrc.text = ''
        [ "$PS1" ] || return 0
        PS1='[\u@\h:\w]\$ '
        ${lib.concatStrings (lib.mapAttrsToList (n: v: "alias ${lib.toShellVar n v}\n") cfg.shellAliases)}
        ${cfg.interactiveShellInit}
      '';
      "bash.bashrc".text = ". /etc/bashrc";
      shells.text = lib.concatLines ([ "/bin/sh" "/bin/bash" ] ++ map (s: "${s}${s.shellPath or ""}") cfg.shells);
      localtime = lib.mkIf (config.time.timeZone != null) {
        source = "${pkgs.tzdata}/share/zoneinfo/${config.time.timeZone}";
      };
      # Debian's programs look for these where Debian has them.
      "ssl/certs/ca-certificates.crt" = lib.mkIf (pkgs.debian ? ca-certificates) {
        source = "${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt";
      };
      "mime.types".source = "${pkgs.mailcap}/etc/mime.types";
      services = lib.mkIf (pkgs.debian ? netbase) { source = "${pkgs.iana-etc}/etc/services"; };
      protocols = lib.mkIf (pkgs.debian ? netbase) { source = "${pkgs.iana-etc}/etc/protocols"; };
    };
  };
}
