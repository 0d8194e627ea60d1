# parts - a nixpkgs of its own, as a declaration names one, to what its system is made of.
{ tree, system }:
if !builtins.pathExists (tree + "/lib") then
  throw "nixpkgs: ${toString tree}: not a nixpkgs: it has no lib/"
else
  {
    lib = import (tree + "/lib");
    pkgs = import tree {
      inherit system;
      config = { };
      overlays = [ ];
    };
    evalConfig = import (tree + "/nixos/lib/eval-config.nix");
  }
