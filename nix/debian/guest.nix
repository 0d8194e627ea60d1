# guest - what packages made of Debian's need of NixOS' own modules, beside the profile:
# by options only, whichever release the modules are of.
{ lib, config, options, pkgs, ... }:
let
  inherit (config.system) build;

  parts = pkgs.runCommandLocal "system-parts" { inherit (config.system.activationScripts) script; } ''
    mkdir $out
    ln -s ${build.etc}/etc $out/etc
    ln -s ${config.system.path} $out/sw
    ln -s ${config.systemd.package} $out/systemd
    ln -s ${build.bootStage2} $out/init
    ln -s ${pkgs.glibc} $out/libc
    echo "$script" >$out/activate
  '';
  usr = import ./usr.nix {
    inherit lib pkgs parts;
    inherit (config.environment) binsh;
  };

  # Debian's programs need /usr and /lib64: they are there before NixOS' init, which is one.
  init = pkgs.writeScript "init" ''
    #!${pkgs.busybox}/bin/busybox sh
    system=@out@
    umask 022
    export PATH=/usr/bin
    . ${./usr.sh}
    unset PATH
    exec $system/nixos-init "$@"
  '';

  # Debian's Apache has these modules in its program, where loading them is an error.
  builtIn = [ "log_config" "logio" "so" "unixd" "version" "watchdog" ];

  # The check runs sshd -G, which is of 9.3.
  oldSshd = lib.versionOlder (lib.last (lib.splitString ":" pkgs.openssh.version)) "9.3";
in
{
  options.system.checks = lib.mkOption {
    apply = lib.filter (check: !(oldSshd && check.name or "" == "check-sshd-config"));
  };
  options.services.httpd.configFile = lib.mkOption {
    apply =
      file:
      pkgs.runCommandLocal "httpd.conf" { } ''
        grep -Ev '^[[:space:]]*LoadModule[[:space:]]+(${lib.concatStringsSep "|" builtIn})_module' ${file} >$out
      '';
  };
  # NixOS puts a shell's everyday programs into every system, and gives them a priority of
  # their own. Those that this machine has will do; what a declaration names, it gets or fails.
  options.environment.systemPackages = lib.mkOption {
    apply = lib.filter (p: !(p.isMissing or false && p.meta ? priority));
  };

  config = {
    i18n.defaultLocale = lib.mkOverride 900 "C.UTF-8"; # the one that Debian's libc has
    # Directories that Debian's programs were built for.
    systemd.tmpfiles.rules =
      let
        inherit (config.services) nginx openssh;
      in
      lib.optional openssh.enable "d /run/sshd 0755 root root -"
      ++ lib.optional nginx.enable "d /var/lib/nginx 0750 ${nginx.user} ${nginx.group} -";
    nixpkgs.config = lib.mkForce { }; # Debian's packages have none
    system.systemBuilderCommands = ''
      ln -s ${usr} $out/usr
      mv $out/init $out/nixos-init
      substitute ${init} $out/init --subst-var out
      chmod +x $out/init
    '';
    # Of releases after Debian's, or of other packages there.
    systemd.suppressedSystemUnits = [
      "capsule.slice"
      "capsule@.service"
      "soft-reboot.target"
      "systemd-ask-password.socket"
      "systemd-ask-password@.service"
      "systemd-creds.socket"
      "systemd-creds@.service"
      "systemd-factory-reset-reboot.service"
      "systemd-factory-reset-request.service"
      "systemd-factory-reset.socket"
      "systemd-factory-reset@.service"
      "systemd-growfs-root.service"
      "systemd-growfs@.service"
      "systemd-journal-catalog-update.service"
      "systemd-journalctl.socket"
      "systemd-journalctl@.service"
      "systemd-journald-sync@.service"
      "systemd-mute-console.socket"
      "systemd-mute-console@.service"
      "systemd-nspawn@.service"
      "systemd-soft-reboot.service"
      "systemd-tmpfiles-setup-dev-early.service"
      "systemd-update-done.service"
      "systemd-vconsole-setup.service"
    ];
    # Made of a program that Debian doesn't have: a path for systemd's generators.
    environment.etc."systemd/system-environment-generators/env-generator".enable = false;
    # Debian's other one is no smaller, and seldom there.
    services.dbus = lib.optionalAttrs (options ? services.dbus.implementation) {
      implementation = lib.mkOverride 900 "dbus";
    };
    # Its configuration is where NixOS has it.
    systemd.services.dbus = lib.mkIf config.services.dbus.enable {
      serviceConfig.ExecStart = [
        ""
        "${pkgs.dbus}/bin/dbus-daemon --config-file=/etc/dbus-1/system.conf --address=systemd: --nofork --nopidfile --systemd-activation --syslog-only"
      ];
    };
    # Made by init above.
    environment.usrbinenv = null;
    system.activationScripts = {
      usrbinenv = lib.mkForce "";
      binsh = lib.mkForce "";
    };
  };
}
