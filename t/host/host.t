#!/bin/sh
# The disposable host itself: a server like any other inside, and nothing of it left outside.
. "$(dirname "$0")/../lib/host.sh"

cache=${NIXUNITS_TEST_CACHE:-/var/cache/nixunits-test}

# traces - whatever on the machine bears the name of a host of this test.
traces() {
	{
		cat /proc/self/mounts
		find /sys/fs/cgroup /run/systemd /var/lib/machines "$cache/hosts"
		ps -eo args
	} 2>/dev/null | grep -e "[t]$$-"
}

on_host() {
	is "$(host cat /etc/os-release | sed -n 's/^VERSION_CODENAME=//p')" "$SUITE" 'is the suite'
	is "$(host systemctl is-system-running)" running 'is up, and all of it'
	ok 'machinectl works' host machinectl list
	is "$(host ip -brief link | awk '{ print $1 }')" lo 'has a network of its own'
	is "$(printf 'a b' | host tr a-z A-Z)" 'A B' 'stdin reaches a command'
	run host sh -c 'echo out; echo err >&2; exit 7'
	is "$status/$out/$err" 7/out/err 'stdout, stderr and the status come back'
	is "$(PWNED=1 host env | cut -d= -f1 | sort | tr '\n' ' ')" 'HOME LANG PATH PWD TERM ' \
		'the environment is clean'
	ok '/src is the repository' host cmp /src/t/host/host.t - <"$REPO/t/host/host.t"
	not_ok '/src is read-only' host touch /src/x
	echo hello | host_put /srv/a/b/c
	is "$(cat "$(host_root)/srv/a/b/c")" hello 'files go in and out'
	ok '/var is no overlay: user ids can be mapped on it' \
		host_sh '[ "$(stat -f -c %T /var/lib)" != overlayfs ] && [ "$(stat -f -c %T /srv)" != overlayfs ]'

	# A container in it, as NixUnits runs one. Its system is the host's own, copied; without
	# D-Bus and logind, as in a guest of NixUnits.
	host_sh '
		r=/var/lib/nixunits/guest
		mkdir -p $r/usr $r/var $r/mnt/dir /srv/dir
		cp -a /usr/bin /usr/lib $r/usr/
		[ ! -d /usr/lib64 ] || cp -a /usr/lib64 $r/usr/
		cp -a /bin /sbin /lib /lib64 $r/ 2>/dev/null || true
		cp -a /etc $r/
		for unit in dbus.service dbus.socket systemd-logind.service; do
			ln -sf /dev/null "$r/etc/systemd/system/$unit"
		done
		touch /srv/file $r/mnt/file
		cat >/etc/systemd/system/guest.service <<X
		[Service]
		Type=notify
		Delegate=yes
		KillMode=mixed
		Slice=machine.slice
		ExecStart=systemd-nspawn -q --keep-unit -D $r -M guest --private-users=524288:65536 \
			--private-users-ownership=map --network-veth --notify-ready=yes --link-journal=no \
			--bind=/srv/dir:/mnt/dir:idmap --bind=/srv/file:/mnt/file:idmap --boot
X
		systemctl daemon-reload'
	ok 'a nested container boots' host systemctl start guest
	run host machinectl list --no-legend
	like "$out" '^guest +container systemd-nspawn' 'machined knows it'
	guest='nsenter -a -t $(sed -n s/^LEADER=//p /run/systemd/machines/guest)'
	is "$(host_sh "$guest stat -c %u / /mnt/dir /mnt/file | sort -u")" 0 'its files are its own'
	ok 'it writes' host_sh "$guest touch /mnt/dir/made"
	is "$(host stat -c %u /srv/dir/made)" 0 'and the owner on the disk is right'
	like "$(host cat /proc/1/uid_map)" '^ +0 +0' 'the host is in no user namespace'
	is "$(host_sh "$guest cat /proc/self/uid_map" | tr -s ' ')" ' 0 524288 65536' 'the container is'

	host_put /root/t.nix <<-'X'
		derivation { name = "t"; system = builtins.currentSystem; builder = "/bin/sh";
			args = [ "-c" "echo built >$out" ]; }
	X
	run host nix-build --store /var/lib/nixunits/s --no-out-link --option substituters '' \
		--option build-users-group '' --option sandbox true \
		--option sandbox-paths /bin/sh=/bin/busybox /root/t.nix
	succeeds 'nix builds in its sandbox'
	is "$(host cat "/var/lib/nixunits/s$out")" built 'into a store of its own'

	run host_sh '/usr/share/openvswitch/scripts/ovs-ctl --system-id=random start >&2
		ovs-vsctl add-br br0 -- set bridge br0 datapath_type=netdev
		ovs-vsctl add-port br0 p0 tag=356 -- set interface p0 type=internal
		ip -brief link show p0'
	succeeds 'Open vSwitch makes a tagged port'
	not_ok 'a second host of the same name is refused' "$REPO/t/host/host" boot "$HOST" "$SUITE"
	second=$HOST-2
	ok 'another boots beside it' "$REPO/t/host/host" boot "$second" "$SUITE" --for $$
	is "$("$REPO/t/host/host" run "$second" ls /srv)" '' 'with nothing of the first'
	ok 'and goes' "$REPO/t/host/host" down "$second"
}

clean() { [ -z "$(traces)" ]; }

after() {
	is "$(traces)" '' 'nothing of the hosts is left'
	# A test that is killed: its host goes without it.
	sh -c '"$1" boot "$2" "$3" --for $$ && kill -9 $$' - \
		"$REPO/t/host/host" "t$$-killed" "${NIXUNITS_SUITES%% *}" 2>/dev/null
	ok 'the host of a killed test goes too' eventually 20 test ! -e "$cache/hosts/t$$-killed"
	# The process that ends it is the last of them.
	ok 'with everything' eventually 5 clean
}

: "${NIXUNITS_SUITES:=bookworm trixie}"
each_suite on_host
after
done_testing
