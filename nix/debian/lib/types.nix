# types - what an option's value may be, and how several definitions become one.
#
# A type is a set of
#   name, description        for messages and documentation
#   check value              whether a definition is of the type at all
#   merge loc defs           the value; defs = [ { file; value } ]
#   emptyValue               { value } where no definition is needed, or { }
#   getSubOptions prefix     the options inside, for documentation
#   typeMerge other          the type of an option declared twice, or null
{ lib }:
let
  inherit (lib)
    concatMap
    concatStringsSep
    elem
    filterAttrs
    getValues
    head
    imap1
    isAttrs
    isList
    isString
    length
    mapAttrs
    mergeEqualOption
    mkOptionType
    optionalString
    showDefs
    showOption
    types
    ;

  # The definition of one part of a composite value: conditions and priorities apply
  # there as they do at the top.
  mergePart = loc: elemType: defs: lib.mergeDefinitions loc elemType defs;

  # A type around another one: merges with its like by merging what is inside.
  wrap =
    make: elemType: attrs:
    mkOptionType (
      {
        getSubOptions = prefix: elemType.getSubOptions (prefix ++ [ "<name>" ]);
        typeMerge =
          other:
          let
            inner = elemType.typeMerge other.nestedTypes.elemType;
          in
          if other.name == attrs.name && inner != null then make inner else null;
        nestedTypes.elemType = elemType;
      }
      // attrs
    );

  attrsLike =
    make: name: lazy: elemType:
    wrap make elemType {
      inherit name;
      description = "attribute set of ${elemType.description}";
      check = isAttrs;
      emptyValue.value = { };
      merge =
        loc: defs:
        let
          # attribute -> its definitions, conditions on the whole set pushed down to each
          byName = builtins.zipAttrsWith (_: parts: parts) (
            concatMap (
              def:
              map (mapAttrs (
                _: value: {
                  inherit (def) file;
                  inherit value;
                }
              )) (lib.pushDownProperties def.value)
            ) defs
          );
          merged = mapAttrs (n: mergePart (loc ++ [ n ]) elemType) byName;
        in
        if lazy then
          mapAttrs (_: m: m.optionalValue.value or elemType.emptyValue.value or m.mergedValue) merged
        else
          mapAttrs (_: m: m.mergedValue) (filterAttrs (_: m: m.isDefined) merged);
    };

  intIn =
    name: lo: hi:
    types.addCheck types.int (n: n >= lo && (hi == null || n <= hi))
    // {
      inherit name;
      description =
        if hi == null then
          "integer of at least ${toString lo}"
        else
          "integer between ${toString lo} and ${toString hi}";
    };

  self = {
    isOptionType = x: x._type or null == "option-type";

    mkOptionType = # see the head of this file
      attrs:
      let
        type = {
          _type = "option-type";
          description = attrs.name;
          descriptionClass = null;
          check = _: true;
          merge = lib.mergeDefaultOption;
          emptyValue = { };
          getSubOptions = _: { };
          getSubModules = null;
          nestedTypes = { };
          deprecationMessage = null;
          typeMerge = other: if other.name == attrs.name then type else null;
          functor = { inherit (attrs) name; };
        }
        // attrs;
      in
      type;

    ## Anything
    unspecified = mkOptionType { name = "unspecified"; };
    raw = mkOptionType {
      name = "raw";
      description = "raw value";
      merge = lib.mergeOneOption;
    };
    anything = mkOptionType {
      name = "anything";
      merge =
        loc: defs:
        let
          kind = v: if lib.isStringLike v && isAttrs v then "stringLike" else builtins.typeOf v;
          kinds = lib.unique (map (d: kind d.value) defs);
        in
        if length defs == 1 && head kinds != "set" then
          (head defs).value
        else if kinds == [ "set" ] then
          (types.lazyAttrsOf types.anything).merge loc defs
        else if kinds == [ "lambda" ] then
          x: types.anything.merge loc (map (d: d // { value = d.value x; }) defs)
        else
          mergeEqualOption loc defs;
    };
    attrs = mkOptionType {
      name = "attrs";
      description = "attribute set";
      check = isAttrs;
      emptyValue.value = { };
      merge = _: lib.foldl' (acc: d: acc // d.value) { };
    };

    ## Scalars
    bool = mkOptionType {
      name = "bool";
      description = "boolean";
      check = builtins.isBool;
      merge = mergeEqualOption;
    };
    boolByOr = mkOptionType {
      name = "boolByOr";
      description = "boolean (true if any definition is)";
      check = builtins.isBool;
      merge = _: defs: lib.any lib.id (getValues defs);
    };
    int = mkOptionType {
      name = "int";
      description = "signed integer";
      check = builtins.isInt;
      merge = mergeEqualOption;
    };
    ints = {
      between = intIn "intBetween";
      unsigned = intIn "unsignedInt" 0 null;
      positive = intIn "positiveInt" 1 null;
      u8 = intIn "unsignedInt8" 0 255;
      u16 = intIn "unsignedInt16" 0 65535;
      u32 = intIn "unsignedInt32" 0 4294967295;
      s8 = intIn "signedInt8" (-128) 127;
      s16 = intIn "signedInt16" (-32768) 32767;
      s32 = intIn "signedInt32" (-2147483648) 2147483647;
    };
    port = types.ints.u16 // {
      description = "port number, 0 to 65535";
    };
    float = mkOptionType {
      name = "float";
      description = "floating point number";
      check = builtins.isFloat;
      merge = mergeEqualOption;
    };
    number = types.either types.int types.float;

    ## Text
    str = mkOptionType {
      name = "str";
      description = "string";
      check = isString;
      merge = mergeEqualOption;
    };
    nonEmptyStr = types.addCheck types.str (s: builtins.match "[ \t\n]*" s == null) // {
      name = "nonEmptyStr";
      description = "non-empty string";
    };
    singleLineStr = types.strMatching "[^\n\r]*\n?" // {
      name = "singleLineStr";
      description = "string without line breaks";
      merge = loc: defs: lib.removeSuffix "\n" (mergeEqualOption loc defs);
    };
    strMatching =
      pattern:
      types.addCheck types.str (s: builtins.match pattern s != null)
      // {
        name = "strMatching ${lib.escapeNixString pattern}";
        description = "string matching the pattern ${pattern}";
      };
    separatedString =
      sep:
      mkOptionType {
        name = "separatedString";
        description =
          if sep == "" then
            "concatenated string"
          else
            "strings joined by ${builtins.toJSON sep}";
        check = isString;
        merge = _: defs: concatStringsSep sep (getValues defs);
      };
    lines = types.separatedString "\n" // {
      description = "text of one or more lines";
    };
    commas = types.separatedString ",";
    envVar = types.separatedString ":";
    passwdEntry =
      t:
      types.addCheck t (s: !(lib.hasInfix ":" s || lib.hasInfix "\n" s))
      // {
        name = "passwdEntry ${t.name}";
        description = "${t.description}, without colons or line breaks";
      };

    ## Paths and packages
    path = mkOptionType {
      name = "path";
      description = "absolute path";
      check = x: lib.isStringLike x && builtins.substring 0 1 (toString x) == "/";
      merge = mergeEqualOption;
    };
    pathInStore = types.addCheck types.path (x: lib.hasPrefix builtins.storeDir (toString x)) // {
      name = "pathInStore";
    };
    package = mkOptionType {
      name = "package";
      check = x: lib.isDerivation x || lib.isStorePath x;
      merge =
        loc: defs:
        let
          x = lib.mergeOneOption loc defs;
        in
        if builtins.isPath x || (isString x && !builtins.hasContext x) then lib.toDerivation x else x;
    };
    shellPackage = types.package // {
      check = x: lib.isDerivation x && x ? shellPath;
    };

    ## Composites
    listOf =
      elemType:
      wrap types.listOf elemType {
        name = "listOf";
        description = "list of ${elemType.description}";
        check = isList;
        emptyValue.value = [ ];
        getSubOptions = prefix: elemType.getSubOptions (prefix ++ [ "*" ]);
        merge =
          loc: defs:
          map (m: m.mergedValue) (
            lib.filter (m: m.isDefined) (
              concatMap (
                def:
                imap1 (
                  i: value:
                  mergePart (loc ++ [ "[definition ${toString i} of ${toString def.file}]" ]) elemType [
                    {
                      inherit (def) file;
                      inherit value;
                    }
                  ]
                ) def.value
              ) defs
            )
          );
      };
    nonEmptyListOf =
      elemType:
      types.addCheck (types.listOf elemType) (xs: xs != [ ])
      // {
        emptyValue = { };
        description = "non-empty list of ${elemType.description}";
      };
    attrsOf = attrsLike types.attrsOf "attrsOf" false;
    lazyAttrsOf = attrsLike types.lazyAttrsOf "lazyAttrsOf" true;
    nullOr =
      elemType:
      wrap types.nullOr elemType {
        name = "nullOr";
        description = "null or ${elemType.description}";
        check = x: x == null || elemType.check x;
        emptyValue.value = null;
        getSubOptions = elemType.getSubOptions;
        merge =
          loc: defs:
          let
            nulls = lib.count (d: d.value == null) defs;
          in
          if nulls == length defs then
            null
          else if nulls > 0 then
            throw "The option `${showOption loc}' is defined both null and not null:${showDefs defs}"
          else
            elemType.merge loc defs;
      };
    uniq = types.unique { message = ""; };
    unique =
      { message }:
      elemType:
      wrap (types.unique { inherit message; }) elemType {
        name = "unique";
        inherit (elemType) description check emptyValue getSubOptions;
        merge = loc: defs: builtins.seq (lib.mergeUniqueOption { inherit message; } loc defs) (elemType.merge loc defs);
      };
    either =
      a: b:
      mkOptionType {
        name = "either";
        description = "${a.description} or ${b.description}";
        check = x: a.check x || b.check x;
        getSubOptions = prefix: a.getSubOptions prefix // b.getSubOptions prefix;
        nestedTypes = {
          left = a;
          right = b;
        };
        merge =
          loc: defs:
          if lib.all (d: a.check d.value) defs then
            a.merge loc defs
          else if lib.all (d: b.check d.value) defs then
            b.merge loc defs
          else
            mergeEqualOption loc defs;
        typeMerge =
          other:
          let
            l = a.typeMerge other.nestedTypes.left;
            r = b.typeMerge other.nestedTypes.right;
          in
          if other.name == "either" && l != null && r != null then types.either l r else null;
      };
    oneOf = ts: lib.foldr types.either (lib.last ts) (lib.init ts);
    enum =
      values:
      mkOptionType {
        name = "enum";
        description = "one of ${lib.concatMapStringsSep ", " builtins.toJSON values}";
        check = x: elem x values;
        merge = mergeEqualOption;
        typeMerge =
          other:
          if other.name == "enum" then types.enum (lib.unique (values ++ other.nestedTypes.values)) else null;
        nestedTypes = { inherit values; };
      };
    coercedTo =
      from: coerce: to:
      mkOptionType {
        name = "coercedTo";
        description = "${to.description}, or ${from.description} that is made one";
        check = x: (from.check x && to.check (coerce x)) || to.check x;
        inherit (to) emptyValue getSubOptions;
        nestedTypes = {
          inherit from to;
        };
        merge =
          loc: defs:
          to.merge loc (
            map (d: if from.check d.value then d // { value = coerce d.value; } else d) defs
          );
        typeMerge = _: null;
      };
    functionTo =
      elemType:
      wrap types.functionTo elemType {
        name = "functionTo";
        description = "function to ${elemType.description}";
        check = lib.isFunction;
        getSubOptions = elemType.getSubOptions;
        merge =
          loc: defs:
          lib.setFunctionArgs (
            x: (mergePart (loc ++ [ "<function body>" ]) elemType (map (d: d // { value = d.value x; }) defs)).mergedValue
          ) (lib.mergeAttrsList (map (d: lib.functionArgs d.value) defs));
      };
    addCheck =
      t: ok:
      t
      // {
        check = x: t.check x && ok x;
      };

    ## Modules
    submodule = modules: types.submoduleWith {
      shorthandOnlyDefinesConfig = true;
      modules = lib.toList modules;
    };
    submoduleWith =
      args@{
        modules,
        specialArgs ? { },
        shorthandOnlyDefinesConfig ? false,
        description ? "submodule",
        class ? null,
      }:
      let
        eval =
          prefix: more:
          lib.evalModules {
            inherit prefix specialArgs class;
            modules = modules ++ more ++ [
              {
                _file = "<submodule>";
                # The last part of the option's own path.
                _module.args.name = lib.mkOptionDefault (if prefix == [ ] then "‹name›" else lib.last prefix);
              }
            ];
          };
        free = (eval [ ] [ ])._module.freeformType;
      in
      mkOptionType {
        name = "submodule";
        inherit description;
        check = x: isAttrs x || lib.isFunction x || lib.types.path.check x;
        emptyValue.value = { };
        getSubOptions =
          prefix:
          let
            docs = eval prefix [ ];
          in
          docs.options
          // lib.optionalAttrs (docs._module.freeformType != null) {
            _freeformOptions = docs._module.freeformType.getSubOptions prefix;
          };
        getSubModules = modules;
        merge =
          loc: defs:
          (eval loc (
            map (
              def:
              if shorthandOnlyDefinesConfig && isAttrs def.value then
                {
                  _file = def.file;
                  config = def.value;
                }
              else
                lib.setDefaultModuleLocation def.file def.value
            ) defs
          )).config;
        nestedTypes = lib.optionalAttrs (free != null) { freeformType = free; };
        functor = {
          name = "submodule";
          payload = args;
        };
        typeMerge =
          other:
          if other.name == "submodule" then
            types.submoduleWith (
              args
              // {
                modules = modules ++ other.functor.payload.modules;
                specialArgs = specialArgs // other.functor.payload.specialArgs or { };
              }
            )
          else
            null;
      };
    deferredModule = mkOptionType {
      name = "deferredModule";
      description = "module";
      check = x: isAttrs x || lib.isFunction x || types.path.check x;
      merge = loc: defs: {
        imports = map (
          d: lib.setDefaultModuleLocation "${toString d.file}, via option ${showOption loc}" d.value
        ) defs;
      };
    };
    optionType = mkOptionType {
      name = "optionType";
      check = types.isOptionType;
      merge = lib.mergeOneOption;
    };
  };
in
self
