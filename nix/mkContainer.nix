# mkContainer: a declaration to a container.
#
#   lib, evalConfig   nixpkgs' library and nixos/lib/eval-config.nix (or trees of that shape)
#   pkgs              the packages that the declaration, and by default its guest, gets
#   id, properties    the container's id, and its parameters as a set
#   declaration       a set, or a function of { pkgs, lib, properties, id, config, … } to one
#   file              where it comes from, for messages
#   toolbox           a package with bin/nixunits for the guest, or null
#   reader            how the declaration's files are imported (see trace.nix)
#
# -> { config = the options' values; options; guest = the evaluated system;
#      document = the unit document; unit = it as a file; system = the guest's toplevel }
{
  lib,
  evalConfig,
  pkgs,
  system,
  id,
  properties ? { },
  declaration,
  file ? "<declaration>",
  toolbox ? null,
  reader ? {
    inherit import;
    module = m: m;
    library = lib: lib;
  },
}:
let
  # A declaration is no module by itself: its `config' is an option here. Its imports
  # are declarations too.
  toModule =
    file: declaration:
    { config, ... }:
    let
      d = (lib.toFunction declaration) {
        inherit pkgs properties id config;
        lib = reader.library lib;
      };
    in
    if !lib.isAttrs d then
      throw "${toString file}: a declaration is a set, or a function to one, not a ${builtins.typeOf d}"
    else
      {
        _file = toString file;
        imports = map (
          i: if lib.isAttrs i || lib.isFunction i then toModule file i else toModule i (reader.import i)
        ) (d.imports or [ ]);
        config = removeAttrs d [ "imports" ];
      };

  outer = lib.evalModules {
    specialArgs = { inherit id; };
    modules = [
      ./options.nix
      (toModule file declaration)
    ];
  };
  inherit (outer) config;

  guest = evalConfig {
    inherit system;
    lib = reader.library lib;
    specialArgs = config.specialArgs;
    modules = [
      (import ./guest.nix {
        inherit toolbox;
        caps = config.caps_allow;
        waiting = config.systemdDeps;
        inherit (config.network) hosts;
      })
      { nixpkgs.pkgs = lib.mkDefault pkgs; }
      (reader.module config.config)
    ];
  };

  document = import ./unit.nix { inherit lib pkgs config guest; };
in
{
  inherit config guest document;
  inherit (outer) options;
  system = guest.config.system.build.toplevel;
  unit = pkgs.writeText "unit.json" (builtins.toJSON document);
}
