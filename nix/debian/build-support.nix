# build-support - nixpkgs' small builders: files, scripts, trees of links, formats.
{ lib, pkgs }:
let
  inherit (pkgs) stdenv runCommandLocal writeTextFile;
  shellOf = pkgs.runtimeShell;
  # The name of a source: of a path, or of a store path without its hash.
  sourceName =
    src:
    let
      base = builtins.unsafeDiscardStringContext (baseNameOf (toString src));
      m = builtins.match "[a-z0-9]{32}-(.*)" base;
    in
    if m == null then base else lib.head m;
in
{
  ## Commands
  runCommand =
    name: env: text:
    stdenv.mkDerivation (
      {
        inherit name;
        buildCommand = text;
        passAsFile = [ "buildCommand" ] ++ env.passAsFile or [ ];
      }
      // removeAttrs env [ "passAsFile" ]
    );
  runCommandLocal =
    name: env:
    pkgs.runCommand name (
      {
        preferLocalBuild = true;
        allowSubstitutes = false;
      }
      // env
    );
  runCommandCC = pkgs.runCommand;

  ## Files
  writeTextFile =
    {
      name,
      text,
      executable ? false,
      destination ? "",
      checkPhase ? "",
      meta ? { },
      passthru ? { },
      ...
    }:
    runCommandLocal name
      {
        inherit
          text
          executable
          destination
          checkPhase
          passthru
          ;
        passAsFile = [ "text" ];
        meta = lib.optionalAttrs (lib.hasPrefix "/bin/" destination) {
          mainProgram = lib.removePrefix "/bin/" destination;
        } // meta;
      }
      ''
        target=$out$destination
        mkdir -p "$(dirname "$target")"
        cp "$textPath" "$target"
        chmod ${if executable then "+x" else "-x"} "$target"
        eval "$checkPhase"
      '';
  writeText =
    name: text:
    writeTextFile { inherit name text; };
  writeTextDir =
    path: text:
    writeTextFile {
      name = baseNameOf path;
      inherit text;
      destination = "/${path}";
    };
  concatText = name: files: runCommandLocal name { inherit files; } ''cat $files >"$out"'';
  concatTextFile = { name, files, ... }: pkgs.concatText name files;
  writeScript =
    name: text:
    writeTextFile {
      inherit name text;
      executable = true;
    };
  writeScriptBin =
    name: text:
    writeTextFile {
      inherit name text;
      executable = true;
      destination = "/bin/${name}";
    };
  writeShellScript =
    name: text:
    writeTextFile {
      inherit name;
      executable = true;
      text = "#!${shellOf}\n${text}\n";
      checkPhase = ''bash -n "$target"'';
    };
  writeShellScriptBin =
    name: text:
    writeTextFile {
      inherit name;
      executable = true;
      destination = "/bin/${name}";
      text = "#!${shellOf}\n${text}\n";
      checkPhase = ''bash -n "$target"'';
    };
  writeShellApplication =
    {
      name,
      text,
      runtimeInputs ? [ ],
      runtimeEnv ? { },
      bashOptions ? [ "errexit" "nounset" "pipefail" ],
      meta ? { },
      ...
    }:
    writeTextFile {
      inherit name meta;
      executable = true;
      destination = "/bin/${name}";
      text = ''
        #!${shellOf}
        ${lib.concatMapStringsSep "\n" (o: "set -o ${o}") bashOptions}
        ${lib.concatStrings (lib.mapAttrsToList (n: v: "export ${lib.toShellVar n v}\n") runtimeEnv)}
        ${lib.optionalString (runtimeInputs != [ ]) ''export PATH="${lib.makeBinPath runtimeInputs}:$PATH"''}

        ${text}
      '';
      checkPhase = ''bash -n "$target"'';
    };

  ## Trees
  symlinkJoin =
    args@{
      name ? "${args.pname}-${args.version}",
      paths,
      postBuild ? "",
      ...
    }:
    pkgs.buildEnv (
      removeAttrs args [ "pname" "version" ]
      // {
        inherit name paths postBuild;
        deep = true;
      }
    );
  buildEnv =
    {
      name,
      paths,
      pathsToLink ? [ "/" ],
      postBuild ? "",
      passthru ? { },
      meta ? { },
      # whether every directory is the result's own, for postBuild to change
      deep ? false,
      ...
    }:
    runCommandLocal name
      {
        inherit deep;
        # One path per real tree: what is listed twice counts once.
        paths = lib.unique (map toString (lib.flatten paths));
        links = pathsToLink;
        inherit postBuild passthru meta;
        merge = ./merge.pl;
      }
      ''
        mkdir -p $out
        for l in $links; do
          trees=()
          for p in $paths; do
            [ ! -d "$p$l" ] || trees+=("$p$l")
          done
          [ "''${#trees[@]}" = 0 ] || { mkdir -p "$out$l"; perl $merge "$out''${l%/}" "''${trees[@]}"; }
        done
        mkdir -p $out/nix-support
        echo "$paths" >$out/nix-support/debian-inputs
        eval "$postBuild"
      '';
  linkFarm =
    name: entries:
    let
      list =
        if lib.isList entries then
          entries
        else
          lib.mapAttrsToList (name: path: { inherit name path; }) entries;
    in
    runCommandLocal name { } ''
      mkdir -p $out
      cd $out
      ${lib.concatMapStrings (e: ''
        mkdir -p "$(dirname ${lib.escapeShellArg e.name})"
        ln -s ${lib.escapeShellArg "${e.path}"} ${lib.escapeShellArg e.name}
      '') list}
    '';
  lndir = pkgs.writeShellScriptBin "lndir" ''
    # lndir [-silent] FROM [TO] - a tree of real directories, with a link for each file.
    [ "$1" != -silent ] || shift
    to=$(realpath "''${2:-.}")
    cd "$1"
    find . -type d -exec mkdir -p "$to"/{} \;
    find . ! -type d -exec ln -s "$PWD"/{} "$to"/{} \;
  '';
  linkFarmFromDrvs = name: drvs: pkgs.linkFarm name (map (d: { inherit (d) name; path = d; }) drvs);
  emptyDirectory = runCommandLocal "empty-directory" { } "mkdir $out";
  emptyFile = runCommandLocal "empty-file" { } "touch $out";
  closureInfo =
    { rootPaths }:
    runCommandLocal "closure-info"
      {
        exportReferencesGraph = lib.concatLists (
          lib.imap0 (i: p: [ "graph-${toString i}" p ]) (lib.toList rootPaths)
        );
      }
      ''
        mkdir $out
        cat graph-* | grep ^/ | sort -u >$out/store-paths
      '';
  writeClosure = paths: runCommandLocal "runtime-deps" { } "ln -s ${pkgs.closureInfo { rootPaths = paths; }}/store-paths $out";

  ## Substitution
  substitute =
    {
      src,
      name ? sourceName src,
      substitutions ? [ ],
      replacements ? [ ],
      ...
    }:
    runCommandLocal name { } ''
      substitute ${src} $out ${lib.escapeShellArgs (substitutions ++ replacements)}
    '';
  substituteAll =
    args@{
      src,
      name ? sourceName src,
      isExecutable ? false,
      dir ? "",
      ...
    }:
    runCommandLocal name (removeAttrs args [ "name" "src" "isExecutable" "dir" ] // { file = src; }) ''
      target=$out${lib.optionalString (dir != "") "/${dir}/${name}"}
      mkdir -p "$(dirname "$target")"
      substituteAll "$file" "$target"
      ${lib.optionalString isExecutable ''chmod +x "$target"''}
    '';
  replaceVars =
    src: values:
    pkgs.substitute {
      inherit src;
      substitutions = lib.concatLists (lib.mapAttrsToList (n: v: [ "--subst-var-by" n "${toString v}" ]) values);
    };
  # null: a name that stays, for others to replace.
  replaceVarsWith =
    {
      src,
      replacements,
      name ? sourceName src,
      dir ? null,
      isExecutable ? false,
      ...
    }:
    runCommandLocal name { file = pkgs.replaceVars src (lib.filterAttrs (_: v: v != null) replacements); } ''
      target=$out${lib.optionalString (dir != null) "/${dir}/${name}"}
      install -D -m ${if isExecutable then "755" else "644"} "$file" "$target"
    '';
  makeSetupHook =
    { name ? "hook", substitutions ? { }, ... }:
    script:
    runCommandLocal name substitutions ''
      mkdir -p $out/nix-support
      substituteAll ${script} $out/nix-support/setup-hook
    '';

  ## Formats: { type; generate = name: value: file }
  formats =
    let
      inherit (lib) types;
      atom = types.nullOr (types.oneOf [ types.bool types.int types.float types.str types.path ]);
      json =
        let
          value = types.nullOr (
            types.oneOf [
              types.bool
              types.int
              types.float
              types.str
              types.path
              (types.attrsOf value)
              (types.listOf value)
            ]
          ) // { description = "JSON value"; getSubOptions = _: { }; };
        in
        {
          type = value;
          generate = name: value: pkgs.runCommandLocal name { text = builtins.toJSON value; passAsFile = [ "text" ]; } ''cp "$textPath" $out'';
        };
      keyed =
        args:
        let
          one = if args.listToValue or null != null then types.coercedTo (types.listOf atom) args.listToValue atom else atom;
        in
        if args.listsAsDuplicateKeys or false then types.either atom (types.listOf atom) else one;
    in
    {
      json = _: json;
      yaml = _: json; # every JSON text is YAML
      keyValue = args: {
        type = types.attrsOf (keyed args);
        generate = name: value: pkgs.writeText name (lib.generators.toKeyValue (removeAttrs args [ "listToValue" ]) value);
      };
      ini = args: {
        type = types.attrsOf (types.attrsOf (keyed args));
        generate = name: value: pkgs.writeText name (lib.generators.toINI (removeAttrs args [ "listToValue" ]) value);
      };
    };

  ## Sources: without a network there are only local ones, but a path is a source too
  srcOnly = x: x.src or x;
}
