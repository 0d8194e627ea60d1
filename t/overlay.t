#!/bin/sh
# nu-overlay: any directories as one, whatever they are called and however many; errors that name
# what is wrong; nothing left mounted. In a mount namespace of its own, of which nothing gets out.
if [ "${1:-}" != --inside ]; then
	[ "$(id -u)" != 0 ] || exec unshare --mount --propagation private -- "$0" --inside
fi
. "$(dirname "$0")/lib/tap.sh"

N=$(cd "$(dirname "$0")/.." && pwd)/build/nixunits
[ -x "$N" ] || bail_out "$N is not built"
[ "$(id -u)" = 0 ] || lacking 'must be root'
need jq setpriv

# What is tried must be on a file system that can be an upper layer and be shifted.
mount -t tmpfs none "$T"
at_exit umount --recursive --lazy "$T"
O() { run "$N" overlay "$@"; }
json() { "$N" overlay show -o json "$1" | jq -c "$2"; }
mounts() { cut -d' ' -f4- /proc/self/mountinfo; }
# same NAME: as many mounts as there were, and the same.
same() { is "$(mounts | diff "$T/before" -)" '' "$1"; }
cd "$T"
mkdir a b upper work target
echo a | tee a/f >a/only-a
echo b | tee b/f >b/only-b
mounts >before

# Two directories.
O mount -l a -l b target
succeeds 'two directories are merged'
is "$(cat target/f target/only-a target/only-b | tr '\n' ' ')" 'a a b ' 'the first one on top'
not_ok 'read-only' touch target/x
is "$(json "$T/target" '.[0]')" \
	"{\"target\":\"$T/target\",\"readOnly\":true,\"upper\":[],\"work\":[],\"lower\":[\"$T/a\",\"$T/b\"]}" \
	'show: as JSON'
O show ./target
is "$out" "./target (read-only)
  lower $T/a
  lower $T/b" 'and as text'
O umount target
succeeds 'they are unmounted'
same 'and nothing is left'
O umount target
is "$status" 1 'umount again: exit 1'
like "$err" 'target: nothing is mounted there' 'and why'
O mount -l a target
is "$status$(ls target | tr '\n' ' ')" '0f only-a ' 'one directory alone'
O umount target
O show ./target
is "$status" 1 'show of what is no overlay: exit 1'
like "$err" './target: no overlay is mounted there' 'and why'

# In use.
O mount -l a -l b target
exec 5<target/f
O umount target
is "$status" 4 'what is in use is not unmounted: exit 4'
like "$err" 'target: in use' 'and why'
is "$(cat target/f)" a 'it is still there'
O umount -z target
succeeds '--lazy unmounts it'
same 'it is gone from the list'
is "$(cat <&5)" a 'who uses it still can'
exec 5<&-

# An upper layer.
O mount -l a -l b -u upper -w work target
succeeds 'with an upper layer'
echo new >target/new
rm target/only-b
is "$(json "$T/target" '.[0] | [.readOnly, .upper, .work, .lower]')" \
	"[false,[\"$T/upper\"],[\"$T/work\"],[\"$T/a\",\"$T/b\"]]" 'show: the upper and the work directory'
O umount target
is "$(cat upper/new; cat b/only-b)" "$(printf 'new\nb')" 'which takes what is written, and the others nothing'
O mount -l a -l b -u upper -w work target
is "$(ls target | tr '\n' ' ')" 'f new only-a ' 'what was deleted stays so'
O umount target
same 'nothing is left'

# Names.
long=$(printf '%0200d' 0)
for name in 'x:y' 'x,y' 'x\y' 'x y' 'x\,:' "$(printf 'x\ny')" '-x' "$long" "$long/$long" 'ä€' 'x"y' 'lowerdir=x,upperdir=y' '\040'; do
	mkdir -p "./$name"
	echo here >"./$name/named"
	O mount --lower="./$name" -l a target
	is "$status$(cat target/named 2>/dev/null)" 0here "a lower called $(printf %.40s "$name")"
	# Longer ones are not shown by their names.
	[ ${#name} -gt 200 ] || is "$(json "$T/target" '.[0].lower[0]' | jq -r .)" "$T/$name" 'which is shown'
	O umount target
	rm -r "./${name%%/*}"
	mkdir -p "u/$name" "w/$name"
	O mount -l a --upper "u/$name" --work "w/$name" target
	is "$status$(touch target/t && ls "u/$name")" 0t 'as the upper and the work directory'
	[ ${#name} -gt 200 ] || is "$(json "$T/target" '.[0] | .upper + .work | join("|")' | jq -r .)" \
		"$T/u/$name|$T/w/$name" 'which are shown'
	O umount target
	rm -r u w
done
mkdir 't:,\ g'
O mount -l a -l b 't:,\ g'
is "$status$(cat 't:,\ g/f')" 0a 'a target of such a name'
is "$(json "$T/t:,\\ g" '.[0].lower | length')" 2 'is shown'
O umount 't:,\ g'
is "$status" 0 'and unmounted'
# As others mount it: all in one option.
mkdir 'c:,d'
mount -t overlay x -o "lowerdir=$T/c\\:\\,d:$T/b" target
is "$(json "$T/target" '.[0].lower')" "[\"$T/c:,d\",\"$T/b\"]" "show: another program's mount"
O umount target
same 'nothing is left'

# Many.
mkdir many
lowers=
for i in $(seq 500); do
	mkdir many/$i
	echo $i >many/$i/f
	echo $i >many/$i/n$i
	lowers="$lowers -l many/$i"
done
O mount $lowers target
succeeds '500 lowers'
is "$(cat target/f; ls target | wc -l; cat target/n500)" "$(printf '1\n501\n500')" 'all of them are there'
is "$(json "$T/target" '.[0].lower | [length, .[0], .[499]]')" "[500,\"$T/many/1\",\"$T/many/500\"]" 'in their order'
O umount target
same 'nothing is left'
O mount $lowers -l a target
is "$status" 1 'one more: exit 1'
like "$err" '(limit|lowerdir)' 'and the kernel says why'
same 'nothing is left'

# Shifted owners.
chown 7:8 a/f
O mount -m 524288 -l a -l b target
if [ "$status" = 77 ]; then
	skip "$err" 'idmap'
else
	is "$(stat -c %u:%g target/f target/only-b | tr '\n' ' ')" '524295:524296 524288:524288 ' '--idmap shifts the owners'
	O umount target
	same 'one mount, and none is left'
	O mount -m 524288 $lowers target
	is "$status$(stat -c %u target/n499)" 0524288 '500 lowers, shifted'
	O umount target
	same 'nothing is left'
	rm -rf upper work
	mkdir upper work
	# What does not know ids below the range has no place for root's file.
	O mount -m 524288 -l a -l b -u upper -w work target
	succeeds 'an upper layer, shifted'
	run setpriv --reuid 524288 --regid 524288 --clear-groups sh -c 'echo x >target/x; echo y >>target/only-b'
	succeeds 'its root writes'
	is "$(stat -c %u:%g upper/x upper/only-b target/x | tr '\n' ' ')" '0:0 0:0 524288:524288 ' \
		'and on disk owns it as root'
	O umount target
	same 'nothing is left'
	mount -t proc none b
	mounts >before
	O mount -m 524288 -l a -l b target
	is "$status" 77 'a file system that has no idmapped mounts: exit 77'
	like "$err" "$T/b: its filesystem has no idmapped mounts" 'by name'
	same 'nothing is left'
	umount b
	mounts >before
fi

# refused REGEX NAME ARGUMENTS...: fails, says what, leaves nothing.
refused() {
	local regex=$1 name=$2
	shift 2
	O mount "$@" target
	is "$status" 1 "$name: exit 1"
	like "$err" "$regex" "$name: says what"
	same "$name: leaves nothing"
}
rm -rf upper work
mkdir upper work ro other upper/in
mount -t tmpfs none other
mkdir other/work
mount -t tmpfs none ro
mkdir ro/u ro/w
mount -o remount,ro ro
mount -t proc none b
mounts >before
refused 'none: No such file' 'a missing lower' -l a -l none
refused 'a/f: not a directory' 'a lower that is a file' -l a -l a/f
refused 'none: No such file' 'a missing upper' -l a -u none -w work
refused 'none: No such file' 'a missing work directory' -l a -u upper -w none
refused 'a/f: not a directory' 'an upper that is a file' -l a -u a/f -w work
refused "other/work: not in the mount that .*upper is in" 'a work directory on another file system' \
	-l a -u upper -w other/work
refused "upper/in: lies in .*upper" 'a work directory in the upper one' -l a -u upper -w upper/in
refused "ro/u: on a read-only filesystem [(]tmpfs[)]" 'an upper that is read-only' -l a -u ro/u -w ro/w
refused "b/fs, on proc, as the upper layer: " 'an upper on a file system that can be none' -l a -u b/fs -w b/tty
umount b
mounts >before
refused 'a layer lies in another' 'a lower in a lower' -l upper -l upper/in
refused 'a layer lies in another' 'a layer twice' -l a -l a
O mount -l a -l b -u upper -w work target
mkdir target/u target/w t2
mounts >before
refused "target/u, on overlay, as the upper layer: " 'an upper on an overlay' -l a -u target/u -w target/w
O umount target
mounts >before
O mount -l a none
is "$status" 1 'a missing target: exit 1'
like "$err" 'none: No such file' 'by name'
O mount -l a -l b a/f
is "$status" 1 'a target that is a file: exit 1'
like "$err" 'a/f: not a directory' 'by name'
run setpriv --reuid 65534 --regid 65534 --clear-groups "$N" overlay mount -l /usr -l /etc /tmp
is "$status" 1 'an ordinary user: exit 1'
like "$err" 'only root' 'and who can'
same 'nothing is left'

done_testing
