# mkContainer: a declaration to a container.
#
#   lib, evalConfig   nixpkgs' library and nixos/lib/eval-config.nix (or trees of that shape)
#   pkgs              the packages that the declaration, and by default its guest, gets
#   id, properties    the container's id, and its parameters as a set
#   declaration       a set, or a function of { pkgs, lib, properties, id, config, … } to one
#   file              where it comes from, for messages
#   extraModules      what is part of every guest beside the profile
#   toolbox           a package with bin/nixunits for the guest, or null
#   reader            how the declaration's files are imported (see trace.nix)
#
# -> { config = the options' values; options; guest = the evaluated system;
#      document = the unit document; unit = it as a file; system = the guest's toplevel;
#      leaks = what the base that containers share would tell of this one (see leaks.nix):
#      `unit' warns of it, and `strict' is an error then }
{
  lib,
  evalConfig,
  pkgs,
  system,
  id,
  properties ? { },
  declaration,
  file ? "<declaration>",
  extraModules ? [ ],
  toolbox ? null,
  reader ? {
    inherit import;
    module = m: m;
    library = lib: lib;
  },
}:
let
  evaluate =
    properties:
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
    in
    {
      inherit (outer) config options;
      guest = import ./system.nix {
        inherit lib evalConfig pkgs system config reader toolbox extraModules;
      };
    };

  container = evaluate properties;
  inherit (container) config guest;
  document = import ./unit.nix { inherit lib pkgs config guest; };

  # What the configuration says whatever the parameters are, and so says in the base.
  finder = import ./leaks.nix { inherit lib; };
  leaks =
    let
      blind = evaluate (finder.poison properties);
      found =
        guest:
        finder.find {
          tokens = finder.ofParameters properties ++ finder.ofNetwork document.network;
          module = blind.config.config;
          args = guest._module.args // blind.config.specialArgs // {
            inherit lib;
            inherit (guest) config options;
          };
        };
    in
    # A second system is evaluated only to be sure: in the first, what modules take from
    # `config' may be a parameter after all.
    if properties == { } || found guest == [ ] then [ ] else found blind.guest;
  say = leak: "config.${leak.option} says ${builtins.toJSON leak.text}, the ${leak.what}: it will be in the base that containers share";
in
{
  inherit config guest document leaks;
  inherit (container) options;
  system = guest.config.system.build.toplevel;
  unit = lib.foldr (leak: builtins.trace "nixunits warns: ${say leak}") (pkgs.writeText "unit.json" (
    builtins.toJSON document
  )) leaks;
  strict = if leaks == [ ] then true else throw (lib.concatMapStringsSep "\n" say leaks);
}
