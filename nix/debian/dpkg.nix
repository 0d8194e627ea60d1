# dpkg - from the index of installed Debian packages to derivations.
#
# One Debian package becomes one store path with its files (`files`): a copy, made
# in the build sandbox from the host's /usr by the package's own file list. Those
# paths know nothing of one another, so Debian's dependency cycles do not matter.
# What is used as a package (`package`) is a small store path around it: links to the
# files, and a list that names the files of every package of its dependency closure.
# nix sees the names, so a guest that refers to a program holds all it needs.
{
  lib,
  system,
  index,
  # Debian packages that others depend on for their maintainer scripts alone.
  ignored,
}:
let
  inherit (builtins) filter genericClosure listToAttrs;

  names = builtins.attrNames index;
  release = {
    ID = "debian";
    VERSION_ID = lib.head (builtins.match "([0-9]+).*" (index.base-files or { version = "0"; }).version);
  };

  # "libc6 (>= 2.34), a:any | b [amd64]" -> [ [ "libc6" ] [ "a" "b" ] ]
  bareName = text: builtins.head (builtins.match "[ \n]*([a-zA-Z0-9.+-]*).*" text);
  parse =
    text:
    filter (alternatives: alternatives != [ "" ]) (
      map (group: map bareName (lib.splitString "|" group)) (lib.splitString "," text)
    );

  # virtual package -> who provides it
  providers = builtins.zipAttrsWith (_: lib.id) (
    map (
      n: listToAttrs (map (group: lib.nameValuePair (lib.head group) n) (parse (index.${n}.provides or "")))
    ) (filter (n: index.${n}.provides or "" != "") names)
  );
  resolve = n: if index ? ${n} then [ n ] else lib.take 1 (providers.${n} or [ ]);

  # What a package needs, of what is installed: the first alternative that is.
  # A dependency that nothing installed answers is the host's broken state, not ours.
  dependencies = lib.genAttrs names (
    n:
    filter (d: !lib.elem d ignored) (
      lib.concatMap (alternatives: lib.take 1 (lib.concatMap resolve alternatives)) (
        parse (index.${n}.depends or "")
      )
    )
  );

  closure =
    roots: without:
    map (x: x.key) (genericClosure {
      startSet = map (key: { inherit key; }) roots;
      operator = x: map (key: { inherit key; }) (lib.subtractLists without dependencies.${x.key});
    });

  store = args: derivation ({
    inherit system;
    builder = "/bin/bash";
    PATH = "/usr/sbin:/usr/bin:/sbin:/bin";
    LC_ALL = "C";
  } // args);

  # "1:2.36-9+deb12u1~x" as part of a store path's name: ":" and "~" can't be there.
  storeName = n: version: lib.strings.sanitizeDerivationName "${n}-${lib.replaceStrings [ ":" "~" ] [ "+" "_" ] version}";

  files = lib.genAttrs names (
    n:
    store {
      name = storeName n index.${n}.version;
      args = [ "-e" ./package.sh ];
      package = n;
      inherit (index.${n}) version architecture;
    }
  );

  # To be looked at, and said of what it would be; used, it is an error.
  missing =
    n: mainProgram:
    let
      needed = throw "the Debian package ${n} is needed, but not installed on this machine: apt-get install ${n}";
    in
    {
      type = "derivation";
      name = n;
      pname = n;
      version = "0";
      isMissing = true;
      outPath = needed;
      drvPath = needed;
      meta = { inherit mainProgram; };
    };
in
{
  inherit index release files;
  # Where the libraries are, below lib/.
  triplet = "${lib.head (lib.splitString "-" system)}-linux-gnu";

  # attr: the name in this package set; debian: the Debian packages that it is made of,
  # the first must be installed, the others count if they are; aliases: link -> target;
  # without: dependencies that are not worth their size here; conffiles: files of /etc
  # that the package needs as data. They are read by nix itself, not by builders: what
  # an administrator changed in them is part of the package's hash.
  package =
    attr:
    {
      debian ? [ attr ],
      mainProgram ? attr,
      aliases ? { },
      conffiles ? [ ],
      without ? [ ],
      passthru ? { },
      # there is but this variant, whichever is asked for
      one ? false,
    }:
    let
      first = lib.head debian;
      own = filter (n: index ? ${n}) debian;
      version = index.${first}.version;
      conffile =
        path:
        builtins.trace "nixunits read: file /etc/${path}" (
          lib.nameValuePair "etc/${path}" (
            builtins.path {
              path = "/etc/${path}";
              name = lib.strings.sanitizeDerivationName (baseNameOf path);
            }
          )
        );
      links = aliases // lib.listToAttrs (map conffile (lib.filter (c: lib.pathExists "/etc/${c}") conffiles));
      drv = store {
        name = storeName attr version;
        args = [ "-e" ./links.sh ];
        merge = ./merge.pl;
        own = map (n: files.${n}) own;
        closure = map (n: files.${n}) (closure own without);
        aliases = lib.mapAttrsToList (link: target: "${link}=${target}") links;
        preferLocalBuild = true;
        allowSubstitutes = false;
      };
    in
    if !index ? ${first} then
      missing first mainProgram
    else
      let
        self =
          drv
          // passthru
          // {
            pname = attr;
            inherit version passthru;
            meta = { inherit mainProgram; };
          }
          // lib.optionalAttrs one {
            override = _: self;
            withPackages =
              choose: if choose { } == [ ] then self else throw "${attr}: Debian's takes no further packages";
            withJIT = self;
            withoutJIT = self;
          };
      in
      self;
}
