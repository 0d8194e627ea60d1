# A NixOS host's configuration, as far as nix/host/module.nix makes it: what that defines is
# taken as it is, since there is no NixOS around it. (t/nixos-real.t has one.)
{
  dpkg,
  toolbox,
  # a nixpkgs for one of the units, that is not the host's
  nixpkgs ? repository + "/nix/debian",
  repository ? ../..,
  # a change of the configuration, and units that it does not have
  more ? { },
  without ? [ ],
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
        networking.dhcpcd.denyInterfaces = option (listOf anything);
        security.sudo.extraRules = option (listOf anything);
        services.udev.extraRules = option lines;
        systemd.package = option anything;
        systemd.network.networks = option (attrsOf anything);
        systemd.packages = option (listOf anything);
        systemd.services = option (attrsOf anything);
        systemd.tmpfiles.rules = option (listOf anything);
        users.groups = option (attrsOf anything);
        virtualisation.vswitch.enable = lib.mkEnableOption "Open vSwitch";
        virtualisation.vswitch.package = option anything;
      };
      config = {
        _module.args.pkgs = pkgs;
        systemd.package = pkgs.systemd;
        virtualisation.vswitch.package = pkgs.writeShellScriptBin "ovs-vsctl" "";
        programs.nixunits.toolbox = pkgs.runCommandLocal "nixunits" { } ''
          ${builtins.path { path = toolbox; name = "nixunits-static"; }} install --prefix $out
        '';
        nixunits = removeAttrs {
          # The quick start's, and one that is a function.
          web2 = {
            imports = [ (repository + "/nix/examples/quickstart/web_default.nix") ];
            properties = lib.importJSON (repository + "/nix/examples/quickstart/web2.json");
            autoStart = true;
          };
          other =
            { pkgs, id, self_config, ... }:
            pkgs.lib.recursiveUpdate { inherit nixpkgs; } {
              extra = "# ${id} of ${pkgs.origin or "the host's"}, inside ${self_config.system.nixos.distroName}";
              config = { pkgs, ... }: { environment.etc.from.text = pkgs.origin or "the host's"; };
            };
        } without;
      };
    }
    more
  ];
}
