# lib - the part of nixpkgs' library that declarations and modules use, in few lines.
#
# Same names and meanings as nixpkgs': what is written for the one runs on the
# other. What is missing is missing by name: an error, never a different result.
let
  lib =
    lists
    // strings
    // attrsets
    // trivial
    // options
    // modules
    // customisation
    // {
      inherit
        lists
        strings
        attrsets
        trivial
        options
        modules
        types
        generators
        customisation
        meta
        ;
      sources = {
        inherit (trivial) cleanSource cleanSourceWith;
      };
      filesystem = { inherit (trivial) listFilesRecursive; };
      inherit (meta)
        getExe
        getExe'
        licenses
        maintainers
        platforms
        teams
        ;
    };
  get = file: import file { inherit lib; };
  lists = get ./lists.nix;
  strings = get ./strings.nix;
  attrsets = get ./attrsets.nix;
  trivial = get ./trivial.nix;
  options = get ./options.nix;
  modules = get ./modules.nix;
  types = get ./types.nix;
  generators = get ./generators.nix;
  customisation = get ./customisation.nix;
  meta = get ./meta.nix;
in
lib
