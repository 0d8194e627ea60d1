# docs - nix/options.md: every option of a declaration, and of the module for NixOS hosts.
#
#   nix-instantiate --eval --json -A markdown nix/docs.nix | jq -r . >nix/options.md
{
  lib ? import ./debian/lib,
}:
let
  print =
    value:
    if value._type or "" == "literalExpression" || value._type or "" == "literalMD" then
      value.text
    else if lib.isList value then
      "[ ${lib.concatMapStrings (v: "${print v} ") value}]"
    else if lib.isAttrs value then
      "{ ${lib.concatStrings (lib.mapAttrsToList (n: v: "${builtins.toJSON n} = ${print v}; ") value)}}"
    else
      builtins.toJSON value;
  code = value: let text = print value; in
    if lib.hasInfix "\n" text then "\n\n```nix\n${lib.removeSuffix "\n" text}\n```" else " `${text}`";
  one =
    option:
    ''
      ### ${option.name}

      ${lib.removeSuffix "\n" option.description}

      * type: ${option.type}
    ''
    + lib.optionalString (option ? default) "* default:${code option.default}\n"
    + lib.optionalString (option ? example) "* example:${code option.example}\n";
  document =
    skip: options:
    lib.concatMapStringsSep "\n" one (
      lib.filter (o: !o.internal && !skip o.name) (lib.optionAttrSetToDocList options)
    );

  declaration =
    (lib.evalModules {
      modules = [ ./options.nix ];
      specialArgs.id = "";
    }).options;
  # Of the host's: what its units have besides is said above.
  host = (import ./host/module.nix { inherit lib; config = { }; pkgs = { }; }).options;
  known = map (o: "nixunits.<name>.${o.name}") (lib.optionAttrSetToDocList declaration);
in
{
  markdown = ''
    <!-- Made by nix/docs.nix, which says how: change what it is made of. -->
    # Options

    What becomes of each is in [README.md](README.md).

    ## A declaration

    ${document (_: false) declaration}
    ## The host module

    For NixOS hosts: each of `nixunits` has the options above, and those here.

    ${document (n: lib.elem n known) host}'';
}
