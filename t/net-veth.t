#!/bin/sh
# nu-net, nu-wait and nu-ip6 on real rtnetlink: a network namespace H stands for the host, C for
# the container. Nothing of the machine's own is touched.
. "$(dirname "$0")/lib/tap.sh"

REPO=$(cd "$(dirname "$0")/.." && pwd)
N=$REPO/build/nixunits
[ -x "$N" ] || bail_out "$N is not built"
[ "$(id -u)" = 0 ] || lacking 'needs root, for network namespaces'
need ip ping unshare nsenter jq strace

H=nuH$$ C=nuC$$
export NIXUNITS_DIR="$T/state" NIXUNITS_ETC="$T/etc"
mkdir "$T/state"
in_host() { ip netns exec $H "$@"; }
in_guest() { ip netns exec $C "$@"; }
begin() {
	ip netns add $H
	ip netns add $C
	ip -n $H link set lo up
}
end() {
	ip netns del $C 2>/dev/null
	ip netns del $H 2>/dev/null
}
at_exit end
begin || lacking 'no network namespaces here'

# unit ID NETWORK - a unit document, with ' for ".
unit() {
	printf "{'version': 1, 'id': '%s', 'system': '/nix/store/s', 'init': '/nix/store/s/init',
		'network': %s}" "$1" "$2" | tr "'" '"' >"$T/$1.json"
}
net() {	# net ACTION ID [OPTION...]
	local action=$1 id=$2
	shift 2
	run in_host "$N" net "$action" --netns /run/netns/$C "$@" - <"$T/$id.json"
}
# What links, addresses and routes there are, one a line, without what time alone changes.
state() {
	for ns in $H $C; do
		ip -n $ns -j -d link | jq -c '.[] | {ifname, ifindex, up: any(.flags[]; . == "UP"), mtu,
			address, ifalias, master}'
		ip -n $ns -j addr | jq -c '.[] | {ifname, addr: [.addr_info[] | select(.scope != "link") |
			{local, prefixlen}]}'
		ip -n $ns -j route show table main | jq -c '.[] | del(.flags)'
		ip -n $ns -j -6 route show table main | jq -c '.[] | select(.dst != "fe80::/64") | del(.flags)'
	done
}
pings() { in_host ping -n -c1 -W2 "$1" && in_guest ping -n -c1 -W2 "$2"; }

# ---- the quick start: a /31 and a /127 that do not hold the other end ----

unit web2 "{'interfaces': {'veth': {'kind': 'veth', 'ip4': ['192.168.20.2/31'], 'hostIp4':
	['192.168.20.1/31'], 'ip6': ['fd00::2/127'], 'hostIp6': ['fd00::1/127']}},
	'routes': {'ip4': '192.168.20.1', 'ip6': 'fd00::1'}}"
ip -n $C link set lo up
before=$(state)
net plan web2
is "$(echo "$out" | wc -l)" 13 'plan of what is to be done: lo is up already'
run setpriv --reuid=65534 --clear-groups "$N" net plan - <"$T/web2.json"
is "$(echo "$out" | wc -l)" 14 'the whole plan, without privilege'
net up web2
is "$status $out" '0 web2: 13 of 14 operations done' 'up'
net up web2
is "$status $out" '0 web2: 0 of 14 operations done' 'up again does nothing'
in_host strace -e trace=sendto -o "$T/trace" "$N" net up --netns /run/netns/$C - \
	<"$T/web2.json" >/dev/null 2>&1
is "$(grep -c 'sendto' "$T/trace") $(grep -cE 'RTM_(NEW|DEL|SET)' "$T/trace")" '10 0' \
	'and sends nine dump requests and a question about nft, no other message'
ok 'ping through it by v4, both ways' eventually 10 pings 192.168.20.2 192.168.20.1
ok 'by v6, at once' pings fd00::2 fd00::1
is "$(ip -n $H -j link show nu-web2 | jq -r '.[0].ifalias')" nixunits:web2:veth 'marked as ours'
net check web2
is "$status:$out" 0: 'check finds no difference'
net show web2 -o json
is "$(echo "$out" | jq -r '[.links[] | select(.name == "veth") | .addresses[].address] | sort |
	map(select(startswith("fe80") | not)) | join(" ")')" '192.168.20.2/31 fd00::2/127' \
	'show has the addresses'
is "$(echo "$out" | jq -r '[.links[] | select(.where == "host").name] | join(" ")')" nu-web2 \
	'and of the host our link alone'
# The same addresses, but not as good.
ip -n $C addr change 192.168.20.2/31 dev veth valid_lft 600 preferred_lft 600
ip -n $C addr change fd00::2/127 dev veth preferred_lft 0
net check web2
is "$status $out" '1 container: veth: address: declared "192.168.20.2/31", live "for a limited time"
container: veth: address: declared "fd00::2/127", live "for a limited time"' 'check: addresses that are to go'
net up web2
net check web2
is "$status:$out" 0: 'up makes them stay'
ip -n $C addr del 192.168.20.2/31 dev veth
ip -n $C addr add 192.168.20.2 peer 192.168.20.7/31 dev veth
net check web2
is "$status $(echo "$out" | grep address)" '1 container: veth: address: declared null, live "192.168.20.2/31"
container: veth: address: declared "192.168.20.2/31", live null' 'check: another peer'
net up web2
net check web2
is "$status:$out" 0: 'up repairs'
net down web2
is "$status $out" '0 web2: 1 link removed' 'down'
is "$(state)" "$before" 'leaves links, addresses and routes as they were'
net down web2
is "$status $out" '0 web2: 0 links removed' 'down again finds nothing'

# ---- other networks ----

unit wide "{'interfaces': {'a': {'kind': 'veth', 'ip4': ['10.0.0.2/24'], 'hostIp4': ['10.0.0.1/24'],
	'ip6': ['fd01::2/64'], 'hostIp6': ['fd01::1/64'], 'mtu': 1400, 'mac': '02:00:00:00:00:07'},
	'b-with.dot': {'kind': 'veth', 'ip4': ['10.0.1.2/32', '10.0.2.2/24'], 'hostIp4': ['10.0.1.1/32']}}}"
net up wide
succeeds 'two interfaces, /24, /64, /32, two addresses'
ok 'ping the first' eventually 10 pings 10.0.0.2 10.0.0.1
ok 'by v6' eventually 10 pings fd01::2 fd01::1
ok 'ping the second' eventually 10 pings 10.0.1.2 10.0.1.1
ok 'and its other address' eventually 10 pings 10.0.2.2 10.0.1.1
is "$(ip -n $C -j link show a | jq -r '.[0] | "\(.mtu) \(.address)"')" '1400 02:00:00:00:00:07' \
	'MTU and MAC'
is "$(ip -n $H -j link show nu-wide_a | jq -r '.[0].mtu')" 1400 'the MTU at both ends'
mac=$(ip -n $C -j link show b-with.dot | jq -r '.[0].address')
net down wide
net up wide
is "$(ip -n $C -j link show b-with.dot | jq -r '.[0].address')" "$mac" 'a MAC stays the same'
host_mac=$(ip -n $H -j link show nu-wide_a | jq -r '.[0].address')
ip -n $C link set b-with.dot address 02:00:00:00:00:99
ip -n $H link set nu-wide_a address 02:00:00:00:00:98
net check wide
is "$status $out" "1 host: nu-wide_a: mac: declared \"$host_mac\", live \"02:00:00:00:00:98\"
container: b-with.dot: mac: declared \"$mac\", live \"02:00:00:00:00:99\"" 'check: another is a difference'
net up wide
is "$out $(ip -n $C -j link show b-with.dot | jq -r '.[0].address')" "wide: 2 of 17 operations done $mac" 'up repairs'
net down wide

# ---- static routes ----

ip -n $H addr add 10.8.0.1/32 dev lo
ip -n $H addr add fd08::1/128 dev lo nodad
unit routes "{'interfaces': {'a': {'kind': 'veth', 'ip4': ['10.0.0.2/24'], 'hostIp4': ['10.0.0.1/24'],
	'ip6': ['fd01::2/64'], 'hostIp6': ['fd01::1/64']}}, 'routes': {'static': [
	{'to': '10.8.0.0/16', 'via': '10.0.0.1'}, {'to': 'fd08::/48', 'via': 'fd01::1', 'interface': 'a'},
	{'to': '10.9.0.0/16', 'interface': 'a'}]}}"
net up routes
succeeds 'static routes'
net up routes
is "$out" 'routes: 0 of 11 operations done' 'up again does nothing'
ok 'ping by one, v4' in_guest ping -n -c1 -W2 10.8.0.1
ok 'v6' in_guest ping -n -c1 -W2 fd08::1
is "$(ip -n $C route show 10.9.0.0/16)" '10.9.0.0/16 dev a proto 78 scope link ' \
	'one without a next hop'
ip -n $C route del 10.8.0.0/16
ip -n $C route replace 10.9.0.0/16 via 10.0.0.1
net check routes
is "$status $out" '1 container: a: route 10.8.0.0/16: declared "via 10.0.0.1 on a", live null
container: a: route 10.9.0.0/16: declared "on a", live "via 10.0.0.1 on a"' 'check: gone, changed'
net up routes
is "$out" 'routes: 2 of 11 operations done' 'up repairs'
net check routes
is "$status:$out" 0: 'both'
net down routes
ip -n $H addr del 10.8.0.1/32 dev lo
ip -n $H addr del fd08::1/128 dev lo

# ---- a next hop that is link-local ----

ip -n $H addr add fd09::9/128 dev lo nodad
unit local "{'interfaces': {'veth': {'kind': 'veth', 'ip6': ['fd01::2/64'], 'hostIp6': ['fe80::1/64']}},
	'routes': {'ip6': 'fe80::1'}}"
net up local
succeeds 'fe80::1 on the only interface'
ok 'ping by it' in_guest ping -n -c1 -W2 fd09::9
sed -i 's/fe80::1"}}/fe80::1%veth"}}/' "$T/local.json"
net up local
is "$status $out" '0 local: 0 of 9 operations done' 'the same with the interface named'
net down local
ip -n $H addr del fd09::9/128 dev lo
unit two "{'interfaces': {'a': {'kind': 'veth'}, 'b': {'kind': 'veth'}}, 'routes': {'ip6': 'fe80::1'}}"
net up two
is "$status $err" '2 nu-net: two: network.routes.ip6: fe80::1 may be on any link, and there are several (name one: fe80::1%a): a, b' \
	'of several it must be named'

unit bridged "{'interfaces': {'lan': {'kind': 'veth', 'hostBridge': 'br0', 'ip4': ['10.2.0.2/24'],
	'ip6': ['fd02::2/64']}}, 'routes': {'ip4': '10.2.0.1', 'ip6': 'fd02::1'}}"
net up bridged
is "$status $err" '1 nu-net: bridged: interface lan: bridge br0: no such link on the host' \
	'a bridge that is not there'
is "$(state)" "$before" 'changes nothing'
ip -n $H link add br0 address 02:00:00:00:00:01 type bridge
ip -n $H addr add 10.2.0.1/24 dev br0
ip -n $H addr add fd02::1/64 dev br0 nodad
ip -n $H link set br0 up
with_bridge=$(state)
net up bridged
succeeds 'a port of a bridge'
is "$(ip -n $H -j link show nu-bridged_lan | jq -r '.[0].master')" br0 'is one'
ok 'ping through the bridge' eventually 10 pings 10.2.0.2 10.2.0.1
run in_guest "$N" wait -t 50 "$T/bridged.json"
succeeds 'nu-wait returns when duplicate address detection has ended'
is "$(ip -n $C -j addr show lan | jq '[.[0].addr_info[] | select(.tentative and .scope == "global")] | length')" 0 \
	'no declared address is tentative then'
ok 'ping by v6' eventually 10 pings fd02::2 fd02::1
ip -n $H link set nu-bridged_lan nomaster
net check bridged -o json
is "$status $(echo "$out" | jq -c '.drift')" \
	'1 [{"where":"host","link":"nu-bridged_lan","what":"bridge","declared":"br0","live":null}]' \
	'check: taken off the bridge'
net up bridged
is "$(ip -n $H -j link show nu-bridged_lan | jq -r '.[0].master')" br0 'up puts it back'

# ---- nu-wait ----

run in_guest "$N" wait -t 1 "$T/web2.json"
is "$status $err" '1 nu-wait: web2: not ready after 1 s: no interface veth' \
	'nu-wait says what is missing'
ip -n $C route del default
ip -n $C addr del 10.2.0.2/24 dev lan
run in_guest "$N" wait -t 0 "$T/bridged.json"
is "$err" 'nu-wait: bridged: not ready after 0 s: no address 10.2.0.2/24 on lan; no route default via 10.2.0.1 on lan' \
	'an address and a route'
net up bridged
is "$out" 'bridged: 2 of 8 operations done' 'up repairs them'
run in_guest "$N" wait -t 0 "$T/bridged.json"
succeeds 'nu-wait is content'
ip -n $H link set nu-bridged_lan down
run in_guest "$N" wait -t 0 "$T/bridged.json"
like "$err" 'lan has no carrier' 'the other end is down'
net down bridged

# Somebody on the bridge has the address already.
ip netns add ${C}x
at_exit ip netns del ${C}x
ip -n $H link add dup type veth peer name dup0 netns ${C}x
ip -n $H link set dup master br0 up
ip -n ${C}x link set dup0 up
ip -n ${C}x addr add fd02::2/64 dev dup0 nodad
net up bridged
start=$(date +%s)
run in_guest "$N" wait -t 100 "$T/bridged.json"
is "$status $err" '1 nu-wait: bridged: address fd02::2/64 on lan: another host has it (duplicate address detection)' \
	'a duplicate address is a failure'
ok 'at once, not after the time-out' test $(($(date +%s) - start)) -lt 90
net check bridged
like "$out" 'container: lan: address: declared "fd02::2/64", live null|declared null' 'check finds it'
ip -n $H link del dup
net up bridged
run in_guest "$N" wait -t 50 "$T/bridged.json"
succeeds 'up tries again: the other one has gone'
net down bridged

# It wakes by events: started first, and what it waits for comes later.
(run in_guest "$N" wait -t 50 "$T/bridged.json"; echo "$status" >"$T/waited") &
sleep 0.3
net up bridged
wait $!
is "$(cat "$T/waited")" 0 'nu-wait, started before, sees it come'
# As root of a user namespace without any capability over the network.
run in_guest unshare -U -r setpriv --bounding-set=-all "$N" wait -t 50 "$T/bridged.json"
succeeds 'nu-wait needs no capability'
unit none "{'private': false}"
run in_guest "$N" wait -t 0 "$T/none.json"
succeeds 'nothing to wait for'
run in_guest "$N" wait "$T/absent.json"
is "$status" 1 'no document'
run "$N" wait -t x "$T/none.json"
is "$status" 2 'a time-out that is none'
net down bridged
is "$(state)" "$with_bridge" 'the bridge is as it was'
ip -n $H link del br0

# ---- what is not ours, and what goes wrong half-way ----

ip -n $H link add nu-web2 type bridge
foreign=$(state)
net up web2
is "$status $err" "1 nu-net: web2: host: link nu-web2 exists already, and is not this unit's" \
	'a foreign link of that name'
is "$(state)" "$foreign" 'is left alone'
net down web2
is "$(state)" "$foreign" 'by down too'
ip -n $H link set nu-web2 alias nixunits:web22:veth
net up web2
like "$err" 'alias "nixunits:web22:veth"' "another unit's is named"
net down web2
ok 'and not removed, though the ids begin alike' ip -n $H link show nu-web2
ip -n $H link del nu-web2

ip -n $C link add veth type bridge
net up web2
is "$status $err" "1 nu-net: web2: container: link veth exists already, and is not this unit's" \
	'a foreign link in the container'
ip -n $C link del veth

ip -n $H link add other type bridge
ip -n $H link set other up
ip -n $H route add 192.168.20.2/32 dev other
conflict=$(state)
net up web2
is "$status $err" '1 nu-net: web2: operation 5 of 13: host: route 192.168.20.2/32 on nu-web2: File exists (there is another route to it, on other)' \
	'a foreign route to the same address: the operation is named'
is "$(state)" "$conflict" 'and those before it are undone'
ip -n $H link del other

in_guest sysctl -qw net.ipv6.conf.default.disable_ipv6=1
net up web2
like "$err" 'operation 9 of 13: container: address fd00::2/127 on veth: .*IPv6 is disabled' \
	'IPv6 disabled in the container'
is "$(state)" "$before" 'undone on both sides'
in_guest sysctl -qw net.ipv6.conf.default.disable_ipv6=0

# An earlier declaration's interface, and one whose other end went with its namespace.
net up wide
unit wide "{'interfaces': {'a': {'kind': 'veth', 'ip4': ['10.0.0.3/24'], 'hostIp4': ['10.0.0.1/24']}}}"
net up wide
succeeds 'up with another declaration'
is "$(ip -n $H -j link | jq -r 'map(.ifname) | join(" ")')" 'lo nu-wide_a' \
	'removes the interface that is declared no more'
is "$(ip -n $C -j addr show a | jq -r '[.[0].addr_info[] | select(.scope == "global").local] | join(" ")')" \
	'10.0.0.3' 'and the addresses'
ok 'ping the new one' eventually 10 pings 10.0.0.3 10.0.0.1
ip netns add ${C}y
at_exit ip netns del ${C}y
run in_host "$N" net up --netns /run/netns/${C}y - <"$T/wide.json"
succeeds 'up for a new start, while the old namespace still exists'
is "$(ip -n $C -j link | jq -r 'map(.ifname) | join(" ")')" lo 'takes the link from there'
is "$(ip -n ${C}y -j link | jq -r 'map(.ifname) | join(" ")')" 'lo a' 'and makes it here'
net down wide
is "$(state)" "$before" 'all gone'

# Two at once: one does it, the other finds it done, whichever it is.
for i in 1 2 3 4 5 6 7 8; do
	in_host "$N" net up --netns /run/netns/$C - <"$T/web2.json" >"$T/other" 2>&1 &
	net up web2
	wait $!
	grep -q 'operations done' "$T/other" || fail "two at once: $(cat "$T/other")"
	[ "$status" = 0 ] || fail "two at once: $err"
	net check web2
	[ "$status:$out" = 0: ] || fail "two at once: check finds $out $err"
	net down web2
done
pass 'eight times two at once: always complete'

# Killed at some moment: the next up completes it.
kills=0
for ms in 0 1 2 3 4 5 6 7 8; do
	# exec: what is killed must be the program, not a shell around it.
	(exec nsenter --net=/run/netns/$H "$N" net up --netns /run/netns/$C - <"$T/web2.json" \
		>/dev/null 2>&1) &
	sleep 0.00$ms
	kill -9 $! 2>/dev/null && kills=$((kills + 1))
	wait $! 2>/dev/null
	net up web2
	[ "$status" = 0 ] || fail "killed after $ms ms, then up: $err"
	net check web2
	[ "$status:$out" = 0: ] || fail "killed after $ms ms, then up: check finds $out $err"
	net down web2
done
pass "killed $kills times of 9, then up: complete"
is "$(state)" "$before" 'and down leaves nothing'

# ---- bad input ----

refuse() {	# refuse NETWORK MESSAGE - exit 2, that message, nothing changed
	unit bad "$1"
	net up bad
	is "$status $err" "2 nu-net: $2" "$2"
}
refuse "{'interfaces': {'lan': {'kind': 'veth', 'ip4': ['10.0.0.2/33']}}}" \
	'standard input: network.interfaces.lan.ip4[0]: "10.0.0.2/33": prefix length above 32'
refuse "{'interfaces': {'lan': {'kind': 'veth', 'ip4': ['10.0.0.2']}}}" \
	'standard input: network.interfaces.lan.ip4[0]: "10.0.0.2": expected a prefix length, such as /24'
refuse "{'interfaces': {'lan': {'kind': 'veth', 'ip4': ['fd00::1/64']}}}" \
	'standard input: network.interfaces.lan.ip4[0]: "fd00::1": expected an IPv4 address'
refuse "{'interfaces': {'lan': {'kind': 'veth', 'ip4': ['10.0.0.2/24'], 'hostIp4': ['10.0.0.2/24']}}}" \
	'bad: interface lan: hostIp4 10.0.0.2: also ip4 of interface lan'
refuse "{'interfaces': {'lan': {'kind': 'veth', 'ip4': ['10.0.0.2/24']}}, 'routes': {'ip4': '10.9.0.1'}}" \
	'bad: network.routes.ip4: 10.9.0.1 is on no link of the container (lan 10.0.0.2/24)'
refuse "{'interfaces': {'interface-of-16b': {'kind': 'veth'}}}" \
	'standard input: network.interfaces.interface-of-16b: "interface-of-16b": longer than the 15 bytes of an interface name'
echo '{' >"$T/bad.json"
net plan bad
is "$status $err" '2 nu-net: standard input: line 2, column 1: the JSON text ends too early' 'no JSON'
is "$(state)" "$before" 'nothing is changed by any of them'

run in_host "$N" net up --netns /proc/self/ns/net - <"$T/web2.json"
is "$status $err" "2 nu-net: web2: /proc/self/ns/net: this is the host's own network" \
	"the host's own namespace is refused"
run in_host "$N" net up --netns /etc/passwd - <"$T/web2.json"
is "$status $err" '2 nu-net: web2: /etc/passwd: not a network namespace' 'a file that is no namespace'
run in_host "$N" net up --netns /run/netns/none-$$ - <"$T/web2.json"
is "$status" 1 'no such file'
run in_host "$N" net up --pid 0 - <"$T/web2.json"
is "$status" 2 'no process'
run "$N" net
is "$status" 2 'no action'
run "$N" net frobnicate - <"$T/web2.json"
is "$status" 2 'an unknown action'
run "$N" net plan nosuch
is "$status" 3 'no such unit'
run "$N" net down ../x
is "$status" 2 'no id'
run "$N" net up --netns /run/netns/$C --pid 1 -
is "$status" 2 'two namespaces'
run in_host setpriv --reuid=65534 --clear-groups "$N" net up --netns /run/netns/$C - <"$T/web2.json"
isnt "$status" 0 'not root'
is "$(state)" "$before" 'nothing is changed by any of these'

# ---- nu-ip6 ----

run "$N" ip6 web2
is "$status $out" '0 fdbd:1059:591c:0:d5ef:a0aa:bd18:9cf2' 'nu-ip6: always the same address'
is "$(printf 'nixunits ip6\0web2\0' | sha256sum | cut -c1-26)" bd1059591cd5efa0aabd189cf2 \
	'made as documented'
run "$N" ip6 -p web2
is "$out" 'fdbd:1059:591c::/64' 'its network'
run "$N" ip6 Web2
is "$status" 2 'a bad id'
run "$N" ip6
is "$status" 2 'no id'

done_testing
