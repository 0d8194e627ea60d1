# modules - the module system: modules in, one configuration out.
#
# A module is a set, a function to one, or a file with either. It imports modules,
# declares options and defines their values; a definition may be conditional (mkIf),
# several in one (mkMerge), weighted (mkOverride) or ordered (mkOrder). Every part is
# lazy: reading one option evaluates the modules' shape and that option's definitions.
{ lib }:
let
  inherit (builtins)
    addErrorContext
    attrNames
    concatMap
    genericClosure
    head
    isAttrs
    isPath
    isString
    length
    mapAttrs
    removeAttrs
    zipAttrsWith
    ;
  inherit (lib)
    filter
    functionArgs
    imap1
    isFunction
    isOption
    mkOption
    optionals
    showDefs
    showOption
    types
    ;

  typeOf = x: x._type or null;

  ## Loading ##################################################################

  # Module m, the n-th of its importer, as
  #   { key; file; options; config; imports = [ such ]; }
  load =
    args: parent: n: m:
    let
      anonymous = {
        inherit (parent) file;
        key = "${parent.key}:${toString n}";
      };
      from = source: m: shape source (if isFunction m then applyArgs args source m else m);
    in
    if isPath m || (isString m && lib.hasPrefix "/" m) then
      let
        source = {
          file = m;
          key = toString m;
        };
      in
      normal args source (from source (import m))
    else if isAttrs m && typeOf m != null then
      throw "Module `${toString parent.file}': expected a module, got a value of type `${m._type}'"
    else if isFunction m || isAttrs m then
      normal args anonymous (from anonymous m)
    else
      throw "Module `${toString parent.file}': expected a module (a set, a function or a file), got a ${builtins.typeOf m}";

  shape =
    source: m:
    if isAttrs m then
      m
    else if isFunction m then
      throw "Module `${toString source.file}': a function to a function is not a module"
    else
      throw "Module `${toString source.file}' does not look like a module: it is a ${builtins.typeOf m}";

  # Arguments beside config, options, lib come from _module.args, each only when used.
  applyArgs =
    args: source: f:
    let
      asked = mapAttrs (
        name: _:
        addErrorContext "while evaluating the module argument `${name}' in `${toString source.file}':" (
          args.${name} or args.config._module.args.${name}
        )
      ) (functionArgs f);
    in
    f (args // asked);

  structure = [
    "_class"
    "_file"
    "key"
    "imports"
    "options"
    "config"
    "meta"
    "freeformType"
    "disabledModules"
  ];

  normal =
    args: source: m:
    let
      self = {
        file = m._file or source.file;
        key = m.key or source.key;
      };
      full = m ? config || m ? options;
      stray = attrNames (removeAttrs m structure);
    in
    if full && stray != [ ] then
      throw "Module `${toString self.file}' has an unsupported attribute `${head stray}'. A module that has `config' or `options' at its top defines everything else inside `config'."
    else
      self
      // {
        imports = imap1 (load args self) (m.imports or [ ]);
        options = m.options or { };
        config =
          if full then
            let
              config = m.config or { };
            in
            if m ? freeformType then
              lib.mkMerge [
                config
                { _module.freeformType = m.freeformType; }
              ]
            else
              config
          else
            removeAttrs m [
              "_class"
              "_file"
              "key"
              "imports"
              "disabledModules"
            ];
      };

  # Every module reached, each once; what is imported comes before its importer, so
  # that lists and lines of a module follow those it builds on.
  collect =
    args: modules:
    lib.reverseList (genericClosure {
      startSet = imap1 (load args {
        file = "<unknown-file>";
        key = "";
      }) modules;
      operator = m: m.imports;
    });

  ## Merging ##################################################################

  # decls: [ { file; options } ], defs: [ { file; value } ], both at path prefix.
  # -> { options = the tree of evaluated options; unknown = [ { loc; defs } ] }
  mergeTree =
    prefix: decls: defs:
    let
      declsByName = zipAttrsWith (_: xs: xs) (
        map (
          d:
          mapAttrs (_: options: {
            inherit (d) file;
            inherit options;
          }) d.options
        ) decls
      );
      defsByName = zipAttrsWith (_: xs: xs) (
        concatMap (
          d:
          map (
            set:
            if isAttrs set then
              mapAttrs (_: value: {
                inherit (d) file;
                inherit value;
              }) set
            else
              throw "The option `${showOption prefix}' is a set of options, but `${toString d.file}' defines it as a ${builtins.typeOf set}."
          ) (pushDown d.value)
        ) defs
      );
      one =
        name: decls:
        let
          loc = prefix ++ [ name ];
          defs = defsByName.${name} or [ ];
          isLeaf = d: isOption d.options;
          groups = filter (d: !isLeaf d) decls;
        in
        if lib.any isLeaf decls then
          if groups == [ ] then
            {
              options = evalOption loc (mergeDecls loc decls) defs;
              unknown = [ ];
            }
          else
            throw "The option `${showOption loc}' in ${lib.showFiles (lib.getFiles (filter isLeaf decls))} would be a parent of options in ${lib.showFiles (lib.getFiles groups)}."
        else
          mergeTree loc decls defs;
      known = mapAttrs one declsByName;
    in
    {
      options = mapAttrs (_: x: x.options) known;
      unknown =
        concatMap (n: known.${n}.unknown) (attrNames known)
        ++ map (name: {
          loc = prefix ++ [ name ];
          defs = defsByName.${name};
        }) (attrNames (removeAttrs defsByName (attrNames declsByName)));
    };

  # One option from all its declarations: types merge, the rest may be said once.
  mergeDecls =
    loc: decls:
    lib.foldl'
      (
        acc: d:
        let
          o = d.options;
          twice = filter (k: acc ? ${k} && o ? ${k}) [
            "default"
            "example"
            "apply"
          ];
          merged = acc.type.typeMerge o.type;
          conflict =
            what:
            throw "The option `${showOption loc}' in `${toString d.file}' is already declared in ${lib.showFiles acc.declarations}${what}.";
        in
        acc
        // o
        // {
          declarations = acc.declarations ++ [ d.file ];
          type =
            if !(acc ? type) then
              o.type or types.unspecified
            else if !(o ? type) then
              acc.type
            else if merged == null then
              conflict ", with another type (${acc.type.description} and ${o.type.description})"
            else
              merged;
          ${if twice == [ ] then null else "default"} = conflict ", with another ${head twice}";
        }
      )
      {
        inherit loc;
        declarations = [ ];
      }
      decls;

  evalOption =
    loc: opt: defs:
    let
      type = opt.type or types.unspecified;
      all =
        lib.optional (opt ? default) {
          file = head opt.declarations;
          value = lib.mkOptionDefault opt.default;
        }
        ++ defs;
      merged =
        if opt.readOnly or false && length all > 1 then
          throw "The option `${showOption loc}' is read-only, but it is set several times:${showDefs all}"
        else
          lib.mergeDefinitions loc type all;
      value = if opt ? apply then opt.apply merged.mergedValue else merged.mergedValue;
    in
    opt
    // {
      inherit type loc;
      inherit (merged) isDefined highestPrio;
      value = addErrorContext "while evaluating the option `${showOption loc}':" value;
      definitions = map (d: d.value) merged.defs;
      definitionsWithLocations = merged.defs;
      files = map (d: d.file) merged.defs;
      __toString = _: showOption loc;
    };

  ## Properties ###############################################################

  # The sets a definition stands for, conditions and weights moved to their members.
  pushDown =
    x:
    if typeOf x == "merge" then
      concatMap pushDown x.contents
    else if typeOf x == "if" then
      map (mapAttrs (_: v: lib.mkIf x.condition v)) (pushDown x.content)
    else if typeOf x == "override" then
      map (mapAttrs (_: v: lib.mkOverride x.priority v)) (pushDown x.content)
    else
      [ x ];

  # The plain definitions a definition stands for: none where a condition is false.
  discharge =
    x:
    if typeOf x == "merge" then
      concatMap discharge x.contents
    else if typeOf x == "if" then
      if builtins.isBool x.condition then
        if x.condition then discharge x.content else [ ]
      else
        throw "mkIf: the condition is a ${builtins.typeOf x.condition}, not a boolean"
    else
      [ x ];

  priorityOf = x: if typeOf x == "override" then x.priority else lib.defaultOverridePriority;
  stripOverride = x: if typeOf x == "override" then x.content else x;
in
{
  inherit (lib.types) mkOptionType;
  pushDownProperties = pushDown;
  dischargeProperties = discharge;

  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };
  mkAssert = cond: msg: lib.mkIf (if cond then true else throw "Failed assertion: ${msg}");
  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };
  mkOverride = priority: content: {
    _type = "override";
    inherit priority content;
  };
  mkOptionDefault = lib.mkOverride 1500;
  mkDefault = lib.mkOverride 1000;
  defaultOverridePriority = 100;
  mkImageMediaOverride = lib.mkOverride 60;
  mkForce = lib.mkOverride 50;
  mkVMOverride = lib.mkOverride 10;
  mkOrder = priority: content: {
    _type = "order";
    inherit priority content;
  };
  mkBefore = lib.mkOrder 500;
  defaultOrderPriority = 1000;
  mkAfter = lib.mkOrder 1500;
  mkDefinition = args: args // { _type = "definition"; };
  mkAliasDefinitions = lib.mkAliasAndWrapDefinitions lib.id;
  mkAliasAndWrapDefinitions = f: opt: lib.mkIf (opt.isDefined or false) (f (lib.mkMerge opt.definitions));

  setDefaultModuleLocation = file: m: {
    _file = file;
    imports = [ m ];
  };

  # -> { defs = what counts; isDefined; mergedValue; optionalValue; highestPrio }
  mergeDefinitions =
    loc: type: defs:
    let
      discharged = concatMap (
        d:
        map (value: {
          inherit (d) file;
          inherit value;
        }) (addErrorContext "while evaluating definitions from `${toString d.file}':" (discharge d.value))
      ) defs;
      highestPrio = lib.foldl' (p: d: lib.min p (priorityOf d.value)) 9999 discharged;
      strongest = map (d: d // { value = stripOverride d.value; }) (
        filter (d: priorityOf d.value == highestPrio) discharged
      );
      # An override may itself hold conditions.
      plain =
        if lib.any (d: lib.elem (typeOf d.value) [ "if" "merge" ]) strongest then
          concatMap (d: map (value: d // { inherit value; }) (discharge d.value)) strongest
        else
          strongest;
      isOrder = d: typeOf d.value == "order";
      rank = d: if isOrder d then d.value.priority else lib.defaultOrderPriority;
      sorted =
        if lib.any isOrder plain then
          map (d: if isOrder d then d // { value = d.value.content; } else d) (
            lib.sort (a: b: rank a < rank b) plain
          )
        else
          plain;
      wrong = filter (d: !type.check d.value) sorted;
      merged =
        if wrong == [ ] then
          type.merge loc sorted
        else
          throw "A definition for option `${showOption loc}' is not of type `${type.description}'. Definition values:${showDefs wrong}";
      isDefined = sorted != [ ];
    in
    {
      inherit isDefined highestPrio;
      defs = sorted;
      mergedValue =
        if isDefined then
          merged
        else
          type.emptyValue.value or (throw "The option `${showOption loc}' is used but not defined.");
      optionalValue = if isDefined then { value = merged; } else { };
    };

  # modules -> { options; config; type; extendModules; _module }
  evalModules =
    evalArgs@{
      modules,
      prefix ? [ ],
      specialArgs ? { },
      class ? null,
      ...
    }:
    let
      own = {
        _file = "lib/modules.nix";
        key = "lib/modules.nix";
        options._module = {
          args = mkOption {
            type = types.lazyAttrsOf types.raw;
            internal = true;
            description = "Further arguments for every module.";
          };
          check = mkOption {
            type = types.bool;
            internal = true;
            default = true;
            description = "Whether a definition of an option that does not exist is an error.";
          };
          freeformType = mkOption {
            type = types.nullOr types.optionType;
            internal = true;
            default = null;
            description = "The type of what no option declares; null: an error.";
          };
          specialArgs = mkOption {
            type = types.raw;
            internal = true;
            readOnly = true;
            default = specialArgs;
            description = "Arguments that modules may use in `imports'.";
          };
        };
        config._module.args.extendModules = extendModules;
        config._module.args.moduleType = type;
      };
      loaded = collect (
        {
          inherit lib config options;
          _class = class;
          _prefix = prefix;
        }
        // specialArgs
      ) (modules ++ [ own ]);
      tree = mergeTree prefix (map (m: { inherit (m) file options; }) loaded) (
        map (m: {
          inherit (m) file;
          value = m.config;
        }) loaded
      );
      inherit (tree) options;
      declared = lib.mapAttrsRecursiveCond (x: !isOption x) (_: o: o.value) options;
      freeformType = options._module.freeformType.value;
      free = lib.mergeDefinitions prefix freeformType (
        map (u: {
          inherit (head u.defs) file;
          value = lib.setAttrByPath (lib.drop (length prefix) u.loc) (lib.mkMerge (map (d: d.value) u.defs));
        }) tree.unknown
      );
      checked =
        if freeformType != null || tree.unknown == [ ] || !options._module.check.value then
          { }
        else
          let
            first = head tree.unknown;
          in
          throw "The option `${showOption first.loc}' does not exist. Definition values:${showDefs first.defs}";
      config =
        if freeformType != null && tree.unknown != [ ] then
          lib.recursiveUpdate free.mergedValue declared
        else
          builtins.seq checked declared;
      extendModules =
        {
          modules ? [ ],
          specialArgs ? { },
          prefix ? [ ],
        }:
        lib.evalModules (
          evalArgs
          // {
            modules = evalArgs.modules ++ modules;
            specialArgs = evalArgs.specialArgs or { } // specialArgs;
            prefix = evalArgs.prefix or [ ] ++ prefix;
          }
        );
      type = types.submoduleWith { inherit modules specialArgs class; };
    in
    {
      _type = "configuration";
      inherit options type extendModules class;
      config = removeAttrs config [ "_module" ];
      _module = declared._module;
    };

  # A -> B: definitions of an old name count for the new one.
  doRename =
    {
      from,
      to,
      visible ? true,
      warn ? false,
      use ? lib.id,
      ...
    }:
    { config, options, ... }:
    {
      options = lib.setAttrByPath from (mkOption {
        inherit visible;
        description = "Alias of {option}`${showOption to}`.";
        apply = _: use (lib.getAttrFromPath to config);
      });
      config = lib.setAttrByPath to (
        lib.mkAliasDefinitions (lib.getAttrFromPath from options)
      );
    };
  mkRenamedOptionModule =
    from: to:
    lib.doRename { inherit from to; visible = false; };
  mkAliasOptionModule = from: to: lib.doRename { inherit from to; };
  mkRemovedOptionModule =
    path: why:
    { options, ... }:
    {
      options = lib.setAttrByPath path (mkOption {
        visible = false;
        description = "Removed.";
        apply = _: throw "The option `${showOption path}' can no longer be used since it's been removed. ${why}";
      });
      config.assertions = optionals (lib.getAttrFromPath path options).isDefined [
        {
          assertion = false;
          message = "The option `${showOption path}' no longer has any effect; remove it. ${why}";
        }
      ];
    };
}
