#!/bin/sh
# The binary alone: every applet in a directory that holds it and nothing else, read-only, without
# /proc, /dev, /etc, a locale, a PATH, and with few file descriptors to spare: as in an initramfs
# before anything is mounted. It works, or says why not; it never crashes.
if [ "${1:-}" != --inside ]; then
	[ "$(id -u)" != 0 ] || exec unshare --mount --propagation private -- "$0" --inside
fi
. "$(dirname "$0")/lib/tap.sh"

REPO=$(cd "$(dirname "$0")/.." && pwd)
N=$REPO/build/nixunits
[ -x "$N" ] || bail_out "$N is not built"
[ "$(id -u)" = 0 ] || lacking 'must be root'
need chroot jq
! readelf -lW "$N" 2>/dev/null | grep -q INTERP || skip_all 'the binary is not a static one'

# bare DIR: a root directory with the binary; what else is in DIR stays.
bare() {
	mkdir -p "$1"
	cp "$N" "$1/nixunits"
	mount --bind "$1" "$1"
	mount -o remount,bind,ro "$1"
	at_exit umount "$1"
}
bare "$T/empty"
unit=$T/state/var/lib/nixunits/containers/web2
mkdir -p "$unit/generations/1" "$T/state/run"
cp "$REPO/t/golden/web2.unit.json" "$unit/generations/1/unit.json"
ln -s generations/1 "$unit/current"
chmod 700 "$unit"
bare "$T/state"

# in ROOT ARGS...: what nixunits ARGS does there.
in_root() {
	local root=$1
	shift
	run sh -c 'ulimit -n 16; ulimit -c 0; exec env -i "$@"' - "$(command -v timeout)" --signal=KILL 200 \
		"$(command -v chroot)" "$root" /nixunits "$@" <"${input:-/dev/null}"
}

# decent NAME: the last command ended as documented, and if not by success, said why.
decent() {
	case $status in
	0) pass "$1: done" ;;
	1|2|3|4|77|125|126|127)
		like "$err" '^(nu-[a-z0-9]+|nixunits): .' "$1: exit $status, with a message" ;;
	*)	fail "$1: exit $status"
		tap_shown "$err" ;;
	esac
}

applets=$("$N" --list | cut -d' ' -f1)
ok 'there are applets' test "$(echo "$applets" | wc -l)" -ge 25
for applet in $applets; do
	in_root "$T/empty" "$applet" --help
	like "$status $out" "^0 usage: nu-$applet" "$applet --help"
	for args in '' web2 / -; do
		in_root "$T/empty" "$applet" $args
		decent "$applet${args:+ $args}"
	done
	in_root "$T/empty" "$applet" --no-such-option
	like "$status $err" '^2 ' "$applet --no-such-option: exit 2"
	# With no standard files at all there is nobody to tell, and still no crash.
	status=0
	timeout --signal=KILL 200 chroot "$T/empty" /nixunits "$applet" web2 <&- >&- 2>&- || status=$?
	ok "$applet without standard files: exit $status" test "$status" -lt 124
done
for args in '' --version --list --help nosuch 'nosuch web2'; do
	in_root "$T/empty" $args
	decent "nixunits $args"
done

# What is sensible to ask, of a unit that is there or of a document: STATUS REGEX ARGUMENTS.
input=$REPO/t/golden/web2.unit.json
while read -r code regex args; do
	in_root "$T/state" $args
	is "$status" "$code" "$args: exit $code"
	like "$out$err" "$(echo "$regex" | tr _ ' ')" "$args: says so"
done <<-'X'
	0 "id":_"web2" list -o json
	0 ^web2 list
	1 build:_missing status web2
	0 ^web2$ unit -g id web2
	0 ^web2$ unit -g id -
	0 kept_+CAP.CHOWN caps plan -
	77 /proc_is_not_mounted caps show 1
	1 not_running caps check web2
	1 not_running check web2
	77 systemctl:_not_found start web2
	77 systemctl:_not_found stop web2
	77 systemctl:_not_found restart web2
	77 systemctl:_not_found enable web2
	77 systemctl:_not_found disable web2
	77 systemctl:_not_found delete -f -r web2
	1 no_generation_before_1 rollback web2
	1 Read-only_file_system rollback -g 1 web2
	1 Read-only_file_system gc
	1 build:_missing build web2
	2 x.nix:_No_such_file build -n /x.nix -i web3
	2 x.nix:_No_such_file eval -n /x.nix -i web3
	0 ^fd ip6 web2
	0 192.168.20.1/31_on_nu-web2 net plan -
	0 link_nu-web2 net plan web2
	1 not_running net show web2
	1 not_running net check web2
	1 not_running net up web2
	0 192.168.20.1/31 net graph
	1 No_such_file overlay show web2
	77 /proc_is_not_mounted overlay show /
	1 nothing_is_mounted overlay umount /run
	1 Read-only_file_system uid alloc web2
	0 systemd-nspawn run --dry-run web2
	1 systemd_runs_it_by_this_engine run --engine nspawn web2
	1 Read-only_file_system run --engine direct web2
	77 /proc_is_not_mounted run --engine direct -
	77 /proc_is_not_mounted run --engine direct --ephemeral - -- /nixunits
	1 not_running shell web2
	1 not_running nsenter web2 -- /x
	1 no_interface_veth wait -t 1 /var/lib/nixunits/containers/web2/current/unit.json
	77 gzip:_not_found install
	1 Read-only_file_system image -o /x web2
	2 not_an_image image --check /nixunits
	1 Read-only_file_system image --initramfs -o /x web2
	2 first_process init
X

is "$(cut -d' ' -f5 /proc/self/mountinfo | grep "$T" | sort | tr '\n' ' ')" "$T/empty $T/state " 'nothing is left mounted'
is "$(ls -A "$T/empty")" nixunits 'and nothing was written'
done_testing
