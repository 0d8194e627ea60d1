# eval-config - a guest's modules to its configuration: the interface is NixOS'.
{
  system ? null,
  pkgs ? null,
  lib ? import ../../lib,
  modules,
  baseModules ? import ../modules/module-list.nix,
  extraModules ? [ ],
  specialArgs ? { },
  prefix ? [ ],
  modulesLocation ? null,
  ...
}:
let
  located =
    if modulesLocation == null then modules else map (lib.setDefaultModuleLocation modulesLocation) modules;
  given = {
    _file = ./eval-config.nix;
    config = lib.mkIf (pkgs != null) { nixpkgs.pkgs = lib.mkDefault pkgs; };
  };
  eval = lib.evalModules {
    inherit prefix;
    class = "nixos";
    specialArgs = {
      modulesPath = toString ../modules;
    } // specialArgs;
    modules = baseModules ++ extraModules ++ [ given ] ++ located;
  };
in
eval
// {
  inherit lib;
  pkgs = eval.config.nixpkgs.pkgs;
  extraArgs = { };
}
