# strings - functions on strings.
{ lib }:
let
  inherit (builtins)
    concatStringsSep
    genList
    isString
    match
    replaceStrings
    split
    stringLength
    substring
    ;
  inherit (lib)
    concatStrings
    escape
    hasPrefix
    hasSuffix
    stringToCharacters
    ;
  lower = stringToCharacters "abcdefghijklmnopqrstuvwxyz";
  upper = stringToCharacters "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
in
{
  inherit (builtins)
    compareVersions
    concatStringsSep
    fromJSON
    isString
    parseDrvName
    readFile
    replaceStrings
    splitVersion
    stringLength
    substring
    toJSON
    unsafeDiscardStringContext
    ;

  concatStrings = concatStringsSep "";
  concatMapStrings = f: xs: concatStrings (map f xs);
  concatMapStringsSep =
    sep: f: xs:
    concatStringsSep sep (map f xs);
  concatImapStrings = f: xs: concatStrings (lib.imap1 f xs);
  concatImapStringsSep =
    sep: f: xs:
    concatStringsSep sep (lib.imap1 f xs);
  concatLines = xs: concatStrings (map (x: x + "\n") xs);
  intersperse =
    sep: xs:
    lib.tail (
      lib.concatMap (x: [
        sep
        x
      ]) xs
    );
  optionalString = cond: s: if cond then s else "";
  stringToCharacters = s: genList (n: substring n 1 s) (stringLength s);
  splitString = sep: s: builtins.filter isString (split (lib.escapeRegex (toString sep)) (toString s));

  hasPrefix = prefix: s: substring 0 (stringLength prefix) s == prefix;
  hasSuffix =
    suffix: s:
    let
      n = stringLength s - stringLength suffix;
    in
    n >= 0 && substring n (-1) s == suffix;
  hasInfix = infix: s: replaceStrings [ infix ] [ "" ] "${s}" != "${s}" || infix == "";
  removePrefix = prefix: s: if hasPrefix prefix s then substring (stringLength prefix) (-1) s else s;
  removeSuffix =
    suffix: s:
    if hasSuffix suffix s then substring 0 (stringLength s - stringLength suffix) s else s;
  trim =
    s:
    let
      m = match "[ \t\r\n]*(.*[^ \t\r\n])[ \t\r\n]*" s;
    in
    if m == null then "" else builtins.head m;

  escape = chars: replaceStrings chars (map (c: "\\" + c) chars);
  escapeRegex = escape (stringToCharacters "\\[{()^$?*+|.");
  escapeShellArg =
    x:
    let
      s = toString x;
    in
    if match "[[:alnum:],._+:@%/-]+" s != null then
      s
    else
      "'" + replaceStrings [ "'" ] [ "'\\''" ] s + "'";
  escapeShellArgs = lib.concatMapStringsSep " " lib.escapeShellArg;
  toShellVar =
    name: value: "${name}=${lib.escapeShellArg (if isString value then value else toString value)}";
  toShellVars = vars: lib.concatStringsSep "\n" (lib.mapAttrsToList lib.toShellVar vars);
  escapeNixString = s: escape [ "$" ] (builtins.toJSON s);
  escapeXML = replaceStrings [ "\"" "'" "<" ">" "&" ] [ "&quot;" "&apos;" "&lt;" "&gt;" "&amp;" ];
  escapeSystemdExecArg = x: replaceStrings [ "%" "$" ] [ "%%" "$$" ] (builtins.toJSON (toString x));
  escapeSystemdExecArgs = lib.concatMapStringsSep " " lib.escapeSystemdExecArg;

  toLower = replaceStrings upper lower;
  toUpper = replaceStrings lower upper;
  fixedWidthString =
    width: filler: s:
    if stringLength s >= width then s else filler + lib.fixedWidthString (width - 1) filler s;
  fixedWidthNumber = width: n: lib.fixedWidthString width "0" (toString n);
  strings = lib.strings;

  versionOlder = a: b: builtins.compareVersions b a == 1;
  versionAtLeast = a: b: !lib.versionOlder a b;
  versions = rec {
    splitVersion = builtins.splitVersion;
    major = v: lib.elemAt (splitVersion v) 0;
    minor = v: lib.elemAt (splitVersion v) 1;
    majorMinor = v: "${major v}.${minor v}";
  };
  getName = x: if isString x then (builtins.parseDrvName x).name else x.pname or (builtins.parseDrvName x.name).name;
  getVersion = x: if isString x then (builtins.parseDrvName x).version else x.version or (builtins.parseDrvName x.name).version;

  toInt =
    s:
    let
      # A leading zero may mean octal: not a number here.
      m = match "[[:space:]]*(-?)(0|[1-9][0-9]*)[[:space:]]*" s;
    in
    if m == null then
      throw "toInt: could not convert ${builtins.toJSON s} to an integer"
    else
      builtins.fromJSON (concatStrings m);
  boolToString = b: if b then "true" else "false";
  floatToString = toString;
  fileContents = file: lib.removeSuffix "\n" (builtins.readFile file);
  sanitizeDerivationName =
    s:
    let
      clean = lib.concatMapStrings (x: if builtins.isList x then "-" else x) (
        split "[^[:alnum:]+._?=-]+" (lib.unsafeDiscardStringContext s)
      );
      tail = lib.head (match "\\.*(.*)" clean);
    in
    if tail == "" then "unknown" else substring (lib.max (stringLength tail - 207) 0) (-1) tail;
  isStringLike = x: isString x || builtins.isPath x || x ? outPath || x ? __toString;
  isStorePath =
    x:
    lib.isStringLike x
    && hasPrefix builtins.storeDir (toString x)
    && builtins.dirOf (toString x) == builtins.storeDir;
  makeSearchPathOutput = output: sub: xs: lib.makeSearchPath sub (map (x: x.${output} or x) (builtins.filter (x: x != null) xs));
  makeSearchPath = sub: xs: lib.concatMapStringsSep ":" (x: "${x}/${sub}") (builtins.filter (x: x != null) xs);
  makeLibraryPath = lib.makeSearchPathOutput "lib" "lib";
  makeBinPath = lib.makeSearchPathOutput "bin" "bin";
}
