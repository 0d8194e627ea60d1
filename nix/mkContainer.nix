# mkContainer: a declaration to a container.
#
#   lib, evalConfig   nixpkgs' library and nixos/lib/eval-config.nix (or trees of that shape)
#   pkgs              the packages that the declaration, and by default its guest, gets
#   id, properties    the container's id, and its parameters as a set
#   declaration       a set, or a function of { pkgs, lib, properties, id, config, self_config, … }
#                     to one
#   file              where it comes from, for messages
#   extraModules      what is part of every guest beside the profile
#   toolbox           a package with bin/nixunits for the guest, or null
#   read, readNixpkgs how the declaration's files, and a nixpkgs of its own, are read (see trace.nix)
#   base              whether this is the base that containers share: it has no parameters, and
#                     says when it is asked for them
#   shared            systems known to be the same whatever the parameters are, by their shape
#                     (what `system' of the base or `unit' of earlier containers said), "*" for
#                     any; false: known not to be. null: nothing is remembered nor looked for
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
  base ? false,
  shared ? null,
  read ? import,
  readNixpkgs ? lib.id,
}:
let
  evaluate =
    id: properties:
    let
      toModule = import ./declaration.nix {
        inherit lib read;
        arguments = _: {
          inherit lib pkgs properties id;
          self_config = guest.config;
        };
      };
      outer = lib.evalModules {
        specialArgs = { inherit id; };
        modules = [
          ./options.nix
          (toModule file declaration)
        ];
      };
      tree = outer.config.nixpkgs;
      parts =
        if tree == null then
          { inherit lib pkgs evalConfig extraModules; }
        else
          import ./parts.nix {
            inherit system;
            tree = readNixpkgs tree;
          };
      guest = import ./system.nix (
        parts
        // {
          inherit system toolbox;
          inherit (outer) config;
        }
      );
    in
    {
      inherit (outer) config options;
      inherit guest;
      inherit (parts) lib;
    };

  watch = builtins.trace "nixunits looks at the parameters";
  watched = if base then watch else lib.id;
  container = evaluate (watched id) (watched properties);
  inherit (container) config guest;
  documentOf = guest: import ./unit.nix { inherit lib pkgs config guest; };
  document = documentOf guest;

  # The container of whoever gives these parameters: what can be known of it is known
  # whatever their values are, and for every id.
  finder = import ./leaks.nix { inherit lib; };
  blindly = poison: evaluate (poison "the id") (finder.poison poison properties);
  blind = blindly (what: throw what);

  # Evaluating NixOS is nearly all that an evaluation costs. A system that doesn't depend on the
  # parameters is evaluated once for all containers of the configuration. A look at one fails,
  # which may be caught (builtins.tryEval), and then is part of what comes out. So it is told as
  # well: whoever sees that must not believe what is said to be shared, and evaluates again with
  # false for this shape. (Nothing else may have looked before: hence a container of its own.)
  tried = blindly (what: watch (throw what));
  shape = builtins.hashString "sha256" (builtins.toJSON (lib.mapAttrsRecursive (_: _: null) properties));
  known = if shared == null then false else shared.${shape} or shared."*" or null;
  isShared = known == null && (builtins.tryEval tried.guest.config.system.build.toplevel.outPath).success;
  cheapest =
    if known != null && known != false then
      {
        config = {
          system.build.toplevel = builtins.storePath known.system;
          system.nixos = { inherit (known) distroName release; };
          inherit (guest.config) networking;
        };
      }
    else if isShared then
      tried.guest
    else
      guest;
  summary = guest: {
    system = builtins.unsafeDiscardStringContext "${guest.config.system.build.toplevel}";
    inherit (guest.config.system.nixos) distroName release;
  };
  # (Of the base it holds if the parameters were not looked at: whoever asked sees that.)
  learnt =
    if base then
      { "*" = summary guest; }
    else if isShared then
      { ${shape} = summary cheapest; }
    else
      { ${shape} = false; };

  # What the configuration says whatever the parameters are, and so says in the base.
  leaks =
    let
      found =
        guest:
        finder.find {
          tokens = finder.ofParameters properties ++ finder.ofNetwork document.network;
          module = blind.config.config;
          args = {
            inherit (container) lib;
            inherit (guest._module.args) pkgs;
            inherit (guest) config options;
          } // config.specialArgs;
          more = guest._module.args;
        };
    in
    # A second system is evaluated only to be sure: in the first, what modules take from
    # `config' may be a parameter after all.
    if properties == { } || found (if isShared then tried.guest else guest) == [ ] then [ ] else found blind.guest;
  say = leak: "config.${leak.option} says ${builtins.toJSON leak.text}, the ${leak.what}: it will be in the base that containers share";
  tell = what: text: builtins.trace "nixunits ${what}: ${text}";
in
{
  inherit config guest document leaks;
  inherit (container) options;
  system = (if base then tell "shares" (builtins.toJSON learnt) else lib.id) guest.config.system.build.toplevel;
  unit = lib.foldr (leak: tell "warns" (say leak)) (
    (if known == null then tell "shares" (builtins.toJSON learnt) else lib.id) (
      pkgs.writeText "unit.json" (builtins.toJSON (documentOf cheapest))
    )
  ) leaks;
  strict = if leaks == [ ] then true else throw (lib.concatMapStringsSep "\n" say leaks);
}
