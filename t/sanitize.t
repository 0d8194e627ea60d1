#!/bin/sh
# The applets over their common paths, errors among them, with ASan and UBSan compiled in, and some
# of them under valgrind: no access out of bounds, to freed memory or to what was never set.
. "$(dirname "$0")/lib/tap.sh"

REPO=$(cd "$(dirname "$0")/.." && pwd)
need make cc jq valgrind
ok 'the applets build with sanitizers' make -s -C "$REPO" build/san/nixunits
NIXUNITS_DIR=$T/state
export NIXUNITS_DIR

# through WHAT COMMAND... - runs each line by COMMAND. 99 is what sanitizers and valgrind exit with.
through() {
	local what="$1" line input code n=0 bad=0
	shift
	while read -r line; do
		input=/dev/null code=0 n=$((n + 1))
		case $line in *'<'*) input=${line#*<} ;; esac
		"$@" ${line%%<*} <"$input" >/dev/null 2>"$T/said" || code=$?
		if [ $code = 99 ] || [ $code -gt 127 ] || grep -qE 'Sanitizer|runtime error|^==[0-9]+==' "$T/said"; then
			bad=$((bad + 1))
			diag "nixunits $line: exit $code"
			tap_shown "$(cat "$T/said")"
		fi
	done
	is "$bad of $n" "0 of $n" "$what: $n commands without a fault"
}

ASAN_OPTIONS=exitcode=99:detect_leaks=0 UBSAN_OPTIONS=exitcode=99:print_stacktrace=1
export ASAN_OPTIONS UBSAN_OPTIONS
cat >"$T/none" <<-COMMANDS
	list
	list -o json
	net graph
	net graph -o svg
	uid show
	overlay show
COMMANDS
through 'ASan and UBSan, without a unit' "$REPO/build/san/nixunits" <"$T/none"

document() {
	jq -n "{version: 1, id: \"web2\", system: \"/nix/store/s\", init: \"/nix/store/s/init\"} + $1"
}
document '{caps: ["CAP_NET_RAW"], bind: [{source: "/srv", target: "/srv", readOnly: true}],
	network: {routes: {ip4: "10.1.0.254"}, interfaces: {
		veth: {kind: "veth", ip4: ["10.0.0.2/31"], hostIp4: ["10.0.0.3/31"], ip6: ["fd00::2/64"]},
		lan: {kind: "ovs", ip4: ["10.1.0.2/16"], ovs: {bridge: "br0", vlan: 356},
			macvlan: {vrid: 7, ip4: ["10.1.0.9/16"]}}}}}' >"$T/web2.json"
document '{id: "plain", network: {private: false}, privateUsers: false,
	nspawnArgs: ["--capability=all,47", "x"]}' >"$T/plain.json"
document '{id: 7, bogus: null}' >"$T/bad.json"
head -c 200 "$T/web2.json" >"$T/cut.json"
printf '\0\377{' >"$T/noise.json"
: >"$T/empty.json"

unit() {	# unit ID DOCUMENT - as if it was built
	mkdir -p "$T/state/containers/$1/generations/1/nix/store" "$T/state/containers/$1/root"
	cp "$2" "$T/state/containers/$1/generations/1/unit.json"
	ln -s generations/1 "$T/state/containers/$1/current"
}
mkdir -p "$T/state/store/default/root/nix/store" "$T/inst"
unit web2 "$T/web2.json"
unit plain "$T/plain.json"
unit cut "$T/cut.json"

# One command a line, with what it reads after "<". The first part goes through valgrind as well.
cat >"$T/short" <<-COMMANDS
	list -o json
	status -o json web2 cut
	unit -c web2
	caps plan -o json plain
	caps show $$
	caps exec --allow all,-kill --user nobody -- true
	caps exec --allow bogus -- true
	net plan web2
	net graph -o svg
	run --dry-run web2
	uid alloc web2
	uid show -o json
	overlay show -s web2
	check web2
	overlay show -o json / /proc
	image --check $T/noise.json $T/empty.json /nothing
	unit - <$T/bad.json
	net plan - <$T/noise.json
COMMANDS
cat >"$T/long" <<-COMMANDS
	--list
	list
	status web2 plain cut nothing
	unit web2
	unit cut
	unit -g network.interfaces.veth.ip4 web2
	unit -g bind[0].source web2
	caps plan web2
	caps show -a -o json web2
	caps check web2
	caps exec --allow none --user root:daemon --no-new-privs -- true
	caps exec --allow 63 -- true
	net plan -o json web2
	net show web2
	net check web2
	net graph
	net graph -o json
	net graph -o dot
	run --dry-run plain
	run nothing
	uid alloc plain
	uid show
	uid free web2
	ip6 web2
	overlay show
	overlay mount --lower /nothing $T/inst
	image --output $T/image.squashfs web2
	image --initramfs --modules $T --output $T/image.cpio web2
	check web2 nothing
	shell web2 -- true
	nsenter -n web2 -- true
	rollback web2
	rollback -r web2
	gc -n
	stop nothing
	install -q --destdir $T/inst --prefix /usr
	install -q --uninstall --destdir $T/inst --prefix /usr
	eval -n /nothing
	delete -f nothing
COMMANDS
for name in web2 plain bad cut noise empty; do
	for command in 'unit -' 'unit -c -' 'caps plan' 'net plan -' 'net graph -o svg -' 'run --dry-run -'; do
		echo "$command <$T/$name.json"
	done
done >>"$T/long"
for applet in $("$REPO/build/nixunits" --list | cut -d' ' -f1); do
	printf '%s\n' "$applet --help" "$applet --no-such-option" "$applet ../x" "$applet -o json x y z"
done >>"$T/long"

cat "$T/short" "$T/long" >"$T/all"
through 'ASan and UBSan' "$REPO/build/san/nixunits" <"$T/all"

# What runs units, in a tree of files that has what it takes.
if [ "$(id -u)" = 0 ] && command -v busybox >/dev/null; then
	mkdir -p "$T/root/bin" "$T/up" "$T/w" "$T/at"
	cp "$(command -v busybox)" "$T/root/bin/"
	for program in sh true sleep; do
		ln -s busybox "$T/root/bin/$program"
	done
	veth='{veth: {kind: "veth", ip4: ["192.0.2.0/31"], hostIp4: ["192.0.2.1/31"]}}'
	document '{id: "t-san", bind: [{source: "/usr", target: "/srv/usr", readOnly: true}], sysctl: {"net.ipv4.ip_forward": "1"},
		limits: {rlimits: {nofile: {soft: 64, hard: 64}}}, network: {interfaces: '"$veth"'}}' >"$T/t-san.json"
	document '{id: "t-san", privateUsers: false, network: {dns: "none"}}' >"$T/users.json"
	document '{id: "t-run"}' >"$T/t-run.json"
	"$REPO/build/nixunits" run --root "$T/root" "$T/t-run.json" -- sleep 600 & running=$!
	at_exit sh -c "kill $running 2>/dev/null"
	eventually 10 test -s /run/nixunits/t-run
	cat >"$T/run" <<-COMMANDS
		run --root $T/root $T/t-san.json -- true
		run --root $T/root --ephemeral --store $T/root --store $T/state --timeout 1 $T/t-san.json -- sh -c exit
		run --store $T/root - -- /nix/store/bin/true <$T/t-san.json
		run --root $T/root $T/users.json -- true
		run --root $T/root $T/t-san.json -- /nothing
		run --root $T/root $T/t-san.json
		run --root $T/nothing $T/t-san.json -- true
		run --rootless --degrade --root $T/root $T/t-san.json -- true
		shell t-run -- true
		nsenter -n t-run -- true
		caps show -a -o json t-run
		status -o json t-run
		net show t-run
		overlay mount --lower $T/root --lower $T/up --idmap 524288 $T/at
		overlay show -o json $T/at
		overlay umount $T/at
		overlay mount --lower $T/root --upper $T/up --work $T/w $T/at
		overlay umount --lazy $T/at
		stop t-run
	COMMANDS
	through 'ASan and UBSan, what runs units' "$REPO/build/san/nixunits" <"$T/run"
	wait $running
fi

# valgrind sees what was never set. It wants libraries that it can look into, and debug information.
ok 'the applets build with libraries' make -s -C "$REPO" STATIC=0 B="$T/dynamic" CFLAGS='-O0 -g' all
through valgrind valgrind -q --error-exitcode=99 --child-silent-after-fork=yes \
	"$T/dynamic/nixunits.debug" <"$T/short"

done_testing
