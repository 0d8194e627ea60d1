# The unit document: everything about how to run a container, as one value.
#
# config: the evaluated options; guest: the evaluated system. Both are lazy: the network
# can be read without the system, and the other way round.
{ lib, pkgs, config, guest }:
let
  inherit (config) network;
  orNull = s: if s == "" then null else s;

  netns =
    let
      here = network.netns_path;
      top = config.netns_path;
    in
    if here != null && top != null && here != top then
      throw "netns_path and network.netns_path are both given, and differ: ${top}, ${here}"
    else if here != null then
      here
    else
      top;

  interface =
    name: i:
    let
      ovs =
        if i.ovs == null || i.ovs.bridge == null && lib.elem i.ovs.vlan [ null 0 ] && i.ovs.trunks == [ ] then
          null
        else if i.ovs.bridge == null then
          throw "network.interfaces.${name}.ovs.bridge is not given, but a VLAN of its port is"
        else
          { inherit (i.ovs) bridge vlan trunks; };
    in
    {
      kind =
        if i.kind != null then
          i.kind
        else if ovs != null then
          "ovs"
        else if name == "veth" || i.hostIp4 != [ ] || i.hostIp6 != [ ] || i.hostBridge != null then
          "veth"
        else
          "host";
      inherit (i) ip4 ip6 hostIp4 hostIp6 hostBridge mtu mac parent vlan;
      inherit ovs;
      macvlan = if i.macvlan == null then null else { inherit (i.macvlan) vrid ip4 ip6; };
    };

  # What the guest's own /etc/hosts would say; the names of units are added on the host.
  ownHosts =
    let
      inherit (guest.config.networking) extraHosts;
      # (Not the names that every guest gives itself.)
      hosts = lib.filterAttrs (
        _: names: lib.subtractLists [ "localhost" "container" ] names != [ ]
      ) guest.config.networking.hosts;
      line = address: names: lib.optionalString (names != [ ]) "${address} ${toString names}\n";
    in
    "127.0.0.1 localhost\n::1 localhost\n"
    + lib.concatStrings (lib.mapAttrsToList line hosts)
    + extraHosts;

  toplevel = guest.config.system.build.toplevel;
in
{
  version = 1;
  inherit (config) id autoStart bind nspawnArgs sysctl;
  system = "${toplevel}";
  init = "${toplevel}/init";
  os = {
    name = guest.config.system.nixos.distroName;
    version = guest.config.system.nixos.release;
  };
  caps = lib.unique config.caps_allow;
  privateUsers = if config.privateUsers != null then config.privateUsers else netns == null;
  network = {
    inherit (network) private dns;
    inherit netns;
    interfaces = lib.mapAttrs interface network.interfaces;
    routes = {
      ip4 = network.ip4route;
      ip6 = network.ip6route;
      static = map (r: { inherit (r) to via interface; }) network.routes;
    };
    hosts = if network.hosts then ownHosts else null;
    forward = map (f: { inherit (f) protocol address hostPort port; }) network.forward;
    nft = orNull network.nft;
  };
  limits = {
    inherit (config.limits) memory pids cpu;
    rlimits = lib.mapAttrs (_: v: { inherit (v) soft hard; }) config.limits.rlimits;
  };
  extra = orNull config.extra;
  readyCheck =
    let
      check = config.preCheckNetReadyScript;
    in
    if check == null || check == "" then
      null
    else if !lib.isString check || builtins.match "/[^ \t\n]*" check != null then
      "${check}"
    else
      "${pkgs.writeShellScript "ready-check" check}";
}
