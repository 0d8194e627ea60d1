# attrsets - functions on attribute sets, and on derivations as such.
{ lib }:
let
  inherit (builtins)
    attrNames
    concatMap
    foldl'
    hasAttr
    head
    isAttrs
    listToAttrs
    length
    mapAttrs
    tail
    ;
  inherit (lib) nameValuePair;
in
{
  inherit (builtins)
    attrNames
    attrValues
    catAttrs
    getAttr
    hasAttr
    intersectAttrs
    isAttrs
    listToAttrs
    mapAttrs
    removeAttrs
    zipAttrsWith
    ;

  attrByPath =
    path: default: set:
    if path == [ ] then
      set
    else if isAttrs set && hasAttr (head path) set then
      lib.attrByPath (tail path) default set.${head path}
    else
      default;
  hasAttrByPath =
    path: set:
    path == [ ]
    || (isAttrs set && hasAttr (head path) set && lib.hasAttrByPath (tail path) set.${head path});
  getAttrFromPath =
    path: lib.attrByPath path (throw "cannot find attribute `${lib.concatStringsSep "." path}'");
  setAttrByPath =
    path: value: if path == [ ] then value else { ${head path} = lib.setAttrByPath (tail path) value; };
  getAttrs = names: set: lib.genAttrs names (n: set.${n});
  attrVals = names: set: map (n: set.${n}) names;

  nameValuePair = name: value: { inherit name value; };
  genAttrs = names: f: listToAttrs (map (n: nameValuePair n (f n)) names);
  mapAttrs' = f: set: listToAttrs (map (n: f n set.${n}) (attrNames set));
  mapAttrsToList = f: set: map (n: f n set.${n}) (attrNames set);
  attrsToList = lib.mapAttrsToList nameValuePair;
  concatMapAttrs = f: set: foldl' (a: b: a // b) { } (lib.mapAttrsToList f set);
  filterAttrs = pred: set: removeAttrs set (builtins.filter (n: !pred n set.${n}) (attrNames set));
  foldlAttrs = f: nul: set: foldl' (acc: n: f acc n set.${n}) nul (attrNames set);
  foldAttrs =
    op: nul: sets:
    mapAttrs (_: lib.foldr op nul) (lib.zipAttrs sets);
  zipAttrs = builtins.zipAttrsWith (_: values: values);
  mergeAttrsList = foldl' (a: b: a // b) { };
  optionalAttrs = cond: set: if cond then set else { };
  collect =
    pred: x:
    if pred x then
      [ x ]
    else if isAttrs x then
      concatMap (lib.collect pred) (builtins.attrValues x)
    else
      [ ];
  mapAttrsRecursive = lib.mapAttrsRecursiveCond (_: true);
  mapAttrsRecursiveCond =
    cond: f: set:
    let
      go =
        path:
        mapAttrs (
          n: v:
          if isAttrs v && cond v then
            go (path ++ [ n ]) v
          else
            f (path ++ [ n ]) v
        );
    in
    go [ ] set;
  recursiveUpdateUntil =
    stop: a: b:
    let
      go =
        path:
        builtins.zipAttrsWith (
          n: values:
          let
            here = path ++ [ n ];
          in
          if length values == 1 || stop here (lib.elemAt values 0) (lib.elemAt values 1) then
            lib.last values
          else
            go here values
        );
    in
    go [ ] [ a b ];
  recursiveUpdate = lib.recursiveUpdateUntil (_: a: b: !(isAttrs a && isAttrs b));
  recurseIntoAttrs = set: set // { recurseForDerivations = true; };
  cartesianProduct =
    set:
    foldl' (acc: n: concatMap (x: map (v: x // { ${n} = v; }) set.${n}) acc) [ { } ] (attrNames set);

  isDerivation = x: x.type or null == "derivation";
  toDerivation =
    path:
    let
      p = builtins.storePath path;
    in
    {
      type = "derivation";
      name = lib.sanitizeDerivationName (builtins.substring 33 (-1) (baseNameOf p));
      outPath = p;
      outputs = [ "out" ];
      out = lib.toDerivation path;
      outputName = "out";
    };
  getOutput = output: x: if x.outputSpecified or false then x else x.${output} or x.out or x;
  getBin = lib.getOutput "bin";
  getLib = lib.getOutput "lib";
  getDev = lib.getOutput "dev";
  getMan = lib.getOutput "man";
}
