# portable - what `nix run …#portable` runs: it puts nixunits on a host that is no NixOS.
#
# The static binary carries all that it installs, and needs neither nix nor the store
# afterwards. Arguments are those of nu-install(1): --uninstall takes it away.
{ pkgs, nixunits-static }:
pkgs.writeShellScriptBin "nixunits-portable" ''
  exec ${nixunits-static}/bin/nixunits install --prefix /usr/local "$@"
''
