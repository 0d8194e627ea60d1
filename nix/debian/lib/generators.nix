# generators - values as the text of configuration files.
{ lib }:
let
  inherit (lib) concatMapStrings concatStringsSep mapAttrsToList isAttrs isList;
  inherit (lib.generators) mkKeyValueDefault mkValueStringDefault toKeyValue;
in
{
  mkValueStringDefault =
    _: v:
    if v == null then
      "null"
    else if builtins.isBool v then
      lib.boolToString v
    else if builtins.isInt v || builtins.isFloat v || lib.isDerivation v || lib.isString v || builtins.isPath v then
      toString v
    else
      throw "generators.mkValueStringDefault: a ${builtins.typeOf v} has no plain text form";
  mkKeyValueDefault =
    {
      mkValueString ? mkValueStringDefault { },
    }:
    sep: k: v:
    "${lib.escape [ sep ] k}${sep}${mkValueString v}";
  toKeyValue =
    {
      mkKeyValue ? mkKeyValueDefault { } "=",
      listsAsDuplicateKeys ? false,
      indent ? "",
    }:
    let
      lines = k: v: if listsAsDuplicateKeys && isList v then concatMapStrings (line k) v else line k v;
      line = k: v: indent + mkKeyValue k v + "\n";
    in
    set: lib.concatStrings (mapAttrsToList lines set);
  toINI =
    {
      mkSectionName ? name: lib.escape [ "[" "]" ] name,
      mkKeyValue ? mkKeyValueDefault { } "=",
      listsAsDuplicateKeys ? false,
    }:
    sections:
    concatStringsSep "\n" (
      mapAttrsToList (
        name: values: "[${mkSectionName name}]\n" + toKeyValue { inherit mkKeyValue listsAsDuplicateKeys; } values
      ) sections
    );
  toINIWithGlobalSection =
    args:
    {
      globalSection,
      sections ? { },
    }:
    (if globalSection == { } then "" else toKeyValue { inherit (args) mkKeyValue; } globalSection + "\n")
    + lib.generators.toINI args sections;
  toJSON = _: builtins.toJSON;
  toYAML = _: builtins.toJSON; # every JSON text is YAML
  toPretty =
    args: v:
    let
      go =
        indent: v:
        let
          more = indent + "  ";
        in
        if lib.isDerivation v then
          "<derivation ${v.name or "?"}>"
        else if lib.isFunction v then
          "<function>"
        else if isAttrs v then
          if v == { } then "{ }" else "{\n${concatMapStrings (n: "${more}${n} = ${go more v.${n}};\n") (lib.attrNames v)}${indent}}"
        else if isList v then
          if v == [ ] then "[ ]" else "[\n${concatMapStrings (x: "${more}${go more x}\n") v}${indent}]"
        else if builtins.isPath v then
          toString v
        else
          builtins.toJSON v;
    in
    go "" v;
}
