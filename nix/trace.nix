# Reading the user's files so that it can be told which ones were read.
#
# What a declaration imports or reads decides what is built: a build must know it, to
# see later that one of them changed. Every file of the user's is evaluated with a
# builtins of our own (builtins.scopedImport), whose functions say what they read:
#
#     trace: nixunits read: KIND /absolute/path      KIND: file, dir, exists, path
#
# Two things can't be seen from here, and nix itself says them when it is verbose: the
# copy of a path into the store by mere mention ("${./file}"), and `<…>` look-ups.
{
  # Trees that are not the user's: imported as usual.
  foreign ? [ ],
}:
let
  inherit (builtins)
    any
    concatMap
    isAttrs
    isFunction
    isPath
    isString
    pathExists
    stringLength
    substring
    ;

  isForeign =
    path:
    any (
      root: substring 0 (stringLength root + 1) "${path}/" == "${root}/"
    ) (map toString (foreign ++ [ builtins.storeDir ]));

  say = kind: path: value: builtins.trace "nixunits read: ${kind} ${path}" value;
  note =
    kind: path: value:
    let
      p = toString path;
    in
    if isForeign p then value else say kind p value;

  # The file that importing a path reads.
  fileOf = path: if pathExists "${toString path}/." then "${toString path}/default.nix" else toString path;

  traced =
    path:
    if isForeign (toString path) then
      import path
    else
      note "file" (fileOf path) (builtins.scopedImport scope path);

  readers = {
    import = traced;
    scopedImport =
      more: path:
      if isForeign (toString path) then
        builtins.scopedImport more path
      else
        note "file" (fileOf path) (builtins.scopedImport (scope // more) path);
    readFile = path: note "file" path (builtins.readFile path);
    readDir = path: note "dir" path (builtins.readDir path);
    pathExists = path: note "exists" path (builtins.pathExists path);
    readFileType = path: note "exists" path (builtins.readFileType path);
    hashFile = algorithm: path: note "file" path (builtins.hashFile algorithm path);
    path = args: note "path" args.path (builtins.path args);
    filterSource = keep: path: note "path" path (builtins.filterSource keep path);
  };
  known = builtins.intersectAttrs (builtins // { import = null; }) readers;
  tracedBuiltins = builtins // known // { builtins = tracedBuiltins; };
  # builtins are global as `__name' too.
  scope =
    {
      builtins = tracedBuiltins;
      inherit (readers) import scopedImport;
    }
    // builtins.listToAttrs (
      map (name: {
        name = "__${name}";
        value = readers.${name};
      }) (builtins.attrNames (removeAttrs known [ "import" ]))
    );

  # A module whose imports by path are traced like the file it comes from.
  module =
    m:
    if isPath m || (isString m && substring 0 1 m == "/") then
      if isForeign (toString m) then
        m
      else
        {
          _file = toString m;
          key = toString m;
          imports = [ (module (traced m)) ];
        }
    else if isFunction m then
      {
        __functor = _: args: module (m args);
        __functionArgs = builtins.functionArgs m;
      }
    else if isAttrs m && m ? __functor then
      m
    else if isAttrs m && m ? imports then
      m // { imports = map module m.imports; }
    else
      m;

  # A library whose functions that read files are traced too.
  library =
    lib:
    let
      ours = {
        importJSON = path: builtins.fromJSON (readers.readFile path);
        importTOML = path: builtins.fromTOML (readers.readFile path);
        fileContents = path: lib.removeSuffix "\n" (readers.readFile path);
        inherit (readers) readFile pathExists;
      };
      # Those that it has, under their names at the top and in their sets.
      extend = set: set // builtins.intersectAttrs set ours;
    in
    extend lib
    // builtins.mapAttrs (_: extend) (builtins.intersectAttrs { trivial = null; strings = null; } lib);
in
{
  import = traced;
  inherit module library;
}
