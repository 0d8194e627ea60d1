# declaration - a declaration to a module of options.nix.
#
# It is no module by itself: its `config' is an option there, and its imports are declarations
# too. It is a set, a function to one, or the file of either.
#
#   read        how its files are imported (see trace.nix)
#   arguments   the options' values to what a declaration that is a function is given,
#               beside them as `config'
#   file        where it comes from, for messages; null: whoever imports the module says so
{
  lib,
  read ? import,
  arguments,
}:
let
  isPath = declaration: builtins.isPath declaration || lib.isString declaration;
  # key: of a file, which counts once however many import it.
  module =
    file: key: declaration:
    { config, ... }:
    let
      isFile = isPath declaration;
      from = if isFile then declaration else file;
      d = lib.toFunction (if isFile then read declaration else declaration) (arguments config // { inherit config; });
    in
    if !lib.isAttrs d then
      throw "${lib.optionalString (from != null) "${toString from}: "}a declaration is a set, or a function to one, not a ${builtins.typeOf d}"
    else
      {
        imports = map (d: module from (if isPath d then toString d else null) d) (d.imports or [ ]);
        config = removeAttrs d [ "imports" ];
      }
      // lib.optionalAttrs (from != null) { _file = toString from; }
      // lib.optionalAttrs (key != null) { inherit key; };
in
file: module file file
