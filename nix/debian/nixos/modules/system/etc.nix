# environment.etc: /etc as declared.
#
# /etc/static is the declaration of the running system, and each entry of it has a
# link in /etc: what the guest makes there itself stays, what is declared no more goes.
{ lib, config, pkgs, ... }:
let
  inherit (lib) mkOption types;
  entries = lib.filter (e: e.enable) (lib.attrValues config.environment.etc);
in
{
  options = {
    environment.etc = mkOption {
      default = { };
      description = "Files in /etc.";
      type = types.attrsOf (
        types.submodule (
          { name, config, ... }:
          {
            options = {
              enable = mkOption {
                type = types.bool;
                default = true;
                description = "Whether this file exists.";
              };
              target = mkOption {
                type = types.str;
                default = name;
                description = "Its path, relative to /etc.";
              };
              text = mkOption {
                type = types.nullOr types.lines;
                default = null;
                description = "Its text.";
              };
              source = mkOption {
                type = types.path;
                description = "The file or directory that it is a link to; made of `text` by default.";
              };
              mode = mkOption {
                type = types.str;
                default = "symlink";
                example = "0600";
                description = "\"symlink\", or the permissions of a copy.";
              };
              user = mkOption {
                type = types.str;
                default = "0";
                description = "The owner of a copy.";
              };
              group = mkOption {
                type = types.str;
                default = "0";
                description = "The group of a copy.";
              };
              uid = mkOption {
                type = types.int;
                default = 0;
                description = "The owner of a copy, by number.";
              };
              gid = mkOption {
                type = types.int;
                default = 0;
                description = "The group of a copy, by number.";
              };
            };
            config.source = lib.mkIf (config.text != null) (
              lib.mkDefault (pkgs.writeText "etc-${lib.replaceStrings [ "/" ] [ "-" ] (lib.removePrefix "." name)}" config.text)
            );
          }
        )
      );
    };
    system.build.etc = mkOption {
      type = types.package;
      internal = true;
      description = "The tree behind /etc/static, and the list of copies with their owners.";
    };
  };

  config.system.build.etc = pkgs.runCommandLocal "etc" { } ''
    mkdir -p $out/etc
    ${lib.concatMapStrings (
      e:
      let
        target = lib.escapeShellArg "etc/${e.target}";
        owner = named: number: if named != "0" then named else toString number;
      in
      ''
        mkdir -p "$(dirname $out/${target})"
        [ ! -e $out/${target} ] || { echo "environment.etc: two entries for ${e.target}" >&2; exit 1; }
        ln -s ${lib.escapeShellArg "${e.source}"} $out/${target}
      ''
      + lib.optionalString (e.mode != "symlink") ''
        echo ${lib.escapeShellArg "${e.target} ${e.mode} ${owner e.user e.uid}:${owner e.group e.gid}"} >>$out/copies
      ''
    ) entries}
    touch $out/copies
  '';
}
