#!/bin/sh
# nu-caps exec and show, on this machine: what a command gets, what it can't get back, and how it ends.
. "$(dirname "$0")/lib/tap.sh"

REPO=$(cd "$(dirname "$0")/.." && pwd)
N=$REPO/build/nixunits
[ -x "$N" ] || bail_out "$N is not built"
[ "$(id -u)" = 0 ] || lacking 'must be root'
need busybox jq nsenter perl setpriv strace unshare
chmod 755 "$T"

caps() { run "$N" caps "$@"; }
# The command's own lines of /proc/self/status, "Key:a b c;Key:...".
status_of() { caps exec "$@" -- grep -E "^($keys):" /proc/self/status; got=$(echo "$out" | tr -s '\t ' ' ' | sed 's/: /:/; s/ $//' | paste -sd';'); }
sets='CapInh|CapPrm|CapEff|CapBnd|CapAmb'
each() { echo "CapInh:$1;CapPrm:$1;CapEff:$1;CapBnd:$1;CapAmb:$1"; }
none=0000000000000000

# The sets, as the command has them.
keys=$sets
status_of --allow none
is "$got" "$(each $none)" 'none: root without a capability, in any set'
status_of --allow CAP_NET_BIND_SERVICE,kill
is "$got" "$(each 0000000000000420)" 'the named ones, in all five sets'
status_of --allow net_bind_service --allow Kill,13
is "$got" "$(each 0000000000002420)" 'by any spelling, by number, in several options'
status_of --allow kill,chown,-CAP_KILL
is "$got" "$(each 0000000000000001)" '"-" takes one out'
all=$(sed -n 's/^CapPrm:\t//p' /proc/self/status)
status_of --allow all
is "$got" "$(each "$all" | sed "s/CapBnd:$all/CapBnd:$(sed -n 's/^CapBnd:\t//p' /proc/self/status)/")" 'all: what there is'
status_of --allow kill --user nobody
is "$got" "$(each 0000000000000020)" 'an ordinary user has them too'
status_of --allow none --user nobody
is "$got" "$(each $none)" 'or none'
run setpriv --securebits=+noroot,+noroot_locked --inh-caps=+kill,+setpcap --ambient-caps=+kill,+setpcap "$N" caps exec --allow kill -- grep CapEff /proc/self/status
like "$out" '0000000000000020$' 'and a root that is nobody special'

# Users, from files that this test brings.
keys='Uid|Gid|Groups'
printf '%s\n' root:x:0:0::/: broken alice:x:1234:1235::/: 'x:x:4294967295:0::/:' >"$T/passwd"
printf '%s\n' alice:x:1235: broken wheel:x:10:bob,alice disk:x:11:alice2,al audio:x:29:alice >"$T/group"
with_files() {
	run unshare -m sh -euc 'mount --bind "$1/passwd" /etc/passwd; mount --bind "$1/group" /etc/group; shift; exec "$@"' - \
		"$T" "$N" caps exec --allow none --user "$1" -- grep -E "^($keys):" /proc/self/status
	got=$(echo "$out" | sed 's/.*\t//; s/ $//' | paste -sd';')
}
for pair in 'alice=1234;1235;10 29' '1234=1234;1235;10 29' '77=77;77;' 'alice:audio=1234;29;' \
	'alice:5=1234;5;' '77:wheel=77;10;' '0:0=0;0;'; do
	with_files "${pair%%=*}"
	is "$got" "${pair#*=}" "--user ${pair%%=*}: user, group and groups"
done
for bad in bob alice:users x 4294967295 -1 '' : alice: 77: 1e3 0x10 ' 77'; do
	with_files "$bad"
	is "$status" 125 "--user \"$bad\" is exit 125"
	like "$err" '^nu-caps: (user|group) "' 'and names it'
done

# Allowed means able; not allowed means not.
listen='use Socket; socket(S, PF_INET, SOCK_STREAM, 0); exit(bind(S, sockaddr_in(80, INADDR_ANY)) ? 0 : 9)'
run unshare -n "$N" caps exec --allow net_bind_service --user nobody -- perl -e "$listen"
is "$status" 0 'nobody listens on port 80 with CAP_NET_BIND_SERVICE'
run unshare -n "$N" caps exec --allow kill --user nobody -- perl -e "$listen"
is "$status" 9 'but not with CAP_KILL'
run unshare -n "$N" caps exec --allow kill -- perl -e "$listen"
is "$status" 9 'nor does root'
run "$N" caps exec --allow none -- unshare -m true
isnt "$status" 0 'root without CAP_SYS_ADMIN makes no mount namespace'

# Nothing comes back: not by a set-user-ID program of root's, and not by root's own exec.
cp "$(command -v grep)" "$T/grep"
chmod 4755 "$T/grep"
run "$N" caps exec --allow kill --user nobody -- "$T/grep" -E '^(Uid|CapEff|CapBnd):' /proc/self/status
is "$(echo "$out" | tr -s '\t' ' ' | paste -sd';')" 'Uid: 65534 0 0 0;CapEff: 0000000000000020;CapBnd: 0000000000000020' \
	'a set-user-ID program becomes root, without other capabilities'
run "$N" caps exec --allow kill --user nobody --no-new-privs -- "$T/grep" -E '^(Uid|CapEff|NoNewPrivs):' /proc/self/status
is "$(echo "$out" | tr -s '\t' ' ' | paste -sd';')" 'Uid: 65534 65534 65534 65534;CapEff: 0000000000000020;NoNewPrivs: 1' \
	'with --no-new-privs not even that'
run "$N" caps exec --allow none -- sh -c "'$N' caps exec --allow kill -- true"
is "$status$err" '125nu-caps: CAP_KILL: not ours to allow, it is not in our permitted set' 'what is gone can not be allowed'
run "$N" caps exec --allow all,-setpcap -- "$N" caps exec --allow none -- true
is "$status" 125 'without CAP_SETPCAP the bounding set can not be cut'
like "$err" 'CAP_SETPCAP.*--no-new-privs' 'which says what helps'
run "$N" caps exec --allow all,-setpcap -- "$N" caps exec --allow none --no-new-privs -- \
	sh -c 'grep CapEff /proc/self/status'
like "$out" 0000000000000000 'and it does, for root as well'
run setpriv --reuid 65534 --regid 65534 --clear-groups "$N" caps exec --allow none --no-new-privs -- true
is "$status" 0 'an ordinary user can give up'
run setpriv --reuid 65534 --regid 65534 --clear-groups "$N" caps exec --allow none --no-new-privs --user 0 -- true
is "$status" 125 'and can not become another'

# Names and numbers.
caps exec --allow net_bind_servce -- true
is "$status" 125 'an unknown name is exit 125'
like "$err" '"net_bind_servce": not a capability; did you mean CAP_NET_BIND_SERVICE' 'and the nearest is named'
for bad in 47 CAP_47 cap_63; do
	caps exec --allow "$bad" -- true
	is "$status/$err" "125/nu-caps: CAP_${bad##*_}: this kernel's capabilities are 0 to $(cat /proc/sys/kernel/cap_last_cap)" \
		"$bad: there is none of that number"
done
for bad in 64 99999999999999999999 CAP_ '' kill, ,kill --kill CAP_-1 'kill kill' 5x; do
	caps exec --allow "$bad" -- true
	is "$status" 125 "--allow '$bad' is exit 125"
	like "$err" '^nu-caps: "' 'and names it'
done

# How it ends is how the command ends, or one of env(1)'s three.
caps exec --allow none -- sh -c 'exit 7'
is "$status" 7 'the exit status is the command'"'"'s'
caps exec --allow none -- sh -c 'kill -9 $$'
is "$status" 137 'so is a signal'
caps exec --allow none -- "$T/nothing"
is "$status" 127 'a command that is not there: 127'
like "$err" "^nu-caps: $T/nothing: it is not there, or the interpreter it needs isn't" 'named'
caps exec --allow none -- no-such-program
is "$status/$err" '127/nu-caps: no-such-program: not found in PATH' 'nor is it in PATH'
caps exec --allow none -- "$T/passwd"
is "$status" 126 'one that can not be executed: 126'
chmod 700 "$T/grep"
caps exec --allow none --user nobody -- "$T/grep" x
is "$status" 126 'by this user: 126'
for args in '' '--allow none' '--allow none --' '--allow none true' '-- true' '--allow' '--bogus' \
	'-o json --allow none -- true' '-a --allow none -- true' 'x --allow none -- true'; do
	caps exec $args
	is "$status" 125 "exec $args: exit 125"
done
for args in '--allow none show 1' '--user 0 plan' 'show 1 -- true' '-a plan' '-a check x' check 'check a b' bogus; do
	caps $args </dev/null
	is "$status" 2 "caps $args: exit 2"
done
run sh -c '"$0" caps exec --allow none -- sh -c "echo \$PPID"; echo $$' "$N"
is "$(echo "$out" | uniq | wc -l)" 1 'no process stays in between'

# Where nearly nothing is there: no /etc, no /proc.
mkdir "$T/bare"
cp "$N" "$T/bare/nixunits"
run chroot "$T/bare" /nixunits caps exec --allow kill --user 77:78 -- /nixunits --version
succeeds 'numbers do without /etc and /proc'
run chroot "$T/bare" /nixunits caps exec --allow kill --user alice -- /nixunits --version
is "$status/$err" '125/nu-caps: user "alice": /etc/passwd: No such file or directory' 'a name does not'
run chroot "$T/bare" /nixunits caps show 1
is "$status/$err" '77/nu-caps: /proc is not mounted' 'nor does show'
run strace -qq -o "$T/trace" -e trace=open,openat "$N" caps exec --allow kill --user 77 -- "$T/nothing"
is "$(sed 's/^open[^"]*"//; s/".*//' "$T/trace")" /etc/passwd 'nothing but /etc/passwd is opened'

# show
caps show $$
for label in process bounding permitted effective inheritable ambient no_new_privs seccomp uid_map gid_map; do
	like "$out" "^$label +[^ ]" "show: $label"
done
unshare -rn sleep 600 &
child=$!
at_exit kill $child
eventually 5 grep -qx sleep /proc/$child/comm # which it is once its maps are written
caps show -o json $child
is "$(echo "$out" | jq -c '[.pid, .name, .uid, .seccomp, .uidMap, .gidMap, .noNewPrivileges]')" \
	"[$child,\"sleep\",0,\"none\",[[0,0,1]],[[0,0,1]],false]" 'show -o json: who it is, and its maps'
"$N" caps exec --allow kill --no-new-privs -- sleep 600 &
child=$!
at_exit kill $child
eventually 5 grep -q sleep /proc/$child/comm
caps show -o json $child
is "$(echo "$out" | jq -c '[.bounding, .permitted, .effective, .inheritable, .ambient, .noNewPrivileges]')" \
	'[["CAP_KILL"],["CAP_KILL"],["CAP_KILL"],["CAP_KILL"],["CAP_KILL"],true]' 'and its sets'
# Its name is its own affair.
perl -e 'open F, ">/proc/self/comm"; syswrite F, "a\n\e[1m\xff"; close F; sleep 600' &
child=$!
at_exit kill $child
eventually 5 grep -q ^a /proc/$child/comm
caps show $child
is "$(printf %s "$out" | head -n 1 | tr -d ' -~' | wc -c)" 1 'a name can not write to our terminal'
caps show -o json $child
is "$(printf %s "$out" | jq -r .name)" 'a\n?[1m?' 'nor spoil JSON'
sh -c 'true & exec sleep 600' &
child=$!
at_exit kill $child
eventually 5 sh -c 'grep -q "^State:.Z" "/proc/$(pgrep -P "$1")/status"' - $child
caps show "$(pgrep -P $child)"
succeeds 'a zombie is shown'
# Processes that end while they are looked at.
bad=$(for i in $(seq 300); do
	true &
	"$N" caps show $! 2>&1 >/dev/null || [ $? = 1 ] || echo "exit $?"
done | grep -v '^nu-caps: no process [0-9]*$')
is "$bad" '' 'a process that ends is shown or not there'
caps show 999999999
is "$status/$err" '1/nu-caps: no process 999999999' 'one that never was'
caps show 99999999999999999999
is "$status" 3 'a number that no process can have is an id that no unit has'

# A unit of the direct engine, which needs no host of its own: what runs in it, and what came in.
NIXUNITS_DIR=$T/state
export NIXUNITS_DIR
unit=$NIXUNITS_DIR/containers/t-caps
mkdir -p "$T/root/bin" "$unit/generations/1"
cp "$(command -v busybox)" "$T/root/bin/"
ln -s busybox "$T/root/bin/sleep"
jq -n '{version: 1, id: "t-caps", system: "/nix/store/s", init: "/nix/store/s/init", caps: ["CAP_NET_RAW"],
	network: {dns: "none"}}' >"$unit/generations/1/unit.json"
ln -s generations/1 "$unit/current"
"$N" run --root "$T/root" "$unit/current/unit.json" -- sleep 600 &
at_exit kill $!
eventually 5 "$N" caps check t-caps
caps check t-caps
is "$status/$out$err" 0/ 'check: a unit of the direct engine holds what is declared'
caps show -a -o json t-caps
is "$(echo "$out" | jq -c '[.[].bounding == .[].permitted, (.[0].permitted | index("CAP_NET_RAW") != null)] | unique')" \
	'[true]' 'show -a: as it is declared'
nsenter -t "$(echo "$out" | jq '.[0].pid')" -p sleep 600 &
at_exit kill $!
excess() { "$N" caps check -o json t-caps | jq -e 'any(.excess[]; .name == "sleep")'; }
eventually 5 excess
caps check -o json t-caps
is "$status $(echo "$out" | jq -c '[.excess[] | [.name, .outside]] | unique')" '1 [["sleep",true]]' \
	'what came in from the host is too much'

# Sets are a thread's, not a process's: here the first one has given up its own.
cat >"$T/threads.c" <<'X'
#include <linux/capability.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *hold(void *unused)
{
	sleep(600);
	return unused;
}

int main(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };
	pthread_t thread;

	pthread_create(&thread, 0, hold, 0);
	syscall(SYS_capset, &head, none);
	hold(0);
}
X
cc -D_GNU_SOURCE -pthread -o "$T/threads" "$T/threads.c" || bail_out 'no compiler'
nsenter -t "$("$N" caps show -o json t-caps | jq .pid)" -p "$T/threads" &
at_exit kill $!
holders() {
	"$N" caps check -o json t-caps |
		jq -c '[.excess[] | select(.name == "threads")] | group_by(.pid) | [.[] | [.[].set]]'
}
found() { [ "$(holders)" = '[["bounding"],["bounding","permitted","effective"]]' ]; }
ok 'a thread that holds more than the others is found' eventually 5 found

done_testing
