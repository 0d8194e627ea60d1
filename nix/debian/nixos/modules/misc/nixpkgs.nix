# nixpkgs: the package set of the guest.
{ lib, config, ... }:
{
  options.nixpkgs = {
    pkgs = lib.mkOption {
      type = lib.types.raw;
      description = "The package set that modules get as `pkgs`.";
      apply = pkgs: if config.nixpkgs.overlays == [ ] then pkgs else pkgs.appendOverlays config.nixpkgs.overlays;
    };
    overlays = lib.mkOption {
      type = lib.types.listOf lib.types.raw;
      default = [ ];
      description = "Changes to the package set: functions of its final and its previous state.";
    };
    config = lib.mkOption {
      type = lib.types.attrs;
      default = { };
      apply = _: { };
      description = "nixpkgs' configuration; Debian's packages have none, so it has no effect.";
    };
    hostPlatform = lib.mkOption {
      type = lib.types.either lib.types.str lib.types.attrs;
      default = config.nixpkgs.pkgs.stdenv.hostPlatform;
      description = "The platform that the guest runs on: the builder's own.";
    };
    system = lib.mkOption {
      type = lib.types.str;
      default = config.nixpkgs.pkgs.system;
      description = "The platform's name.";
    };
  };
  config._module.args.pkgs = config.nixpkgs.pkgs;
}
