#!/bin/sh
# Commands at once, and commands that are killed: nothing torn, nothing lost, nothing left.
. "$(dirname "$0")/lib/host.sh"

field() { host nixunits status "$1" -o json | jq -r "$2"; }

# traces - what a host without units has, and nothing else.
traces() {
	host_sh 'ip -brief link | cut -d" " -f1; cut -d" " -f2 /proc/self/mounts | sort
		ls /run/systemd/machines /var/lib/nixunits/containers /var/lib/nixunits/gcroots 2>/dev/null || true
		cat /var/lib/nixunits/uidmap; ls -A /var/lib/nixunits; ls /var/log/journal
		find /run/systemd/nspawn /sys/fs/cgroup/machine.slice -mindepth 2 2>/dev/null || true
		ls /tmp | grep nix || true
		ps -eo comm= | grep -E "^(nix|systemd-nspawn)" || true'
}

# Declares c1 ... c9 with one configuration, d1 ... with another.
declarations() {
	host_sh 'cd /root; for i in 1 2 3 4 5 6 7 8 9; do
			sed "s/web2/c$i/; s/20\\./4$i./g" /src/nix/examples/quickstart/web2.json >c$i.json
			echo "{\"id\": \"d$i\"}" >d$i.json
		done
		cp /src/nix/examples/quickstart/web_default.nix c.nix
		echo "{ ... }: { config.system.stateVersion = \"25.11\"; }" >d.nix'
}

at_once() {
	# One id.
	host_sh 'cd /root; for i in 1 2 3 4 5 6 7 8; do
			{ nixunits build -n c.nix -j c1.json -p debian 2>err.$i; echo $? >code.$i; } &
		done; wait'
	is "$(host_sh 'cat /root/code.* | sort -u | tr "\n" " "' | tr -d '4 ')" 0 \
		'builds of one id at once succeed or are told that it is busy'
	is "$(host ls /var/lib/nixunits/containers/c1/generations)" 1 'there is one generation'
	# Many ids, one base.
	host_sh 'cd /root; rm -f code.* err.*; for i in 1 2 3 4; do
			{ nixunits build -n d.nix -j d$i.json -p debian 2>err.$i; echo $? >code.$i; } &
		done; wait'
	is "$(host_sh 'cat /root/code.*' | tr -d '\n')" 0000 'builds of many ids at once succeed'
	is "$(host_sh 'cat /root/err.* | grep -c "base: evaluating"')" 1 'what they share is built once'
	# A delete when the base is there and the container is not yet.
	host nixunits delete -q -f -r d1 d2 d3 d4
	host_sh 'cd /root; nixunits build -q -n d.nix -j d1.json -p debian & roots=/var/lib/nixunits/gcroots
		until [ "$(ls $roots | wc -l)" = 2 ]; do :; done; nixunits delete -q -f -r c1; wait $!'
	is "$(field d1 .need_store_build)" false "no delete of another takes a growing unit's base away"
	host nixunits delete -q -f -r d1
}

# killed SIGNAL COMMAND...: at moments within a second; then `nixunits status` must answer.
killed() {
	local signal=$1
	shift
	for moment in 0.005 0.02 0.05 0.1 0.2 0.4 0.7; do
		host_sh 's=$1; m=$2; shift 2; "$@" >/dev/null 2>&1 & sleep $m; kill -$s $! 2>/dev/null; wait $! || true' \
			"$signal" "$moment" "$@" 2>/dev/null
	done
}

killing() {
	for signal in KILL TERM INT; do
		host nixunits build -q -n /root/d.nix -j /root/d1.json -p debian
		killed $signal nixunits build -f -n /root/d.nix -j /root/d1.json
		run host nixunits build -n /root/d.nix -j /root/d1.json
		succeeds "a build works after builds ended by SIG$signal"
		is "$(host_sh 'ls -A /var/lib/nixunits/containers/d1/generations | grep -v "^[0-9]*$"')" '' \
			'which left nothing half'
		killed $signal nixunits start d1
		run host nixunits start d1
		succeeds "a start works after starts ended by SIG$signal"
		run host nixunits shell d1 -- true
		succeeds 'the unit runs'
		killed $signal nixunits stop d1
		run host nixunits stop d1
		succeeds "a stop works after stops ended by SIG$signal"
		host nixunits build -q -n /root/d.nix -j /root/d2.json -p debian -s
		host_sh 'for m in 0.001 0.004 0.01 0.03 0.1; do nixunits delete -f -r d2 >/dev/null 2>&1 & sleep $m
			kill -$1 $! 2>/dev/null; wait $! || true; done' $signal 2>/dev/null
		host_sh 'nixunits delete -q -f -r d2 2>/dev/null || true'
		run host nixunits delete -f -r d1
		succeeds "a delete works after deletes ended by SIG$signal"
		traces >"$T/after"
		is "$(diff "$T/before" "$T/after")" '' 'and the host is as it was'
	done
}

# Whoever read our messages has gone.
unheard() {
	host_sh 'cd /root; nixunits build -q -n d.nix -j d1.json -p debian; echo "{\"id\": \"d1\", \"a\": 1}" >p.json
		{ nixunits build -n d.nix -j p.json -p debian || echo $? >code; } 2>&1 | true'
	is "$(host cat /root/code)" 141 'a build that nobody listens to ends'
	is "$(host ls -A /var/lib/nixunits/containers/d1/generations)" 1 'and takes away what it had begun'
	run host unshare -m sh -c 'umount -l /proc; nixunits stop d1'
	is "$status" 0 'nothing runs'
	host nixunits start -q d1
	run host unshare -m sh -c 'umount -l /proc; nixunits stop d1'
	is "$status/$err" '77/nu-stop: /proc is not mounted' 'without /proc nobody knows what runs'
	host nixunits delete -q -f -r d1
}

race() {
	host_install
	declarations
	# What stays when all units are gone: the base store and empty directories.
	host nixunits build -q -n /root/d.nix -j /root/d1.json -p debian -s
	host nixunits delete -q -f -r d1
	traces >"$T/before"
	at_once
	unheard
	killing
}

each_suite race
done_testing
