# toplevel: the system as one store path.
#
#   init             what a container starts
#   etc              /etc/static
#   sw               the environment's packages
#   usr              every Debian package of the closure as one /usr
#   nixos-version    the label
{ lib, config, pkgs, ... }:
let
  inherit (lib) mkOption types;
  inherit (config.system) build;

  activate =
    if build.activation == "" then
      ""
    else
      "${pkgs.writeScript "activate" ''
        #!${pkgs.runtimeShell}
        export PATH=${lib.makeBinPath [ pkgs.coreutils pkgs.gnugrep pkgs.findutils pkgs.gnused pkgs.util-linux ]}
        systemConfig=/run/current-system
        ${build.activation}
      ''} || say \"an activation script failed\"";

  # Everything but /usr, which is made of what this refers to.
  parts = pkgs.runCommandLocal "system-parts" { } ''
    mkdir $out
    ln -s ${build.etc}/etc $out/etc
    ln -s ${config.system.path} $out/sw
    ln -s ${config.systemd.package} $out/systemd
    ln -s ${build.users} $out/users
    ln -s ${pkgs.glibc} $out/libc
    ${lib.concatMapStrings (x: "echo ${x} >>$out/extra\n") config.system.extraDependencies}
    cat >$out/init-inputs <<'End'
    ${activate}
    End
  '';

  # PID 1 reads units, presets, generators and the like from what is declared alone.
  usr = pkgs.runCommandLocal "usr" {
    exportReferencesGraph = [ "graph" parts ];
    merge = ../../../merge.pl;
    exclude = toString [
      "etc"
      "nix-support"
      "lib/systemd/system"
      "lib/systemd/system-preset"
      "lib/systemd/system-generators"
      "lib/systemd/system-environment-generators"
      "lib/systemd/user"
      "lib/systemd/user-preset"
      "lib/systemd/user-generators"
      "lib/systemd/user-environment-generators"
      "lib/systemd/journald.conf.d"
      "lib/systemd/system.conf.d"
      "lib/environment.d"
      "lib/modules-load.d"
      "lib/sysctl.d"
      "lib/sysusers.d"
      "lib/tmpfiles.d"
      "lib/udev"
      "share/bash-completion"
      "share/dbus-1"
      "share/zsh"
    ];
  } ''
    trees=()
    for p in $(grep ^/ graph | sort -u); do
      [ ! -e $p/nix-support/debian-package ] || trees+=($p)
    done
    mkdir -p $out/bin
    perl $merge $out "''${trees[@]}"
    ln -sfn ${config.environment.binsh} $out/bin/sh
    [ -e $out/bin/env ] || ln -s ${pkgs.coreutils}/bin/env $out/bin/env
    ln -s bin $out/sbin
  '';
in
{
  options.system = {
    build.toplevel = mkOption {
      type = types.package;
      internal = true;
      description = "The system.";
    };
    extraDependencies = mkOption {
      type = types.listOf types.pathInStore;
      default = [ ];
      description = "Paths that belong to the system without being referred to.";
    };
    name = mkOption {
      type = types.str;
      default = if config.networking.hostName == "" then "unnamed" else config.networking.hostName;
      description = "The system's name, part of its store path.";
    };
  };

  config.system.build.toplevel =
    let
      failed = map (a: a.message) (lib.filter (a: !a.assertion) config.assertions);
      checked =
        if failed != [ ] then
          throw "\nFailed assertions:\n${lib.concatStringsSep "\n" (map (m: "- ${m}") failed)}"
        else
          lib.foldr lib.warn;
    in
    checked
      (pkgs.runCommandLocal "nixos-system-${config.system.name}-${config.system.nixos.label}"
        {
          inherit (build) etc users;
          users_awk = ./users.awk;
          mutable = if config.users.mutableUsers then "1" else "";
          busybox = pkgs.busybox;
          systemd = config.systemd.package;
          activation = activate;
        }
        ''
          mkdir $out
          cp -d ${parts}/{etc,sw,systemd} $out/
          ln -s ${usr} $out/usr
          substituteAll ${./init.sh} $out/init
          chmod +x $out/init
          echo -n "${config.system.nixos.label}" >$out/nixos-version
          echo -n "${pkgs.system}" >$out/system
          bash -n $out/init
        ''
      )
      config.warnings;
}
