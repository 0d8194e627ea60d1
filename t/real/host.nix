# A NixOS host's configuration, as far as nix/host/module.nix makes it: what that defines is
# taken as it is, since there is no NixOS around it. (t/nixos-real.t has one.)
{
  dpkg,
  toolbox,
  # a nixpkgs for one of the units, that is not the host's
  nixpkgs ? repository + "/nix/debian",
  repository ? ../..,
}:
let
  lib = import (repository + "/nix/debian/lib");
  pkgs = import (repository + "/nix/debian") {
    inherit dpkg;
    system = builtins.currentSystem;
  };
  option = type: lib.mkOption { inherit type; };
  inherit (lib.types) anything attrsOf lines listOf;
in
lib.evalModules {
  modules = [
    (repository + "/nix/host/module.nix")
    {
      options = {
        assertions = option (listOf anything);
        environment.etc = option (attrsOf anything);
        environment.systemPackages = option (listOf anything);
        security.sudo.extraRules = option (listOf anything);
        services.udev.extraRules = option lines;
        systemd.package = option anything;
        systemd.packages = option (listOf anything);
        systemd.services = option (attrsOf anything);
        systemd.tmpfiles.rules = option (listOf anything);
        users.groups = option (attrsOf anything);
      };
      config = {
        _module.args.pkgs = pkgs;
        systemd.package = pkgs.systemd;
        programs.nixunits.package = pkgs.emptyDirectory;
        programs.nixunits.toolbox = pkgs.runCommandLocal "nixunits" { } ''
          install -D ${builtins.path { path = toolbox; name = "nixunits-static"; }} $out/bin/nixunits
        '';
        nixunits.web2 = {
          autoStart = true;
          caps_allow = [ "CAP_NET_BIND_SERVICE" ];
          network.interfaces.veth = {
            ip4 = "192.168.20.2/31";
            hostIp4 = "192.168.20.3/31";
          };
          config.services.httpd.enable = true;
        };
        nixunits.other = {
          inherit nixpkgs;
          config = { pkgs, ... }: { environment.etc.from.text = pkgs.origin or "the host's"; };
        };
      };
    }
  ];
}
