# usr - one /usr of every Debian package that a system refers to.
#
# Programs look there for their libraries and for one another. parts: what holds the
# references; binsh: what /bin/sh is.
{ lib, pkgs, parts, binsh }:
# PID 1 reads units, presets, generators and the like from what is declared alone.
pkgs.runCommandLocal "usr" {
  exportReferencesGraph = [ "graph" parts ];
  merge = ./merge.pl;
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
  ln -sfn ${binsh} $out/bin/sh
  [ -e $out/bin/env ] || ln -s ${pkgs.coreutils}/bin/env $out/bin/env
  ln -s bin $out/sbin
''
