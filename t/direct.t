#!/bin/sh
# The direct engine, on this machine, whatever its own PID 1 is: commands in a tree of files, with
# a unit document of our own.
. "$(dirname "$0")/lib/tap.sh"

N=$(cd "$(dirname "$0")/.." && pwd)/build/nixunits
[ "$(id -u)" = 0 ] || lacking 'only root can run a unit'
need busybox jq script setpriv
NIXUNITS_DIR=$T/state
export NIXUNITS_DIR
mkdir -p "$T/root/bin" "$T/lower/own" "$T/base/shared" "$T/out"
chmod 755 "$T"
busybox=$(command -v busybox)
cp "$busybox" "$T/root/bin/"
for program in stat sh cat echo id ls ps sleep hostname touch mkdir true kill ip head stty grep readlink; do
	ln -s busybox "$T/root/bin/$program"
done

document() {	# document JQ-FILTER >FILE
	jq -n '{version: 1, id: "t-direct", system: "/nix/store/s", init: "/nix/store/s/init",
		network: {dns: "none"}}'" | $1"
}
document . >"$T/unit.json"
direct() { "$N" run --root "$T/root" "$T/unit.json" -- "$@"; }
with() { local filter="$1"; shift; document "$filter" >"$T/with.json"; "$N" run --root "$T/root" "$T/with.json" -- "$@"; }

# What of the host's a run could leave behind.
traces() {
	grep -F "$T" /proc/self/mountinfo
	ls -A /run/nixunits /run/systemd/nspawn-uid 2>/dev/null
	find /sys/fs/cgroup -maxdepth 6 -name 'nixunits-t-direct*' 2>/dev/null
	ls -d /proc/sys/net/ipv4/conf/nu-t-* 2>/dev/null
	pgrep -fa "run .*$T/"
}
mkdir -p /run/nixunits /run/systemd/nspawn-uid
before=$(traces)

# Exit statuses.
for want in 0 7 200; do
	run direct sh -c "exit $want"
	is "$status" $want "exit $want is passed on"
done
run direct sh -c 'kill -KILL $$'
is "$status" 137 'SIGKILL is 137'
run direct sh -c 'kill -SEGV $$'
is "$status" 139 'SIGSEGV is 139'
run direct /bin/none
is "$status" 127 'what is not there is 127'
like "$err" 't-direct: /bin/none: No such file' 'and named'
touch "$T/root/bin/text"
run direct text
is "$status" 126 'what can not be executed is 126'
echo from-stdin | run direct cat
run sh -c "echo in | '$N' run --root '$T/root' '$T/unit.json' -- cat"
is "$out" in 'its standard input is ours'
run sh -c "'$N' run --root '$T/root' - -- echo hi <'$T/unit.json'"
is "$out" hi 'a document on standard input'

# Who and where it is.
run direct sh -c 'id -u; hostname; ps -o pid,args; cat /proc/self/status; echo "$container"; pwd'
like "$out" '^0$' 'it is root'
like "$out" '^t-direct$' 'it has the host name'
like "$out" '^ +1 .*nixunits' 'PID 1 is ours'
unlike "$out" "$(cat /proc/$$/comm) .*direct.t" 'no process of the host is to be seen'
like "$out" '^NoNewPrivs:.1' 'it gets no new privileges'
like "$out" '^Seccomp:.2' 'it is under seccomp'
like "$out" '^nixunits$' '$container says what it is in'
caps=$(printf '%s\n' "$out" | sed -n 's/^CapBnd:.//p')
is "$(printf '%s\n' "$out" | sed -n 's/^CapEff:.//p')" "$caps" 'it has its whole bounding set'
is "$((0x$caps & 0x3000))" 0 'and neither CAP_NET_ADMIN nor CAP_NET_RAW'
run with '.caps = ["CAP_NET_RAW"]' cat /proc/self/status
is "$((0x$(printf '%s\n' "$out" | sed -n 's/^CapEff:.//p') & 0x3000))" 8192 'unless declared'
run direct cat /sys/firmware/none /proc/acpi/none
unlike "$err" 'Permission' 'what is hidden is empty, and can be looked at'
run direct sh -c 'cd /proc; cat kcore kallsyms kmsg keys sysrq-trigger timer_list sched_debug latency_stats interrupts
	ls -A acpi asound scsi /sys/firmware /sys/devices/virtual/powercap | grep -v :$'
is "$(echo $out)" '' 'all of it'
run direct ip -o addr show lo
like "$out" '127.0.0.1/8' 'its loopback is up'

# Its files.
run direct sh -c 'cat /run/nixunits/unit.json; echo x >>/run/nixunits/unit.json'
is "$out" "$(jq -c . "$T/unit.json")" 'its document'
like "$err" 'Read-only' 'is not its own to write'
run direct sh -c 'touch /kept; ls -ln /kept; echo gone >/tmp/x'
like "$out" '^-rw-r--r-- +1 0 +0 ' 'what it writes is its root'"'"'s'
is "$(stat -c %u "$T/root/kept")" 0 'and so it is on the disk'
not_ok 'its /tmp is its own' test -e "$T/root/tmp/x"
run "$N" run --ephemeral --root "$T/root" "$T/unit.json" -- sh -c 'touch /away; ls /away /kept'
succeeds 'an ephemeral run can write, and sees what is there'
not_ok 'and nothing is left of it' test -e "$T/root/away"
run "$N" run --root "$T/root" --store "$T/lower" --store "$T/base" "$T/unit.json" -- \
	sh -c 'ls /nix/store; touch /nix/store/x'
like "$out" own 'the topmost layer of the store'
like "$out" shared 'and the one below'
like "$err" 'Read-only' 'can not be written to'
run "$N" run --store "$T/root" "$T/unit.json" -- /nix/store/bin/busybox ls -ld / /etc/machine-id
succeeds 'without a root directory it has one in memory'
like "$out" '^drwxr-xr-x .* 0 +0 .* /$' 'of its own'
not_ok 'without traces' test -e "$T/lower/x"
ln -s root "$T/relative"
run sh -c "cd '$T' && '$N' run --root relative --store lower unit.json -- ls /nix/store"
is "$out" own 'a relative path is of where we are'
mknod "$T/root/zero" c 1 5
run direct head -c 1 /zero
like "$err" '/zero: Permission denied' 'a device that lies in it is none'
rm "$T/root/zero" "$T/relative"
run sh -c "cat '$T/unit.json' | '$N' run --root '$T/root' /dev/fd/0 -- echo hi"
is "$out" hi 'a document in a pipe'

# Binds, also where the container has laid a trap.
echo secret >"$T/out/host"
ln -s "$T/out" "$T/root/trap"
ln -s ../../../../../../../../../../../.. "$T/root/up"
mkdir "$T/source"; echo bound >"$T/source/file"
run with '.bind = [{source: "'"$T"'/source", target: "/srv/a", readOnly: true},
	{source: "'"$T"'/source/file", target: "/etc/one", readOnly: false}]' \
	sh -c 'cat /srv/a/file /etc/one; touch /srv/a/x; echo more >>/etc/one'
is "$out" "$(printf 'bound\nbound')" 'binds of a directory and of a file'
like "$err" 'Read-only' 'a read-only one is'
is "$(cat "$T/source/file")" "$(printf 'bound\nmore')" 'another is not'
run with '.bind = [{source: "'"$T"'/source", target: "/trap/in", readOnly: false},
	{source: "'"$T"'/source", target: "/up/in", readOnly: false}]' sh -c 'ls /in /trap'
is "$(ls "$T/out")" host 'a symlink leads no bind out of the container'
not_ok 'nor does ".."' test -e /in
rm "$T/root/trap" "$T/root/up"
mkdir "$T/devices"
mount -t devtmpfs none "$T/devices"
at_exit sh -c "umount '$T/devices' 2>/dev/null"
run with '.bind = [{source: "'"$T"'/devices/zero", target: "/dev/zeros", readOnly: false}]' \
	head -c 2 /dev/zeros
is "$(wc -c <"$T/.out") $status$err" '2 0' 'a device, on what can not be idmapped'
run with '.bind = [{source: "'"$T"'/devices", target: "/srv/dev", readOnly: false}]' true
like "$err" 't-direct: bind "/srv/dev": source ".*/devices": its filesystem has no idmapped mounts .*devtmpfs' 'a whole such tree is not bound'
umount "$T/devices"
# Sources that lie in what a container writes to.
shared=$(mktemp -d /var/lib/t-direct.XXXXXX)
at_exit rm -r "$shared"
chmod 755 "$shared"
mkdir -p "$shared/data/pub" "$shared/theirs/pub"
ln -s data "$shared/link"
ln -s ../../../.."$shared/link" "$shared/theirs/up"
binds() {	# binds SOURCE TARGET...
	local list=
	while [ $# -gt 0 ]; do
		list="$list${list:+, }{source: \"$1\", target: \"$2\", readOnly: false}"
		shift 2
	done
	echo ".bind = [$list]"
}
run with "$(binds "$shared/link/pub" /pub "$shared/theirs/up/pub" /up)" sh -c 'touch /pub/a; ls /up'
is "$status $out" '0 a' "the administrator's symlinks are followed"
is "$(grep -c "^$shared/data/pub\$" "$T/state/shared")" 1 'and what they lead to is listed as shared, once'
run with "$(binds "$shared/data" /data "$shared/data/pub" /pub)" sh -c 'rm -r /data/pub; ln -s "$1" /data/pub' - "$T/out"
succeeds 'a container puts a symlink in the place of a bind source'
is "$(stat -c %u "$shared/data/pub")" 0 "which is root's, on the disk"
run with "$(binds "$shared/data" /data "$shared/data/pub" /pub)" ls /pub
is "$status $err" "1 nu-run: t-direct: bind \"/pub\": source \"$shared/data/pub\": the symlink \"$shared/data/pub\" can be a container's or a user's work: name what it should lead to" \
	'it is not followed'
run with "$(binds "$shared/link/pub" /pub) | .id = \"t-other\"" ls /pub
like "$status $err" '^1 .*the symlink "[^"]*/data/pub" can be' "nor in another's sources"
rm "$shared/data/pub"
ln -s "$T/out" "$shared/theirs/pub/x"
chown 1000 "$shared/theirs"
run with "$(binds "$shared/theirs/pub/x" /x)" ls /x
like "$status $err" '^1 .*the symlink "[^"]*/theirs/pub/x" can be' "nor one below a user's directory"
run with "$(binds "$shared/theirs/pub" /x)" ls /x
is "$status $out" '0 x' 'which can be bound as any other'
for target in /dev /proc /sys; do
	run with '.bind = [{source: "'"$T"'/source", target: "'$target'", readOnly: false}]' true
	like "$status $err" "^2 .*bind\[0\].target: \"$target\": the container has its own" "nor one over $target"
done
# A tree whose /dev leads, on the host, to a file of the host's.
elsewhere=$(mktemp -d /var/tmp/t-direct.XXXXXX)
at_exit rm -r "$elsewhere"
mkdir -p "$T/tree$elsewhere"
cp -a "$T/root/bin" "$T/tree/"
ln -s "$elsewhere" "$T/tree/dev"
ln -s "$T/out/host" "$elsewhere/null"
run "$N" run --root "$T/tree" "$T/unit.json" -- \
	sh -c 'cat /proc/kallsyms /proc/kcore /proc/kmsg /proc/keys /proc/timer_list; ls /dev/null'
like "$out" '^/dev/null$' 'a symlink for /dev is followed in the container'
unlike "$out" secret 'and nowhere else'

# Signals, terminals, orphans.
cat >"$T/root/bin/traps" <<'X'
#!/bin/sh
trap 'exit 9' TERM
echo ready
while :; do sleep 0.1; done
X
chmod +x "$T/root/bin/traps"
"$N" run --root "$T/root" "$T/unit.json" -- traps >"$T/log" &
pid=$!
eventually 10 grep -q ready "$T/log"
run "$N" run --root "$T/root" "$T/unit.json" -- true
is "$status" 4 'it runs once at a time'
kill -TERM $pid
wait $pid
is $? 9 'a signal is passed on'
"$N" run --root "$T/root" "$T/unit.json" -- sh -c 'echo $$ >/pid; exec sleep 987' &
pid=$!
eventually 10 pgrep -fx 'sleep 987' >/dev/null
kill -KILL $pid
ok 'a killed supervisor takes its container along' eventually 10 sh -c '! pgrep -fx "sleep 987"'
wait $pid 2>/dev/null
run direct sh -c 'for i in 1 2 3 4 5; do (sleep 0 &); done
	i=0; while set -- /proc/[0-9]*; [ $# -gt 2 ] && [ $((i += 1)) -lt 500 ]; do sleep 0.1; done; echo $#'
is "$out" 2 'orphans are reaped: there is who does it, and the shell'
run timeout -s KILL 50 perl -e '$SIG{CHLD} = "IGNORE"; exec @ARGV' "$N" run --root "$T/root" "$T/unit.json" \
	-- sh -c 'exit 7'
is "$status" 7 'so is the command, where who started us ignores SIGCHLD'
run direct sh -c 'sleep 988 & exit 3'
is "$status" 3 'the end of the command is the end'
not_ok 'of all that it started' pgrep -fx 'sleep 988'
cc -static -O1 -o "$T/root/bin/inmate" "$(dirname "$0")/inmate.c" || bail_out 'no compiler'
cat >"$T/root/bin/terminal" <<'X'
#!/bin/sh
test -t 0 && stat -L -c %d:%i /proc/self/fd/0 /dev/console >/terminal && echo own >/dev/tty
X
chmod +x "$T/root/bin/terminal"
run script -qec "'$N' run --root '$T/root' '$T/unit.json' -- terminal" /dev/null
# script(1) may have the end of its own input echoed before it, as "^@".
like "$out" '^(\^@)?own' 'it has a terminal that it controls'
is "$(head -1 "$T/root/terminal")" "$(tail -1 "$T/root/terminal")" 'its own'
run script -qec "stty cols 99 rows 33; '$N' run --root '$T/root' '$T/unit.json' -- stty size" /dev/null
like "$out" '33 99' 'of the size of ours from the beginning'
run timeout 100 script -qec "(until [ -e '$T/root/up' ]; do sleep 0.1; done; stty cols 101 rows 44 </dev/tty) &
	'$N' run --root '$T/root' '$T/unit.json' -- sh -c 'echo >/up
		until stty size </dev/tty | grep 101; do sleep 0.1; done' </dev/null" /dev/null
like "$out" '44 101' 'and later, be our input another'
unlike "$(direct inmate)" 'descriptor' 'it holds none of our descriptors'
run script -qec "'$N' run --root '$T/root' '$T/unit.json' -- inmate </dev/null 2>&1 | cat" /dev/null
like "$out" '/dev/tty: No such device' 'and has no way to our controlling terminal'

# Limits.
run with '.limits = {rlimits: {nofile: {soft: 64, hard: 128}}}' sh -c 'ulimit -Sn; ulimit -Hn'
is "$out" "$(printf '64\n128')" 'resource limits are as declared'
if (ulimit -n 200; prlimit --nofile=300:400 true) 2>/dev/null; then
	(
		ulimit -n 200
		with '.limits = {rlimits: {nofile: {soft: 300, hard: 400}}}' sh -c 'ulimit -Sn; ulimit -Hn'
	) >"$T/raised" 2>&1
	is "$(cat "$T/raised")" "$(printf '300\n400')" 'also above our own'
else
	skip 'this machine has no CAP_SYS_RESOURCE' 'also above our own'
fi

run with '.limits = {rlimits: {nproc: {soft: 1, hard: 1}}}' true
is "$status" 1 'one that leaves no room for the command is an error'
like "$err" 't-direct: a process for true, in the container: Resource' 'that says so'

# An init.
mkdir -p "$T/boot/nix/store/s" "$T/boot/root"
cp -a "$T/root/bin" "$T/boot/"
cat >"$T/init.c" <<'X'
/* It says that it is ready, does away with the signal of its parent's death, and ends when told. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
int main(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_PDEATHSIG, 0);
	strcpy(to.sun_path, getenv("NOTIFY_SOCKET"));
	sendto(socket(AF_UNIX, SOCK_DGRAM, 0), "READY=1", 7, 0, (void *)&to, sizeof(to));
	while (sigwaitinfo(&all, NULL) != SIGRTMIN + 3)
		;
	return 0;
}
X
cc -static -O1 -o "$T/boot/nix/store/s/init" "$T/init.c" || bail_out 'no compiler'
supervisor() { sed -n s/^SUPERVISOR=//p /run/nixunits/t-direct 2>/dev/null | grep .; }
{ "$N" run --root "$T/boot" "$T/unit.json" </dev/null 2>&1; echo $? >"$T/status"; } | true &
ok 'it is found' eventually 10 supervisor
is "$(stat -c %a /run/nixunits/t-direct)" 600 'by an entry that nobody else can lock'
sleep 0.3
kill -TERM "$(supervisor)"
wait
is "$(cat "$T/status")" 0 'SIGTERM shuts it down, be there no reader of what we say'
is "$(traces)" "$before" 'and all is tidied up'
"$N" run --root "$T/boot" "$T/unit.json" </dev/null 2>/dev/null &
eventually 10 supervisor >/dev/null
sleep 0.3
kill -KILL "$(supervisor)"
ok 'it dies with its supervisor, like it or not' eventually 10 sh -c '! pgrep -fx /nix/store/s/init'
wait

# What is no stored unit is known by its id as long as it runs, and can be stopped.
"$N" run --root "$T/boot" "$T/unit.json" </dev/null 2>/dev/null &
ok 'it is listed' eventually 10 sh -c "'$N' list -s | grep '^t-direct  *started *-'"
is "$("$N" list -q -s)" t-direct 'by its id too'
is "$("$N" status -o json t-direct | jq -r '"\(.status) \(.generation) \(.leader > 1)"')" 'started null true' 'its status is shown'
like "$("$N" caps show -a t-direct)" bounding 'and its capabilities'
like "$("$N" net show t-direct)" 'lo' 'and its network'
run "$N" check t-direct
like "$status/$err" '^1/.*t-direct: runs, but is no stored unit' 'but there is nothing to compare it with'
run "$N" stop t-direct
like "$status/$err" '^0/nu-stop: t-direct: stopped in [0-9.]+ s \(shut down\)$' 'it is stopped'
wait
run "$N" stop t-direct
is "$status" 3 'after which nobody knows it'
is "$("$N" list)$(traces)" "$before" 'and nothing is left'

direct sh -c 'sleep 300 & echo >/begun; wait' & pid=$!
eventually 10 test -e "$T/root/begun"
is "$("$N" status -o json t-direct | jq -c '[.tasks, .memory > 0 and .memory < 20000000]')" '[3,true]' \
	'a command is counted alone, without a cgroup of its own'
kill "$(supervisor)"
wait $pid
rm "$T/root/begun"

# Stopped within its time, whatever it does.
"$N" run --timeout 1 --root "$T/root" "$T/unit.json" -- sh -c 'trap "" TERM; echo >/begun; while :; do sleep 0.1; done' &
eventually 10 supervisor >/dev/null
eventually 10 test -e "$T/root/begun"
run "$N" stop t-direct
like "$status/$err" '^0/.*stopped in [0-9.]+ s \(killed: it did not end in time\)$' 'a command that ignores SIGTERM'
wait $!
is $? 129 'which is hung up on'
rm "$T/root/begun"
"$N" run --timeout 1 --root "$T/root" "$T/unit.json" -- sh -c 'trap "" TERM HUP; echo >/begun; while :; do sleep 0.1; done' &
eventually 10 test -e "$T/root/begun"
run "$N" stop t-direct
like "$status/$err" '^0/.*\(killed: it did not end in time\)$' 'and one that ignores SIGHUP'
wait $!
is $? 137 'which is killed'
is "$(traces)" "$before" 'nothing is left of either'
# Its init has said more than a pipe takes, to a reader that reads nothing.
mkfifo "$T/idle"
sed -i 's/sendto/for (int i = 0; i < 3000; i++) write(1, "0123456789012345678901234567890123456789012345678", 50);\n\tsendto/' "$T/init.c"
cp -a "$T/boot" "$T/loud"
cc -static -O1 -o "$T/loud/nix/store/s/init" "$T/init.c" || bail_out 'no compiler'
"$N" run --timeout 0 --root "$T/loud" "$T/unit.json" </dev/null >"$T/idle" & pid=$!
exec 8<"$T/idle"
eventually 10 supervisor >/dev/null
sleep 0.5
run "$N" stop t-direct
like "$status/$err" '^0/.*stopped in [0-3]\.[0-9] s \(shut down\)$' 'one whose console nobody reads is stopped'
is "$(traces | grep -v " run ")" "$before" 'and tidied up'
ok 'its supervisor waits for the reader yet' kill -0 $pid
exec 8<&-
wait $pid
is $? 137 'and ends with it'
# It has nested cgroups deeper than its supervisor can have files open.
sed 's/for (.*/chdir("\/sys\/fs\/cgroup");\n\tfor (int i = 0; i < 1100; i++)\n\t\tif (mkdir("d", 0700) < 0 || chdir("d") < 0)\n\t\t\treturn 9;/;
	1a #include <sys/stat.h>' "$T/init.c" >"$T/deep.c"
cp -a "$T/boot" "$T/deep"
cc -static -O1 -o "$T/deep/nix/store/s/init" "$T/deep.c" || bail_out 'no compiler'
(
	ulimit -n 256
	exec "$N" run --root "$T/deep" "$T/unit.json" </dev/null >"$T/log" 2>&1
) & pid=$!
ok 'one that makes many cgroups' eventually 20 grep -q 't-direct: ready' "$T/log"
run "$N" stop t-direct
wait $pid
is "$?/$(grep -v ready "$T/log")" 0/ 'is stopped without a complaint'
is "$(traces)" "$before" 'and nothing of them is left'
# Killed, with a relay that still waits for a reader.
"$N" run --root "$T/loud" "$T/unit.json" </dev/null >"$T/idle" & pid=$!
exec 8<"$T/idle"
eventually 10 supervisor >/dev/null
sleep 0.5
kill -KILL $pid
wait $pid
ok 'what outlives a supervisor bars no start' eventually 5 direct true
exec 8<&-
# A supervisor that hangs.
"$N" run --timeout 0 --root "$T/boot" "$T/unit.json" </dev/null 2>/dev/null & pid=$!
eventually 10 supervisor >/dev/null
kill -STOP "$(supervisor)"
run "$N" stop t-direct
like "$status/$err" '^0/.*\(killed: it did not end in time\)$' 'one whose supervisor hangs is stopped'
wait $pid
is $? 137 'by the end of that'
is "$(traces | grep -vx '[0-9]*')" "$(printf '%s\n' "$before" | grep -vx '[0-9]*')" 'and what it had is tidied up'
direct true

document '.extra = "readlink /proc/self/fd/0 >/said; grep SigBlk /proc/self/status >>/said; exit 3"' >"$T/extra.json"
run timeout 200 "$N" run --root "$T/boot" "$T/extra.json" </dev/zero
is "$status" 1 'an extra that fails ends it'
like "$err" 'extra: exit status 3' 'and is said'
is "$(cat "$T/boot/said")" "$(printf '/dev/null\nSigBlk:\t0000000000000000')" \
	'it has neither our input nor the signals that we hold back'

# Who comes when another goes.
for i in 1 2 3 4; do
	for j in $(seq 40); do
		timeout -s TERM 0.05 "$N" run --root "$T/boot" "$T/unit.json" </dev/null 2>>"$T/said" || true
	done &
done
wait
like "$(cat "$T/said")" 'running already' 'four at once get in the way of each other'
is "$(grep -v 'ready$\|running already$' "$T/said")" '' 'and none is ended by the end of another'
if command -v strace >/dev/null; then
	strace -fo "$T/trace" -e trace=fcntl -e inject=fcntl:delay_enter=1000000:when=4+ \
		"$N" run --root "$T/root" "$T/unit.json" -- true 2>/dev/null & late=$!
	eventually 5 test -e /run/nixunits/t-direct
	direct sleep 1.5
	direct sleep 300 & other=$!
	eventually 5 supervisor >/dev/null
	wait $late
	run direct true
	is "$status" 4 'one that came in vain takes nobody else'"'"'s entry away'
	kill "$(supervisor)"
	wait $other
	run strace -qq -fo "$T/trace" -e inject=sethostname:error=EPERM "$N" run --root "$T/root" "$T/unit.json" -- true
	like "$status/$err" '^1/nu-run: t-direct: the host name: Operation not permitted' \
		'what fails in the container on its way is said'
	perl -e 'open my $f, "+>", "/run/systemd/nspawn-uid/524288" or die;
		my $lock = pack "s!s!x4l!l!i!x4", 1, 0, 0, 0, 0;
		fcntl $f, 37, $lock or die; syswrite STDOUT, "held\n"; sleep 60' >"$T/held" & other=$!
	eventually 5 grep -q held "$T/held"
	unlike "$(direct cat /proc/self/uid_map)" '^ *0 +524288 ' 'a range that systemd-nspawn has locked, as it does, is not taken'
	kill $other
	wait $other
	rm /run/systemd/nspawn-uid/524288
	"$N" uid alloc t-direct-first
	strace -fo "$T/trace" -e trace=flock -e inject=flock:delay_enter=500000 \
		"$N" run --root "$T/root" "$T/unit.json" -- cat /proc/self/uid_map >"$T/map" &
	sleep 0.2
	"$N" uid alloc t-direct-other
	wait $!
	unlike "$(cat "$T/map")" "^ *0 +$("$N" uid show t-direct-other | awk '{ print $2 }') " \
		'a unit gets no range that one without is about to get'
	rm -r "$NIXUNITS_DIR"
else
	skip 'no strace' 'what fails in the container on its way is said' 'one that came in vain takes nobody else'"'"'s entry away' \
		'a unit gets no range that one without is about to get'
fi

# Where its root can write files of the host's root, our program is out of his reach: t/netns.t shows why.
document '.privateUsers = false' >"$T/users.json"
from_copy() {	# from_copy NAME COMMAND... - a run that sleeps for 986 s, by command.
	local name=$1
	shift
	"$@" </dev/null & pid=$!
	eventually 10 pgrep -fx 'sleep 986' >/dev/null
	like "$(readlink "/proc/$(pgrep -P $pid)/exe")" '^/memfd:nixunits' "$name: PID 1 runs from a copy of our program"
	is "$(cat /proc/$pid/comm)" nixunits 'under its name'
	kill $pid
	wait $pid 2>/dev/null
}
from_copy 'without a user namespace' "$N" run --root "$T/root" "$T/users.json" -- sleep 986
"$N" run --root "$T/root" "$T/users.json" -- sleep 987 & pid=$!
eventually 10 pgrep -fx 'sleep 987' >/dev/null
script -qefc "'$N' shell t-direct" "$T/typescript" </dev/null >/dev/null &
eventually 10 grep -aq '/ # ' "$T/typescript"
is "$(grep -ac 'you are root inside' "$T/typescript")" 1 'who comes in is greeted once'
kill $pid
wait
run sh -c "cat '$T/users.json' | '$N' run --root '$T/root' - -- sh -c 'cat /proc/self/uid_map; exit 4'"
is "$status $(echo $out)" '4 0 0 4294967295' 'its document in a pipe is read once'
if [ -e /proc/sys/vm/memfd_noexec ]; then
	for way in 1 2; do
		run unshare --pid --fork --mount-proc sh -c 'echo '$way' >/proc/sys/vm/memfd_noexec; exec "$@"' - \
			"$N" run --root "$T/root" "$T/users.json" -- echo done
		[ $way = 1 ] && is "$out" 'done' 'also where a copy has to be asked for' ||
			is "$err" 'nu-run: t-direct: a copy of this program in memory: the sysctl vm.memfd_noexec forbids it' \
				'where it can not be had, that is said'
	done
fi

# Kernel parameters of the IPC namespace, which the hosts of other tests can't write.
stored=$NIXUNITS_DIR/containers/t-direct
mkdir -p "$stored/generations/1"
ln -s generations/1 "$stored/current"
document '.sysctl = {"kernel.shmmni": "77", "kernel.sem": "250 32000 32 99"}' >"$stored/generations/1/unit.json"
"$N" run --root "$T/root" "$stored/current/unit.json" -- sleep 985 </dev/null & pid=$!
eventually 10 pgrep -fx 'sleep 985' >/dev/null
parameters() { "$N" check -o json t-direct | jq -c '[.drift[] | select(.what | startswith("sysctl"))] | .[]'; }
in_ipc() { nsenter -t "$(pgrep -fx "sleep 985")" -U -i "$@"; }
is "$(in_ipc cat /proc/sys/kernel/shmmni)" 77 'a kernel parameter of the IPC namespace is set'
isnt "$(cat /proc/sys/kernel/shmmni)" 77 'not on the host'
is "$(parameters)" '' 'nu-check has nothing against it'
in_ipc sh -c 'echo 78 >/proc/sys/kernel/shmmni'
is "$(parameters)" '{"where":"container","what":"sysctl kernel.shmmni","declared":"77","live":"78"}' \
	'but against another value'
kill $pid
wait $pid 2>/dev/null
rm -r "$NIXUNITS_DIR"

# Escapes: see the table in nu-run(1).
cc -static -O1 -o "$T/root/bin/escape" "$(dirname "$0")/escape.c" || bail_out 'no compiler'
attempts() {
	document "$1" >"$T/with.json"
	run "$N" run --root "$T/root" --store "$T/lower" --store "$T/base" "$T/with.json" -- escape
	is "$(printf '%s\n' "$out" | wc -l)" 55 "$2: all attempts are made"
}
attempts . 'a plain container'
is "$(printf '%s\n' "$out" | grep done)" '' 'none of them succeeds'
attempts '.caps = ["CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_MODULE", "CAP_SYS_BOOT", "CAP_MKNOD",
	"CAP_DAC_READ_SEARCH", "CAP_SYS_RAWIO", "CAP_SYSLOG", "CAP_SYS_TIME", "CAP_NET_ADMIN"]' \
	'with many capabilities'
harmless='mount a tmpfs: done
quotas by a descriptor: done
a mount namespace: done'
is "$(printf '%s\n' "$out" | grep done)" "$harmless" 'what succeeds is its own'
if command -v strace >/dev/null; then
	run strace -qq -fo "$T/trace" -e trace=pivot_root -e inject=pivot_root:error=EINVAL \
		"$N" run --root "$T/root" --store "$T/lower" --store "$T/base" "$T/with.json" -- escape
	is "$(grep -c INJECTED "$T/trace") $(printf '%s\n' "$out" | grep done)" "1 $harmless" \
		'nor is there a way out where pivot_root(2) can not be had, as in an initramfs'
fi

# Many.
i=0; failed=0
while [ $i -lt 200 ]; do
	"$N" run --root "$T/root" "$T/unit.json" -- true || failed=$((failed + 1))
	i=$((i + 1))
done
is $failed 0 '200 starts in a row'
for i in $(seq 50); do
	document '.id = "t-direct-'$i'" | .network.interfaces = {veth: {kind: "veth", ip4: ["10.98.'$i'.2/31"],
		hostIp4: ["10.98.'$i'.3/31"]}}' >"$T/many.$i"
done
run unshare --net sh -c 'for i in $(seq 50); do
		"$0" run --root "$1/root" --ephemeral "$1/many.$i" -- sh -c "ip -o addr show dev veth | grep -q 10.98.$i.2 && exit 5" &
		pids="$pids $!"
	done
	for pid in $pids; do
		wait $pid
		echo $?
	done >"$1/many"
	sort "$1/many" | uniq -c; ip -o link | wc -l' "$N" "$T"
is "$(echo $out)" '50 5 1' 'fifty at once, with a network each, of which no link is left'

# An ordinary user.
cp "$N" "$T/nixunits"
cp -r "$T/root" "$T/theirs"
chown -R 65534:65534 "$T/theirs"
run setpriv --reuid 65534 --regid 65534 --clear-groups "$T/nixunits" run --rootless --root "$T/theirs" \
	"$T/unit.json" -- sh -c 'id -u; touch /mine; ip -o addr show lo; echo x >/dev/null && exit 6'
is "$status" 6 'an ordinary user can run it as well'
like "$out" '^0$' 'as its root'
is "$(stat -c %u "$T/theirs/mine")" 65534 'whose files are the user'"'"'s'
from_copy 'his program' setpriv --reuid 65534 --regid 65534 --clear-groups "$T/nixunits" run --rootless --root "$T/theirs" \
	"$T/unit.json" -- sleep 986
document '.network.interfaces = {veth: {kind: "veth", ip4: ["192.0.2.1/31"], hostIp4: ["192.0.2.0/31"]}}' >"$T/veth.json"
run setpriv --reuid 65534 --regid 65534 --clear-groups "$T/nixunits" run --rootless --root "$T/theirs" \
	"$T/veth.json" -- true
is "$status" 77 'but not make an interface on the host'
like "$err" 'lost would be its network.*--degrade' 'which is said, and what would be lost'
run setpriv --reuid 65534 --regid 65534 --clear-groups "$T/nixunits" run --rootless --degrade \
	--root "$T/theirs" "$T/veth.json" -- true
succeeds 'unless that is accepted'
for what in '.sysctl = {"net.ipv4.ip_forward": "1", "kernel.shmmax": "100000"}' '.network.nft = "table inet t {}"'; do
	document "$what" >"$T/with.json"
	run setpriv --reuid 65534 --regid 65534 --clear-groups "$T/nixunits" run --rootless --root "$T/theirs" \
		"$T/with.json" -- true
	like "$status/$err" '^77/nu-run: t-direct: .*; lost would be its firewall and its kernel parameters' "nor: $what"
	ok 'unless that is accepted' setpriv --reuid 65534 --regid 65534 --clear-groups "$T/nixunits" run --rootless \
		--degrade --root "$T/theirs" "$T/with.json" -- true
done
run setpriv --reuid 65534 --regid 65534 --clear-groups "$T/nixunits" run --root "$T/theirs" "$T/unit.json" -- true
like "$err" 'only root.*--rootless' 'without --rootless it is root alone'

echo image >"$T/an.erofs"
run setpriv --reuid 65534 --regid 65534 --clear-groups "$T/nixunits" run --rootless "$T/an.erofs" -- true
is "$status/$err" "1/nu-run: $T/an.erofs: --rootless can't mount an image" 'nor an image, which is mounted'

# Each limit stops it at another step, while its supervisor is at work.
for kind in net mnt; do
	run setpriv --reuid 65534 --regid 65534 --clear-groups unshare --user --map-root-user \
		sh -c 'echo 0 >/proc/sys/user/max_'$kind'_namespaces && exec "$@"' - \
		"$T/nixunits" run --rootless --root "$T/theirs" "$T/unit.json" -- true
	is "$status" 1 "and has as many $kind namespaces as he may"
	like "$err" "namespace.* of its own: No space left|a mount namespace: No space left" 'which is what is said'
done

document '.network.private = false' >"$T/shared.json"
run setpriv --reuid 65534 --regid 65534 --clear-groups "$T/nixunits" run --rootless --root "$T/theirs" \
	"$T/shared.json" -- true
like "$err" 'network.private: false: an ordinary user' 'nor share its network'
cp -r "$T/boot" "$T/their-boot"
chown -R 65534:65534 "$T/their-boot"
run timeout 50 setpriv --reuid 65534 --regid 65534 --clear-groups "$T/nixunits" run --rootless \
	--root "$T/their-boot" "$T/extra.json"
is "$status" 77 'nor run an extra'
like "$err" 'lost would be its extra' 'which is said'
direct sleep 300 & other=$!
eventually 5 supervisor >/dev/null
setpriv --reuid 65534 --regid 65534 --clear-groups "$T/nixunits" run --rootless --root "$T/their-boot" \
	--timeout 0 --degrade "$T/extra.json" 2>"$T/log" </dev/null &
ok 'but boot one, and be there another of that name' eventually 10 grep -q 't-direct: ready' "$T/log"
kill $! "$(supervisor)"
wait

# What the kernel lacks is named, with what would be lost.
mkdir "$T/merged"
mount -t overlay none -o "lowerdir=$T/root:$T/lower" "$T/merged"
at_exit sh -c "umount '$T/merged' 2>/dev/null"
for where in --store --root; do
	run "$N" run "$where" "$T/merged" "$T/unit.json" -- /bin/true
	like "$status $err" '^77 .*/merged: its filesystem has no idmapped mounts .*; lost would be the owners of its files' \
		"idmapped mounts: $where"
done
run "$N" run --degrade --root "$T/root" --store "$T/merged" "$T/unit.json" -- stat -c %u /nix/store/bin
is "$status $out" '0 65534' 'and can be done without'
like "$err" 'warning: .*lost is the owners of its files' 'with a warning'
umount "$T/merged"
lacking_call() {	# lacking_call INJECTION OPTION...
	local inject=$1
	shift
	run strace -qq -fo /dev/null $inject "$N" run --root "$T/root" --store "$T/lower" --store "$T/base" "$@" \
		"$T/unit.json" -- grep Seccomp: /proc/self/status
}
if command -v strace >/dev/null; then
	lacking_call '-e inject=seccomp:error=EINVAL'
	is "$status/$err" '77/nu-run: t-direct: the kernel has no seccomp filters; lost would be the filter of system calls (--degrade accepts that)' \
		'filters of system calls'
	lacking_call '-e inject=seccomp:error=EINVAL' --degrade
	is "$status $out" "0 $(printf 'Seccomp:\t0')" 'which can be done without'
	lacking_call '-e inject=openat2:error=ENOSYS'
	is "$status/$err" "77/nu-run: t-direct: /etc, in the container: Function not implemented (by Linux $(uname -r))" \
		'a system call'
	lacking_call "-e inject=fsconfig:error=EINVAL:when=3 -e inject=uname:poke_exit=@arg1=$(printf %0260d 0)352e31352e3000"
	is "$status/$err" '77/nu-run: t-direct: /nix/store: overlay: the kernel takes no layers with shifted ids (Linux 5.19 and later do)' \
		'an overlay of shifted layers, in 5.15'
	lacking_call '-e inject=clone3:error=ENOSPC'
	like "$status/$err" '^1/.*: No space left on device \(see the sysctls user.max_\*_namespaces\)$' 'as many namespaces as may be'
	mkdir "$T/kinds"
	for kind in pid uts ipc net mnt cgroup; do
		: >"$T/kinds/$kind"
	done
	run unshare -m sh -c 'mount --bind "$0" /proc/$$/ns; exec strace -D -qq -o /dev/null -e inject=clone3:error=EINVAL "$@"' \
		"$T/kinds" "$N" run --root "$T/root" "$T/unit.json" -- true
	is "$status/$err" '77/nu-run: t-direct: the kernel has no user namespaces' 'user namespaces'
else
	skip 'no strace' 'what the kernel lacks'
fi

# Bad input changes nothing.
document '.version = 2' >"$T/bad.json"
run "$N" run --root "$T/root" "$T/bad.json" -- true
is "$status" 2 'a newer document is an error'
like "$err" 'version: 2: this nixunits reads version 1' 'that says so'
head -c 60 "$T/unit.json" >"$T/cut.json"
run sh -c "'$N' run --root '$T/root' - -- true <'$T/cut.json'"
is "$status" 2 'so is one that is cut off'
run "$N" run --root "$T/root" --store "$T/none" "$T/unit.json" -- true
like "$err" "/nix/store: $T/none: .*No such file" 'a layer that is not there'
run "$N" run --root "$T/none" "$T/unit.json" -- true
like "$err" "the root directory: $T/none: .*No such file" 'nor the root directory'
run "$N" run --root "$T/unit.json" "$T/unit.json" -- true
like "$err" "the root directory: $T/unit.json: " 'or one that is none'
run with '.bind = [{source: "/none", target: "/x", readOnly: true}]' true
like "$err" 't-direct: bind "/x": source "/none": No such file' 'nor what is to be bound'
mkdir -p "$NIXUNITS_DIR"
awk 'BEGIN { for (b = 524288; b <= 1878982656; b += 65536) print b, "u" b }' >"$NIXUNITS_DIR/uidmap"
run direct true
like "$err" 'no free UID range' 'no free UID range'
rm -r "$NIXUNITS_DIR"
run "$N" run --engine nspawn "$T/unit.json"
is "$status" 2 'nspawn runs stored units alone'
run "$N" run --engine other web2
like "$err" '"other": expected nspawn or direct' 'an unknown engine'
# Where the machine has the controller, t/qemu.t tries what it does.
for limit in memory=10000000 pids=100 cpu=50; do
	if ! grep -qsw ${limit%=*} /sys/fs/cgroup/cgroup.controllers; then
		run with ".limits.$limit" true
		is "$status" 77 "a limit of ${limit%=*} that can not be kept"
		like "$err" 'limits: no cgroup controller .*lost would be the limits' 'is said'
	fi
done

is "$(traces)" "$before" 'nothing is left on the host'
done_testing
