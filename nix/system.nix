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
evalConfig {
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
}
