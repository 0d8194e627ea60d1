#!/bin/sh
# Ports of the host that lead into a unit, and static routes: reached from another host, by v4 and
# v6, and from the host's own localhost; nothing of it is left when the unit has stopped.
. "$(dirname "$0")/lib/host.sh"

# fetch FROM ADDRESS PORT - what the unit's program answers: the address that it was asked from
fetch() {
	local from=$1
	shift
	[ "$from" = far ] && set -- ip netns exec far timeout 50 bash -c 'exec 3<>"/dev/tcp/$0/$1" && cat <&3' "$@" ||
		set -- timeout 50 bash -c 'exec 3<>"/dev/tcp/$0/$1" && cat <&3' "$@"
	host "$@" 2>/dev/null
}
# What a unit leaves or takes on the host.
state() {
	host nft list ruleset
	host ip -o link | cut -d: -f2
	host ip route
	host ip -6 route
}

forward() {
	host_install
	host_sh 'ip netns add far
		ip link add up0 type veth peer name eth0 netns far
		ip addr add 192.0.2.1/24 dev up0; ip addr add 2001:db8::1/64 dev up0 nodad; ip link set up0 up
		ip -n far addr add 192.0.2.9/24 dev eth0; ip -n far addr add 2001:db8::9/64 dev eth0 nodad
		ip -n far link set eth0 up; ip -n far link set lo up
		sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1'
	host_put /root/ports.nix <<-'X'
	{ pkgs, ... }: {
	  network.interfaces.veth = {
	    ip4 = "10.6.0.2/31"; hostIp4 = "10.6.0.3/31";
	    ip6 = "fd06::2/127"; hostIp6 = "fd06::3/127";
	  };
	  # Not a default route, but one to where the clients are.
	  network.routes = [ "192.0.2.0/24 via 10.6.0.3" "2001:db8::/64 via fd06::3 on veth" ];
	  network.forward = [ "tcp:8080:80" ];
	  config = {
	    systemd.sockets.answer = {
	      wantedBy = [ "sockets.target" ];
	      socketConfig = { ListenStream = 80; Accept = true; };
	    };
	    systemd.services."answer@".serviceConfig = {
	      ExecStart = "${pkgs.bash}/bin/bash -c 'echo $REMOTE_ADDR'";
	      StandardOutput = "socket";
	    };
	    system.stateVersion = "25.11";
	  };
	}
	X
	before=$(state)
	run host nixunits build -q -n /root/ports.nix -i ports -p debian -s
	succeeds 'a unit with a forwarded port and routes starts'
	run host nixunits net check ports
	is "$status:$out" 0: 'its network is as declared'
	like "$(host nixunits nsenter -n ports -- ip route)" '192.0.2.0/24 via 10.6.0.3' 'a route, v4'
	like "$(host nixunits nsenter -n ports -- ip -6 route)" '2001:db8::/64 via fd06::3' 'v6'
	is "$(fetch far 192.0.2.1 8080)" '10.6.0.3' 'from another host, v4'
	is "$(fetch far 2001:db8::1 8080)" fd06::3 'v6'
	is "$(fetch host 127.0.0.1 8080)" '10.6.0.3' "from the host's localhost"
	is "$(fetch host 2001:db8::1 8080)" fd06::3 'and by its IPv6 address'
	# A user's lock on the namespace of the host's network, which anybody can take.
	host_sh 'setpriv --reuid 65534 --regid 65534 --clear-groups flock /proc/self/ns/net sleep 600 </dev/null >/dev/null 2>&1 &
		until pgrep -x -u 65534 sleep >/dev/null; do sleep 0.1; done'
	ok 'it starts again, whoever locks what' host timeout 60 nixunits restart -q ports
	host pkill -x -u 65534 sleep
	is "$(fetch host 127.0.0.1 8080)" '10.6.0.3' 'and is reached again'
	ok 'it stops' host nixunits stop -q ports
	is "$(state)" "$before" 'nothing is left on the host'
	ok 'and starts' host nixunits start -q ports
	# A repair that is held up while the unit stops.
	host_sh 'nft delete table inet nixunits-ports
		flock /run/nixunits/.forward sh -c "touch /root/held; until [ -e /root/go ]; do sleep 0.1; done" &
		until [ -e /root/held ]; do sleep 0.1; done
		nixunits net up ports 2>/root/up & up=$!
		until ls -l /proc/$up/fd | grep -q /run/nixunits/.forward; do sleep 0.1; done
		nixunits stop -q ports; touch /root/go; wait $up || echo $? >>/root/up'
	like "$(host cat /root/up)" 'nu-net: ports: .*route_localnet: No such file' 'an up that comes too late fails'
	ok 'and leaves nothing on the host' eventually 10 sh -c '[ "$("$1" run "$2" nft list tables)" = "" ]' - "$REPO/t/host/host" "$HOST"
	is "$(state)" "$before" 'indeed'
	host nixunits start -q ports
	ok 'it is deleted, running' host nixunits delete -q -f -r ports
	is "$(state)" "$before" 'and nothing is left'
}

each_suite forward
done_testing
