#!/bin/sh
# What a container's root could do to the host, tried: it owns its root directory, and whatever
# enters the container is in its hands.
. "$(dirname "$0")/lib/host.sh"

# Files of the container's root belong to UID 0 on the disk.
set_id() {
	nobody='setpriv --reuid 65534 --regid 65534 --clear-groups'
	host nixunits shell web2 -- sh -c '
		for d in / /var/log/journal/*/; do
			cp "$(readlink -f /bin/sh)" "$d/suid"; chmod 4755 "$d/suid"
		done'
	for f in containers/web2/root/suid containers/web2/journal/suid; do
		ok "$f is a set-user-ID program of UID 0 on the disk" host test -u "/var/lib/nixunits/$f"
		not_ok 'no user of the host can run it' host $nobody sh -c '"$0" -pc :' "/var/lib/nixunits/$f"
	done
	not_ok 'nor find another path to it' host_sh "$nobody find -L /var/log/journal /var/lib/nixunits \
		-perm -4000 2>/dev/null | grep ."
	not_ok 'nor read its parameters' host $nobody \
		cat /var/lib/nixunits/containers/web2/generations/1/parameters.json
	host_sh 'rm /var/lib/nixunits/containers/web2/*/suid; chmod 755 /var/lib/nixunits/containers/web2'
	run host nixunits restart -q web2
	is "$(host stat -c %a /var/lib/nixunits/containers/web2)" 700 'a start closes a directory that is open'
	ok 'journalctl -m shows its journal' eventually 10 host_sh 'journalctl -q -m -o cat -u httpd | grep -q Started'
}

# harmless OUTPUT WHAT-SUCCEEDS NAME - the attempts of t/escape.c. In /proc/kallsyms nspawn, before 257,
# leaves names without addresses.
harmless() {
	is "$(printf '%s\n' "$1" | wc -l) $(printf '%s\n' "$1" | grep -v symbols | grep done)" "55 $2" "$3"
}
# PID 1 is one of its own. For containers in containers nspawn lets them have another /proc and /sys.
nspawns="read PID 1's memory: done
a /proc without masks: done
a /sys without masks: done"

# What comes in from the host brings nothing along that harms it.
entering() {
	host_sh 'cp /var/tmp/inmate /var/lib/nixunits/containers/web2/root/inmate'
	run host_sh 'exec 9</root; nixunits shell web2 -- /inmate </dev/null'
	succeeds 'a hostile program runs inside'
	unlike "$out" 'descriptor .*open' 'it holds none of our descriptors'
	like "$out" 'keyctl: Operation not permitted' 'it may not use keys, as nspawn has it'
	like "$out" 'ptrace: Operation not permitted' 'nor trace, without CAP_SYS_PTRACE'
	run host script -qec 'nixunits shell web2 -- /inmate </dev/null 2>&1 | cat' /dev/null
	like "$out" '/dev/tty: No such device' 'it has no way to our controlling terminal'
	run host script -qec 'nixunits shell web2 -- readlink /proc/self/fd/1 </dev/null' /dev/null
	like "$out" '^/dev/pts/' 'where ours is its standard output it gets another'
	run host_sh '/var/tmp/inmate key nixunits shell web2 -- cat /proc/keys </dev/null'
	unlike "$out" 'secret' 'nor has it the keys of our session'
	run host_sh 'umask 077; ulimit -Sn 100; nixunits shell web2 -- sh -c "umask; ulimit -n"; awk "/^Max open files/ { print \$4 }" "/proc/$1/limits"' "$(host nixunits status -o json web2 | jq .leader)"
	is "$(echo $out | cut -d' ' -f1)" 0022 'its umask is not ours'
	is "$(echo $out | cut -d' ' -f2)" "$(echo $out | cut -d' ' -f3)" 'its limits are those of the container'
	# Text for a terminal, and only for one.
	run host script -qec 'x=$(nixunits shell web2 -- echo hi); printf %s "$x" | od -An -c' /dev/null
	is "$(echo $out | tr -d '\000\r' | sed 's/^^@ *//')" 'h i' 'what does not go to a terminal is passed as it is'
	run host script -qec 'nixunits shell web2 -- sh -c "test -w \$(tty) && test -O \$(tty)"' /dev/null
	succeeds 'its terminal is its own'
	begin=$(date +%s)
	run host script -qec 'nixunits shell web2 -- sh -c "sleep 300 & exit 5"' /dev/null
	ok 'what it leaves running is not waited for' [ $(($(date +%s) - begin)) -lt 200 ]
	host_sh 'nixunits shell web2 -- sleep 77 </dev/null & until pgrep -fx "sleep 77" >/dev/null; do sleep 0.1; done
		kill $!; wait $! || true'
	not_ok 'a signal for us is one for the command' host pgrep -fx 'sleep 77'
	# The same attempts as in t/direct.t, by who enters and so has all that its root has.
	host_sh 'cp /var/tmp/escape /var/lib/nixunits/containers/web2/root/escape'
	run host nixunits shell web2 -- /escape
	harmless "$out" "$nspawns" 'nothing gets it out'
	# And what nspawn itself lets a service of the container do.
	host_sh 'printf "[Service]\nType=oneshot\nExecStart=/escape\nStandardOutput=file:/escaped\n" |
		nixunits shell web2 -- sh -c "cat >/run/systemd/system/escape.service"
		nixunits shell web2 -- systemctl daemon-reload; nixunits shell web2 -- systemctl start escape </dev/null'
	harmless "$(host cat /var/lib/nixunits/containers/web2/root/escaped)" "io_uring: done
$nspawns" 'nor does it a service'
	# Files that are traps.
	host_sh 'cd /var/lib/nixunits/containers/web2/root/etc; mv passwd passwd.was; mkfifo passwd'
	run host timeout 100 nixunits shell web2 -- true
	succeeds 'a FIFO for /etc/passwd stops nobody'
	host_sh 'cd /var/lib/nixunits/containers/web2/root/etc; rm passwd; mv passwd.was passwd'
}

# What entered and will not go; what a start writes to our terminal; a start under way.
staying() {
	host_sh 'for i in $(seq 20); do
		nixunits shell web2 -- sh -c "trap : TERM HUP; while :; do sleep 1; done" </dev/null & done
		until [ "$(pgrep -fxc "sh -c trap : TERM HUP; .*")" = 20 ]; do sleep 0.1; done'
	begin=$(date +%s)
	run host nixunits stop web2
	succeeds 'a unit with twenty who will not go is stopped'
	like "$err" 'ended 20 processes' 'they are ended'
	# One after the other they would take 2 s each, and as long again.
	ok 'all in one time' [ $(($(date +%s) - begin)) -lt 40 ]

	host_put /root/evil.nix <<-'X'
	{ ... }: {
	  extra = ''printf 'nu-\033]0;owned\007\302\233m\n'; exit 3'';
	  config.system.stateVersion = "25.11";
	}
	X
	run host nixunits build -q -n /root/evil.nix -i evil -p debian -s
	is "$status" 1 'a unit whose extra fails does not start'
	like "$err" 'nu-.\]0;owned' 'what it wrote is shown'
	is "$(printf %s "$err" | tr -dc '\033\007\233' | wc -c)" 0 'without what a terminal would obey'
	host nixunits delete -q -f -r evil

	# The other generation at each try, and a start by systemd that is a little further.
	for delay in 0 0.01 0.02 0.03 0.04 0.06; do
		host_sh 'cd /root; [ "${1%[024]}" = "$1" ] && net=31 || net=20
			sed "s/20\./$net./g" web2.json >moved.json
			nixunits build -q -n web_default.nix -j moved.json; systemctl start --no-block nixunits@web2
			sleep "$1"; nixunits start -q web2' "$delay"
		ok "after $delay s of another start the current generation is what runs" \
			host nixunits net check web2
		host nixunits stop -q web2
	done
	begin=$(date +%s)
	host_sh 'for delay in 0 0.02 0.04; do systemctl start --no-block nixunits@web2; sleep $delay; nixunits stop -q web2; done'
	# Well below what systemd itself would wait for one of them.
	ok 'a start under way is stopped in time' [ $(($(date +%s) - begin)) -lt 50 ]
	is "$(host systemctl is-active nixunits@web2)" inactive 'and stays so'
	host touch /var/lib/nixunits/containers/web2/next.new.99
}

isolation() {
	cc -static -O1 -o "$T/inmate" "$REPO/t/inmate.c" || bail_out 'no compiler'
	host_install
	host_put /var/tmp/inmate <"$T/inmate"
	host chmod 755 /var/tmp/inmate
	cc -static -O1 -o "$T/escape" "$REPO/t/escape.c" || bail_out 'no compiler'
	host_put /var/tmp/escape <"$T/escape"
	host chmod 755 /var/tmp/escape
	host_sh 'cp /src/nix/examples/quickstart/* /root/'
	run host nixunits build -n /root/web_default.nix -j /root/web2.json -p debian -s
	succeeds 'web2 runs'
	set_id
	entering
	staying
	host nixunits delete -q -f -r web2
	is "$(host_sh 'find -L /var/log/journal /var/lib/nixunits/containers -mindepth 1 -newer /root/web2.json -path "*web2*"; find /var/log/journal -type l')" '' 'delete -r takes the journal along'
}

each_suite isolation
done_testing
