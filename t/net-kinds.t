#!/bin/sh
# nu-net's kinds of interfaces besides the plain veth: ports of Open vSwitch, macvlans, VLANs, links
# of the host's own. A network namespace stands for the host, others for containers; Open vSwitch
# runs in it with its userspace datapath and a database of its own.
. "$(dirname "$0")/lib/tap.sh"

REPO=$(cd "$(dirname "$0")/.." && pwd)
N=$REPO/build/nixunits
[ -x "$N" ] || bail_out "$N is not built"
[ "$(id -u)" = 0 ] || lacking 'needs root, for network namespaces'
need ip ping jq nft strace ovsdb-tool ovsdb-server ovs-vswitchd ovs-vsctl
[ -c /dev/net/tun ] || lacking 'no /dev/net/tun, for the userspace datapath'

H=nkH$$ C=nkC$$ D=nkD$$ E=nkE$$
export NIXUNITS_DIR="$T/state" NIXUNITS_ETC="$T/etc" OVS_RUNDIR="$T/ovs" OVS_LOGDIR="$T/ovs"
mkdir "$T/state" "$T/ovs"
in_host() { ip netns exec $H "$@"; }
end() {
	for pid in "$T"/ovs/*.pid; do
		[ ! -f "$pid" ] || kill "$(cat "$pid")" 2>/dev/null
	done
	for ns in $C $D $E $H; do
		ip netns del $ns 2>/dev/null
	done
}
at_exit end
for ns in $H $C $D $E; do
	ip netns add $ns || lacking 'no network namespaces here'
	ip -n $ns link set lo up
done
vswitchd() {
	in_host ovs-vswitchd "unix:$T/ovs/db.sock" --pidfile="$T/ovs/vswitchd.pid" --detach \
		--log-file="$T/ovs/vswitchd.log" -vconsole:off 2>/dev/null
}
ovsdb() {
	ovsdb-server "$T/ovs/conf.db" "--remote=punix:$T/ovs/db.sock" --pidfile="$T/ovs/db.pid" --detach \
		--log-file="$T/ovs/db.log" -vconsole:off 2>/dev/null
}
ovsdb-tool create "$T/ovs/conf.db" /usr/share/openvswitch/vswitch.ovsschema
ovsdb
ovs-vsctl --no-wait init
vswitchd
in_host ovs-vsctl --timeout=50 add-br br0 -- set bridge br0 datapath_type=netdev \
	-- add-br br1 -- set bridge br1 datapath_type=netdev ||
	bail_out 'Open vSwitch does not start'

# unit ID NETWORK [CAPS] [SYSCTL] - a unit document, with ' for ".
unit() {
	printf "{'version': 1, 'id': '%s', 'system': '/nix/store/s', 'init': '/nix/store/s/init',
		'caps': [%s], 'network': %s, 'sysctl': {%s}}" "$1" "${3:-}" "$2" "${4:-}" |
		tr "'" '"' >"$T/$1.json"
}
net() {	# net ACTION ID NETNS [OPTION...]
	local action=$1 id=$2 ns=$3
	shift 3
	run in_host "$N" net "$action" --netns /run/netns/$ns "$@" - <"$T/$id.json"
}
pings() { ip netns exec "$1" ping -n -c1 -W2 "$2"; }
links() { ip -n $1 -j link | jq -r 'map(.ifname) | join(" ")'; }
state() {
	ip -n $H -j -d link | jq -c '.[] | {ifname, ifindex, up: any(.flags[]; . == "UP"), mtu,
		ifalias, address}'
	ip -n $H -j addr | jq -c '.[] | {ifname, addr: [.addr_info[] | select(.scope != "link") |
		{local, prefixlen}]}'
	ip -n $H -j route show table main | jq -c '.[] | del(.flags)'
	ovs-vsctl --columns=name,tag,external_ids list Port | sort
}

# ---- Open vSwitch: a router with a foot in each of two VLANs, a client in each ----

before=$(state)
unit router1 "{'interfaces': {
	'lan': {'kind': 'ovs', 'ip4': ['10.0.0.2/16'], 'ip6': ['a:b:c:d::e/64'],
		'ovs': {'bridge': 'br0', 'vlan': 356},
		'macvlan': {'vrid': 7, 'ip4': ['10.0.0.9/16'], 'ip6': ['a:b:c:d::9/64']}},
	'wan': {'kind': 'ovs', 'ip4': ['70.0.0.2/31'], 'ip6': ['2001:bc8::a/64'],
		'ovs': {'bridge': 'br0', 'vlan': 357}, 'mtu': 1400, 'mac': '02:00:00:00:00:07'}},
	'routes': {'ip4': '70.0.0.3', 'ip6': '2001:bc8::ffff:ffff:ffff:fffe'}}" "'CAP_NET_ADMIN'"
unit inner "{'interfaces': {'eth0': {'kind': 'ovs', 'ip4': ['10.0.0.3/16'], 'ip6': ['a:b:c:d::f/64'],
	'ovs': {'bridge': 'br0', 'vlan': 356}}}, 'routes': {'ip4': '10.0.0.2', 'ip6': 'a:b:c:d::e'}}"
unit outer "{'interfaces': {'eth0': {'kind': 'ovs', 'ip4': ['70.0.0.3/31'],
	'ip6': ['2001:bc8::ffff:ffff:ffff:fffe/64'], 'ovs': {'bridge': 'br0', 'vlan': 357}}},
	'routes': {'ip4': '70.0.0.2', 'ip6': '2001:bc8::a'}}"
net up router1 $C
is "$status $out" '0 router1: 16 of 17 operations done' 'two ports of Open vSwitch and a macvlan'
is "$(ovs-vsctl get Port nu-router1_lan tag)" 356 'with its VLAN'
net up router1 $C
is "$status $out" '0 router1: 0 of 17 operations done' 'up again does nothing'
is "$(ip -n $C -j link show wan | jq -r '.[0] | "\(.mtu) \(.address)"')" '1400 02:00:00:00:00:07' \
	'MTU and MAC'
mac=$(ip -n $C -j link show lan | jq -r '.[0].address')
net up inner $D
net up outer $E
for ns in $C:router1 $D:inner $E:outer; do
	run ip netns exec ${ns%:*} "$N" wait -t 50 "$T/${ns#*:}.json"
	succeeds "nu-wait in ${ns#*:}"
done
ok 'traffic within VLAN 356, v4' eventually 10 pings $D 10.0.0.2
ok 'v6' eventually 10 pings $D a:b:c:d::e
ok 'within VLAN 357, v4' eventually 10 pings $E 70.0.0.2
ok 'v6' eventually 10 pings $E 2001:bc8::a
ip netns exec $C sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ok 'across the router, v4' eventually 10 pings $D 70.0.0.3
ok 'v6' eventually 10 pings $D 2001:bc8::ffff:ffff:ffff:fffe
ip netns exec $C sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
ip -n $D addr add 70.0.0.9/24 dev eth0
ip -n $D addr add 2001:bc8::9/64 dev eth0 nodad
ip -n $E addr add 70.0.0.3/24 dev eth0
not_ok 'not from one VLAN to the other without it, v4' pings $D 70.0.0.3
not_ok 'v6' pings $D 2001:bc8::ffff:ffff:ffff:fffe
ovs-vsctl --timeout=50 set Port nu-outer_eth0 tag=356
ok 'but in the same VLAN, v4' eventually 10 pings $D 70.0.0.3
ok 'v6' eventually 10 pings $D 2001:bc8::ffff:ffff:ffff:fffe
for end in inner:$D outer:$E; do
	net up ${end%:*} ${end#*:}
done
is "$(ovs-vsctl get Port nu-outer_eth0 tag) $(ip -n $D -o addr show dev eth0 | grep -cE '70\.|2001')" '357 0' \
	'which up takes back, and the addresses with it'

net show router1 $C
like "$out" '^host +nu-router1_lan +port of br0, vlan 356$' 'show has the ports'
net show router1 $C -o json
is "$(echo "$out" | jq -c '.ports | sort_by(.name)[1]')" \
	'{"name":"nu-router1_wan","interface":"wan","bridge":"br0","vlan":357,"trunks":[]}' 'as JSON too'

# The virtual router's address is answered for by its own MAC, and no other.
ok 'the address of the macvlan, v4' eventually 10 pings $D 10.0.0.9
is "$(ip -n $D -j neigh show 10.0.0.9 | jq -r '.[0].lladdr')" 00:00:5e:00:02:07 \
	'is known by the VRRP MAC'
ok 'v6' eventually 10 pings $D a:b:c:d::9
is "$(ip -n $D -j neigh show a:b:c:d::9 | jq -r '.[0].lladdr')" 00:00:5e:00:02:07 'too'
is "$(ip -n $D -j neigh show 10.0.0.2 | jq -r '.[0].lladdr')" "$mac" 'the other by its own'
# What the switch has learned from the frames themselves: port, VLAN, address.
like "$(ovs-appctl -t "$(echo "$T"/ovs/ovs-vswitchd.*.ctl)" fdb/show br0)" \
	'^ *[0-9]+ +356 +00:00:5e:00:02:07 ' 'frames bear it on the wire'

# Drift, found and repaired.
ovs-vsctl --timeout=50 set Port nu-router1_lan tag=99
ip -n $C link set mv-lan down
net check router1 $C
is "$status $out" "1 host: nu-router1_lan: port: declared \"br0 vlan 356\", live \"br0 vlan 99\"
container: mv-lan: up: declared true, live false
container: mv-lan: address: declared \"a:b:c:d::9/64\", live null" 'check: VLAN, macvlan'
net up router1 $C
succeeds 'up repairs'
is "$(ovs-vsctl get Port nu-router1_lan tag)" 356 'the VLAN'
net check router1 $C
is "$status:$out" 0: 'all of it'

# Another bridge, another start, no more interface.
sed 's/"br0", "vlan": 357/"br1"/; s/"bridge": "br0"}, "mtu"/"bridge": "br1"}, "mtu"/' \
	"$T/router1.json" >"$T/moved.json"
net up moved $C
succeeds 'a port on another bridge'
is "$(ovs-vsctl port-to-br nu-router1_wan) $(ovs-vsctl get Port nu-router1_wan tag)" 'br1 []' \
	'untagged now: no tag at all'
ip netns del $C
ip netns add $C
ip -n $C link set lo up
net up router1 $C
succeeds 'the namespace has gone and its ports with it: a new start makes them anew'
is "$(ip -n $C -j link show lan | jq -r '.[0].address')" "$mac" 'with the same MAC'
run ip netns exec $C "$N" wait -t 50 "$T/router1.json"
ok 'traffic' eventually 10 pings $D 10.0.0.2

# The switch stops, and starts again.
pid=$(cat "$T/ovs/vswitchd.pid")
kill "$pid"
eventually 5 sh -c "! kill -0 $pid"
start=$(date +%s)
unit late "{'interfaces': {'eth1': {'kind': 'ovs', 'ovs': {'bridge': 'br0'}}}}"
net up late $E
is "$status $err" "1 nu-net: late: operation 1 of 3: host: port nu-late_eth1 of Open vSwitch bridge br0: Open vSwitch did not answer within 10 s: is ovs-vswitchd running?" \
	'the daemon is down: a bounded wait'
ok 'of 30 s at most' test $(($(date +%s) - start)) -lt 30
is "$(ovs-vsctl list-ports br0 | grep -c late)" 0 'and the database has no such port'
kill "$(cat "$T/ovs/db.pid")"
eventually 5 sh -c "! [ -e '$T/ovs/db.sock' ]"
net up late $E
like "$status $err" '^1 nu-net: late: ovs-vsctl: .*db.sock: database connection failed' 'no database either: said'
ovsdb
vswitchd
net up router1 $C
succeeds 'the switch is back: up'
net up inner $D
run ip netns exec $C "$N" wait -t 50 "$T/router1.json"
succeeds 'up repairs what the switch forgot when it was started again'
ok 'traffic' eventually 10 pings $D 10.0.0.2
for id in router1:$C inner:$D outer:$E; do
	net down ${id%:*} ${id#*:}
done
is "$(state)" "$before" 'down leaves the host and the switch as they were'
is "$(links $C) $(links $D)" 'lo lo' 'and the containers without links'

unit trunk "{'interfaces': {'eth0': {'kind': 'ovs', 'ovs': {'bridge': 'br0', 'trunks': [20, 10]}}}}"
net up trunk $C
is "$status $(ovs-vsctl get Port nu-trunk_eth0 trunks)" '0 [10, 20]' 'a trunk of two VLANs'
net up trunk $C
is "$out" 'trunk: 0 of 4 operations done' 'up again does nothing'
ovs-vsctl --timeout=50 set Port nu-trunk_eth0 trunks=10 tag=7
net check trunk $C
is "$status $out" '1 host: nu-trunk_eth0: port: declared "br0 vlans 10,20", live "br0 vlan 7"' \
	'check: another tag'
net up trunk $C
is "$(ovs-vsctl get Port nu-trunk_eth0 tag trunks | tr '\n' ' ')" '[] [10, 20] ' 'up repairs'
ovs-vsctl --timeout=50 set Port nu-trunk_eth0 vlan_mode=native-untagged
net check trunk $C
is "$status $out" '1 host: nu-trunk_eth0: port: declared "br0 vlans 10,20", live "br0 vlans 10,20, native-untagged"' \
	'check: another mode, in which it takes what has no tag'
net show trunk $C
like "$out" 'port of br0, vlans 10,20, native-untagged$' 'show has it'
net up trunk $C
is "$out $(ovs-vsctl get Port nu-trunk_eth0 vlan_mode trunks | tr '\n' ' ')" \
	'trunk: 1 of 4 operations done [] [10, 20] ' 'up repairs'
net down trunk $C
is "$(state)" "$before" 'down leaves nothing'

unit bad "{'interfaces': {'a': {'kind': 'ovs', 'ovs': {'bridge': 'br0'}}, 'b': {'kind': 'ovs', 'ovs':
	{'bridge': 'none'}}}}"
net up bad $C
is "$status $err" '1 nu-net: bad: operation 2 of 6: host: port nu-bad_b of Open vSwitch bridge none: ovs-vsctl: no bridge named none' \
	'no such bridge: the operation is named'
is "$(state)" "$before" 'and the other port is not there'
run in_host env PATH=/none "$N" net up --netns /run/netns/$C - <"$T/bad.json"
is "$status $err" '77 nu-net: bad: ovs-vsctl: not found in PATH (on Debian: apt-get install openvswitch-switch)' \
	'no ovs-vsctl'

# ---- nft and sysctl ----

unit fw "{'interfaces': {'veth': {'kind': 'veth', 'ip4': ['10.6.0.2/31'], 'hostIp4': ['10.6.0.3/31']}},
	'nft': 'table inet filter {\\n  chain input {\\n    type filter hook input priority 0; policy accept;\\n    iif veth icmp type echo-request drop\\n  }\\n}'}" \
	'' "'net.ipv4.ip_forward': '1', 'net.ipv4.conf.veth.arp_announce': '2', 'net.ipv4.ip_local_port_range': '2000 3000'"
net up fw $C
is "$status $out" '0 fw: 9 of 10 operations done' 'a ruleset and settings'
not_ok 'the ruleset is obeyed, by a link that was not there when it was checked' pings $H 10.6.0.2
is "$(ip netns exec $C sysctl -n net.ipv4.ip_forward net.ipv4.conf.veth.arp_announce | tr '\n' ' ')" \
	'1 2 ' 'the settings are made'
is "$(ip netns exec $H sysctl -n net.ipv4.ip_forward)" 0 'not on the host'
net up fw $C
is "$status $out" '0 fw: 0 of 10 operations done' 'up again does nothing'
ip netns exec $C nft add rule inet filter input tcp dport 22 accept
ip netns exec $C sysctl -qw net.ipv4.ip_forward=0
net check fw $C -o json
is "$status $(echo "$out" | jq -c '.drift')" '1 [{"where":"container","what":"nft","declared":"loaded","live":"changed"},{"where":"container","what":"sysctl net.ipv4.ip_forward","declared":"1","live":"0"}]' \
	'check: a rule added by hand, a setting changed'
net up fw $C
is "$out" 'fw: 2 of 10 operations done' 'up repairs both'
is "$(ip netns exec $C nft list ruleset | grep -c 'dport 22')" 0 'the rule is gone'
ip netns exec $C nft flush ruleset
net check fw $C
is "$status $out" '1 container: nft: declared "loaded", live null' 'check: the ruleset has gone'
net up fw $C
not_ok 'up loads it again' pings $H 10.6.0.2
net check fw $C
is "$status:$out" 0: 'check is content'
# Rules have a link's number, and a link that is made anew another one. A container that may change
# its rules, and does, has those that are declared all the same.
sed -i 's/"caps": \[\]/"caps": ["CAP_NET_ADMIN"]/' "$T/fw.json"
ip netns exec $C nft add table inet mine
ip netns exec $C nft add rule inet filter input tcp dport 22 accept
net check fw $C
is "$status:$out" 0: 'a container with CAP_NET_ADMIN may add to its rules'
ip -n $C link del veth
net check fw $C
unlike "$out" nft 'a link gone is no difference of the rules'
net up fw $C
not_ok 'up makes it anew, and the rules are of that one' pings $H 10.6.0.2
ip netns exec $C nft add table inet mine
ip netns exec $C nft delete table inet filter
net check fw $C
is "$status $out" '1 container: nft: declared "loaded", live "changed"' 'check: a declared table gone is a difference'
net up fw $C
is "$out" 'fw: 1 of 10 operations done' 'up loads it again'
net check fw $C
is "$status:$out" 0: 'check is content'
net down fw $C
ip netns exec $C nft flush ruleset

# In a namespace that belongs to a user namespace, nft runs as that one's root.
unshare -U -n sleep 60 &
pid=$!
eventually 5 sh -c "[ \"\$(readlink /proc/$pid/ns/user)\" != \"\$(readlink /proc/self/ns/user)\" ]"
echo '0 100000 65536' >/proc/$pid/uid_map
echo '0 100000 65536' >/proc/$pid/gid_map
run in_host "$N" net up --pid $pid - <"$T/fw.json"
is "$status $out" '0 fw: 10 of 10 operations done' 'a ruleset and settings in a user namespace' ||
	diag "$err"
run in_host "$N" net up --pid $pid - <"$T/fw.json"
is "$out" 'fw: 0 of 10 operations done' 'up again does nothing'
echo topsecret >"$T/secret"
chmod 600 "$T/secret"
printf '{"version": 1, "id": "thief", "system": "/nix/store/s", "init": "/nix/store/s/init",
	"network": {"nft": "include \\"%s\\""}}' "$T/secret" >"$T/thief.json"
run in_host "$N" net up --pid $pid - <"$T/thief.json"
is "$status" 1 "an include can't read what the container's root can't"
unlike "$err" 'topsecret|unexpected' 'and says nothing of it'
kill $pid

unit fwbad "{'nft': 'table inet filter {\\n  chain input {\\n    foo\\n  }\\n}'}"
net up fwbad $C
like "$status $err" '^1 nu-net: fwbad: network.nft: nft: line [34], column [0-9-]+: Error: syntax error' \
	'a ruleset with an error: its line and column'
unit fwbad "{'interfaces': {'lan': {'kind': 'veth'}}, 'nft': 'table inet filter {\\n  chain input {\\n    iif wan drop\\n  }\\n}'}"
net up fwbad $C
like "$status $err" '^1 nu-net: fwbad: network.nft: nft: line [34], column [0-9-]+: Error: Interface does not exist' \
	'one that names a link that is not declared, too'
is "$(links $C) $(links $H | grep -c fwbad)" 'lo 0' 'before a link is made'
unit fwname "{'interfaces': {'veth0': {'kind': 'veth'}}, 'nft': 'table inet t { chain c { iif veth0 drop; }; }'}"
net up fwname $C
succeeds 'one that names a link as the kernel would'
net down fwname $C
ip netns exec $C nft flush ruleset
unit fwbad "{'nft': 'table inet filter {}\\ntable inet nixunits {}'}"
net up fwbad $C
like "$err" 'operation 1 of 1: container: nft ruleset: nft: a table called inet nixunits' 'a table of our own name'
is "$(ip netns exec $C nft list ruleset)" '' 'leaves nothing of the rules'
unit ctlbad "{}" '' "'net.ipv4.nothing': '1'"
net up ctlbad $C
is "$status $err" '1 nu-net: ctlbad: operation 1 of 1: container: sysctl net.ipv4.nothing = 1: /proc/sys/net/ipv4/nothing: No such file or directory' \
	'a setting that is not there'
unit ctlbad "{'nft': 'table inet filter {}'}" '' "'net.ipv4.ip_forward': 'x'"
net up ctlbad $C
like "$err" 'operation 2 of 2: container: sysctl net.ipv4.ip_forward = x: "x": Invalid argument$' \
	'a value that is none, after a ruleset'
is "$(ip netns exec $C nft list ruleset)" '' 'which is taken away again'
# The kernel changes the second with the first, and the last with the third.
unit order "{'interfaces': {'LAN': {'kind': 'veth'}}}" '' "'net.ipv4.conf.all.accept_redirects': '1',
	'net.ipv4.ip_forward': '1', 'net.ipv6.conf.LAN.forwarding': '0', 'net.ipv6.conf.all.forwarding': '1'"
net up order $C
net check order $C
is "$status:$out" 0: 'settings that set each other are as declared at once'
net down order $C
ip netns exec $C sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
unit ctlbad "{}" '' "'vm.swappiness': '1'"
net up ctlbad $C
is "$status $err" '2 nu-net: ctlbad: sysctl "vm.swappiness": not the container'"'s own, it would be set on the host" \
	"a setting of the whole host's"

# ---- what is declared no more ----

# declared ID CAPS: all of it; less ID CAPS: little of it.
declared() {
	unit $1 "{'interfaces': {'veth': {'kind': 'veth', 'ip4': ['10.6.0.2/31', '10.6.9.2/32'], 'hostIp4':
		['10.6.0.3/31'], 'ip6': ['fd06::2/64', 'fe80::6/64'], 'hostIp6': ['fd06::3/64']}},
		'routes': {'ip4': '10.6.0.3', 'ip6': 'fd06::3', 'static': [{'to': '10.7.0.0/16', 'via': '10.6.0.3'},
		{'to': 'fd07::/48', 'via': 'fd06::3'}]}, 'nft': 'table inet filter {}'}" "$2"
}
less() {
	unit $1 "{'interfaces': {'veth': {'kind': 'veth', 'ip4': ['10.6.0.2/31'], 'hostIp4':
		['10.6.0.3/31'], 'ip6': ['fd06::2/64'], 'hostIp6': ['fd06::3/64']}},
		'routes': {'ip4': '10.6.0.3'}}" "$2"
}
gone='host: nu-less: route 10.6.9.2/32: declared null, live "on nu-less"
host: nu-less: route fe80::6/128: declared null, live "on nu-less"
container: veth: route ::/0: declared null, live "via fd06::3 on veth"
container: veth: route 10.7.0.0/16: declared null, live "via 10.6.0.3 on veth"
container: veth: route fd07::/48: declared null, live "via fd06::3 on veth"
container: veth: address: declared null, live "10.6.9.2/32"
container: veth: address: declared null, live "fe80::6/64"
container: nft: declared null, live "loaded"'
own() {
	ip -n $C -o addr show dev veth scope global | grep -o '10.66.0.1/32'
	ip -n $C route show 10.77.0.0/16
	ip -n $H route show 10.99.0.0/16
}
declared less "'CAP_NET_ADMIN'"
net up less $C
succeeds 'a container that may change its network'
# By itself, and the host's administrator by the way.
ip -n $C addr add 10.66.0.1/32 dev veth
ip -n $C route add 10.77.0.0/16 via 10.6.0.3 proto static
ip -n $H route add 10.99.0.0/16 via 10.6.0.2
with=$(own)
is "$(echo "$with" | wc -l)" 3 'which it does'
net check less $C
is "$status:$out" 0: 'is as declared'
less less "'CAP_NET_ADMIN'"
net check less $C
is "$status $(echo "$out" | sort)" "1 $(echo "$gone" | sed 's|route ::/0|route default|' | sort)" \
	'check: what is declared no more, and nothing that it made itself'
net up less $C
is "$status $out" '0 less: 11 of 17 operations done' 'up takes it away'
net check less $C
is "$status:$out" 0: 'all of it'
is "$(own)" "$with" 'and leaves what is not ours'
is "$(ip netns exec $C nft list ruleset)" '' 'there is no ruleset'
# Without the capability it can't be the container's doing.
less less
net check less $C
is "$status $out" '1 container: veth: route 10.77.0.0/16: declared null, live "via 10.6.0.3 on veth"
container: veth: address: declared null, live "10.66.0.1/32"' 'in another container that is drift'
net up less $C
is "$(own)" '10.99.0.0/16 via 10.6.0.2 dev nu-less ' 'which up takes away, on the host it does not'
declared less
net up less $C
ip netns exec $C nft add table inet more
less less "'CAP_NET_ADMIN'"
net check less $C
unlike "$out" nft 'a ruleset that the container has changed is its own now'
net up less $C
is "$(ip netns exec $C nft list tables)" 'table inet filter
table inet nixunits
table inet more' 'and stays'
less less
net check less $C
is "$status $out" '1 container: nft: declared null, live "changed"' 'in another container it is drift'
net up less $C
is "$(ip netns exec $C nft list ruleset)" '' 'and goes'
net down less $C

# Nor its links, but for those that an argument of nspawn's brings.
less stranger "'net_admin'"
net up stranger $C
ip -n $C link add en9 type veth peer name en8
ip -n $C link set en9 up
net check stranger $C
is "$status:$out" 0: 'a container with CAP_NET_ADMIN may have links of its own'
less stranger
sed 's/"caps": \[\]/"nspawnArgs": ["--network-veth"]/' "$T/stranger.json" >"$T/argument.json"
net check argument $C
is "$status:$out" 0: 'nspawn may have made one'
ip -n $C route add unreachable 10.44.0.0/16
net check stranger $C
is "$status $out" '1 container: lo: route 10.44.0.0/16: declared null, live "unreachable"
container: en9: up: declared false, live true' 'check: a link and a route to nowhere'
net show stranger $C
like "$out" '^ +10\.44\.0\.0/16 unreachable$' 'show has it'
net up stranger $C
is "$status $(ip -n $C -j link show en9 | jq -r '.[0].operstate') $(ip -n $C route show 10.44.0.0/16)" '0 DOWN ' \
	'up puts the link down, and removes the route'
net up stranger $C
like "$out" '^stranger: 0 of' 'up again does nothing'
net down stranger $C
ip -n $C link del en9
unit none "{}"
ip -n $C addr add 10.9.0.1/32 dev lo
net check none $C
is "$status $out" '1 container: lo: address: declared null, live "10.9.0.1/32"' 'check: an address where there are no links'
net up none $C
is "$status $(ip -n $C -4 -o addr show scope global)" '0 ' 'up removes it'

# ---- forwarded ports ----

# serve NETNS PORT [tcp|udp] - answers with the address that asks
serve() {
	ip netns exec "$1" perl -MIO::Socket::IP -e '
		my ($port, $type) = @ARGV;
		my $s = IO::Socket::IP->new(LocalHost => "::", LocalPort => $port, Proto => $type, V6Only => 0,
			$type eq "tcp" ? (Listen => 9, ReuseAddr => 1) : ()) or die $@;
		while (1) {
			if ($type eq "tcp") { my $c = $s->accept or next; print $c $c->peerhost, "\n"; close $c }
			else { $s->recv(my $x, 99); $s->send($s->peerhost . "\n") }
		}' "$2" "${3:-tcp}" &
	echo $! >>"$T/servers"
}
ask() {	# ask NETNS ADDRESS PORT [tcp|udp]
	ip netns exec "$1" timeout 3 perl -MIO::Socket::IP -e '
		my $s = IO::Socket::IP->new(PeerHost => $ARGV[0], PeerPort => $ARGV[1], Proto => $ARGV[2],
			Timeout => 2) or exit 1;
		print $s "?" if $ARGV[2] eq "udp";
		print scalar <$s>' "$2" "$3" "${4:-tcp}" | sed 's/^::ffff://'
}
stop_servers() { [ ! -f "$T/servers" ] || kill $(cat "$T/servers") 2>/dev/null; rm -f "$T/servers"; }
at_exit stop_servers

# A client D beside the host, which forwards for it.
ip -n $H link add up2 type veth peer name eth0 netns $D
ip -n $H link set up2 up
ip -n $H addr add 192.0.2.1/24 dev up2
ip -n $H addr add 2001:db8::1/64 dev up2 nodad
ip -n $D link set eth0 up
ip -n $D addr add 192.0.2.9/24 dev eth0
ip -n $D addr add 2001:db8::9/64 dev eth0 nodad
in_host sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
in_host nft add table inet others
before=$(state) rules=$(in_host nft list ruleset)
veth="'interfaces': {'veth': {'kind': 'veth', 'ip4': ['10.6.0.2/31'], 'hostIp4': ['10.6.0.3/31'],
	'ip6': ['fd06::2/127'], 'hostIp6': ['fd06::3/127']}}"
ports="'forward': [{'protocol': 'tcp', 'hostPort': 8080, 'port': 80}, {'protocol': 'udp', 'hostPort':
	5353, 'port': 53}, {'protocol': 'tcp', 'address': '192.0.2.1', 'hostPort': 8081, 'port': 80}]"
unit ports "{$veth, 'routes': {'ip4': '10.6.0.3', 'ip6': 'fd06::3'}, $ports}"
serve $C 80
serve $C 53 udp
serve $H 80
net up ports $C
is "$status $out" '0 ports: 10 of 11 operations done' 'forwarded ports' || diag "$err"
eventually 5 ask $C 127.0.0.1 80 >/dev/null
eventually 10 pings $D 2001:db8::1 >/dev/null	# its link-local address is tentative for a while
eventually 10 pings $H fd06::2 >/dev/null
is "$(ask $D 192.0.2.1 8080) $(ask $D 2001:db8::1 8080)" '192.0.2.9 2001:db8::9' \
	'from another host, v4 and v6: its address is seen'
is "$(ask $D 192.0.2.1 5353 udp) $(ask $D 2001:db8::1 5353 udp)" '192.0.2.9 2001:db8::9' 'UDP'
is "$(ask $H 127.0.0.1 8080) $(ask $H 127.0.0.1 5353 udp)" '10.6.0.3 10.6.0.3' \
	"from the host's own localhost"
is "$(ask $H 192.0.2.1 8080) $(ask $H 2001:db8::1 8080)" '10.6.0.3 fd06::3' 'by its other addresses'
is "$(ask $D 192.0.2.1 8081):$(ask $H 127.0.0.1 8081)" '192.0.2.9:' 'a port of one address alone'
is "$(ask $H 127.0.0.1 80)" 127.0.0.1 "the host's own port of that number is its own"
ip -n $C route add 127.0.0.9/32 via 10.6.0.3 table 7
ip -n $C rule del pref 0
ip -n $C rule add to 127.0.0.9 lookup 7 pref 1
ip -n $C rule add lookup local pref 2
ip netns exec $C sysctl -qw net.ipv4.conf.veth.route_localnet=1
is "$(ask $C 127.0.0.9 80)" '' "the container does not reach the host's loopback"
in_host nft flush chain inet nixunits-ports guard
is "$(ask $C 127.0.0.9 80)" 10.6.0.2 'but would without the table'
net up ports $C
is "$out$(ask $C 127.0.0.9 80)" 'ports: 1 of 11 operations done' 'which up repairs'

in_host sysctl -qw net.ipv4.ip_forward=0
net up ports $C
is "$out" 'ports: 0 of 11 operations done' 'up again does nothing'
is "$err" 'nu-net: warning: ports: the default route ends at the host, which forwards no packets (net.ipv4.ip_forward is 0)
nu-net: warning: ports: the forwarded ports are reached from the host alone, which forwards no packets (net.ipv4.ip_forward is 0)' \
	'but says what the host does not do'
in_host sysctl -qw net.ipv4.ip_forward=1
net up ports $C
is "$err" '' 'and nothing where it does'
in_host nft insert rule inet nixunits-ports prerouting tcp dport 8080 accept
net check ports $C
is "$status $out" '1 host: forward: declared "loaded", live "changed"' 'check: a rule added by hand'
net up ports $C
is "$out" 'ports: 1 of 11 operations done' 'up repairs'
in_host nft delete table inet nixunits-ports
net check ports $C
is "$status $out" '1 host: forward: declared "loaded", live null' 'the table gone'
net up ports $C
in_host sysctl -qw net/ipv4/conf/nu-ports/route_localnet=0
net check ports $C
is "$status $out" '1 host: forward: declared "loaded", live "changed"' 'route_localnet gone'
net up ports $C
net check ports $C
is "$status:$out" 0: 'all repaired'
is "$(ask $D 192.0.2.1 8080) $(ask $H 127.0.0.1 8080)" '192.0.2.9 10.6.0.3' 'indeed'

unit ports "{$veth, $ports}"
net up ports $C
is "$(ip -n $C route show default; ip -n $C -6 route show default)" '' \
	'up takes away the default routes, which are declared no more'
is "$(ask $D 192.0.2.1 8080) $(ask $D 2001:db8::1 8080)" '10.6.0.3 fd06::3' \
	"without a default route by the host all is from the host's end"
# Of two units that want a port the second is told of the first.
other="'interfaces': {'veth': {'kind': 'veth', 'ip4': ['10.6.1.2/31'], 'hostIp4': ['10.6.1.3/31']}}"
wants() {	# wants FORWARD: by the other unit, in another namespace
	unit other "{$other, 'forward': [{'protocol': $1}]}"
	net up other $E
}
wants "'tcp', 'hostPort': 8080, 'port': 80"
is "$status $err" '1 nu-net: other: operation 6 of 6: host: forward tcp 8080 to 80: unit ports forwards tcp port 8080 already' \
	'the same port'
is "$(links $E) $(in_host nft list tables | grep -c other$)" 'lo 0' 'and nothing of the second is left'
wants "'tcp', 'address': '192.0.2.7', 'hostPort': 8080, 'port': 80"
like "$err" 'unit ports forwards tcp port 8080 already$' 'the port of one address, where all are taken'
wants "'tcp', 'hostPort': 8081, 'port': 80"
like "$err" 'unit ports forwards tcp port 8081 already$' 'of all addresses, where one is taken'
wants "'tcp', 'address': '192.0.2.1', 'hostPort': 8081, 'port': 80"
like "$err" 'unit ports forwards tcp port 8081 already$' 'of the same address'
for free in "'tcp', 'address': '192.0.2.7', 'hostPort': 8081" "'udp', 'hostPort': 8080" "'tcp', 'hostPort': 808"; do
	wants "$free, 'port': 80"
	succeeds "another address, protocol or port: $free"
	net down other $E
done
is "$(ask $H 127.0.0.1 8080)" '10.6.0.3' 'the first goes on'
unit ports "{$veth}"
net check ports $C
is "$status $out" '1 host: forward: declared null, live "changed"' 'check: declared no more'
net up ports $C
is "$(in_host nft list ruleset)" "$rules" 'up takes the table away'
is "$(ip netns exec $H sysctl -n net/ipv4/conf/nu-ports/route_localnet)" 0 'and the setting'
unit star "{'interfaces': {'a*': {'kind': 'veth', 'ip4': ['10.6.1.2/31'], 'hostIp4': ['10.6.1.3/31']}},
	'forward': [{'protocol': 'tcp', 'hostPort': 8082, 'port': 80}]}"
net up star $E
like "$(in_host nft list table inet nixunits-star)" 'oifname "nu-star_a.\*" ' 'rules for an interface whose name ends in "*" are for no other'
net down star $E
unit ports "{$veth, $ports}"
net up ports $C
net down ports $C
is "$(state) $(in_host nft list ruleset)" "$before $rules" 'down leaves the host as it was'
stop_servers
ip -n $H link del up2
in_host nft delete table inet others

# ---- macvlan, VLAN, a link of the host's own ----

ip netns add ${E}w
at_exit ip netns del ${E}w
uplink() {	# up0 of the host, with up1 behind it
	ip -n $H link add up0 index 9000 address 02:00:00:00:30:02 type veth peer name up1 netns ${E}w
	ip -n $H link set up0 up
	ip -n ${E}w link set up1 up
	ip -n ${E}w addr add 10.3.0.1/24 dev up1
}
uplink
before=$(state)
unit mv "{'interfaces': {'eth0': {'kind': 'macvlan', 'parent': 'up0', 'ip4': ['10.3.0.2/24'],
	'mac': '02:00:00:00:00:08', 'mtu': 1400}}}"
run "$N" net plan - <"$T/mv.json"
is "$out" '  1  host       link eth0: macvlan on up0, in the container
  2  container  link lo: up
  3  container  link eth0: up, mtu 1400, mac 02:00:00:00:00:08
  4  container  address 10.3.0.2/24 on eth0' 'the plan of a macvlan on a link of the host'
net up mv $C
succeeds 'is made'
ok 'traffic' eventually 10 pings $C 10.3.0.1
net up mv $C
is "$out" 'mv: 0 of 4 operations done' 'up again does nothing'
ip -n $C link set eth0 mtu 1300
ip -n $C addr del 10.3.0.2/24 dev eth0
ip -n $C link set eth0 down
net check mv $C
is "$status $out" '1 container: eth0: up: declared true, live false
container: eth0: mtu: declared 1400, live 1300
container: eth0: address: declared "10.3.0.2/24", live null' 'check: changed by hand'
net up mv $C
is "$out" 'mv: 2 of 4 operations done' 'up repairs'
ip -n $C link del eth0
net check mv $C
is "$status $(echo "$out" | head -n 1)" '1 container: eth0: link: declared "eth0", live null' 'check: the link is gone'
net up mv $C
ok 'up makes it anew' eventually 10 pings $C 10.3.0.1
ip -n $C link del eth0
ip -n $H link add link br1 name mv0 type macvlan
ip -n $H link set mv0 netns $C name eth0
net check mv $C
is "$status $(echo "$out" | head -n 1)" '1 container: eth0: link: declared "macvlan on up0", live "macvlan on br1"' \
	'check: another of its name'
net up mv $C
ok 'up puts the declared one in its place' eventually 10 pings $C 10.3.0.1
net up mv $D
like "$status $err" '^1 nu-net: mv: operation . of .: .*: Address already in use \(another macvlan on that link has this MAC\)$' \
	'a second container with that MAC'
is "$(links $D)" lo 'has no macvlan'
# The kernel takes a namespace apart when it gets to it, and till then the MAC is taken.
for i in 1 2 3 4 5 6 7 8; do
	ip netns del $C
	ip netns add $C
	net up mv $C
	[ "$status" = 0 ] || break
done
is "$status $err" '0 ' 'a new container in the place of one that has just ended, eight times'
net down mv $C
is "$status $out" '0 mv: 1 link removed' 'down'
is "$(links $C) $(state)" "lo $before" 'leaves nothing'
unit mv "{'interfaces': {'eth0': {'kind': 'macvlan', 'parent': 'up9'}}}"
net up mv $C
is "$err" 'nu-net: mv: interface eth0: up9: no such link on the host' 'a parent that is not there'

unit vlan "{'interfaces': {'eth0': {'kind': 'vlan', 'parent': 'up0', 'vlan': 12, 'ip4':
	['10.4.0.2/24']}}}"
net up vlan $C
if [ "$status" = 77 ]; then
	is "$err" 'nu-net: vlan: operation 1 of 3: host: link eth0: vlan 12 on up0, in the container: this kernel has no vlan links' \
		'a kernel without VLANs: said, with exit 77'
else
	is "$status $(ip -n $C -j -d link show eth0 | jq -r '.[0].linkinfo.info_data.id')" '0 12' 'a VLAN'
	net down vlan $C
fi
is "$(links $C) $(state)" "lo $before" 'nothing is left of it'

# The virtual router's on each kind of link.
ip -n $H link add br2 address 02:00:00:00:00:02 type bridge
ip -n $H addr add 10.12.0.1/24 dev br2
ip -n $H link set br2 up
ip -n ${E}w addr add 10.14.0.1/24 dev up1
with_bridge=$(state | sed "s/\"ifindex\":[0-9]*,//")
unit vrrp "{'interfaces': {
	'a': {'kind': 'veth', 'ip4': ['10.11.0.2/24'], 'hostIp4': ['10.11.0.1/24'],
		'macvlan': {'vrid': 11, 'ip4': ['10.11.0.9/24']}},
	'b': {'kind': 'bridge', 'hostBridge': 'br2', 'ip4': ['10.12.0.2/24'],
		'macvlan': {'vrid': 12, 'ip4': ['10.12.0.9/24']}},
	'up0': {'kind': 'host', 'ip4': ['10.14.0.2/24'], 'macvlan': {'vrid': 255, 'ip4': ['10.14.0.9/24']}}}}"
net up vrrp $C
succeeds 'a macvlan on a veth, a bridge and a link of the host'
for end in 11:$H:0b 12:$H:0c 14:${E}w:ff; do
	from=${end#*:} net=${end%%:*}
	eventually 5 pings ${from%:*} 10.$net.0.9
	is "$(ip -n ${from%:*} -j neigh show 10.$net.0.9 | jq -r '.[0].lladdr')" "00:00:5e:00:02:${end##*:}" \
		"answers with the virtual router's MAC: 10.$net.0.9"
done
net up vrrp $C
like "$out" '^vrrp: 0 of' 'up again does nothing'
ip -n $C link set mv-b address 02:00:00:00:00:01
ip -n $C link del mv-a
net check vrrp $C
is "$status $out" '1 container: mv-a: link: declared "mv-a", live null
container: mv-b: mac: declared "00:00:5e:00:02:0c", live "02:00:00:00:00:01"
container: mv-a: address: declared "10.11.0.9/24", live null' 'check: another MAC, and none at all'
net up vrrp $C
net check vrrp $C
is "$status:$out" 0: 'up repairs'
net down vrrp $C
not_ok 'down removes a link of the host that is no hardware' ip -n $H link show up0
uplink
is "$(links $C) $(state | sed "s/\"ifindex\":[0-9]*,//")" "lo $with_bridge" 'and leaves nothing'
ip -n $H link del br2

ip -n $H addr add 10.3.0.9/24 dev up0
ip -n $H route add 10.33.0.0/16 via 10.3.0.1
with_addr=$(state)
unit nic "{'interfaces': {'up0': {'kind': 'host', 'ip4': ['10.3.0.3/24'], 'mtu': 1400}},
	'routes': {'ip4': '10.3.0.1'}}"
net up nic $C
is "$status $out" '0 nic: 4 of 5 operations done' 'a link of the host moves in'
ok 'traffic' eventually 10 pings $C 10.3.0.1
net up nic $C
is "$out" 'nic: 0 of 5 operations done' 'up again does nothing'
ip -n $C addr add 10.3.0.8/24 dev up0
ip -n $C link set up0 mtu 1300 address 02:00:00:00:00:09
net check nic $C
is "$status $out" '1 container: up0: address: declared null, live "10.3.0.8/24"
container: up0: mtu: declared 1400, live 1300' 'check: changed by hand'
net up nic $C
net check nic $C
is "$status:$out" 0: 'up repairs'
ip -n $C link set up0 netns $H
net check nic $C
is "$status $(echo "$out" | head -n 1)" '1 container: up0: link: declared "up0", live null' 'check: it has gone back'
net up nic $C
ok 'up takes it again' eventually 10 pings $C 10.3.0.1
unit nolink "{'interfaces': {}}"
sed -i s/nolink/nic/ "$T/nolink.json"
net check nolink $C
is "$status $out" '1 container: up0: link: declared null, live "up0"' 'check: declared no more'
unit thief "{'interfaces': {'up0': {'kind': 'host'}}}"
net up thief $D
is "$err" 'nu-net: thief: interface up0: no such link on the host' 'it is not there for another unit'
net up nolink $C
is "$status $(links $C) $(links $H | grep -c up0)" '0 lo 0' 'up removes it: it could be of its own making'
uplink

# A container with CAP_NET_ADMIN writes our mark on links of its own.
before=$(state)
unit rogue "{'interfaces': {'veth': {'kind': 'veth', 'ip4': ['10.6.0.2/31'], 'hostIp4': ['10.6.0.3/31']}}}" \
	"'CAP_NET_ADMIN'"
net up rogue $C
with_veth=$(state)
clear=$(printf '\033[2J\302\233\177')
rogue() {
	ip -n $C link add en9 type veth peer name mine
	ip -n $C link add up0 type veth peer name too
	ip -n $C link add "$clear" type veth peer name three
	for link in lo en9 up0 "$clear"; do
		ip -n $C link set "$link" alias "nixunits:rogue:$link"
	done
}
rogue
for format in text json; do
	for action in plan check; do
		net $action rogue $C -o $format
		like "$out" 'x1b\[2J|u001b\[2J' "$action shows the link that a terminal would obey, as $format"
		is "$(printf %s "$out$err" | tr -dc '\033\177\233' | wc -c)" 0 'and not to a terminal'
	done
done
net up rogue $C
is "$status $(links $C)" '0 lo veth' 'links with a forged mark go'
is "$(state)" "$with_veth" 'and none of them to the host'
rogue
net down rogue $C
is "$status $(links $C)" '0 lo' 'down removes them too, one named as a link of the host as well'
is "$(state)" "$before" 'and leaves the host as it was'
ip -n $C link set lo alias ''
ip -n $H addr add 10.3.0.9/24 dev up0
ip -n $H route add 10.33.0.0/16 via 10.3.0.1

# ---- each operation refused in turn, with everything at once ----

unit all "{'interfaces': {
	'lan': {'kind': 'ovs', 'ip4': ['10.0.0.2/16'], 'ovs': {'bridge': 'br0', 'vlan': 5},
		'macvlan': {'vrid': 7, 'ip4': ['10.0.0.9/16']}},
	'up0': {'kind': 'host', 'ip4': ['10.3.0.3/24'], 'mtu': 1400},
	'veth': {'kind': 'veth', 'ip4': ['10.5.0.2/31'], 'hostIp4': ['10.5.0.1/31']}},
	'nft': 'table inet filter { chain input { type filter hook input priority 0; }; }',
	'forward': [{'protocol': 'tcp', 'hostPort': 80, 'port': 80}],
	'routes': {'ip4': '10.0.0.1'}}" '' "'net.ipv4.ip_forward': '1'"
if [ -x "$REPO/build/unit/netundo" ]; then
	run in_host "$REPO/build/unit/netundo" "$T/all.json"
	succeeds "$(echo "$out" | grep -c '^ok') checks: what was done is undone"
	[ "$status" = 0 ] || diag "$(echo "$out" | grep -A12 '^not ok')"
else
	skip 'make units has not been run' 'what was done is undone'
fi

# ---- killed at every point: before each message, and each program that is run ----

with_addr() {
	ip -n $H link show up0 >/dev/null 2>&1 || uplink
	ip -n $H addr replace 10.3.0.9/24 dev up0
	ip -n $H route replace 10.33.0.0/16 via 10.3.0.1
	state
}
before=$(with_addr) killed=0
for call in sendto clone clone3 vfork; do
	n=0
	while n=$((n + 1)); do
		in_host strace -qq -o /dev/null -e trace=$call -e inject=$call:signal=KILL:when=$n \
			"$N" net up --netns /run/netns/$C - <"$T/all.json" >/dev/null 2>&1
		last=$?
		net up all $C
		[ "$status" = 0 ] || fail "killed at $call $n, then up: $err"
		net check all $C
		[ "$status:$out" = 0: ] || fail "killed at $call $n, then up: check finds $out $err"
		net down all $C
		ip netns exec $C nft flush ruleset
		ip netns exec $C sysctl -qw net.ipv4.ip_forward=0
		now=$(with_addr)
		[ "$now" = "$before" ] || is "$now" "$before" "killed at $call $n, up and down: the host"
		[ $last = 137 ] || break
		killed=$((killed + 1))
	done
done
ok "killed at $killed points, the next up completes it, and down leaves nothing" test $killed -gt 10
done_testing
