# What a service asks of systemd and can't have in a container, where systemd then refuses
# to start it. All other sandboxing stays as it is declared: what needs mounts or
# namespaces (ProtectSystem, PrivateTmp, ProtectKernelLogs, …) systemd goes without by
# itself, and what is done by seccomp or limits works.
#
#   unless   what makes it possible after all: a capability, or "dbus"
#   why      the reason, for people (nix/README.md has this list too)
#   when     whether a service asks for it; by default, if the directive is there
#   change   the service without it, of its name and itself; by default, the directive goes
{ lib }:
let
  yes = value: lib.elem value [ true 1 "true" "yes" "on" "1" ];
  mount = directive: why: { inherit directive why; unless = "CAP_SYS_ADMIN"; };
  # values: of the first directive, without which the others mean nothing.
  realtime = directives: values: rec {
    directive = lib.head directives;
    unless = "CAP_SYS_NICE";
    why = "Only who may set priorities gets real time.";
    when = service: lib.elem (service.${directive} or null) values;
    change = _: service: removeAttrs service directives;
  };
  # What systemd does by filters of system calls.
  filters = [
    "LockPersonality"
    "MemoryDenyWriteExecute"
    "PrivateDevices"
    "ProtectClock"
    "ProtectHostname"
    "ProtectKernelLogs"
    "ProtectKernelModules"
    "ProtectKernelTunables"
    "RestrictAddressFamilies"
    "RestrictNamespaces"
    "RestrictRealtime"
    "RestrictSUIDSGID"
    "SystemCallArchitectures"
    "SystemCallFilter"
    "SystemCallLog"
  ];
in
[
  (mount "BindPaths" "A file at another place is a mount.")
  (mount "BindReadOnlyPaths" "A file at another place is a mount.")
  (mount "TemporaryFileSystem" "A directory is hidden by a mount.")
  (mount "LogNamespace" "A journal of its own is mounted over the container's.")
  (mount "PrivatePIDs" "A /proc of its own is a mount.")
  (mount "PrivateUsers" (
    "In a user namespace of its own the service may mount, so systemd insists on all "
    + "that it goes without otherwise, and fails at files of /proc that containers lack."
  ))
  {
    directive = "DynamicUser";
    unless = "CAP_SYS_ADMIN";
    why = "Its directories would be mounts. It gets a user that stays, and the rest of what it implies.";
    when = service: yes (service.DynamicUser or false);
    change =
      name: service:
      {
        NoNewPrivileges = true;
        PrivateTmp = true;
        ProtectHome = "read-only";
        ProtectSystem = "strict";
        RemoveIPC = true;
        RestrictSUIDSGID = true;
      }
      // service
      // {
        DynamicUser = false;
        User = service.User or name;
        Group = service.Group or service.User or name;
        X-NixUnits-StaticUser = true;
      };
  }
  {
    directive = "User";
    unless = "CAP_SYS_ADMIN";
    why =
      "To install a system call filter after the change of user, systemd keeps CAP_SYS_ADMIN, unless "
      + "the filter forbids capset, by which it would be dropped again. It does now.";
    when = service: service ? User && service.User != "root" && lib.any (d: service ? ${d}) filters;
    change =
      _: service:
      let
        filter = lib.toList (service.SystemCallFilter or [ ]);
        allows = filter != [ ] && !lib.hasPrefix "~" (lib.head filter);
      in
      service
      // { SystemCallFilter = filter ++ [ (if allows then "~capset" else "~capset:EPERM") ]; }
      // lib.optionalAttrs (allows && !service ? SystemCallErrorNumber) { SystemCallErrorNumber = "EPERM"; };
  }
  (realtime [ "CPUSchedulingPolicy" "CPUSchedulingPriority" ] [ "rr" "fifo" ])
  (realtime [ "IOSchedulingClass" ] [ "realtime" 1 ])
  {
    directive = "Type=dbus";
    unless = "dbus";
    why = "Nobody could say that it is ready. It is as soon as its program runs, without the bus.";
    when = service: service.Type or "" == "dbus";
    change =
      _: service:
      let
        without = command: lib.replaceStrings [ " --enable-dbus" ] [ "" ] "${command}";
      in
      removeAttrs service [ "BusName" ]
      // {
        Type = "exec";
        ExecStart = if lib.isList service.ExecStart then map without service.ExecStart else without service.ExecStart;
      };
  }
]
