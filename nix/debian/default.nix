# The offline package set: a nixpkgs-shaped tree whose packages are the Debian
# packages installed on this machine.
#
#   ./default.nix { dpkg, system ? … }   the packages, under nixpkgs' names
#   ./lib                                the library
#   ./nixos/lib/eval-config.nix          modules with NixOS' option names
#
# dpkg: the index of installed packages, a JSON file (or a set):
#   { NAME = { version; architecture; depends; provides; }; }
#
# Builders run the host's own tools. They see /usr, dpkg's file lists and alternatives
# through nix's sandbox-paths.
{
  system ? builtins.currentSystem,
  dpkg ? throw "the Debian package set needs `dpkg', the index of installed packages (a JSON file)",
  overlays ? [ ],
  ...
}:
let
  lib = import ./lib;
  debian = import ./dpkg.nix {
    inherit lib system;
    index = if lib.isAttrs dpkg then dpkg else lib.importJSON dpkg;
    inherit (table) ignored;
  };
  table = import ./packages.nix {
    inherit lib;
    dpkg = debian;
  };
  stdenv = import ./stdenv.nix { inherit lib system; };

  base =
    pkgs:
    let
      plain = lib.mapAttrs (n: _: debian.package n { }) debian.index;
      callPackage = lib.callPackageWith pkgs;
    in
    plain
    // lib.mapAttrs debian.package table.packages
    // import ./build-support.nix { inherit lib pkgs; }
    // {
      inherit lib system stdenv callPackage;
      inherit (stdenv) hostPlatform buildPlatform targetPlatform;
      stdenvNoCC = stdenv;
      path = ./.;
      inherit pkgs;
      _type = "pkgs";
      __splicedPackages = pkgs;
      config = { };
      inherit overlays;
      # Any installed package by its Debian name, whatever this set calls so.
      debian = plain;
      debianRelease = debian.release;
      debianFiles = debian.files;
      newScope = extra: lib.callPackageWith (pkgs // extra);
      callPackages = lib.callPackagesWith pkgs;
      extend = overlay: import ./. { inherit system dpkg; overlays = overlays ++ [ overlay ]; };
      appendOverlays = more: import ./. { inherit system dpkg; overlays = overlays ++ more; };
      runtimeShell = "${pkgs.bash}/bin/bash";
      cacert = pkgs.runCommandLocal "cacert" { } ''
        mkdir -p $out/etc/ssl/certs
        cat ${pkgs.cacert-files}/share/ca-certificates/mozilla/*.crt >$out/etc/ssl/certs/ca-bundle.crt
        ln -s ca-bundle.crt $out/etc/ssl/certs/ca-certificates.crt
      '';
      mailcap = pkgs.linkFarm "mailcap" { "etc/mime.types" = ./mime.types; };
      makeWrapper = pkgs.emptyDirectory; # a function of every builder here
      makeBinaryWrapper = pkgs.emptyDirectory;
      installShellFiles = pkgs.emptyDirectory;
      writers.writeBash = pkgs.writeShellScript;
      writers.writeBashBin = pkgs.writeShellScriptBin;
    };
in
lib.fix (lib.foldl' (lib.flip lib.extends) base overlays)
