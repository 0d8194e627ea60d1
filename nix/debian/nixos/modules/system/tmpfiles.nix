# systemd.tmpfiles: files and directories that are made at the start of the guest.
{ lib, config, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.systemd.tmpfiles;
  entry = types.submodule (
    { name, ... }:
    let
      field = default: description: mkOption {
        type = types.str;
        inherit default description;
      };
    in
    {
      options = {
        type = field name "The kind of entry, see tmpfiles.d(5).";
        mode = field "-" "Its permissions.";
        user = field "-" "Its owner.";
        group = field "-" "Its group.";
        age = field "-" "The age after which its content is cleaned up.";
        argument = field "" "What the kind needs further: a link's target, a file's content.";
      };
    }
  );
  line = path: e: "${e.type} ${lib.escapeShellArg path} ${e.mode} ${e.user} ${e.group} ${e.age} ${e.argument}";
in
{
  options.systemd.tmpfiles = {
    rules = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "d /srv/data 0750 root root -" ];
      description = "Lines of tmpfiles.d(5).";
    };
    settings = mkOption {
      type = types.attrsOf (types.attrsOf (types.attrsOf entry));
      default = { };
      example.app."/srv/data".d.mode = "0750";
      description = "The same as values: file name, path, kind.";
    };
    packages = mkOption {
      type = types.listOf types.package;
      default = [ ];
      description = "Packages whose lib/tmpfiles.d is used.";
    };
  };
  config = {
    systemd.tmpfiles.rules = [
      "d /tmp 1777 root root 10d"
      "d /var/tmp 1777 root root 30d"
      "d /run/lock 0755 root root -"
      "L /var/lock - - - - ../run/lock"
      "d /run/log 0755 root root -"
      "z /run/log/journal 2755 root systemd-journal - -"
      "d /var/lib/systemd 0755 root root -"
      "d /var/lib/private 0700 root root -"
      "d /var/log/private 0700 root root -"
      "d /var/cache/private 0700 root root -"
    ];
    environment.etc = {
      "tmpfiles.d/00-nixos.conf".text = lib.concatLines cfg.rules;
    }
    // lib.mapAttrs' (
      file: paths:
      lib.nameValuePair "tmpfiles.d/${file}.conf" {
        text = lib.concatLines (
          lib.concatLists (lib.mapAttrsToList (path: kinds: map (line path) (lib.attrValues kinds)) paths)
        );
      }
    ) cfg.settings
    // lib.listToAttrs (
      map (p: lib.nameValuePair "tmpfiles.d/${lib.getName p}" { source = "${p}/lib/tmpfiles.d"; }) cfg.packages
    );
  };
}
