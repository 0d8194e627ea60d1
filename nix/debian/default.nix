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
  # that of the modules that the packages are for
  lib ? import ./lib,
  ...
}:
let
  debian = import ./dpkg.nix {
    inherit lib system;
    # (Not by `lib', which tells what it reads for the user.)
    index = if lib.isAttrs dpkg then dpkg else builtins.fromJSON (builtins.readFile dpkg);
    inherit (table) ignored;
  };
  table = import ./packages.nix {
    inherit lib;
    dpkg = debian;
  };
  stdenvOf =
    pkgs:
    let
      stdenv = import ./stdenv.nix { inherit lib system; };
    in
    stdenv
    // {
      cc = stdenv.cc // {
        libc = pkgs.glibc;
      };
    };

  # It can be looked at and compared, is available nowhere, and can't be built.
  absent =
    name:
    derivation {
      inherit system name;
      builder = "/bin/bash";
      args = [ "-c" "echo '${name}: the Debian package set has no such package' >&2; exit 1" ];
    }
    // {
      pname = name;
      version = "0";
      meta.platforms = [ ];
    };

  base =
    pkgs:
    let
      plain = lib.mapAttrs (n: _: debian.package n { }) debian.index;
      callPackage = lib.callPackageWith pkgs;
      stdenv = stdenvOf pkgs;
    in
    lib.genAttrs table.absent absent
    // lib.genAttrs table.empty (n: pkgs.runCommandLocal n { meta.platforms = [ ]; } "mkdir $out")
    // plain
    // lib.mapAttrs debian.package table.packages
    // import ./build-support.nix { inherit lib pkgs; }
    // {
      xorg = { inherit (pkgs) lndir xauth; };
      inherit lib system stdenv callPackage;
      inherit (stdenv) hostPlatform buildPlatform targetPlatform;
      stdenvNoCC = stdenv;
      path = ./.;
      inherit pkgs;
      buildPackages = pkgs;
      pkgsStatic = pkgs; # Debian's -dev packages have both kinds of libraries
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
      extend = overlay: pkgs.appendOverlays [ overlay ];
      appendOverlays =
        more:
        if more == [ ] then
          pkgs
        else
          import ./. {
            inherit system dpkg lib;
            overlays = overlays ++ more;
          };
      runtimeShell = "${pkgs.bash}/bin/bash";
      cacert = lib.makeOverridable (
        {
          blacklist ? [ ],
          extraCertificateFiles ? [ ],
          extraCertificateStrings ? [ ],
        }:
        lib.throwIf (blacklist != [ ]) "cacert: Debian's certificates are trusted all or none: no blacklist" (
          pkgs.runCommandLocal "cacert"
            {
              files = extraCertificateFiles ++ map (pkgs.writeText "certificate") extraCertificateStrings;
              passthru.p11kit = pkgs.runCommandLocal "cacert-p11kit" { } "mkdir -p $out/etc/ssl/trust-source";
            }
            ''
              mkdir -p $out/etc/ssl/certs
              cd $out/etc/ssl/certs
              cat ${pkgs.cacert-files}/share/ca-certificates/mozilla/*.crt $files >ca-bundle.crt
              ln -s ca-bundle.crt ca-certificates.crt
              ln -s ca-bundle.crt ca-no-trust-rules-bundle.crt
            ''
        )
      ) { };
      mailcap = pkgs.runCommandLocal "mailcap" { } ''
        mkdir -p $out/etc/nginx
        cp ${./mime.types} $out/etc/mime.types
        awk 'BEGIN { print "types {" } END { print "}" }
          !/^#/ && NF > 1 { $1 = "  " $1; print $0 ";" }' $out/etc/mime.types >$out/etc/nginx/mime.types
      '';
      apacheHttpd = debian.package "apacheHttpd" (
        table.packages.apacheHttpd
        // {
          aliases = table.packages.apacheHttpd.aliases // import ./apache.nix { inherit pkgs; };
        }
      );
      systemd =
        debian.package "systemd" (
          table.packages.systemd
          // {
            # Where NixOS looks for systemd's own units. (Of newer releases: directories
            # that Debian has no units for, and a user's unit that can't be left out otherwise.)
            aliases = table.packages.systemd.aliases // {
              "example/systemd" = pkgs.runCommandLocal "systemd-units" { } ''
                mkdir -p $out/user $out/system/{factory-reset,local-fs,multi-user,sockets,sysinit,timers}.target.wants
                perl ${./merge.pl} $out ${debian.files.systemd}/lib/systemd
                [ -e $out/user/capsule@.target ] || ln -s /dev/null $out/user/capsule@.target
              '';
            };
          }
        )
        // {
          inherit (pkgs) util-linux kmod;
          kbd = pkgs.emptyDirectory;
        };
      systemdMinimal = pkgs.systemd;
      makeDBusConf = import ./dbus.nix { inherit pkgs; };
      # The kernel is the host's.
      linuxPackages = {
        inherit (pkgs) stdenv;
        extend = _: pkgs.linuxPackages;
      };
      # A module is found where the guest has all of Debian's, in /usr.
      perl = (debian.package "perl" table.packages.perl) // {
        withPackages =
          choose:
          pkgs.buildEnv {
            name = "perl";
            paths = [ pkgs.perl ] ++ choose pkgs.perlPackages;
          };
      };
      perlPackages = lib.mapAttrs (_: n: debian.package n { }) table.perlPackages // {
        ConfigIniFiles = pkgs.emptyDirectory; # named for a program that no guest has
      };
      makeWrapper = pkgs.emptyDirectory; # a function of every builder here
      makeBinaryWrapper = pkgs.emptyDirectory;
      installShellFiles = pkgs.emptyDirectory;
      writers.writeBash = pkgs.writeShellScript;
      writers.writeNginxConfig = pkgs.writeText;
      writers.writeBashBin = pkgs.writeShellScriptBin;
    };
in
lib.fix (lib.foldl' (lib.flip lib.extends) base overlays)
