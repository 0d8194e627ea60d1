# What the guest says it is: made of Debian's packages, by modules of NixOS' shape.
{ lib, config, pkgs, ... }:
let
  cfg = config.system.nixos;
in
{
  options.system = {
    stateVersion = lib.mkOption {
      type = lib.types.str;
      default = lib.trivial.release;
      description = "The release that the guest's state was first made with.";
    };
    nixos = {
      distroId = lib.mkOption {
        type = lib.types.str;
        default = "debian";
        description = "ID of os-release.";
      };
      distroName = lib.mkOption {
        type = lib.types.str;
        default = "Debian";
        description = "NAME of os-release.";
      };
      release = lib.mkOption {
        type = lib.types.str;
        readOnly = true;
        default = pkgs.debianRelease.VERSION_ID;
        description = "The Debian release that the packages are of.";
      };
      version = lib.mkOption {
        type = lib.types.str;
        default = cfg.release;
        description = "The version shown for the guest.";
      };
      label = lib.mkOption {
        type = lib.types.str;
        default = cfg.version;
        description = "A name for this configuration.";
      };
      tags = lib.mkOption {
        type = lib.types.listOf lib.types.str;
        default = [ ];
        description = "Further words for the label.";
      };
    };
  };

  config.environment.etc.os-release.text = lib.generators.toKeyValue { } {
    ID = cfg.distroId;
    NAME = builtins.toJSON cfg.distroName;
    PRETTY_NAME = builtins.toJSON "${cfg.distroName} ${cfg.version} packages in a NixUnits guest";
    VERSION_ID = builtins.toJSON cfg.version;
    VARIANT_ID = "nixunits";
    HOME_URL = builtins.toJSON "https://www.debian.org/";
  };
}
