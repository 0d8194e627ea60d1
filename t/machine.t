#!/bin/sh
# A whole server with a kernel of its own: a Debian host, with the units that were built on it, is
# put on a disk and booted in QEMU. The kernel that machines of tests have may lack what Debian's
# has: controllers for limits, 802.1q. And a server can lose its power.
. "$(dirname "$0")/lib/host.sh"
. "$REPO/t/lib/qemu.sh"
need mke2fs busybox

page() { inside_net curl --silent --fail --max-time 2 http://127.0.0.1:8080/; }
# power_on NAME: boots the disk.
power_on() {
	boot "$1" -no-reboot -initrd "$T/initrd" -drive file="$T/disk",format=raw,if=virtio,cache=unsafe \
		-append "console=ttyS0 quiet panic=-1 net.ifnames=0 systemd.show_status=0"
}

# Loads the drivers, mounts the disk, hands over.
make_initrd() {
	local tree=$T/tree name
	rm -rf "$tree"
	mkdir -p "$tree/modules"
	host_sh 'cat $(readlink -f "$(command -v busybox)")' >"$tree/busybox"
	host_sh 'modprobe -a -S "$1" --show-depends virtio_pci virtio_blk virtio_net' "$(ls "$kernel"/boot/vmlinuz-* | sed 's/.*vmlinuz-//')" |
		awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$T/insmod"
	: >"$tree/order"
	while read -r file; do
		name=${file##*/} name=${name%%.ko*}.ko
		echo "$name" >>"$tree/order"
		case $file in
		*.xz) host xz -dc "$file" ;;
		*) host cat "$file" ;;
		esac >"$tree/modules/$name" </dev/null
	done <"$T/insmod"
	cat >"$tree/init" <<-'X'
	#!/busybox sh
	while read -r name; do /busybox insmod "/modules/$name"; done </order
	/busybox mkdir /disk
	/busybox mount -t devtmpfs dev /dev
	/busybox mount -t ext4 /dev/vda /disk
	/busybox mount -o move /dev /disk/dev
	exec /busybox switch_root /disk /sbin/init </disk/dev/console >/disk/dev/console 2>&1
	X
	chmod +x "$tree/init" "$tree/busybox"
	(cd "$tree" && find . | busybox cpio -o -H newc 2>/dev/null) >"$T/initrd"
}

make_disk() {
	mkdir -p "$T/mnt"
	rm -f "$T/disk"
	unshare --mount --propagation private sh -euc '
		mount -t overlay overlay -o "ro,lowerdir=$1/up:$(cat "$1/root")" "$2/mnt"
		mount --bind "$1/var" "$2/mnt/var"
		mount --bind "$1/srv" "$2/mnt/srv"
		mke2fs -q -t ext4 -d "$2/mnt" "$2/disk" 3G' - "$(host_files)" "$T"
}

machine() {
	kernel_of_suite || return 0
	host_install
	root=$(host_root)
	mkdir -p "$root/usr/lib/modules"
	cp -a "$kernel"/lib/modules/* "$root/usr/lib/modules/" 2>/dev/null ||
		cp -a "$kernel"/usr/lib/modules/* "$root/usr/lib/modules/"
	host_sh 'depmod "$(ls /usr/lib/modules)"'
	host_put /etc/systemd/system/eth0.service <<-'X'
	[Unit]
	Before=network.target
	[Service]
	Type=oneshot
	RemainAfterExit=yes
	ExecStart=ip link set eth0 up
	ExecStart=ip addr add 10.0.2.15/24 dev eth0
	ExecStart=ip route add default via 10.0.2.2
	[Install]
	WantedBy=multi-user.target
	X
	host_put /etc/systemd/system/shell.service <<-'X'
	[Service]
	ExecStart=/bin/sh
	Environment=HOME=/root
	StandardInput=tty-force
	StandardOutput=tty
	StandardError=tty
	TTYPath=/dev/ttyS0
	[Install]
	WantedBy=multi-user.target
	X
	host systemctl --quiet enable eth0 shell
	host systemctl --quiet mask serial-getty@ttyS0

	host_put /root/web.nix <<-'X'
	{ ... }: {
	  caps_allow = [ "CAP_NET_BIND_SERVICE" ];
	  network.interfaces.veth = { ip4 = "192.168.20.2/31"; hostIp4 = "192.168.20.1/31"; };
	  network.ip4route = "192.168.20.1";
	  network.forward = [ "tcp:8080:80" ];
	  limits = { memory = "200M"; cpu = 90; };
	  config.services.httpd.enable = true;
	  config.system.stateVersion = "25.11";
	}
	X
	host_put /root/lan.nix <<-'X'
	{ ... }: {
	  network.interfaces.lan = { kind = "vlan"; parent = "eth0"; vlan = 7; ip4 = "10.7.0.2/24"; };
	  limits.pids = 60;
	  config.system.stateVersion = "25.11";
	}
	X
	run host_sh 'nixunits build -q -n /root/web.nix -i web -p debian; nixunits build -q -n /root/lan.nix -i lan -p debian
		nixunits enable web lan; echo net.ipv4.ip_forward=1 >/etc/sysctl.d/forward.conf'
	succeeds 'two units are built, and enabled'
	make_initrd
	ok 'and are on a disk' make_disk
	host_stop

	power_on first
	comes 40 'a server boots, and its unit serves a client outside' page
	since_power_on 'the page'
	type 'cd /sys/fs/cgroup/machine.slice; echo "limits" $(cat nixunits@web.service/payload/memory.max nixunits@web.service/payload/cpu.max nixunits@lan.service/payload/pids.max)'
	says '^limits 209715200 90000 100000 60' 'the limits are the kernel'"'"'s'
	type 'nixunits check web lan; echo "check $?"'
	says '^check 0' 'both units are as declared'
	type 'nixunits nsenter -n lan -- ip -d link show lan'
	says 'vlan protocol 802.1Q id 7 ' 'an interface of kind vlan is one'
	type 'nixunits shell lan -- sh -c "for i in \$(seq 80); do sleep 600 & done" </dev/null >/tmp/forks 2>&1; tail -n 1 /tmp/forks'
	says 'an.t fork|Resource temporarily unavailable' 'who wants more processes than declared gets none'
	type 'nixunits shell web -- sh -c "head -c 400m /dev/zero | tail >/dev/null" </dev/null; echo "hog $?"'
	says '^hog [1-9]' 'who takes more memory than declared is killed'
	type 'nixunits restart -f web lan; echo "restart $?"'
	says '^restart 0' 'the units start again'
	comes 20 'and serves' page

	# The power fails, and comes back.
	type 'echo b >/proc/sysrq-trigger'
	ends 'the machine ends without a word'
	power_on again
	comes 40 'its unit is there after the next boot' page
	type 'nixunits check web lan; echo "check $?"'
	says '^check 0' 'both units are as declared'
	type 'nixunits stop web lan; ls /sys/class/net | tr "\n" " "; nft list tables; echo; echo "left $(ls /run/nixunits | wc -l)"'
	says '^left 0' 'they are stopped'
	unlike "$(console)" 'nu-web|nixunits-web|lan@' 'and nothing of them is left'
	type 'systemctl --force poweroff'
	ends 'the machine ends'
}

each_suite machine
done_testing
