# package - nixunits itself, from this repository's sources.
#
# static: one binary that needs nothing, as a guest's nu-wait must be; for the host alone a
# dynamic one does.
{
  lib,
  stdenv,
  libcap,
  libmnl,
  cjson,
  static ? stdenv.hostPlatform.isStatic or false,
}:
stdenv.mkDerivation {
  pname = "nixunits${lib.optionalString static "-static"}";
  version = lib.head (builtins.match ".*\nVERSION = ([^\n]*)\n.*" (builtins.readFile ../Makefile));
  src = builtins.path {
    name = "nixunits-source";
    path = ../.;
    # What the build needs: the tests, or what an earlier build left, change nothing.
    filter =
      path: _:
      lib.any (kept: path == kept || lib.hasPrefix "${kept}/" path) (
        map (n: toString ../. + "/${n}") [ "Makefile" "LICENSE" "flake.lock" "applets" "lib" "man" "nix" ]
      );
  };
  buildInputs = [ libcap libmnl cjson ];
  makeFlags = [
    "STATIC=${if static then "1" else "0"}"
    "PREFIX=$(out)"
    # A toolchain that is not the machine's own, as that of pkgsStatic, has names of its own.
    "CC=${stdenv.cc.targetPrefix}cc"
    "AR=${stdenv.cc.targetPrefix}ar"
    "STRIP=${stdenv.cc.targetPrefix}strip"
    # The libraries are inputs: nothing is looked for elsewhere.
    "stamp="
  ];
  enableParallelBuilding = true;
  meta = {
    description = "Light, declared, isolated containers of NixOS services";
    license = lib.licenses.mit or { };
    platforms = [ "x86_64-linux" "aarch64-linux" ];
    mainProgram = "nixunits";
  };
}
