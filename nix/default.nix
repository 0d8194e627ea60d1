# What `nixunits build` evaluates: a declaration and its parameters, to a container.
#
#   nixpkgs         a nixpkgs-shaped tree: a path, a flake reference, "" for the pinned one
#   id              the container's id ("dummy" for the base that containers share)
#   configuration   the declaration, an absolute path
#   parameters      a JSON file with an object, an absolute path; null: no parameters
#   toolbox         the static nixunits program, an absolute path; a guest gets a copy
#
# Further arguments go to the package set: it takes those that it knows.
args@{
  nixpkgs ? "",
  id,
  configuration,
  parameters ? null,
  system ? builtins.currentSystem,
  toolbox ? null,
  ...
}:
let
  tree = import ./nixpkgs.nix nixpkgs;
  lib = import (tree + "/lib");
  makePkgs = import tree;
  pkgs = makePkgs (
    builtins.intersectAttrs (builtins.functionArgs makePkgs) (
      {
        # Not those of whoever runs this.
        config = { };
        overlays = [ ];
      }
      // removeAttrs args [ "nixpkgs" "id" "configuration" "parameters" "toolbox" ]
      // {
        inherit system;
      }
    )
  );

  reader = import ./trace.nix { foreign = [ tree ./. ]; };

  container = import ./mkContainer.nix {
    inherit lib pkgs system id reader;
    evalConfig = import (tree + "/nixos/lib/eval-config.nix");
    properties =
      if parameters == null then
        { }
      else
        let
          value = builtins.fromJSON (builtins.readFile parameters);
        in
        if builtins.isAttrs value then value else throw "${toString parameters}: expected a JSON object";
    declaration = reader.import (/. + configuration);
    file = configuration;
    toolbox =
      if toolbox == null then
        null
      else
        pkgs.runCommandLocal "nixunits" { } ''
          mkdir -p $out/bin
          cp ${
            builtins.path {
              path = toolbox;
              name = "nixunits-static";
            }
          } $out/bin/nixunits
          chmod 755 $out/bin/nixunits
        '';
  };
in
{
  inherit (container) unit document system;
}
