# What `nixunits build` evaluates: a declaration and its parameters, to a container.
#
#   nixpkgs         a nixpkgs-shaped tree: a path, a flake reference, "" for the pinned one
#   nixos           the same, of which only lib/ and nixos/ are used: the guest's modules,
#                   where nixpkgs is to give the packages alone; null: those of nixpkgs
#   id              the container's id ("dummy" for the base that containers share)
#   configuration   the declaration, an absolute path
#   copy            the directory that the configuration's path begins with where it is a copy
#   parameters      a JSON file with an object, an absolute path; null: no parameters
#   shared          what builds of the configuration have learnt (mkContainer.nix), in JSON, one a line
#   toolbox         the static nixunits program, an absolute path; a guest gets a copy
#
# Further arguments go to the package set: it takes those that it knows.
args@{
  nixpkgs ? "",
  nixos ? null,
  id,
  configuration,
  copy ? null,
  parameters ? null,
  system ? builtins.currentSystem,
  shared ? "",
  toolbox ? null,
  ...
}:
let
  tree = import ./nixpkgs.nix nixpkgs;
  modules = if nixos == null then tree else import ./nixpkgs.nix nixos;
  reader = import ./trace.nix {
    foreign = [ tree modules ./. ];
    library = modules + "/lib";
    inherit copy;
  };
  lib =
    if builtins.pathExists (modules + "/lib") then
      reader.import (modules + "/lib")
    else
      throw "${toString modules}: not a nixpkgs: it has no lib/";
  makePkgs = import tree;
  pkgs = makePkgs (
    builtins.intersectAttrs (builtins.functionArgs makePkgs) (
      {
        # Not those of whoever runs this.
        config = { };
        # A set that does not take this library would have one that tells nothing.
        overlays = [ (_: _: { inherit lib; }) ];
      }
      // removeAttrs args [ "nixpkgs" "nixos" "id" "configuration" "copy" "parameters" "shared" "toolbox" ]
      // {
        inherit system lib;
      }
    )
  );

  container = import ./mkContainer.nix {
    inherit lib pkgs system id;
    read = reader.import;
    readNixpkgs = reader.nixpkgs;
    evalConfig = import (modules + "/nixos/lib/eval-config.nix");
    # What packages of another making ask of NixOS' modules.
    extraModules = lib.optional (nixos != null && builtins.pathExists (tree + "/guest.nix")) (tree + "/guest.nix");
    properties =
      if parameters == null then
        { }
      else
        let
          value = builtins.fromJSON (builtins.readFile parameters);
        in
        if builtins.isAttrs value then value else throw "${toString parameters}: expected a JSON object";
    shared = lib.foldl' (a: b: a // b) { } (
      map builtins.fromJSON (lib.filter (line: line != "") (lib.splitString "\n" shared))
    );
    base = parameters == null;
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
  inherit (container) unit document system leaks strict;
}
