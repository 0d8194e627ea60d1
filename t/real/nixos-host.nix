# A NixOS host with two units, of NixOS' own modules: what of it is the host module's.
{
  tree,
  dpkg,
  toolbox,
  # units that it does not have
  without ? [ ],
}:
let
  lib = import (tree + "/lib");
  pkgs = import ../../nix/debian {
    inherit lib dpkg;
    system = builtins.currentSystem;
    overlays = [ (_: _: { path = tree; }) ];
  };
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
          programs.nixunits.toolbox = pkgs.runCommandLocal "nixunits" { } ''
            ${builtins.path { path = toolbox; name = "nixunits-static"; }} install --prefix $out
          '';
          nixunits = removeAttrs {
            web2 = {
              imports = [ ../../nix/examples/quickstart/web_default.nix ];
              properties = lib.importJSON ../../nix/examples/quickstart/web2.json;
              autoStart = true;
              systemdDeps = [ "httpd" ];
              config = {
                imports = [ ../../nix/debian/guest.nix ];
                services.httpd.adminAddr = "webmaster@example.org";
              };
            };
            other = { lib, ... }: { imports = lib.optional true { config = ../../nix/debian/guest.nix; }; };
          } without;
          virtualisation.vswitch.enable = true;
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
  web2 = config.environment.etc."nixunits/web2.json".source;
  units = lib.mapAttrs (_: u: u.text) (ours config.systemd.units);
  wants = lib.mapAttrs (_: u: u.wantedBy) (ours config.systemd.units);
  # systemd's directory, as a switch compares it with that of the running system
  files = config.environment.etc."systemd/system".source;
  networkd = lib.filterAttrs (n: _: lib.hasPrefix "systemd/network" n) config.environment.etc;
  denied = config.networking.dhcpcd.denyInterfaces;
  rules = config.services.udev.extraRules;
  inherit (config.security.sudo) extraRules;
}
