#!/bin/sh
# nu-image: a unit in one file, the same bytes each time, run where it lies; a file that is not
# whole is refused by name; a failure leaves what was there, and nothing else.
. "$(dirname "$0")/lib/host.sh"

# What an image's making and running may not change.
state() { host sh -c 'cut -d" " -f2- /proc/self/mounts; find /srv/out /tmp /var/lib/nixunits -path "*/store" -prune -o -print | sort
	cat /sys/block/loop*/loop/backing_file 2>/dev/null | grep /srv/out; ls /run/nixunits 2>/dev/null; ip -br link | cut -d" " -f1'; }
unchanged() { is "$(state | diff "$T/state" -)" '' "$1"; }
image() { run host nixunits image "$@"; }
# refused CODE REGEX NAME ARGUMENTS...
refused() {
	local code=$1 regex=$2 name=$3
	shift 3
	image "$@"
	is "$status" "$code" "$name: exit $code"
	like "$err" "$regex" "$name: says why"
	unchanged "$name: changes nothing"
}
# not_run REGEX NAME COMMAND: what COMMAND makes of a copy of the image ($1) is neither run nor whole.
not_run() {
	host sh -euc "cp /srv/out/web2.squashfs /srv/bad; set -- /srv/bad; $3"
	run host timeout 200 nixunits run --engine direct /srv/bad -- /none
	like "$status $err" "^1 nu-run: /srv/bad: .*$1|^2 nu-run: /srv/bad: .*$1" "$2: not run, and named"
	run host timeout 200 nixunits image --check /srv/bad
	like "$status $err" "^[12] nu-image: /srv/bad: .*$1" "$2: --check finds it too"
	host rm -rf /srv/bad
}

images() {
	host_install
	host_sh 'mkdir /root/t /srv/out; cd /root/t; cp /src/nix/examples/quickstart/* .
		echo "{ pkgs, ... }@args: let web = import ./web_default.nix args; in web // {
			config = web.config // { environment.etc.link.source =
				pkgs.runCommand \"a-link\" { } \"ln -s /nowhere \$out\"; }; }" >web.nix
		nixunits build -q -n web.nix -j web2.json -p debian; mkdir -p /run/nixunits
		mknod /dev/loop-control c 10 237; for i in $(seq 0 63); do mknod /dev/loop$i b 7 $i; done'
	dir=/var/lib/nixunits/containers/web2
	state >"$T/state"

	# What is in it.
	image -o /srv/out/web2.squashfs web2
	succeeds 'an image, of a unit that never ran'
	like "$out" '^/srv/out/web2.squashfs: web2, squashfs, [0-9]+ store paths, [0-9.]+ MiB, sha256 [0-9a-f]{64}$' 'is described'
	sum=${out##* }
	is "$(host sh -c "unsquashfs -l /srv/out/web2.squashfs | sed -n 's|^squashfs-root/nix/store/\\([^/]*\\)\$|/nix/store/\\1|p' | sort")" \
		"$(host sort $dir/next/closure)" 'it holds the closure and no more'
	like "$(host unsquashfs -ll /srv/out/web2.squashfs)" '^l.*-a-link -> /nowhere$' 'a store path that is a link is one'
	is "$(host unsquashfs -cat /srv/out/web2.squashfs unit.json)" "$(host cat $dir/next/unit.json)" 'and the document'
	is "$(host sh -c 'unsquashfs -lln /srv/out/web2.squashfs | grep -E "^[-dl]" | cut -d" " -f2 | sort -u; stat -c %a /srv/out/web2.squashfs')" \
		"$(printf '0/0\n644')" "all of it is root's"
	image -o /srv/out/again.squashfs web2
	ok 'a second one has the same bytes' host cmp /srv/out/web2.squashfs /srv/out/again.squashfs
	host rm /srv/out/again.squashfs
	host sh -c 'umask 077; SOURCE_DATE_EPOCH=5 nixunits image -o /srv/out/again.erofs web2 >/dev/null'
	image -o /srv/out/web2.erofs web2
	like "$out" '^/srv/out/web2.erofs: web2, erofs, ' 'an erofs'
	ok 'of which the same is true' host cmp /srv/out/web2.erofs /srv/out/again.erofs
	host rm /srv/out/again.erofs
	run host nixunits image --check /srv/out/web2.squashfs /srv/out/web2.erofs
	succeeds '--check finds both whole'
	like "$out" "^/srv/out/web2.squashfs: web2, squashfs, [0-9.]+ MiB, sha256 $sum\$" 'and says the same'
	state >"$T/state"
	unlike "$(cat "$T/state")" '/srv/out/[^w]|merged/|nixunits tmpfs' 'nothing else was made'

	# Run where it lies.
	busybox=$(host grep -- '-busybox-[0-9]' $dir/next/closure)/bin/busybox
	for fs in squashfs erofs; do
		run host nixunits run --engine direct /srv/out/web2.$fs -- "$busybox" sh -c "echo hello; $busybox stat -c %u:%g /nix/store/*-busybox-[0-9]*; exit 7"
		is "$status/$out" "$(printf '7/hello\n0:0')" "a command runs in the $fs, where its files belong to root"
		unchanged 'and leaves nothing'
	done
	host_sh 'nixunits run --engine direct /srv/out/web2.squashfs >/root/log 2>&1 </dev/null & echo $! >/root/pid'
	like "$(host curl --silent --fail --max-time 5 --retry 20 --retry-delay 1 --retry-connrefused --retry-all-errors http://192.168.20.2/)" \
		'<h1>It runs' 'the unit runs in it, and serves its page'
	host_sh 'kill $(cat /root/pid)'
	ok 'and ends' eventually 20 host sh -c '! kill -0 $(cat /root/pid)'
	unchanged 'and leaves nothing'

	# And on this machine, whatever its own PID 1 is, with neither nix nor a store.
	cp "$(host_root)/srv/out/web2.erofs" "$T/"
	NIXUNITS_DIR=$T/none unshare --net "$REPO/build/nixunits" run --engine direct "$T/web2.erofs" >"$T/log" 2>&1 </dev/null &
	pid=$!
	ok 'the same image serves its page on this machine' \
		eventually 20 nsenter -t $pid -n curl --silent --fail --max-time 2 -o "$T/page" http://192.168.20.2/
	like "$(cat "$T/page" "$T/log")" '<h1>It runs' 'to a client on the other side of its veth'
	kill $pid
	wait $pid
	is $? 0 'and shuts down'

	# Files that are not whole.
	not_run 'web2: damaged: the SHA-256 is' 'one byte changed' 'printf x | dd of=$1 bs=1 seek=20000000 conv=notrunc status=none'
	not_run 'cut short' 'a truncated one' 'truncate -s 30000000 $1'
	not_run 'web2: damaged' 'two blocks swapped' \
		'for i in 5000 6000; do dd if=/srv/out/web2.squashfs of=$1 bs=4096 count=1 skip=$i seek=$((11000 - i)) conv=notrunc status=none; done'
	not_run 'web2: damaged' 'the trailer of another one' \
		'truncate -s -512 $1; tail -c 512 /srv/out/web2.erofs >>$1'
	not_run 'damaged' 'another id' 'printf "id web3" | dd of=$1 bs=1 seek=$(($(stat -c %s $1) - 495)) conv=notrunc status=none'
	# Whole, but sealed as that of another unit.
	host_sh 'cd /srv; cp out/web2.squashfs bad; truncate -s -512 bad; printf "nixunits image 1\nid web3\n" >trailer
		printf "sha256 %s\n" "$(cat bad trailer | sha256sum | cut -c1-64)" >>trailer; truncate -s 512 trailer; cat trailer >>bad'
	run host nixunits run --engine direct /srv/bad -- /none
	is "$status/$err" '1/nu-run: /srv/bad: an image of web3 with the document of web2' 'the image of one unit as that of another: not run'
	host rm /srv/bad /srv/trailer
	not_run 'cut short, or not made by nu-image' 'any squashfs' 'truncate -s -512 $1'
	not_run 'not an image' 'any file' 'cp /etc/passwd $1'
	not_run 'not an image' 'an empty one' ': >$1'
	not_run 'not an image' 'a directory' 'rm $1; mkdir $1'
	not_run 'not an image' 'a pipe' 'rm $1; mkfifo $1'
	not_run 'No such file' 'none' 'rm $1'
	unchanged 'none of them leaves anything'

	# What can't be made.
	refused 3 'web9: no such unit' 'an unknown unit' -o /srv/out/x web9
	refused 2 'output is needed' 'no name' web2
	refused 2 'expected an ID' 'no unit' -o /srv/out/x
	refused 2 'expected one ID' 'two units in an image' -o /srv/out/x web2 web3
	refused 1 '/srv/none/x: No such file' 'no such directory' -o /srv/none/x web2
	refused 2 '/srv/out: not a file' 'a directory' -o /srv/out web2
	refused 77 '/srv/none: no kernel.s modules' 'no modules' --initramfs --modules /srv/none -o /srv/out/x web2
	run host env PATH=/usr/local/bin nixunits image -o /srv/out/x web2
	like "$status $err" '^77 .*mksquashfs: not found.*install squashfs-tools' 'no mksquashfs: exit 77, by name'
	run host env PATH=/usr/local/bin nixunits image -o /srv/out/x.erofs web2
	like "$status $err" '^77 .*mkfs.erofs: not found.*install erofs-utils' 'no mkfs.erofs: exit 77, by name'
	run host setpriv --reuid 65534 --clear-groups nixunits image -o /tmp/x web2
	like "$status $err" '^1 .*only root' 'an ordinary user: exit 1'
	unchanged 'nothing changed'
	host_sh 'mkdir /srv/small; mount -t tmpfs -o size=6m none /srv/small; echo old >/srv/small/x'
	image -o /srv/small/x web2
	like "$status $err" '^1 .*web2: mksquashfs: .*([Nn]o space|ENOSPC|FATAL)' 'a full disk: exit 1'
	is "$(host sh -c 'ls -A /srv/small; cat /srv/small/x')" "$(printf 'x\nold')" 'the old file stays, and nothing else'
	host_sh 'umount /srv/small; rmdir /srv/small'
	run host_sh 'nixunits image -o /srv/out/x.erofs web2 & until pgrep -x mkfs.erofs >/dev/null; do :; done
		kill -KILL $!; wait $!'
	is "$status" 137 'killed'
	host rmdir --ignore-fail-on-non-empty $dir/merged
	ok 'its program ends' eventually 30 host sh -c '! pgrep -x mkfs.erofs'
	unchanged 'nothing is left'
	# A file system that has no files without a name (vfat), played by strace.
	run host strace -f -qq -o /dev/null -P /srv/out -e trace=openat -e inject=openat:error=EOPNOTSUPP:when=1 \
		nixunits image -o /srv/out/named.squashfs web2
	ok 'where a file needs a name from the start' host cmp /srv/out/named.squashfs /srv/out/web2.squashfs
	host rm /srv/out/named.squashfs
	run host strace -f -qq -o /dev/null -P /srv/out -e trace=openat -e inject=openat:error=EOPNOTSUPP:when=1 \
		nixunits image -o /srv/out/named.squashfs web9
	unchanged 'it goes when the rest fails'

	# A unit that a NixOS host declares has no store of its own: its closure is the host's.
	host_sh 'd=/var/lib/nixunits; mkdir -p /etc/nixunits /nix/var/nix/db
		cp -a $d/store/default/root/nix/store /nix/; cp -a $d/containers/web2/next/nix/store/. /nix/store/
		cp $d/store/default/root/nix/var/nix/db/db.sqlite /nix/var/nix/db/
		sed "s/\"web2\"/\"host2\"/" $d/containers/web2/next/unit.json >/etc/nixunits/host2.json
		find $d/containers >/root/containers'
	system=$(host nixunits unit -g system host2)
	image -o /srv/out/host2.squashfs host2
	is "$status $(host sh -c "unsquashfs -l /srv/out/host2.squashfs | grep -cE '^squashfs-root/nix/store/[^/]*\$'")" \
		"0 $(host sh -c "nix-store -qR '$system' 2>/dev/null | wc -l")" "a unit of a NixOS host: its system's closure"
	ok 'with nothing left among the units' host sh -c 'find /var/lib/nixunits/containers | cmp - /root/containers'
	host rm -r /etc/nixunits /nix/store /nix/var /srv/out/host2.squashfs

	# An initramfs of modules in all the forms that there are.
	kernel=$("$REPO/t/host/kernel" "$SUITE" 2>"$T/kernel") || return 0
	root=$(host_root)/srv/kernel/lib/modules/test
	mkdir -p "$root/kernel"
	cp "$kernel"/*lib/modules/*/modules.builtin "$root/" 2>/dev/null || cp "$kernel"/usr/lib/modules/*/modules.builtin "$root/"
	for m in loop erofs libcrc32c overlay veth failover net_failover 'virtio*'; do
		find "$kernel" -name "$m.ko*" -exec cp {} "$root/kernel/" \;
	done
	[ -e "$root/kernel/veth.ko" ] || xz -d "$root"/kernel/*.xz
	gzip "$root/kernel/loop.ko"
	xz "$root/kernel/erofs.ko"
	image --initramfs --modules /srv/kernel -o /srv/out/boot.cpio.gz web2
	succeeds 'an initramfs'
	like "$out" '^/srv/out/boot.cpio.gz: an initramfs for test, [0-9]+ kernel modules, ' 'is described'
	names=$(host sh -c 'zcat /srv/out/boot.cpio.gz | busybox cpio -tv 2>/dev/null')
	for name in '^-rwxr-xr-x.* init$' '^-rw-r--r--.* images/web2.erofs$' '^crw.* dev/console$' ' bin/sh ->' ' lib/modules/[0-9]+-veth.ko$' \
		' lib/modules/[0-9]+-loop.ko$' ' lib/modules/[0-9]+-erofs.ko$'; do
		like "$names" "$name" "with $name"
	done
	is "$(printf '%s\n' "$names" | grep -oE '(net_failover|virtio_net)\.ko' | tr '\n' ' ')" 'net_failover.ko virtio_net.ko ' \
		'what a module needs comes before it'
	host_sh 'mkdir /srv/x; cd /srv/x; zcat /srv/out/boot.cpio.gz | busybox cpio -i 2>/dev/null'
	ok 'its image is the one that is made alone' host cmp /srv/x/images/web2.erofs /srv/out/web2.erofs
	ok 'its modules are decompressed' host sh -c 'cd /srv/x/lib/modules; gzip -dc /srv/kernel/lib/modules/test/kernel/loop.ko.gz | cmp - *-loop.ko'
	image --initramfs --modules /srv/kernel/lib/modules/test -o /srv/out/boot.cpio web2
	ok 'and uncompressed the same' host sh -c 'zcat /srv/out/boot.cpio.gz | cmp - /srv/out/boot.cpio'
	host rm -r /srv/out/boot.cpio.gz /srv/out/boot.cpio
	refused 77 'no module nosuch' 'a module that is not there' --initramfs --modules /srv/kernel -k nosuch -o /srv/out/x web2
	refused 77 'nosuch: not found' 'a program that is not there' --initramfs --modules /srv/kernel -P nosuch -o /srv/out/x web2
}

each_suite images
done_testing
