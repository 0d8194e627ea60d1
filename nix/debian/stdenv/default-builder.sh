# default-builder.sh - what runs when a package has no builder of its own.
source "$stdenv/setup"
genericBuild
