# users: who exists in the guest.
#
# Users and groups without a number get one when the guest starts, and keep it
# (/var/lib/nixos/uid-map): numbers are the guest's state, since its files have them.
{ lib, config, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.users;
  entry = types.passwdEntry types.str;
  hash = description: mkOption {
    type = types.nullOr entry;
    default = null;
    inherit description;
  };

  user =
    { name, config, ... }:
    {
      options = {
        enable = mkOption {
          type = types.bool;
          default = true;
          description = "Whether the user exists.";
        };
        name = mkOption {
          type = entry;
          default = name;
          description = "The name.";
        };
        description = mkOption {
          type = entry;
          default = "";
          description = "The full name.";
        };
        uid = mkOption {
          type = types.nullOr types.int;
          default = null;
          description = "The number; null: a free one.";
        };
        group = mkOption {
          type = types.str;
          default = "";
          description = "The primary group.";
        };
        extraGroups = mkOption {
          type = types.listOf types.str;
          default = [ ];
          description = "Further groups.";
        };
        home = mkOption {
          type = types.passwdEntry types.path;
          default = "/var/empty";
          description = "The home directory.";
        };
        homeMode = mkOption {
          type = types.strMatching "[0-7]{1,5}";
          default = "700";
          description = "The permissions of a home directory that is made.";
        };
        createHome = mkOption {
          type = types.bool;
          default = false;
          description = "Whether the home directory is made.";
        };
        shell = mkOption {
          type = types.nullOr (types.oneOf [ types.package types.path ]);
          default = if config.isNormalUser then pkgs.bash else "/usr/sbin/nologin";
          description = "The login shell.";
        };
        useDefaultShell = mkOption {
          type = types.bool;
          default = false;
          description = "Whether the login shell is bash.";
        };
        isSystemUser = mkOption {
          type = types.bool;
          default = false;
          description = "Whether it is a service's user.";
        };
        isNormalUser = mkOption {
          type = types.bool;
          default = false;
          description = "Whether it is a person.";
        };
        packages = mkOption {
          type = types.listOf types.package;
          default = [ ];
          description = "Packages of this user: they are in every user's path here.";
        };
        hashedPassword = hash "The password's hash; null: no login by password.";
        initialHashedPassword = hash "The password's hash when the user is made.";
        linger = mkOption {
          type = types.bool;
          default = false;
          description = "A guest has no user managers: no effect.";
        };
        subUidRanges = mkOption {
          type = types.listOf types.attrs;
          default = [ ];
          description = "Ranges for nested user namespaces, which a guest can't make: no effect.";
        };
        subGidRanges = mkOption {
          type = types.listOf types.attrs;
          default = [ ];
          description = "Ranges for nested user namespaces, which a guest can't make: no effect.";
        };
      };
      config = lib.mkMerge [
        (lib.mkIf config.isNormalUser {
          group = lib.mkDefault "users";
          createHome = lib.mkDefault true;
          home = lib.mkDefault "/home/${config.name}";
        })
        (lib.mkIf config.useDefaultShell { shell = lib.mkDefault pkgs.bash; })
      ];
    };

  group =
    { name, config, ... }:
    {
      options = {
        name = mkOption {
          type = entry;
          default = name;
          description = "The name.";
        };
        gid = mkOption {
          type = types.nullOr types.int;
          default = null;
          description = "The number; null: a free one.";
        };
        members = mkOption {
          type = types.listOf entry;
          default = [ ];
          description = "Users of the group, beside those who name it themselves.";
        };
      };
    };

  users = lib.filter (u: u.enable) (lib.attrValues cfg.users);
  number = n: if n == null then "-" else toString n;
  shell = u: if u.shell == null then "/usr/sbin/nologin" else "${u.shell}${u.shell.shellPath or ""}";
  members = g: lib.unique (lib.sort lib.lessThan (g.members ++ map (u: u.name) (lib.filter (u: lib.elem g.name u.extraGroups) users)));
in
{
  options.users = {
    mutableUsers = mkOption {
      type = types.bool;
      default = true;
      description = "Whether users that the guest made itself stay.";
    };
    users = mkOption {
      type = types.attrsOf (types.submodule user);
      default = { };
      description = "Users.";
    };
    groups = mkOption {
      type = types.attrsOf (types.submodule group);
      default = { };
      description = "Groups.";
    };
    defaultUserShell = mkOption {
      type = types.either types.path types.package;
      default = pkgs.bash;
      description = "The shell of people.";
    };
  };
  options.system.build.users = mkOption {
    type = types.package;
    internal = true;
    description = "Users and groups as declared, one a line, for the guest's start.";
  };

  config = {
    users.users = {
      root = {
        uid = 0;
        group = "root";
        home = "/root";
        description = "System administrator";
        shell = lib.mkDefault pkgs.bash;
      };
      nobody = {
        uid = 65534;
        isSystemUser = true;
        group = "nogroup";
        description = "Unprivileged account";
      };
    };
    users.groups = {
      root.gid = 0;
      wheel.gid = 1;
      kmem.gid = 2;
      tty.gid = 3;
      disk.gid = 6;
      adm.gid = 55;
      utmp.gid = 29;
      shadow.gid = 318;
      users.gid = 100;
      nogroup.gid = 65534;
      systemd-journal.gid = 62;
    };

    environment.systemPackages = lib.concatMap (u: u.packages) users;

    # u:name:uid:group:description:home:shell:hash:initial hash:home's mode, g:name:gid:members
    system.build.users = pkgs.writeText "users" (
      lib.concatLines (
        map (g: "g:${g.name}:${number g.gid}:${lib.concatStringsSep "," (members g)}") (lib.attrValues cfg.groups)
        ++ map (
          u:
          lib.concatStringsSep ":" [
            "u"
            u.name
            (number u.uid)
            u.group
            u.description
            u.home
            (shell u)
            (toString u.hashedPassword)
            (toString u.initialHashedPassword)
            (lib.optionalString u.createHome u.homeMode)
          ]
        ) users
      )
    );

    assertions = lib.concatMap (u: [
      {
        assertion = u.isSystemUser || u.isNormalUser || u.uid != null;
        message = "users.users.${u.name}: exactly one of isSystemUser and isNormalUser must be set.";
      }
      {
        assertion = cfg.groups ? ${u.group} || lib.any (g: g.name == u.group) (lib.attrValues cfg.groups);
        message =
          if u.group == "" then
            "users.users.${u.name}.group is unset: set it, for example to a group of that name: users.groups.${u.name} = {};"
          else
            "users.users.${u.name}: its group ${u.group} is not declared in users.groups.";
      }
    ]) users;
  };
}
