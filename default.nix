# This repository without flakes.
#
#   nix-build -A nixunits            the toolbox; -A nixunits-static, -A portable
#   (import ./. { }).mkContainer     a declaration to a container (nix/mkContainer.nix)
#   (import ./. { }).nixosModules.default
#
# nixpkgs: a path, a flake reference, or "" for the pinned one (flake.lock); pkgs: a
# package set, instead.
{
  nixpkgs ? "",
  system ? builtins.currentSystem,
  pkgs ? import (import ./nix/nixpkgs.nix nixpkgs) {
    inherit system;
    config = { };
    overlays = [ ];
  },
}:
let
  nixunits-static = pkgs.pkgsStatic.callPackage ./nix/package.nix { static = true; };
in
{
  inherit nixunits-static;
  nixunits = pkgs.callPackage ./nix/package.nix { };
  portable = import ./nix/portable.nix { inherit pkgs nixunits-static; };
  mkContainer =
    args:
    import ./nix/mkContainer.nix (
      {
        inherit pkgs;
        inherit (pkgs) lib;
        inherit (pkgs.stdenv.hostPlatform) system;
        toolbox = nixunits-static;
        evalConfig = import (pkgs.path + "/nixos/lib/eval-config.nix");
      }
      // args
    );
  nixosModules.default = ./nix/host/module.nix;
}
