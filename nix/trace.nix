# Reading the user's files so that it can be told which ones were read.
#
# What a declaration imports or reads decides what is built: a build must know it, to
# see later that one of them changed. Every file of the user's is evaluated with a
# builtins of our own (builtins.scopedImport), whose functions say what they read:
#
#     trace: nixunits read: KIND /absolute/path      KIND: file, dir, exists, path, nixpkgs
#
# So is nixpkgs' library, since it reads for whoever calls it: directories in lib.filesystem
# and lib.fileset, sources in lib.cleanSource, modules in lib.evalModules.
#
# Two things can't be seen from here, and nix itself says them when it is verbose: the
# copy of a path into the store by mere mention ("${./file}"), and `<…>` look-ups.
{
  # Trees that are not the user's: imported as usual.
  foreign ? [ ],
  # The one among them that reads for the user: its files are not told, what they read is.
  library ? null,
  # Where the user's files are a copy of what was below /.
  copy ? null,
}:
let
  inherit (builtins)
    any
    pathExists
    stringLength
    substring
    ;

  # A store may be below another root, and its files know themselves by where they really are.
  named =
    path:
    let
      m = builtins.match ".*(${builtins.storeDir}/[0-9a-z]{32}-.*)" path;
    in
    if m == null then path else builtins.head m;
  below = path: root: substring 0 (stringLength root + 1) "${named path}/" == "${root}/";
  roots = map toString (foreign ++ [ builtins.storeDir ]);
  isForeign = path: any (below path) roots;
  isLibrary = path: library != null && below path (toString library);

  say = kind: path: value: builtins.trace "nixunits read: ${kind} ${path}" value;
  note =
    kind: path: value:
    let
      p = toString path;
    in
    if isForeign p then value else say kind p value;

  # The file that importing a path reads.
  fileOf = path: if pathExists "${toString path}/." then "${toString path}/default.nix" else toString path;

  scoped =
    names: path: plain:
    if isLibrary (toString path) then
      builtins.scopedImport names (fileOf path)
    else if isForeign (toString path) then
      plain path
    else
      note "file" (fileOf path) (builtins.scopedImport names path);
  traced = path: scoped scope path import;

  readers = {
    import = traced;
    scopedImport = more: path: scoped (scope // more) path (builtins.scopedImport more);
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
in
{
  import = traced;
  # A nixpkgs that the user names: what is read of it is nobody's own file, and not in a copy.
  nixpkgs =
    path:
    let
      p = toString path;
      original = if copy != null && below p copy then /. + substring (stringLength copy) (-1) p else path;
    in
    builtins.trace "nixunits read: nixpkgs ${toString original}" original;
}
