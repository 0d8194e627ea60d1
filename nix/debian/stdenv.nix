# stdenv - mkDerivation: nixpkgs' interface over the builder in stdenv/.
{ lib, system }:
let
  setup = builtins.path {
    path = ./stdenv;
    name = "stdenv-debian";
  };
  arch = lib.head (lib.splitString "-" system);
  platform = {
    inherit system;
    config = "${arch}-unknown-linux-gnu";
    isLinux = true;
    isDarwin = false;
    isx86_64 = arch == "x86_64";
    isAarch64 = arch == "aarch64";
    isx86 = lib.elem arch [ "x86_64" "i686" ];
    isx86_32 = arch == "i686";
    isAarch32 = lib.elem arch [ "armv6l" "armv7l" ];
    isAarch = lib.elem arch [ "aarch64" "armv6l" "armv7l" ];
    isRiscV = arch == "riscv64";
    isPower64 = lib.elem arch [ "powerpc64" "powerpc64le" ];
    is64bit = lib.elem arch [ "x86_64" "aarch64" "riscv64" "powerpc64" "powerpc64le" ];
    is32bit = !platform.is64bit;
    isUnix = true;
    isBSD = false;
    isCygwin = false;
    isStatic = false;
    isMusl = false;
    isGnu = true;
    libc = "glibc";
    libDir = if platform.is64bit then "lib64" else "lib";
    linuxArch = if arch == "aarch64" then "arm64" else arch;
    uname = {
      system = "Linux";
      processor = arch;
    };
    parsed.cpu.name = arch;
    parsed.kernel.name = "linux";
    canExecute = other: other.system == system;
  };

  # What mkDerivation keeps to itself: the rest becomes the builder's environment.
  own = [ "meta" "passthru" "pos" ];

  make =
    attrs:
    let
      name = attrs.name or "${attrs.pname}-${attrs.version}";
      drv = derivation (
        {
          inherit system;
          builder = "/bin/bash";
          stdenv = setup;
          args = [ "-e" (attrs.builder or ./stdenv/default-builder.sh) ];
          outputs = [ "out" ];
        }
        // lib.mapAttrs (_: v: if v == null then "" else v) (removeAttrs attrs (own ++ [ "builder" "args" "pname" ]))
        // lib.optionalAttrs (attrs ? pname) { inherit (attrs) pname; }
        // lib.optionalAttrs (attrs ? args) { inherit (attrs) args; }
        // lib.optionalAttrs (attrs ? builder && attrs ? args) { inherit (attrs) builder; }
        // {
          name = lib.strings.sanitizeDerivationName name;
        }
      );
    in
    drv // attrs.passthru or { } // {
      inherit (attrs) meta passthru;
    };

  mkDerivation =
    f:
    let
      final = lib.toFunction f self // { };
      attrs = {
        passthru = { };
        meta = { };
      } // final;
      self = make attrs // {
        finalPackage = self;
        overrideAttrs =
          change:
          mkDerivation (
            self':
            let
              prev = lib.toFunction f self';
            in
            prev // (let c = lib.toFunction change; r = c self'; in if lib.isFunction r then r prev else if lib.isFunction change then change prev else r)
          );
      };
    in
    self;
in
lib.filterAttrs (n: _: lib.hasPrefix "is" n) platform
// {
  inherit mkDerivation system;
  hostPlatform = platform;
  buildPlatform = platform;
  targetPlatform = platform;
  cc = {
    cc = "/usr";
    libc = "/usr";
    isGNU = true;
    isClang = false;
    targetPrefix = "";
    # (NixOS removes or replaces the one that it is told of.)
    bintools.dynamicLinker = "/lib64/no-other-loader";
  };
  shell = "/bin/bash";
  outPath = setup;
}
