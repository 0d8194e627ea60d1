# A NixOS host with two units, of NixOS' own modules: what of it is the host module's.
{ tree, dpkg, toolbox }:
let
  lib = import (tree + "/lib");
  pkgs = import ../../nix/debian {
    inherit lib dpkg;
    system = builtins.currentSystem;
  } // { path = tree; };
  inherit
    (import (tree + "/nixos/lib/eval-config.nix") {
      system = builtins.currentSystem;
      inherit lib;
      modules = [
        ../../nix/host/module.nix
        # Packages for a whole NixOS host are not at hand: a light one will do.
        (import ../../nix/guest.nix { toolbox = null; caps = [ ]; dbus = false; waiting = [ ]; hosts = false; })
        ../../nix/debian/guest.nix
        {
          nixpkgs.pkgs = pkgs;
          programs.nixunits.package = pkgs.emptyDirectory;
          programs.nixunits.toolbox = null;
          nixunits.web2 = {
            autoStart = true;
            network.interfaces.veth.ip4 = "192.168.20.2/31";
            config.services.httpd = {
              enable = true;
              adminAddr = "webmaster@example.org";
            };
          };
          nixunits.other = { };
          system.stateVersion = "24.11";
        }
      ];
    })
    config
    ;
  ours = lib.filterAttrs (n: _: lib.hasInfix "nixunits" n);
in
{
  failed = map (a: a.message) (lib.filter (a: !a.assertion) config.assertions);
  documents = lib.mapAttrs (_: f: "${f.source}") (ours config.environment.etc);
  units = lib.mapAttrs (_: u: u.text) (ours config.systemd.units);
  wants = lib.mapAttrs (_: u: u.wantedBy) (ours config.systemd.units);
  rules = config.services.udev.extraRules;
  inherit (config.security.sudo) extraRules;
}
