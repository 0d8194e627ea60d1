# The packages of nix/debian with a pkgsStatic like that of nixpkgs: its compiler and what belongs
# to that have a prefix in their names, and none are there without. deps: static archives.
{ dpkg, deps }:
import ../../nix/debian {
  inherit dpkg;
  system = builtins.currentSystem;
  overlays = [
    (
      final: prev:
      let
        inherit (prev) lib;
        prefix = "${prev.stdenv.hostPlatform.linuxArch}-unknown-linux-musl-";
        tools = prev.runCommandLocal "tools" { } ''
          mkdir -p $out/bin
          tool() {
            printf '#!/bin/sh\nexec %s "$@"\n' "$2" >$out/bin/${prefix}$1
            printf '#!/bin/sh\necho "$0 is not the compiler of this set" >&2\nexit 1\n' >$out/bin/$1
          }
          tool cc "/usr/bin/cc -L${builtins.path { path = deps; name = "deps"; }}/lib"
          tool ar /usr/bin/ar
          tool strip /usr/bin/strip
          cp $out/bin/cc $out/bin/gcc
          chmod 755 $out/bin/*
        '';
        static = prev // {
          stdenv = prev.stdenv // {
            cc = prev.stdenv.cc // { targetPrefix = prefix; };
            hostPlatform = prev.stdenv.hostPlatform // { isStatic = true; };
            mkDerivation = args: prev.stdenv.mkDerivation (args // { nativeBuildInputs = [ tools ]; });
          };
          callPackage = lib.callPackageWith static;
        };
      in
      { pkgsStatic = static; }
    )
  ];
}
