# What NixOS has and guests of this set do not: its switches exist and are off.
#
# A profile for containers turns these off; doing so has to be possible where there is
# nothing to turn off. Turning one on is an error that says so.
{ lib, config, ... }:
let
  inherit (lib) mkOption types;

  switches = [
    [ "boot" "enableContainers" ]
    [ "documentation" "enable" ]
    [ "documentation" "man" "enable" ]
    [ "documentation" "nixos" "enable" ]
    [ "environment" "stub-ld" "enable" ]
    [ "fonts" "fontconfig" "enable" ]
    [ "networking" "dhcpcd" "enable" ]
    [ "networking" "firewall" "enable" ]
    [ "networking" "nftables" "enable" ]
    [ "networking" "resolvconf" "enable" ]
    [ "networking" "useDHCP" ]
    [ "networking" "useNetworkd" ]
    [ "nix" "enable" ]
    [ "programs" "command-not-found" "enable" ]
    [ "security" "pam" "enable" ]
    [ "security" "polkit" "enable" ]
    [ "security" "sudo" "enable" ]
    [ "services" "dbus" "enable" ]
    [ "services" "logrotate" "enable" ]
    [ "services" "nscd" "enable" ]
    [ "services" "openssh" "enable" ]
    [ "services" "resolved" "enable" ]
    [ "services" "timesyncd" "enable" ]
    [ "services" "udev" "enable" ]
    [ "system" "switch" "enable" ]
    [ "systemd" "coredump" "enable" ]
    [ "systemd" "oomd" "enable" ]
    [ "xdg" "mime" "enable" ]
  ];
  option = path: lib.setAttrByPath path (mkOption {
    type = types.bool;
    default = false;
    description = "A part of NixOS that this package set does not have: it can only be off.";
  });
in
{
  options = lib.foldl' lib.recursiveUpdate { } (map option switches);
  config.assertions = map (path: {
    assertion = !lib.getAttrFromPath path config;
    message = "`${lib.showOption path}' can't be on: the Debian package set has no such module. Declare what you need in systemd.services, or build with nixpkgs (-p).";
  }) switches;
}
