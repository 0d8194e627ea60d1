# system - a declaration's options to the system inside: its `config', in the guest profile.
#
# config: the values of options.nix; the others are those of mkContainer.
{
  lib,
  evalConfig,
  pkgs,
  system,
  config,
  toolbox ? null,
  extraModules ? [ ],
}:
let
  # Nobody else in the container knows when its network is ready.
  promised =
    lib.optional (guest.config.systemdDeps != [ ]) "systemdDeps"
    ++ lib.optional (!lib.elem config.preCheckNetReadyScript [ null "" ]) "preCheckNetReadyScript";
  guest = evalConfig {
    inherit lib system;
    specialArgs = config.specialArgs;
    modules = [
      (import ./guest.nix {
        inherit toolbox;
        caps = config.caps_allow;
        waiting = config.systemdDeps;
        inherit (config) dbus;
        inherit (config.network) hosts;
      })
      (
        { config, ... }:
        {
          # With a configuration of its own the guest has packages of its own, from its NixOS' tree.
          nixpkgs.pkgs = lib.mkIf (config.nixpkgs.config == { }) (lib.mkDefault pkgs);
        }
      )
      config.config
    ]
    ++ extraModules;
  };
in
lib.throwIf (toolbox == null && promised != [ ])
  "${lib.concatStringsSep ", " promised}: only a nixunits inside the container waits for its network, and that is a static one"
  guest
