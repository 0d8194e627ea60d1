# options - declaring options, and naming them in messages.
{ lib }:
let
  inherit (lib) concatMapStringsSep concatStringsSep mkOption;
in
{
  isOption = x: x._type or null == "option";
  mkOption = attrs: attrs // { _type = "option"; };
  mkEnableOption =
    name:
    mkOption {
      type = lib.types.bool;
      default = false;
      example = true;
      description = "Whether to enable ${name}.";
    };
  mkPackageOption =
    pkgs: name:
    {
      default ? name,
      nullable ? false,
      extraDescription ? "",
      ...
    }:
    mkOption {
      type = if nullable then lib.types.nullOr lib.types.package else lib.types.package;
      description = "The ${toString name} package to use. ${extraDescription}";
      ${if default == null then null else "default"} = lib.getAttrFromPath (lib.toList default) pkgs;
    };
  mkSinkUndeclaredOptions =
    attrs:
    mkOption (
      {
        internal = true;
        visible = false;
        default = false;
        description = "Sink for what no module declares.";
        type = lib.mkOptionType {
          name = "sink";
          check = _: true;
          merge = _: _: false;
        };
      }
      // attrs
    );
  literalExpression = text: {
    _type = "literalExpression";
    inherit text;
  };
  literalExample = lib.literalExpression;
  literalMD = text: {
    _type = "literalMD";
    inherit text;
  };
  mdDoc = text: text;

  getValues = map (x: x.value);
  getFiles = map (x: x.file);

  # [ "a" "b" "*" ] -> a.b.*
  showOption =
    loc:
    concatMapStringsSep "." (
      part:
      if builtins.match "[a-zA-Z_*<][a-zA-Z0-9_'*>-]*" part != null then
        part
      else
        builtins.toJSON part
    ) loc;
  showFiles = files: concatMapStringsSep " and " (f: "`${toString f}'") files;
  showDefs =
    defs:
    lib.concatMapStrings (
      def:
      let
        shown = builtins.tryEval (lib.generators.toPretty { } def.value);
        text = if shown.success then ": ${lib.strings.substring 0 400 shown.value}" else "";
      in
      "\n- In `${toString def.file}'${concatStringsSep "\n  " (lib.splitString "\n" text)}"
    ) defs;

  mergeDefaultOption = loc: defs: lib.types.anything.merge loc defs;
  mergeOneOption = lib.mergeUniqueOption { message = ""; };
  mergeUniqueOption =
    { message }:
    loc: defs:
    if builtins.length defs == 1 then
      (builtins.head defs).value
    else
      throw "The option `${lib.showOption loc}' is defined more than once, while it can hold only one value.${
        lib.optionalString (message != "") "\n${message}"
      }\nDefinition values:${lib.showDefs defs}";
  mergeEqualOption =
    loc: defs:
    if defs == [ ] then
      abort "mergeEqualOption: nothing to merge"
    else
      (builtins.foldl' (
        first: def:
        if def.value == first.value then
          first
        else
          throw "The option `${lib.showOption loc}' has conflicting definition values:${lib.showDefs [ first def ]}\nUse `lib.mkForce value' or `lib.mkDefault value' to change the priority on any of these definitions."
      ) (builtins.head defs) (builtins.tail defs)).value;

  # Every option of an evaluated tree, those of submodules included, for documentation.
  optionAttrSetToDocList =
    let
      go =
        prefix: tree:
        lib.concatMap (
          name:
          let
            opt = tree.${name};
            # (An option knows best, if one of a submodule.)
            loc = if lib.isOption opt then opt.loc or (prefix ++ [ name ]) else prefix ++ [ name ];
            sub = opt.type.getSubOptions loc;
            doc = {
              name = lib.showOption loc;
              inherit loc;
              description = opt.description or null;
              declarations = opt.declarations or [ ];
              internal = opt.internal or false;
              visible = opt.visible or true;
              readOnly = opt.readOnly or false;
              type = opt.type.description;
              ${if opt ? default then "default" else null} = opt.defaultText or opt.default;
              ${if opt ? example then "example" else null} = opt.example;
            };
          in
          if lib.hasPrefix "_" name then
            [ ]
          else if lib.isOption opt then
            [ doc ] ++ go loc sub
          else
            go loc opt
        ) (lib.attrNames tree);
    in
    go [ ];
}
