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

  usr = import ../../../usr.nix {
    inherit lib pkgs parts;
    inherit (config.environment) binsh;
  };
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
          usr_sh = ../../../usr.sh;
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
