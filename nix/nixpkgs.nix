# A nixpkgs, as it is named on a command line, to a tree.
#
#   ""                 the pinned one (flake.lock)
#   /absolute/path     that tree
#   anything else      a flake reference, such as github:NixOS/nixpkgs/nixos-unstable
ref:
let
  text = toString ref;
  lock = builtins.fromJSON (builtins.readFile ../flake.lock);
  pinned = lock.nodes.${lock.nodes.${lock.root}.inputs.nixpkgs}.locked;
in
if text == "" then
  # No flakes needed: the hash of the lock is that of the unpacked archive.
  builtins.fetchTarball {
    url = "https://github.com/${pinned.owner}/${pinned.repo}/archive/${pinned.rev}.tar.gz";
    sha256 = pinned.narHash;
  }
else if builtins.substring 0 1 text == "/" then
  ref
else if builtins ? getFlake then
  (builtins.getFlake text).outPath
else
  throw "${text}: not an absolute path; as a flake reference it needs nix's experimental feature `flakes'"
