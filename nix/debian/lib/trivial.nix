# trivial - functions that belong nowhere else.
{ lib }:
{
  inherit (builtins)
    add
    addErrorContext
    bitAnd
    bitOr
    bitXor
    ceil
    deepSeq
    div
    floor
    fromTOML
    genericClosure
    isBool
    isFloat
    isInt
    isPath
    lessThan
    mul
    pathExists
    readDir
    seq
    sub
    trace
    tryEval
    ;

  id = x: x;
  const = x: _: x;
  flip =
    f: a: b:
    f b a;
  pipe = builtins.foldl' (x: f: f x);
  min = a: b: if a < b then a else b;
  max = a: b: if a > b then a else b;
  mod = a: b: a - b * (a / b);
  and = a: b: a && b;
  or = a: b: a || b;
  xor = a: b: a != b;
  mergeAttrs = a: b: a // b;
  compare = a: b: if a < b then -1 else if a > b then 1 else 0;
  fix =
    f:
    let
      x = f x;
    in
    x;
  extends =
    overlay: f: final:
    let
      prev = f final;
    in
    prev // overlay final prev;
  composeExtensions =
    f: g: final: prev:
    let
      a = f final prev;
    in
    a // g final (prev // a);
  composeManyExtensions = lib.foldr lib.composeExtensions (_: _: { });
  mapNullable = f: x: if x == null then x else f x;
  defaultTo = default: x: if x == null then default else x;

  isFunction = f: builtins.isFunction f || (f ? __functor && lib.isFunction (f.__functor f));
  functionArgs = f: if f ? __functor then f.__functionArgs or (lib.functionArgs (f.__functor f)) else builtins.functionArgs f;
  setFunctionArgs = f: args: {
    __functor = _: f;
    __functionArgs = args;
  };
  toFunction = x: if lib.isFunction x then x else _: x;

  importJSON = path: builtins.fromJSON (builtins.readFile path);
  importTOML = path: builtins.fromTOML (builtins.readFile path);
  toHexString = n: let
    digit = builtins.substring (lib.mod n 16) 1 "0123456789ABCDEF";
  in if n < 16 then digit else lib.toHexString (n / 16) + digit;
  inNixShell = false;
  isInOldestRelease = false;
  oldestSupportedReleaseIsAtLeast = _: true;

  # What this set stands in for: modules ask for the release they run on.
  release = "25.11";
  version = "25.11.debian";
  versionSuffix = ".debian";
  codeName = "Debian";
  trivial = lib.trivial;

  warn = msg: builtins.trace "evaluation warning: ${msg}";
  warnIf = cond: msg: if cond then lib.warn msg else x: x;
  warnIfNot = cond: lib.warnIf (!cond);
  throwIf = cond: msg: if cond then throw msg else x: x;
  throwIfNot = cond: lib.throwIf (!cond);
  assertMsg = cond: msg: cond || throw msg;
  assertOneOf = name: x: xs: lib.assertMsg (lib.elem x xs) "${name} must be one of ${toString xs}, but is ${toString x}";
  traceVal = x: builtins.trace x x;
  traceValSeq = x: builtins.trace (builtins.deepSeq x x) x;
  traceSeq = x: builtins.trace (builtins.deepSeq x x);
  traceIf = cond: msg: x: if cond then builtins.trace msg x else x;
  checkListOfEnum = msg: valid: given: let
    bad = lib.subtractLists valid given;
  in if bad == [ ] then x: x else throw "${msg}: ${toString bad} is not one of ${toString valid}";

  listFilesRecursive = dir: lib.concatLists (
    lib.mapAttrsToList (
      name: type: if type == "directory" then lib.listFilesRecursive (dir + "/${name}") else [ (dir + "/${name}") ]
    ) (builtins.readDir dir)
  );
  cleanSourceWith = { src, filter ? _: _: true, name ? "source" }: builtins.path { inherit name filter; path = src; };
  cleanSource = src: lib.cleanSourceWith {
    inherit src;
    filter = path: _: !lib.elem (baseNameOf path) [ ".git" ".svn" "result" ] && !lib.hasSuffix "~" path;
  };
}
