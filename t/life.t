#!/bin/sh
# Stopping, restarting, entering, enabling: the units' life under systemd, and what ends badly.
. "$(dirname "$0")/lib/host.sh"

field() { host nixunits status "$1" -o json | jq -r "$2"; }
# What runs or is mounted because of a unit; deaf takes its time, and counts in the end only.
all_traces() {
	host_sh 'ip -brief link | cut -d" " -f1; cut -d" " -f2 /proc/self/mounts | sort
		ls /run/systemd/machines 2>/dev/null || true
		find /run/systemd/nspawn /sys/fs/cgroup/machine.slice -mindepth 2 2>/dev/null || true'
}
# stops_late ID - stops it while other tests go on; "STATUS MESSAGE" is in $T/ID then.
stops_late() {
	local status=0
	host nixunits stop "$1" 2>"$T/$1.err" || status=$?
	echo "$status $(cat "$T/$1.err")" >"$T/$1"
}
traces() { all_traces | grep -v -e deaf -e /locks/inode-; }
serves() { host curl --silent --fail --retry 9 --retry-connrefused --retry-delay 1 -o /dev/null "$1"; }

life() {
	host_install
	host_sh 'cp /src/nix/examples/quickstart/* /root/; mkdir -p /root/bin
		cd /root; sed "s/web2/auto/; s/20\\./23./g" web2.json >auto.json
		sed "s/caps_allow/autoStart = true; caps_allow/" web_default.nix >auto.nix'
	host_put /root/deaf.nix <<-'X'
	{ config.systemd.services.deaf = {
	    wantedBy = [ "multi-user.target" ];
	    script = "trap : TERM INT HUP; while :; do sleep 1 || :; done";
	    serviceConfig = { TimeoutStopSec = 600; SendSIGKILL = false; };
	  };
	}
	X
	stopped=$(all_traces)
	run host nixunits build -n /root/web_default.nix -j /root/web2.json -p debian -s
	succeeds 'web2 runs'
	is "$(host systemctl is-enabled nixunits@web2)" disabled 'which does not make it start at boot'

	# One that will not go, meanwhile.
	run host nixunits build -n /root/deaf.nix -i deaf -p debian -s
	succeeds 'a container with a deaf service starts'
	# Its init knows of no power-off, but of halt, which is what systemd-nspawn asks for when it ends.
	host_put /root/deaf-halts.nix <<-'X'
	{ config = { systemd.suppressedSystemUnits = [ "poweroff.target" ]; system.stateVersion = "25.11"; }; }
	X
	run host nixunits build -q -n /root/deaf-halts.nix -i deaf-halts -p debian -s
	succeeds 'one without a power-off too'
	stops_late deaf &
	deaf=$!
	stops_late deaf-halts &
	halts=$!

	run host nixunits start web2
	is "$status/$err" '0/nu-start: web2: is running' 'start of a running unit does nothing'
	leader=$(field web2 .leader)
	run host nixunits start -r web2
	succeeds 'unless -r'
	isnt "$(field web2 .leader)" "$leader" 'which restarts it'

	# Without CAP_SYS_BOOT a container can't tell a reboot from a shutdown.
	host_sh 'cd /root; sed "s/web2/boots/; s/20\\./24./g" web2.json >boots.json
		sed "s/caps_allow = \\[/& \"CAP_SYS_BOOT\"/" web_default.nix >boots.nix
		nixunits build -q -n boots.nix -j boots.json -p debian -s'
	leader=$(field boots .leader)
	host machinectl reboot web2
	host machinectl reboot boots
	ok 'a container that may reboot is started again' eventually 20 host sh -c \
		'l=$(nixunits status boots -o json | jq "select(.started).leader"); [ "${l:-$1}" != "$1" ]' - "$leader"
	is "$(field web2 .status)" configured 'one that may not is off'
	host_sh 'nixunits delete -q -f -r boots; nixunits start -q web2'

	# Somebody inside.
	host_sh 'nixunits shell web2 -- sleep 1000 >/dev/null 2>&1 &'
	eventually 5 host pgrep -fx 'sleep 1000'
	run host nixunits restart web2
	is "$status" 4 'a restart with somebody inside is refused: exit code 4'
	like "$err" 'somebody is inside .*nixunits restart -f web2' 'and says why, and what to do'
	run host nixunits restart -f web2
	succeeds 'unless forced'
	like "$err" 'ended 1 process that came in from outside' 'it ends what came in'
	is "$(field web2 .started)" true 'and it runs again'
	run host nixunits nsenter -n web2 -- ip -4 -brief address show veth
	like "$out" '192.168.20.2/31' 'nsenter -n has its network and the host'"'"'s programs'
	run host nixunits shell web2 -- nothere
	is "$status" 127 'a command that is not there: 127'
	run host nixunits shell web2 -- /etc/passwd
	is "$status" 126 'one that is no program: 126'
	run host nixunits shell web2 -- sh -c 'kill -SEGV $$'
	is "$status" 139 'one that a signal ends: 128 and its number'
	is "$(echo hello | host nixunits shell web2 -- cat)" hello 'stdin reaches it'
	# script(1) types a NUL at the end of its input, which may be echoed first.
	ok 'a terminal is one of the container' host_sh \
		'script -qec "nixunits shell web2 -- tty" /dev/null </dev/null | grep -aq "/dev/pts/[0-9]"'
	is "$(host nixunits shell web2 -- sh -c 'grep CapBnd /proc/self/status')" \
		"$(host grep CapBnd "/proc/$(field web2 .leader)/status")" 'a shell has no capability more than the container'

	run host nixunits stop web2
	succeeds 'stop'
	like "$err" 'stopped in [0-9.]+ s \(powered off\)' 'says how'
	unlike "$err" 'ended' 'none of its own processes counts as one from outside'
	is "$(field web2 .status)" configured 'its status is configured then'
	is "$(traces)" "$stopped" 'no interface, mount, machine or cgroup stays'
	run host nixunits stop web2
	is "$status/$err" '0/nu-stop: web2: is not running' 'stop of a stopped unit is no error'

	# Killed in the middle.
	host nixunits start -q web2
	leader=$(field web2 .leader)
	host systemctl kill -s KILL nixunits@web2
	ok 'killed, it is started again by systemd' eventually 20 host_sh \
		'now=$(nixunits status web2 -o json | jq .leader); [ "$now" != null ] && [ "$now" != "$1" ]' "$leader"
	ok 'and serves' serves http://192.168.20.2/
	run host nixunits stop -q web2
	is "$(traces)" "$stopped" 'nothing stays of either'

	# Its leader ends while it is asked to, and the number is soon that of a stranger.
	cc -static -O1 -o "$T/again" "$REPO/t/lib/again.c" || bail_out 'no compiler'
	host_put /root/again/again <"$T/again"
	printf '%s\n' '#!/bin/sh' 'mkdir /root/again/once 2>/dev/null || exec /usr/bin/machinectl "$@"' \
		'kill -KILL $LEADER; while [ -e /proc/$LEADER ]; do :; done; exec /root/again/again $LEADER' |
		host_put /root/again/machinectl
	host chmod +x /root/again/again /root/again/machinectl
	host nixunits start -q web2
	leader=$(field web2 .leader)
	run host env LEADER=$leader PATH=/root/again:/usr/local/bin:/usr/bin nixunits stop web2
	like "$status/$err" '0/nu-stop: web2: stopped in [0-9]\.[0-9] s' 'a stranger is not waited for'
	is "$(host cat "/proc/$leader/comm")" again 'nor killed'
	host sh -c 'kill "$1"; rm -r /root/again' - "$leader"
	is "$(traces)" "$stopped" 'nothing of the unit is left'

	# Starting and stopping need no nix. The resolver of a host that has one of its own is not
	# copied, but the servers behind it, as text.
	host chmod -x /usr/bin/nix
	printf 'nameserver 127.0.0.53\n' | host_put /etc/resolv.conf
	echo '# $(touch /pwned) `touch /pwned`
nameserver 192.0.2.7' | host_put /run/systemd/resolve/resolv.conf
	run host sh -c 'nixunits start -q web2 && nixunits restart -q web2 && nixunits status web2 >/dev/null'
	succeeds 'start, restart and status without a nix'
	servers() { host nixunits shell web2 -- sed 1d /etc/resolv.conf; }
	is "$(servers)" '# $(touch /pwned) `touch /pwned`
nameserver 192.0.2.7' 'the name servers behind a local resolver'
	not_ok 'no text of which is executed' host test -e /pwned
	is "$(echo 'echo $HOME; cat /proc/self/uid_map' | host env SHELL=/nowhere nixunits shell web2 | tr -s ' ')" \
		"/root
 0 $(host nixunits uid show web2 -o json | jq '.[0].base') 65536" 'a shell is one of the container'
	run host nixunits stop -q web2
	succeeds 'stop without a nix'
	host chmod +x /usr/bin/nix
	host_sh 'cd /run; mkdir NetworkManager; mv systemd/resolve/resolv.conf NetworkManager/no-stub-resolv.conf'
	host nixunits start -q web2
	like "$(servers)" 'nameserver 192\.0\.2\.7$' 'NetworkManager tells them as well'
	printf 'nameserver 127.0.0.1\nnameserver 192.0.2.8\n' | host_put /etc/resolv.conf
	host nixunits restart -q web2
	is "$(servers)" 'nameserver 192.0.2.8' 'of several those that the container can reach'
	host_sh 'rm /run/NetworkManager/no-stub-resolv.conf; echo nameserver ::1 >/etc/resolv.conf; nixunits restart -q web2'
	is "$(servers)" 'nameserver 192.0.2.8' 'where there is none to be reached, those there were'
	like "$(host journalctl -o cat -u nixunits@web2)" \
		"warning: web2: network.dns: the host's name server is on its loopback, out of the container's reach" 'with a warning'
	host_sh 'cd /var/lib/nixunits/containers/web2; nixunits stop -q web2; cp current/unit.json /root/was.json
		jq ".network.dns = \"none\"" /root/was.json >current/unit.json; nixunits start -q web2'
	not_ok 'none: a file of ours goes' host nixunits shell web2 -- test -e /etc/resolv.conf
	host nixunits shell web2 -- sh -c 'echo its own >/etc/resolv.conf'
	host nixunits restart -q web2
	is "$(host nixunits shell web2 -- cat /etc/resolv.conf)" 'its own' 'one of its own does not'
	host_sh 'nixunits stop -q web2; cp /root/was.json /var/lib/nixunits/containers/web2/current/unit.json'
	printf 'nameserver 192.0.2.53\n' | host_put /etc/resolv.conf

	# A hook of the container's can't run as the host's root: whatever is inside is inside.
	host_sh 'cd /var/lib/nixunits/containers/web2/root/var; mv log log.was; ln -s /etc log
		ls -A /etc | sort >/root/etc.before'
	run host nixunits start -q web2
	succeeds 'a container that made /var/log a symlink to /etc starts'
	ok 'the link leads nowhere on the host' host_sh 'ls -A /etc | sort | cmp - /root/etc.before'
	host nixunits stop -q web2
	host_sh 'cd /var/lib/nixunits/containers/web2/root/var; rm log; mv log.was log'

	# Boot.
	run host nixunits enable web2
	succeeds 'enable'
	is "$(host systemctl is-enabled nixunits@web2)" enabled 'systemd knows'
	run host nixunits disable web2
	is "$(host systemctl is-enabled nixunits@web2)" disabled 'disable'
	run host nixunits build -q -n /root/auto.nix -j /root/auto.json -p debian
	is "$status/$err" 0/ 'build -q says nothing'
	is "$(host systemctl is-enabled nixunits@auto)" enabled 'autoStart enables'
	host_sh 'cd /root; sed "s/autoStart = true/autoStart = false/" auto.nix >auto2.nix'
	host_sh 'cd /root; nixunits build -q -n auto2.nix -j auto.json'
	is "$(host systemctl is-enabled nixunits@auto)" disabled \
		'and no longer enables a unit that was never started'
	host_sh 'cd /root; nixunits build -q -n auto.nix -j auto.json'
	is "$(field auto .status)" created 'a unit that was never started is created'
	host systemctl start default.target
	is "$(field auto .status)/$(field web2 .status)" created/configured 'nothing built is started unasked'
	run host systemctl start nixunits@auto
	succeeds 'as an enabled one is by a boot, before its first start'
	is "$(field auto .status)" started 'with what was built'
	run host nixunits stop -q auto
	run host systemctl start multi-user.target
	is "$(field auto .status)/$(field web2 .status)" started/configured \
		'the target of the boot starts what is enabled, and nothing else'
	host nixunits build -q -n /root/auto2.nix -j /root/auto.json
	is "$(host systemctl is-enabled nixunits@auto)" disabled 'and disables when it is gone'
	host nixunits delete -q -f -r auto

	# Two commands at once on one unit: one waits for the other, nothing is torn.
	host_sh 'for i in 1 2 3 4; do nixunits start -q web2 & nixunits stop -q web2 & done; wait; nixunits stop -q web2'
	is "$(traces)" "$stopped" 'starts and stops at once leave nothing'

	# A build killed at any moment leaves the old generation and no trace for the next.
	host_sh 'cd /root; sed "s/20\\./25./g" web2.json >new.json'
	for moment in 0.1 0.3 0.5 0.8 1.2; do
		host_sh 'nixunits build -q -n /root/web_default.nix -j /root/new.json & sleep "$1"; kill -9 $!; wait $! || true' "$moment" 2>/dev/null
	done
	is "$(field web2 .generation)" 1 'after builds killed half-way the generation is the old one'
	run host nixunits build -n /root/web_default.nix -j /root/new.json
	succeeds 'the next build works'
	ok 'and leaves nothing half' host_sh '! ls -A /var/lib/nixunits/containers/web2/generations | grep -v "^[0-9]*$"'
	ok 'no nix of theirs is left' host_sh '! pgrep -x nix-build'

	# Two builds at once: one after the other, each with its own configuration and parameters.
	host_sh 'cd /root
		sed "s/20\\./26./" web2.json >a.json; sed "s/20\\./27./" web2.json >b.json
		sed "s/caps_allow = ./&\"CAP_NET_RAW\"/" web_default.nix >b.nix
		nixunits build -q -i two -n web_default.nix -j a.json -p debian & first=$!
		nixunits build -q -i two -n b.nix -j b.json -p debian; wait $first'
	is "$(host_sh 'cd /var/lib/nixunits/containers/two/generations; for g in *; do
		{ jq -c "[.caps[], .network.interfaces.veth.ip4[0]]" $g/unit.json; grep -o "CAP_.*\"" $g/configuration.nix
		jq -r .ip4 $g/parameters.json; } | tr "\n" " "; echo; done' | LC_ALL=C sort)" \
		'["CAP_NET_BIND_SERVICE","192.168.26.2/31"] CAP_NET_BIND_SERVICE" 192.168.26.2/31 
["CAP_NET_RAW","CAP_NET_BIND_SERVICE","192.168.27.2/31"] CAP_NET_RAW" "CAP_NET_BIND_SERVICE" 192.168.27.2/31 ' \
		'two builds of one unit at once do not mix'

	# A unit that the configuration of a NixOS host declares: its system is in the host's store.
	host_sh 'mkdir -p /srv/nix /nix /etc/nixunits; mount --bind /srv/nix /nix
		nixunits overlay mount web2 /mnt; cp -a /mnt /nix/store; umount /mnt
		nixunits unit web2 | sed "s/web2/nx/; s/192.168.20/192.168.29/g" >/etc/nixunits/nx.json'
	run host nixunits start nx
	succeeds 'a unit declared by a NixOS host starts'
	ok 'and serves' serves http://192.168.29.2/
	is "$(field nx '[.in_nixos, .need_store_build, .need_container_build, .need_switch] | map(tostring) | join(" ")')" \
		'true false false false' 'nothing is to be built here'
	host_sh 'nixunits stop -q nx; umount /nix; rm -r /etc/nixunits; nixunits delete -q -f -r nx'

	wait $deaf
	like "$(cat "$T/deaf")" '^0 nu-stop: deaf: stopped in 4[0-9]\.[0-9] s \(killed: it did not end in time\)$' \
		'one that does not power off is killed, within its time'
	wait $halts
	like "$(cat "$T/deaf-halts")" '^0 nu-stop: deaf-halts: stopped in (2[5-9]|3[0-9])\.[0-9] s \(terminated: it did not power off in time\)$' \
		'one that ends when it is terminated is not'

	run host_sh 'yes n | head -n 1 | script -qec "nixunits delete web2" /dev/null'
	is "$(field web2 .status)" configured 'delete asks, and no means no'
	printf '#!/bin/sh\n[ "$1" != stop ] && exec /usr/bin/systemctl "$@"\nexit 1\n' | host_put /root/fake/systemctl
	host chmod +x /root/fake/systemctl
	run host env PATH=/root/fake:/usr/local/bin:/usr/bin nixunits delete -f -r web2
	is "$status/$err" '1/nu-delete: web2: systemctl stop failed' 'a unit that can not be stopped is not deleted'
	ok 'and keeps its data' host test -d /var/lib/nixunits/containers/web2/root/var
	run host nixunits delete -f web2
	like "$err" 'its data stays' 'delete keeps the data'
	ok 'which is there' host test -d /var/lib/nixunits/containers/web2/root
	is "$(field web2 .status)" initial 'the unit is initial then'
	run host nixunits uid show web2
	is "$status" 3 'without a UID range'
	run host nixunits start web2
	is "$status" 1 'start of an unbuilt unit fails'
	like "$err" 'web2: not built yet \(nixunits build' 'and says what to do'
	host_sh 'cd /var/lib/nixunits/containers/web2/root/srv; mkdir mnt; mount -t tmpfs none mnt; touch mnt/theirs'
	run host nixunits delete -q -f -r web2
	is "$status" 1 'something mounted below a unit is not deleted'
	like "$err" 'root/srv/mnt: is a mount point' 'but named'
	ok 'and untouched' host test -e /var/lib/nixunits/containers/web2/root/srv/mnt/theirs
	host umount /var/lib/nixunits/containers/web2/root/srv/mnt
	run host nixunits delete -q -f -r web2 deaf deaf-halts two
	succeeds 'delete -r'
	is "$(host find /var/lib/nixunits/containers -mindepth 1)" '' 'leaves nothing'
	is "$(all_traces)" "$stopped" 'and in the end the host is as it was'
}

each_suite life
done_testing
