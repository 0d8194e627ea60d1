# The guest profile: what every container's system has in common, as a NixOS module.
#
# systemd, the journal and the declared services; nothing that a machine needs and a
# container does not. What it says of options that a release lacks is left out.
{
  # a package with bin/nixunits, or null
  toolbox,
  # capabilities that the container keeps
  caps,
  # services that wait for the network, beyond those that say so
  waiting,
  # whether the host keeps /etc/hosts, with the names of all units
  hosts,
}:
{ lib, config, options, ... }:
let
  inherit (lib) mkDefault mkForce mkMerge;

  # { a.b.c = value; } where the release has the option a.b.c
  set =
    path: value:
    lib.optionalAttrs (lib.hasAttrByPath path options) (lib.setAttrByPath path value);
  # Off even where a service's module has it on by default, on if the declaration says so.
  off = path: set (path ++ [ "enable" ]) (lib.mkOverride 900 false);

  can = cap: lib.elem cap caps;

  # What a service asks of systemd and can't have in a user namespace without certain
  # capabilities: there, systemd refuses to start it. All other sandboxing is kept; where
  # it needs mounts or namespaces (ProtectSystem, PrivateTmp, …) systemd goes without it by
  # itself, and what is done by seccomp works.
  needsMounts = [
    "BindPaths" # files at another place
    "BindReadOnlyPaths"
    "TemporaryFileSystem" # directories hidden
    "LogNamespace" # a journal of its own, mounted over the other
    "PrivatePIDs" # a /proc of its own
  ];
  relax =
    name: service:
    let
      user = lib.replaceStrings [ "@" ] [ "" ] name;
      realtime = key: values: lib.optional (lib.elem (service.${key} or null) values) key;
      dropped =
        lib.optionals (!can "CAP_SYS_ADMIN") needsMounts
        ++ lib.optionals (!can "CAP_SYS_NICE") (
          realtime "CPUSchedulingPolicy" [ "rr" "fifo" ]
          # (1 is the same by number)
          ++ realtime "IOSchedulingClass" [ "realtime" 1 ]
        );
    in
    # A service without a program of its own only adds to one of systemd's, which stay
    # as they are.
    if !service ? ExecStart then
      service
    else
      removeAttrs service dropped
      // lib.optionalAttrs (service.DynamicUser or false == true && !can "CAP_SYS_ADMIN") {
        # Its directories would be mounted: it gets a user that stays.
        DynamicUser = false;
        User = service.User or user;
        Group = service.Group or service.User or user;
        X-NixUnits-StaticUser = true;
      };

  # Users that no module declares: `users.users' can't be made of what services say, since
  # services are made of users. They get a number that follows from the name, out of those
  # that systemd gives dynamic users.
  staticUsers = lib.unique (
    lib.mapAttrsToList (_: s: { inherit (s.serviceConfig) User Group; }) (
      lib.filterAttrs (_: s: s.enable && s.serviceConfig.X-NixUnits-StaticUser or false) config.systemd.services
    )
  );
  numberOf =
    name:
    let
      hash = (builtins.fromTOML "n = 0x${builtins.substring 0 8 (builtins.hashString "sha256" name)}").n;
    in
    toString (61184 + hash - hash / 4336 * 4336);
  makeUser =
    { User, Group }:
    ''
      grep -q '^${Group}:' /etc/group || echo '${Group}:x:${numberOf Group}:' >>/etc/group
      grep -q '^${User}:' /etc/passwd || {
        gid=$(sed -n 's/^${Group}:[^:]*:\([0-9]*\):.*/\1/p' /etc/group)
        echo "${User}:x:${numberOf User}:$gid::/var/empty:/run/current-system/sw/bin/nologin" >>/etc/passwd
      }
    '';
in
{
  options.systemd.services = lib.mkOption {
    type = lib.types.attrsOf (
      lib.types.submodule (
        { name, ... }:
        {
          options.serviceConfig = lib.mkOption { apply = relax name; };
        }
      )
    );
  };

  config = mkMerge [
    {
      boot.isContainer = true;
      # The closure does not depend on the id: the name is given at the start.
      networking.hostName = mkDefault "";
      systemd.package = mkDefault config.nixpkgs.pkgs.systemdMinimal;
      systemd.suppressedSystemUnits = [
        "console-getty.service"
        "dbus-org.freedesktop.login1.service"
        "systemd-bootctl.socket"
        "systemd-bootctl@.service"
        "systemd-hibernate-clear.service"
        "systemd-logind.service"
        "systemd-update-utmp.service"
        "systemd-user-sessions.service"
      ];
    }
    (off [ "documentation" ])
    (set [ "environment" "defaultPackages" ] (mkDefault [ ]))
    (off [ "environment" "stub-ld" ])
    (off [ "fonts" "fontconfig" ])
    (off [ "networking" "firewall" ])
    (off [ "networking" "resolvconf" ])
    (set [ "networking" "useDHCP" ] (lib.mkOverride 900 false))
    (off [ "nix" ])
    (off [ "programs" "command-not-found" ])
    (off [ "programs" "nano" ])
    (off [ "security" "sudo" ])
    (set [ "security" "wrappers" ] (mkForce { }))
    # systemd's module turns it on, plainly.
    (set [ "services" "dbus" "enable" ] (lib.mkOverride 75 false))
    (off [ "services" "logrotate" ])
    (off [ "services" "nscd" ])
    (set [ "system" "nssModules" ] (mkForce [ ]))
    (off [ "system" "switch" ])
    (off [ "systemd" "coredump" ])
    (off [ "systemd" "oomd" ])
    (off [ "xdg" "autostart" ])
    (off [ "xdg" "icons" ])
    (off [ "xdg" "menus" ])
    (off [ "xdg" "mime" ])
    (off [ "xdg" "sounds" ])

    # A link to a file outside, and no copy: what changes there is seen at once.
    (lib.optionalAttrs hosts { environment.etc.hosts.source = mkForce "/run/nixunits/hosts/hosts"; })

    # Before anything that needs the network: the addresses that the unit document
    # declares are there, and usable.
    (lib.optionalAttrs (toolbox != null) {
      systemd.services = {
        nixunits-wait = {
          description = "Network of the container";
          wantedBy = [ "multi-user.target" "network-online.target" ];
          wants = [ "network.target" ];
          before = [ "network.target" "network-online.target" ];
          serviceConfig = {
            Type = "oneshot";
            RemainAfterExit = true;
            ExecStart = "${toolbox}/bin/nixunits wait";
          };
        };
      }
      // lib.genAttrs waiting (_: {
        wants = [ "nixunits-wait.service" ];
        after = [ "nixunits-wait.service" ];
      });
    })

    {
      system.activationScripts.nixunits-users = {
        deps = [ "users" "groups" ];
        text = lib.concatMapStrings makeUser staticUsers;
      };
    }
  ];
}
