# activation: shell commands at every start of the guest, before systemd.
{ lib, config, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.system.activationScripts;
  order = lib.toposort (a: b: lib.elem a cfg.${b}.deps) (lib.attrNames cfg);
in
{
  options = {
    system.activationScripts = mkOption {
      default = { };
      example.data.text = "mkdir -p /srv/data";
      description = "Shell commands that run at every start, in the order that `deps` asks for.";
      type = types.attrsOf (
        types.coercedTo types.str (text: { inherit text; }) (
          types.submodule {
            options = {
              text = mkOption {
                type = types.lines;
                default = "";
                description = "The commands.";
              };
              deps = mkOption {
                type = types.listOf types.str;
                default = [ ];
                description = "Names of what must run before.";
              };
              supportsDryActivation = mkOption {
                type = types.bool;
                default = false;
                description = "Whether it may run for show, which nothing here does.";
              };
            };
          }
        )
      );
    };
    boot = {
      isContainer = mkOption {
        type = types.bool;
        default = true;
        description = "Whether the system is a container: systems of this package set always are.";
      };
      postBootCommands = mkOption {
        type = types.lines;
        default = "";
        description = "Shell commands that run last before systemd.";
      };
      kernel.sysctl = mkOption {
        type = types.attrsOf types.unspecified;
        default = { };
        description = "Kernel parameters. A guest can't set them: use the declaration's `sysctl`.";
        apply = set: if set == { } then set else throw "boot.kernel.sysctl: a guest can't set kernel parameters; use the declaration's `sysctl'";
      };
    };
    system.build.activation = mkOption {
      type = types.lines;
      internal = true;
      description = "All of them, as one script.";
    };
  };

  config.system = {
    # What comes first in NixOS is init's own here; names to depend on.
    activationScripts = {
      etc = "";
      users = "";
      groups = "";
      specialfs = "";
      usrbinenv = "";
      binsh = "";
      var = "";
    };
    build.activation =
      if order ? cycle then
        throw "system.activationScripts: ${toString order.cycle} wait for one another"
      else
        lib.concatMapStrings (n: lib.optionalString (cfg.${n}.text != "") ''
          # ${n}
          ${cfg.${n}.text}
        '') order.result
        + config.boot.postBootCommands;
  };
}
