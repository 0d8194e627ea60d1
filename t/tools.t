#!/bin/sh
# The small tools: nu-uid, nu-unit, nu-overlay, nu-caps.
. "$(dirname "$0")/lib/tap.sh"

REPO=$(cd "$(dirname "$0")/.." && pwd)
N=$REPO/build/nixunits
export NIXUNITS_DIR="$T/state" NIXUNITS_ETC="$T/etc"
[ -x "$N" ] || bail_out "$N is not built"
need jq
N() { run "$N" "$@"; }

# nu-uid
N uid show
is "$status$out$err" 0 'uid show: nothing yet'
not_ok 'and nothing is made by asking' test -e "$NIXUNITS_DIR"
N uid alloc web2 web3
succeeds 'uid alloc'
is "$(echo "$out" | tr -s ' ')" "$(printf 'web2 524288 589823\nweb3 589824 655359')" \
	'gives each a range of 65536'
N uid alloc web2
like "$out" '^web2 +524288 ' 'and the same again'
N uid free web2
succeeds 'uid free'
N uid alloc dns
like "$out" '^dns +524288 ' 'a freed range is given again'
N uid show -o json
is "$(echo "$out" | jq -c .)" '[{"id":"dns","base":524288,"count":65536},{"id":"web3","base":589824,"count":65536}]' \
	'uid show -o json'
N uid show web2
is "$status" 3 'a unit without one is exit 3'
N uid free web2 dns
is "$status" 3 'uid free: so too'
N uid show dns
is "$status" 3 'and the others are served'
for args in '' 'alloc' 'free' 'give web2' 'alloc ..' 'alloc A'; do
	N uid $args
	is "$status" 2 "uid $args is exit 2"
done
echo 'nonsense' >"$NIXUNITS_DIR/uidmap"
N uid alloc web4
is "$status$(cat "$NIXUNITS_DIR/uidmap")" 1nonsense 'a registry that is not one is left alone'
rm "$NIXUNITS_DIR/uidmap"

# nu-unit
cat >"$T/names.json" <<-'X'
	{"version": 1, "id": "web2", "system": "/nix/store/x", "init": "/nix/store/x/init",
	 "os": {"name": "it's $(touch pwned)", "version": "1"}, "sysctl": {"net.ipv4.ip_forward": "1"},
	 "network": {"interfaces": {"eth0.10": {"kind": "veth", "ip4": ["10.0.0.2/31"]},
		"br-lan": {"kind": "veth"}, "a__b": {"kind": "veth", "ip6": ["fd00::2/64"]}}}}
X
N unit - <"$T/names.json"
is "$status $(echo "$out" | jq -S .)" "0 $(jq -S . "$T/names.json")" 'unit: a valid document, as it is'
is "$(for field in id os.name sysctl.net.ipv4.ip_forward network.interfaces.eth0.10.ip4.0 \
	network.interfaces.br-lan.kind network.interfaces.a__b.ip6; do
		"$N" unit -g $field - <"$T/names.json"
	done | tr -d '\n\t ')" "web2it's\$(touchpwned)110.0.0.2/31veth[\"fd00::2/64\"]" \
	'unit -g: fields, whatever their names'
for field in network.interfaces.eth0 network.interfaces.eth0.10.ip4.1 id.x . ''; do
	N unit -g "$field" - <"$T/names.json"
	is "$status$out" 1 "unit -g '$field' is exit 1"
done
N unit -c - <"$T/names.json"
is "$(cd "$T" && eval "$out" && echo "$ID, $OS, $INTERFACES, $ADDRESSES")" \
	"web2, it's \$(touch pwned), eth0.10 br-lan a__b, 10.0.0.2/31 fd00::2/64" \
	'unit -c: as a shell reads it, whatever is in it'
not_ok 'and executes nothing' test -e "$T/pwned"
sed 's/"version": 1,/& "x": 1,/' "$T/names.json" >"$T/bad.json"
N unit - <"$T/bad.json"
is "$status$out" 2 'an unknown field is exit 2'

# nu-caps
document() { cat <<-X
	{"version": 1, "id": "web2", "system": "/nix/store/x", "init": "/nix/store/x/init",
	 "caps": ["CAP_NET_ADMIN"], "nspawnArgs": ${1:-[]}}
	X
}
kept() { jq -r '[.capabilities[] | select(.kept) | .name] | sort | join(" ")'; }
always='CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL CAP_NET_BIND_SERVICE CAP_SETFCAP CAP_SETGID CAP_SETPCAP CAP_SETUID CAP_SYS_CHROOT'
document >"$T/unit.json"
N caps plan <"$T/unit.json"
succeeds 'caps plan'
table=$(echo "$out" | grep -E '^(kept|declared|dropped) ')
is "$(echo "$table" | grep -c '^dropped ')" "$(($(echo "$table" | wc -l) - 12))" 'drops all but twelve'
like "$out" '^declared CAP_NET_ADMIN +[a-z]' 'names the declared one, with its meaning'
like "$out" '^flag +--drop-capability=CAP_AUDIT_CONTROL,' 'and the flags that say so'
is "$(echo "$table" | grep ' CAP_[A-Z_]*$')" '' 'every capability has a meaning'
for set in bounding permitted effective inheritable; do
	is "$(echo "$out" | sed -n "s/^$set *//p")" "$(echo "$table" | grep -v ^dropped | awk '{ print $2 }' | paste -sd' ')" \
		"$set: what is not dropped"
done
like "$out" '^ambient +none$' 'ambient: none'
N caps plan -o json - <"$T/unit.json"
is "$(echo "$out" | kept)" "$(echo "$always CAP_NET_ADMIN" | tr ' ' '\n' | sort | tr '\n' ' ' | sed 's/ $//')" \
	'as JSON: these are kept'
document '["--drop-capability=CAP_CHOWN,kill", "--capability", "CAP_SYSLOG"]' >"$T/args.json"
N caps plan -o json <"$T/args.json"
like "$(echo "$out" | kept)" '^CAP_DAC_OVERRIDE .*CAP_NET_ADMIN.* CAP_SYSLOG ' 'nspawnArgs count'
unlike "$(echo "$out" | kept)" 'CAP_KILL|CAP_CHOWN' 'in both directions'
document '["--capability=all"]' >"$T/args.json"
N caps plan -o json <"$T/args.json"
like "$(echo "$out" | kept)" CAP_WAKE_ALARM '"all" among them'
is "$(echo "$out" | jq -c '(.bounding | length > 15), (.bounding - .effective), (.bounding - (.bounding - .dropped)),
	((.bounding + .dropped | sort) == ([.capabilities[].name] | sort))' | paste -sd' ')" 'true [] [] true' \
	'each is either kept or dropped'
document '["--ambient-capability=CAP_KILL,CAP_SYS_BOOT", "--capability=40", "--drop-capability=8"]' >"$T/args.json"
N caps plan -o json <"$T/args.json"
is "$(echo "$out" | jq -c '[.ambient, (.bounding | index("CAP_CHECKPOINT_RESTORE") != null),
	(.dropped | index("CAP_SETPCAP") != null), (.flags | length)]')" '[["CAP_KILL"],true,true,6]' \
	'ambient ones, if they are not dropped; and numbers'
N caps plan </dev/null
is "$status" 2 'no document is exit 2'
N caps plan nothing
is "$status" 3 'no such unit is exit 3'
N caps show $$
like "$out" '^bounding +CAP_CHOWN' 'caps show PID'
N caps show -o json $$
is "$(echo "$out" | jq -r '[.bounding[] | select(startswith("CAP_") | not)] | length')" 0 \
	'as JSON, by name'
N caps show 999999999
is "$status" 1 'no such process is exit 1'
for args in '' show 'plan a b' 'show ../1'; do
	N caps $args </dev/null
	is "$status" 2 "caps $args is exit 2"
done

unit=$NIXUNITS_DIR/containers/web2
mkdir -p "$unit/generations/1/nix/store/own" "$NIXUNITS_DIR/store/default/root/nix/store/base" \
	"$T/target" "$T/a" "$T/b:,\\" "$T/upper" "$T/work"
ln -s generations/1 "$unit/current"
cp "$T/unit.json" "$unit/generations/1/unit.json"

# Where systemctl is there, but not systemd: a recovery system, a chroot.
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null && command -v systemctl >/dev/null; then
	for verb in start stop; do
		run unshare -m sh -c 'mount -t tmpfs none /run && exec "$@"' - "$N" $verb web2
		is "$status $err" "77 nu-$verb: web2: systemd does not run here (nixunits run --engine direct does without)" \
			"$verb without systemd says so"
	done
else
	skip 'no mount namespace or no systemctl here' 'without systemd'
fi

# nu-overlay
dd if=/dev/zero of="$unit/generations/1/nix/store/own/file" bs=1k count=300 2>/dev/null
N overlay show
like "$out" "^  own +1 paths +$unit/generations/1/nix/store\$" 'overlay show: the layers'
N overlay show -s -o json web2
is "$(echo "$out" | jq -c '.[0] | [.id, .generation, .mounted, .layers[].layer, .layers[0].bytes > 300000]')" \
	'["web2",1,false,"own","base",true]' 'as JSON, with sizes'
N overlay show nothing
is "$status" 3 'no such unit is exit 3'
for args in '' mount 'mount web2' 'umount' "mount -l $T/a" "mount -l $T/a -u $T/a $T/b" "show -o xml" \
	"mount -l $T/a -m 0 $T/b" "mount -l $T/a -m x $T/b"; do
	N overlay $args
	is "$status" 2 "overlay $(echo "$args" | sed "s|$T||g") is exit 2"
done
mounts() { grep -c " $T" /proc/self/mounts; }
echo a >"$T/a/f"
echo b >"$T/b:,\\/f"
echo b >"$T/b:,\\/g"
if [ "$(id -u)" = 0 ] && mount --bind "$T/target" "$T/target" 2>/dev/null; then
	umount "$T/target"
	at_exit sh -c "umount '$T/target' 2>/dev/null"
	N overlay mount web2 "$T/target"
	succeeds 'overlay mount ID'
	is "$(ls "$T/target")" "$(printf 'base\nown')" 'merges the stores'
	not_ok 'read-only' touch "$T/target/x"
	is "$(mounts)" 1 'in one mount'
	ok 'overlay umount' "$N" overlay umount "$T/target"
	is "$(mounts)" 0 'and none is left'
	N overlay umount "$T/target"
	is "$status" 1 'again: exit 1'
	N overlay mount -l "$T/a" -l "$T/b:,\\" "$T/target"
	succeeds 'any directories, whatever they are called'
	is "$(cat "$T/target/f" "$T/target/g")" "$(printf 'a\nb')" 'the first one is on top'
	"$N" overlay umount "$T/target"
	N overlay mount -l "$T/a" -l "$T/b:,\\" -u "$T/upper" -w "$T/work" "$T/target"
	succeeds 'with an upper one'
	echo new >"$T/target/new"
	is "$(cat "$T/upper/new")" new 'which takes what is written'
	"$N" overlay umount "$T/target"
	N overlay mount -l "$T/a" -l "$T/b:,\\" -m 524288 "$T/target"
	if [ "$status" = 77 ]; then
		skip "$err" 'idmap'
	else
		is "$(stat -c %u:%g "$T/target/g")" 524288:524288 '--idmap shifts the owners'
		is "$(mounts)" 1 'in one mount too'
		"$N" overlay umount "$T/target"
	fi
	for args in "-l $T/none -l $T/a $T/target" "-l $T/a -l $T/none $T/target" "-l $T/a $T/none" \
		"-l $T/a -l $T/a/f $T/target" "-l $T/a $T/a/f" "-l $T/a -u $T/upper -w /dev/shm $T/target"; do
		N overlay mount $args
		is "$status$(mounts)" 10 "overlay mount $(echo "$args" | sed "s|$T||g") fails and leaves nothing"
	done
else
	skip 'no mounts here' 'overlay mount'
fi

done_testing
