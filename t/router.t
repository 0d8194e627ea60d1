#!/bin/sh
# README.md's router, as pasted: a foot in each of two VLANs of Open vSwitch, a firewall, kernel
# parameters, a bind, dnsmasq; a client unit in each VLAN. Traffic crosses, and only by it.
. "$(dirname "$0")/lib/host.sh"

inside() { local id=$1; shift; host nixunits nsenter -n "$id" -- "$@"; }
pings() { inside "$1" ping -n -c1 -W2 "$2"; }

leader() { host nixunits status -o json router1 | jq -r '"\(.status) \(.leader)"'; }
other_leader() {	# other_leader WAS: started, and another process leads
	local now
	now=$(leader)
	case $now in
	started\ [0-9]*) [ "$now" != "$1" ] ;;
	*) false ;;
	esac
}

# What a unit leaves or takes on the host.
state() {
	host ip -j link | jq -r '.[].ifname' | grep -v '^ovs-netdev$' | sort
	host ovs-vsctl list-ports br0 | sort
	host ip -j route show table all | jq -c '.[] | select(.dev | test("^nu-"))'
}

start_switch() {
	host_sh 'mkdir -p /var/run/openvswitch /var/log/openvswitch /etc/openvswitch
		[ -e /etc/openvswitch/conf.db ] ||
			ovsdb-tool create /etc/openvswitch/conf.db /usr/share/openvswitch/vswitch.ovsschema
		systemd-run -q --unit=test-ovsdb --service-type=forking ovsdb-server --detach --pidfile \
			--remote=punix:/var/run/openvswitch/db.sock /etc/openvswitch/conf.db
		ovs-vsctl --no-wait init
		systemd-run -q --unit=test-vswitchd --service-type=forking ovs-vswitchd --detach --pidfile
		ovs-vsctl --timeout=50 add-br br0 -- set bridge br0 datapath_type=netdev'
}

# pasted LANGUAGE - what README's section on the router has in it.
pasted() {
	awk -v lang="$1" '/^## /{ here = /A router/ }
		here && /^```/ { code = $0 == "```" lang; next } here && code' "$REPO/README.md"
}

declare_all() {
	pasted nix | host_put /root/router.nix
	pasted json | host_put /root/router1.json
	host_put /root/client.nix <<-'X'
	{ properties, ... }: {
	  network.interfaces.eth0 = {
	    inherit (properties) ip4 ip6;
	    ovs = { bridge = "br0"; inherit (properties) vlan; };
	  };
	  network.ip4route = properties.gw4;
	  network.ip6route = properties.gw6;
	  config.system.stateVersion = "25.11";
	}
	X
	host_put /root/inner.json <<-'X'
	{"id": "inner", "ip4": "10.0.0.3/16", "ip6": "a:b:c:d::f/64", "vlan": 356,
	 "gw4": "10.0.0.2", "gw6": "a:b:c:d::e"}
	X
	host_put /root/outer.json <<-'X'
	{"id": "outer", "ip4": "70.0.0.3/31", "ip6": "2001:bc8::ffff:ffff:ffff:fffe/64", "vlan": 357,
	 "gw4": "70.0.0.2", "gw6": "2001:bc8::a"}
	X
	host mkdir -p /srv/logs
}

router() {
	host_install
	run start_switch
	if [ "$status" != 0 ]; then
		[ -n "${NIXUNITS_MUST:-}" ] && fail "Open vSwitch runs here: $err" ||
			skip "Open vSwitch does not run here: $err" 'the router'
		return
	fi
	declare_all
	before=$(state)
	# Numbers that the field has no room for; a next hop on no link.
	host_sh 'cd /root; sed "s/356/4356/" router1.json >vlan.json; sed "s/70.0.0.3/20.0.0.254/" router1.json >hop.json'
	run host sh -c 'cd /root; nixunits build -q -n router.nix -j vlan.json -p debian'
	like "$status $err" '^2 .*router1: .*network.interfaces.lan.ovs.vlan: 4356: expected a whole number from 1 to 4094' \
		'a VLAN that is none is an error'
	for id in 0 -7; do
		run host sh -c 'cd /root; sed "s/357/$1/" router1.json >vlan.json; nixunits build -q -n router.nix -j vlan.json -p debian' - $id
		like "$status $err" "^2 .*router1: .*network.interfaces.wan.ovs.vlan: $id: expected a whole number from 1 to 4094" \
			"VLAN $id as well"
	done
	run host sh -c 'cd /root; nixunits build -q -n router.nix -j hop.json -p debian'
	like "$status $err" '^2 .*router1: .*network.routes.ip4: 20.0.0.254 is on no link of the container .lan 10.0.0.2/16, wan 70.0.0.2/31' \
		'a next hop on no link is one'
	is "$(host nixunits list -q)" '' 'and nothing is built'
	run host sh -c 'cd /root; nixunits build -q -n router.nix -j router1.json -p debian -s'
	succeeds 'the router starts'
	[ "$status" = 0 ] || { tap_shown "$(host journalctl -u nixunits@router1 -o cat)"; return; }
	for id in inner outer; do
		ok "the client $id starts" \
			host sh -c "cd /root; nixunits build -q -n client.nix -j $id.json -p debian -s"
	done
	run host nixunits net check router1
	is "$status:$out" 0: 'the network is as declared'
	is "$(inside router1 cat /proc/sys/net/ipv4/ip_forward)" 1 'the kernel parameter is set'
	is "$(host cat /proc/sys/net/ipv4/ip_forward)" "$(cat /proc/sys/net/ipv4/ip_forward)" \
		'and not that of the host'
	like "$(inside router1 nft list ruleset)" 'hook input' 'the firewall is loaded'
	is "$(host ovs-vsctl get Port nu-router1_lan tag)" 356 'the port has its VLAN'
	like "$(host nixunits status router1)" '2001:bc8::a' 'status has the addresses'

	ok 'within a VLAN, v4' eventually 10 pings inner 10.0.0.2
	ok 'v6' eventually 10 pings inner a:b:c:d::e
	ok 'within the other, v4' eventually 10 pings outer 70.0.0.2
	ok 'v6' eventually 10 pings outer 2001:bc8::a
	ok 'from one to the other through the router, v4' eventually 10 pings inner 70.0.0.3
	ok 'v6' eventually 10 pings inner 2001:bc8::ffff:ffff:ffff:fffe
	ok 'the router stops' host nixunits stop -q router1
	not_ok 'without it nothing crosses' pings inner 70.0.0.3
	is "$(host ovs-vsctl list-ports br0 | grep -c router1)" 0 'its ports are gone'

	ok 'and starts again' host nixunits start -q router1
	ok 'traffic is back' eventually 10 pings inner 70.0.0.3
	host ovs-vsctl --timeout=50 set Port nu-router1_wan tag=99
	inside router1 ip link set lan mtu 1300
	inside router1 nft add rule inet filter input tcp dport 22 drop
	run host nixunits net check router1
	is "$status $(echo "$out" | grep -c 'port: declared "br0 vlan 357", live "br0 vlan 99"')" '1 1' \
		'drift is found'
	run host nixunits net up router1
	succeeds 'and repaired without a restart'
	is "$(host ovs-vsctl get Port nu-router1_wan tag)" 357 'indeed'

	was=$(leader)
	host systemctl kill --kill-whom=main -s KILL nixunits@router1
	ok 'its systemd-nspawn killed, it is started again by systemd' eventually 40 other_leader "$was"
	ok 'with traffic' eventually 20 pings inner 70.0.0.3
	run host nixunits net check router1
	is "$status:$out$err" 0: 'and its whole network'

	host nixunits stop -q router1
	host_sh 'nixunits run --engine direct router1 </dev/null >/root/direct.log 2>&1 &'
	ok 'by the direct engine, too, traffic crosses' eventually 20 pings inner 70.0.0.3
	run host nixunits net check router1
	is "$status:$out$err" 0: 'and the network is as declared'
	host nixunits stop -q router1
	is "$(host ovs-vsctl list-ports br0 | grep -c router1)" 0 'until it is stopped'

	# As after the host's end without a stop: what remembers the ports is the switch's database.
	host nixunits start -q router1
	host_sh 'systemctl kill -s KILL test-vswitchd test-ovsdb; systemctl reset-failed
		rm -f /var/run/openvswitch/db.sock'
	host nixunits stop -q router1 2>/dev/null
	run start_switch
	is "$(host ovs-vsctl list-ports br0 | grep -c router1)" 2 'its ports are remembered'
	ok 'the next start repairs them' host nixunits start -q router1
	for id in inner outer; do
		ok "and up those of $id, which runs" host nixunits net up $id
	done
	ok 'with traffic' eventually 20 pings inner 70.0.0.3
	run host nixunits net check router1
	is "$status:$out$err" 0: 'as declared'
	ok 'delete router1' host nixunits delete -q -f -r router1
	# Another hand's, of longer standing: it forwards v4 alone.
	host_put /root/older.nix <"$REPO/t/golden/router.nix"
	run host sh -c 'cd /root; nixunits build -q -n older.nix -j router1.json -p debian -s'
	succeeds 'a router of an older declaration starts'
	ok 'traffic crosses, v4' eventually 10 pings inner 70.0.0.3
	not_ok 'v6 does not' pings inner 2001:bc8::ffff:ffff:ffff:fffe
	for id in router1 inner outer; do
		ok "delete $id" host nixunits delete -q -f -r $id
	done
	is "$(state)" "$before" 'the host and the switch are as they were'
}

each_suite router
done_testing
