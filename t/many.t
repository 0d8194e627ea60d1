#!/bin/sh
# Much of something: interfaces in one unit, letters in an id, starts and stops of two units at once.
. "$(dirname "$0")/lib/host.sh"

# build ID NAME NUMBER [PARAMETER]... - a unit of /root/NAME.nix, started; number is the parameter
# "number", the others are true.
build() {
	local id=$1 name=$2 json="\"number\": $3" p
	shift 3
	for p; do json="$json, \"$p\": true"; done
	echo "{$json}" | host_put /root/p.json
	run host nixunits build -q -n "/root/$name.nix" -j /root/p.json -i "$id" -p debian -s
}
inside() { local id=$1; shift; host nixunits nsenter -n "$id" -- "$@"; }
pings() { "$@" >"$T/ping" 2>&1 || { cat "$T/ping"; return 1; }; }

# traces - what a unit could leave on the host, one thing a line.
traces() {
	host_sh '{ ip -brief link | cut -d" " -f1; ip route; ip -6 route; nft list tables; } |
			sed "s/ linkdown//"
		cut -d" " -f2 /proc/self/mounts | sort
		systemctl --failed --plain --no-legend; systemctl list-jobs --plain --no-legend
		ls /run/systemd/machines /var/lib/nixunits/containers /var/log/journal
		cat /var/lib/nixunits/uidmap
		find /run/systemd/nspawn /sys/fs/cgroup/machine.slice -mindepth 2 2>/dev/null || true
		ps -eo comm= | grep -E "^(nixunits|nu-|nix|systemd-nspawn)" || true'
}
unchanged() {
	traces >"$T/after"
	is "$(diff "$T/before" "$T/after")" '' "$1"
}

declarations() {
	host_put /root/wide.nix <<-'X'
	{ ... }: let
	  range = n: f: builtins.listToAttrs (builtins.genList f n);
	  veth = i: { name = "v${toString i}"; value = {
	    ip4 = "10.30.${toString i}.2/31"; hostIp4 = "10.30.${toString i}.3/31";
	    ip6 = "fd30:${toString i}::2/127"; hostIp6 = "fd30:${toString i}::3/127";
	  }; };
	  port = i: { name = "p${toString i}"; value = {
	    hostBridge = "br0"; ip4 = "10.31.${toString i}.2/24"; ip6 = "fd31:${toString i}::2/64";
	  }; };
	in {
	  network.interfaces = range 20 veth // range 10 port;
	  config.system.stateVersion = "25.11";
	}
	X
	host_put /root/one.nix <<-'X'
	{ lib, properties, ... }: let n = toString (properties.number or 0); in {
	  network.interfaces = {
	    veth = {
	      ip4 = "10.40.${n}.2/31"; hostIp4 = "10.40.${n}.3/31";
	      ip6 = "fd40:${n}::2/127"; hostIp6 = "fd40:${n}::3/127";
	    };
	    lan = { hostBridge = "br0"; ip4 = "10.41.0.${n}/24";
	      # Without one nothing waits for the end of duplicate address detection.
	      ip6 = lib.optional (!properties ? hurried) "fd41::${n}/64"; };
	  };
	  config.system.stateVersion = "25.11";
	}
	X
	host_sh 'ip link add br0 type bridge; ip addr add 10.41.0.254/24 dev br0; ip link set br0 up'
	# What stays when all units are gone: the base store and empty directories.
	for name in wide one; do
		build first $name 1
		succeeds "a unit of $name.nix starts"
		host nixunits delete -q -f -r first
	done
	traces >"$T/before"
}

interfaces() {
	build wide wide 1
	succeeds 'a unit with 30 interfaces starts'
	is "$(inside wide ip -j addr | jq -r '.[] | select(.ifname != "lo") | .addr_info[] |
		select(.scope == "global") | "\(.local)/\(.prefixlen)"' | sort)" \
		"$({ for i in $(seq 0 19); do echo "10.30.$i.2/31"; echo "fd30:$i::2/127"; done
			for i in $(seq 0 9); do echo "10.31.$i.2/24"; echo "fd31:$i::2/64"; done; } |
			sed s/:0::/::/ | sort)" \
		'with 60 addresses'
	is "$(host sh -c 'ip -br link show master br0 | wc -l; ip -j link' | jq -s -r \
		'"\(.[0]) \([.[1][] | select(.ifname | startswith("nu-"))] | length)"')" '10 30' \
		'and an end of each on the host'
	ok 'the last of them carries traffic, v4' host ping -n -c1 -w20 10.30.19.2
	ok 'v6' host ping -n -c1 -w20 fd30:19::2
	run host nixunits check wide
	is "$status:$out$err" 0: 'it is what was declared'
	run host nixunits net up wide
	like "$out" '^wide: 0 of ' 'up has nothing to do'
	is "$(host nixunits status -o json wide | jq '.addresses | length')" 60 'status shows all addresses'
	ok 'it stops' host nixunits stop -q wide
	is "$(host ip -j link | jq -r '[.[].ifname | select(startswith("nu-"))] | length')" 0 \
		'which takes them away'
	ok 'starts again' host nixunits start -q wide
	ok 'and is deleted, running' host nixunits delete -q -f -r wide
	unchanged 'nothing is left'
}

# Two ids that differ at their very end, of which no interface name has room.
letters() {
	local stem=web-$(head -c 58 /dev/zero | tr '\0' x) a b
	a=${stem}1 b=${stem}22
	is "${#a} ${#b}" '63 64' 'an id of 63 characters, and one of 64'
	build $a one 1
	succeeds 'the one starts' || host journalctl -o cat -n 20 -u "nixunits@$a" | tail -n 20
	build $b one 2
	succeeds 'and the other'
	name=nu-$(printf %s "$a/veth" | sha256sum | cut -c1-12)
	is "$(host ip -j link show "$name" | jq -r '.[0].ifalias')" "nixunits:$a:veth" \
		"the host's end has a name from a hash, and its alias tells"
	for n in 1 2; do
		ok "traffic with number $n, v4" host ping -n -c1 -w20 10.40.$n.2
		ok 'v6' host ping -n -c1 -w20 fd40:$n::2
	done
	ok 'from the container' inside $a ping -n -c1 -w20 10.40.1.3
	ok 'from one to the other, v4' inside $a ping -n -c1 -w20 10.41.0.2
	ok 'v6' inside $b ping -n -c1 -w20 fd41::1
	for id in $a $b; do
		run host nixunits check $id
		is "$status:$out$err" 0: 'check is content'
		is "$(host nixunits status -o json $id | jq -r '"\(.id) \(.status)"')" "$id started" 'status knows it'
	done
	like "$(host nixunits net graph)" "└─ $b veth" 'the graph has it'
	ok 'the one is deleted' host nixunits delete -q -f -r $a
	run host nixunits check $b
	is "$status:$out$err" 0: 'the other stays as it was'
	ok 'until it is deleted' host nixunits delete -q -f -r $b
	unchanged 'nothing is left'
}

# rounds N - so often two units start, are checked and stop, both at once.
rounds() {
	# Each line is a command that failed.
	run host_sh 'n=$1
		life() {
			nixunits start -q $1 || echo "round $i: start $1: exit $?"
			nixunits check $1 || echo "round $i: check $1: exit $?"
			nixunits stop -q $1 || echo "round $i: stop $1: exit $?"
		}
		for i in $(seq $n); do
			life a & life b & wait
		done 2>&1' "$1"
}

# A service manager, machined, the kernel's network: all that a start and a stop have in common
# with those of another unit.
at_once() {
	build a one 1 hurried
	build b one 2 hurried
	host nixunits stop -q a b
	traces >"$T/idle"
	rounds "$ROUNDS"
	is "$status:$out$err" 0: "$ROUNDS times two units start, are checked and stop at once"
	# What systemd-nspawn waits for may take its time, and is not to be interrupted.
	host_sh 'systemctl start systemd-machined
		systemd-run -q --unit=slow strace -qq -o /dev/null -p "$(pidof systemd-machined)" \
			-e inject=?rename,?renameat,?renameat2:delay_exit=100000
		until grep -q "^TracerPid:.*[1-9]" /proc/$(pidof systemd-machined)/status; do sleep 0.1; done'
	rounds 2
	is "$status:$out$err" 0: 'twice more with a machined that is slow to answer'
	ok 'which it was' host systemctl stop slow
	host_sh 'until ! systemctl is-active -q slow; do sleep 0.1; done'
	traces >"$T/after"
	is "$(diff "$T/idle" "$T/after")" '' 'nothing is left of it'
	is "$(host journalctl -o cat --no-pager -u nixunits@a -u nixunits@b | grep -iE '^nu-|^nixunits@.*fail')" '' \
		'and no word of trouble is in the journal'
	ok 'both are deleted' host nixunits delete -q -f -r a b
	unchanged 'nothing at all is left'
}

many() {
	host_install
	declarations
	interfaces
	letters
	at_once
}

ROUNDS=50
each_suite many
done_testing
