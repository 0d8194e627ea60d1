# The guest profile: what every container's system has in common, as a NixOS module.
#
# systemd, the journal and the declared services; nothing that a machine needs and a
# container does not. What it says of options that a release lacks is left out.
{
  # a package with bin/nixunits, or null
  toolbox,
  # capabilities that the container keeps
  caps,
  # services that wait for the network, beyond those that say so; the guest's own configuration
  # may name some too
  waiting,
  # whether it has a D-Bus
  dbus,
  # whether the host keeps /etc/hosts, with the names of all units
  hosts,
}:
{ lib, config, options, pkgs, ... }:
let
  inherit (lib) mkDefault mkForce mkMerge;

  # { a.b.c = value; } where the release has the option a.b.c. (One that was removed or renamed
  # is still there, unseen, to say so to whoever sets it.)
  set =
    path: value:
    lib.optionalAttrs (lib.hasAttrByPath path options) (
      lib.mkIf ((lib.getAttrFromPath path options).visible or true) (lib.setAttrByPath path value)
    );
  # Off even where a service's module has it on by default, on if the declaration says so.
  off = path: set (path ++ [ "enable" ]) (lib.mkOverride 900 false);

  rules = lib.filter (rule: !lib.elem rule.unless (caps ++ lib.optional dbus "dbus")) (
    import ./relax.nix { inherit lib; }
  );
  relax =
    name: service:
    let
      user = lib.replaceStrings [ "@" ] [ "" ] name;
      apply =
        service: rule:
        if (rule.when or (s: s ? ${rule.directive})) service then
          (rule.change or (_: s: removeAttrs s [ rule.directive ])) user service
        else
          service;
    in
    # A service without a program of its own only adds to one of systemd's, which stay
    # as they are.
    if service ? ExecStart then lib.foldl' apply service rules else service;

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
        gid=$(while IFS=: read -r group _ gid _; do [ "$group" != '${Group}' ] || echo "$gid"; done </etc/group)
        echo "${User}:x:${numberOf User}:$gid::/var/empty:/run/current-system/sw/bin/nologin" >>/etc/passwd
      }
    '';
in
{
  options.systemdDeps = lib.mkOption {
    type = lib.types.listOf lib.types.str;
    default = [ ];
    description = "Services that start only when the network is ready, as a declaration's `systemdDeps`.";
  };
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
      systemdDeps = waiting;
      boot.isContainer = true;
      # The closure does not depend on the id: the container's name is given at its start.
      # This one is for modules that write a name into a file, where none would be an error.
      networking.hostName = mkDefault "container";
      environment.etc.hostname.enable = mkDefault (config.networking.hostName != "container");
      systemd.package = mkDefault pkgs.systemdMinimal;
      systemd.suppressedSystemUnits = [
        "autovt@.service"
        "console-getty.service"
        "dbus-org.freedesktop.login1.service"
        "systemd-bootctl.socket"
        "systemd-bootctl@.service"
        "systemd-hibernate-clear.service"
        "systemd-logind.service"
        "systemd-udev-settle.service"
        "systemd-udevd-control.socket"
        "systemd-udevd-kernel.socket"
        "systemd-udevd-varlink.socket"
        "systemd-udevd.service"
        "systemd-update-utmp.service"
        "systemd-user-sessions.service"
      ];
    }
    (set [ "boot" "enableContainers" ] (lib.mkOverride 900 false))
    (off [ "boot" "bcache" ])
    (off [ "documentation" ])
    (off [ "documentation" "man" ])
    (set [ "environment" "defaultPackages" ] (mkDefault [ ]))
    (off [ "environment" "stub-ld" ])
    (off [ "fonts" "fontconfig" ])
    (off [ "networking" "firewall" ])
    (off [ "networking" "resolvconf" ])
    (set [ "networking" "useDHCP" ] (lib.mkOverride 900 false))
    (off [ "nix" ])
    (off [ "programs" "bash" "completion" ])
    (off [ "programs" "command-not-found" ])
    (set [ "programs" "less" "lessopen" ] (mkDefault null))
    (off [ "programs" "nano" ])
    (off [ "security" "sudo" ])
    # Without new privileges no file gives any: the programs would do nothing.
    (set [ "security" "wrappers" ] (mkForce { }))
    (
      if options ? security.enableWrappers then
        { security.enableWrappers = lib.mkOverride 900 false; }
      else
        (lib.optionalAttrs (options ? security.wrapperDirSize) {
          systemd.services.suid-sgid-wrappers.enable = lib.mkOverride 900 false;
        })
    )
    # The kernel takes no group that a user namespace does not have.
    (lib.optionalAttrs (options ? boot.specialFileSystems) {
      boot.kernel.sysctl."net.ipv4.ping_group_range" = lib.mkOverride 900 "0 65535";
    })
    # nspawn has mounted them; the guest can't. Nor can it remount the store.
    (set [ "boot" "specialFileSystems" ] (mkForce { }))
    (lib.optionalAttrs (!lib.elem "CAP_SYS_ADMIN" caps) (mkMerge [
      (set [ "boot" "nixStoreMountOpts" ] (lib.mkOverride 900 [ ]))
      (set [ "boot" "readOnlyNixStore" ] (lib.mkOverride 900 false))
    ]))
    # By logind, which isn't there.
    (lib.optionalAttrs (options ? users.manageLingering) {
      systemd.services.linger-users.enable = lib.mkOverride 900 false;
    })
    # systemd's module turns it on, plainly.
    (set [ "services" "dbus" "enable" ] (lib.mkOverride 75 dbus))
    (off [ "services" "getty" ])
    (off [ "services" "logind" ])
    (off [ "services" "logrotate" ])
    (off [ "services" "nscd" ])
    (set [ "system" "nssModules" ] (mkForce [ ]))
    # Done by the host's kernel; a container can't.
    (lib.optionalAttrs (options ? security.audit) {
      systemd.services.audit.enable = lib.mkOverride 900 false;
    })
    (off [ "system" "switch" ])
    (off [ "systemd" "coredump" ])
    (off [ "systemd" "oomd" ])
    (off [ "systemd" "shutdownRamfs" ])
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
          wantedBy = [ "multi-user.target" ];
          requiredBy = [ "network-online.target" ];
          wants = [ "network.target" ];
          before = [ "network.target" "network-online.target" ];
          serviceConfig = {
            Type = "oneshot";
            RemainAfterExit = true;
            ExecStart = "${toolbox}/bin/nixunits wait";
            # A check of the unit's own may never end.
            TimeoutStartSec = 90;
          };
        };
      }
      // lib.genAttrs config.systemdDeps (_: {
        requires = [ "nixunits-wait.service" ];
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
