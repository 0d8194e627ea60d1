# default-builder.sh - what runs when a package has no builder of its own.
# (nix 2.8's NIX_ATTRS_SH_FILE is a path outside of the sandbox.)
[ ! -e "$NIX_BUILD_TOP/.attrs.sh" ] || source "$NIX_BUILD_TOP/.attrs.sh"
source "$stdenv/setup"
genericBuild
