#!/bin/sh
# Recovery images, really booted: an initramfs made on a Debian host, run in QEMU with the cloud
# kernel of the same Debian. A client outside reaches the unit through a port that it forwards, by
# the initramfs and the veth; the rescue shell sees what is on the other side of it.
. "$(dirname "$0")/lib/host.sh"
. "$REPO/t/lib/qemu.sh"

page() { inside_net curl --silent --fail --max-time 2 http://127.0.0.1:8080/; }
# recover NAME PARAMETERS: boots the initramfs.
recover() {
	local name=$1
	shift
	boot "$name" -no-reboot -initrd "$T/initrd" -append "console=ttyS0 quiet panic=-1 $*"
}

# VLANs, which the kernels of Debian have and those of many machines of tests have not, and what
# else hangs on a link of the host: in network namespaces, two of which are joined by a cable.
vlans() {
	cat >&7 <<-'GUEST'
	cat >/run/vlans <<'X'
	doc() {
		echo "{'version': 1, 'id': '$1', 'system': '/nix/store/s', 'init': '/nix/store/s/init',
			'sysctl': {$3}, 'network': {'dns': 'none', 'interfaces': {$2}}}" | tr "'" '"' >/run/$1
	}
	on() { echo "'kind': 'vlan', 'parent': '$1', 'vlan': $2, 'ip4': ['10.7.0.$3/24']"; }
	net() { { nixunits net $2 --pid $3 - </run/$4; echo "status $?"; } 2>&1 | sed "s/^/$1: /"; }
	in_ns() { ns=$1; shift; nsenter -t $ns -n "$@"; }
	links() { echo "$1:" $(in_ns $2 ip -o link | sed 's/^[0-9]*: //; s/[:@].*//' | sort); }
	new() {
		unshare -n sleep 600 &
		until [ "$(readlink /proc/$!/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do :; done
	}
	ip link add v0 type veth
	ip link set veth0 name v1
	ip link add br7 type bridge
	for i in eth0 v0 v1 br7; do ip link set $i up; done
	new; a=$!; new; b=$!; new; c=$!
	doc red "'lan': {$(on v0 7 2), 'ip6': ['fd07::2/64'], 'mtu': 1400, 'mac': '02:00:00:00:00:07',
		'macvlan': {'vrid': 9, 'ip4': ['10.7.0.9/24']}}, 'dmz': {'kind': 'vlan', 'parent': 'br7', 'vlan': 8}"
	doc blue "'lan': {$(on v1 7 3)}"
	doc green "'lan': {$(on v1 8 4)}"
	net made up $a red
	in_ns $a cat /proc/net/vlan/config
	in_ns $a ip -o addr show dev lan
	net again up $a red
	net blue up $b blue
	net green up $c green
	in_ns $a ping -c 1 -W 3 10.7.0.3 >/dev/null; echo "within: $?"
	in_ns $b ping -c 1 -W 3 10.7.0.9 >/dev/null; echo "virtual: $?"
	in_ns $b ip neigh show 10.7.0.9
	in_ns $a ping -c 1 -W 1 10.7.0.4 >/dev/null; echo "between: $?"
	in_ns $a ip addr del 10.7.0.2/24 dev lan
	net noaddr check $a red
	net repair1 up $a red
	in_ns $a ip link del lan
	ip link add link v0 name x9 type vlan id 9
	ip link set x9 netns $a
	in_ns $a ip link set x9 name lan
	net other check $a red
	net repair2 up $a red
	net declared check $a red
	sed 's/"vlan": 8/"vlan": 6/' /run/red >/run/redder
	net redder up $a redder
	in_ns $a cat /proc/net/vlan/config
	net green2 down $c green
	doc thief "'lan': {$(on v0 7 9)}"
	net thief up $c thief
	ip link add link v0 name v0.5 type vlan id 5
	doc own "'lan': {$(on v0 5 9)}"
	net own up $c own
	ip link del v0.5
	doc none "'lan': {$(on v9 5 9)}"
	net none up $c none
	doc half "'lan': {$(on v0 5 9)}" "'net.ipv4.ip_forward': 'x'"
	net half up $c half
	doc under "'lan': {$(on br8 5 9)}"
	ip link add br8 type bridge
	net under up $c under
	ip link del br8
	links undone $c
	doc mac "'lan': {'kind': 'macvlan', 'parent': 'eth0', 'ip4': ['10.9.0.2/24'], 'mac': '02:00:00:00:00:09'}"
	net mac up $c mac
	net mac2 up $c mac
	net macdown down $c mac
	net down down $a redder
	net bluedown down $b blue
	links downed $a
	for i in 1 2 3 4 5; do
		net killed up $c blue
		kill -9 $c
		new; c=$!
	done
	net last up $c mac
	export NIXUNITS_DIR=/run/s
	doc unit "'lan': {$(on v0 4094 2)}"
	mkdir -p /run/s/containers/unit/generations/1
	cp /run/unit /run/s/containers/unit/generations/1/unit.json
	ln -s generations/1 /run/s/containers/unit/current
	nixunits run --degrade --store /run/r /run/unit -- /nix/store/bin/busybox sleep 600 &
	unit=$!
	until nixunits list | grep started; do sleep 0.1; done
	nixunits net check unit; echo "unit: $?"
	doc rival "'wan': {$(on v0 4094 3)}"
	net rival up $c rival
	kill $unit
	wait $unit
	kill -9 $a $b $c
	doc nic "'eth0': {'kind': 'host', 'ip4': ['10.0.2.15/24'], 'mtu': 1400}"
	new; c=$!
	net moved up $c nic
	in_ns $c ping -c 1 -W 3 10.0.2.2 >/dev/null; echo "outside: $?"
	doc less ""
	sed -i s/less/nic/ /run/less
	net less up $c less
	links home $$
	doc failing "'eth0': {'kind': 'host', 'ip4': ['10.0.2.15/24'], 'mtu': 1400}" "'net.ipv4.ip_forward': 'x'"
	net failing up $c failing
	links undone2 $$
	net moved2 up $c nic
	for i in 1 2 3 4 5; do
		new; a=$c c=$!
		kill -9 $a
		net nic up $c nic
	done
	in_ns $c ip link set eth0 down
	in_ns $c ip link set eth0 name v0
	net returned down $c nic
	until ip link del v0 && ip link del br7; do :; done
	links host $$
	X
	sh /run/vlans 2>/run/vlans.err
	GUEST
	says '^made: red: 10 of 10 operations done' 'two VLANs and a macvlan on one of them'
	says '^lan +\| 7 +\| v0' 'with their ids: on a link of the host'
	says '^dmz +\| 8 +\| br7' 'and on a bridge'
	says 'inet 10\.7\.0\.2/24 .*lan' 'an address'
	says '^again: red: 0 of 10 operations done' 'up again does nothing'
	says '^within: 0' 'traffic within a VLAN'
	says '^virtual: 0' 'to the macvlan on it'
	says '^10\.7\.0\.9 .*00:00:5e:00:02:09' 'with the MAC of a virtual router'
	says '^between: 1' 'and none from one VLAN to another'
	says '^noaddr: container: lan: address: declared "10.7.0.2/24", live null' 'check: an address removed'
	says '^repair1: red: 1 of 10 operations done' 'up repairs'
	says '^other: container: lan: link: declared "vlan 7 on v0", live "vlan 9 on v0"' 'another VLAN id'
	says '^repair2: status 0' 'up repairs'
	says '^declared: status 0' 'all of it'
	says '^dmz +\| 6 +\| br7' 'an id that is declared anew'
	says '^thief: .*another container has VLAN 7 of v0$' 'a VLAN that another container has'
	says "^own: .*VLAN 5 of v0 is the host's link v0.5\$" 'or the host'
	says '^none: .*interface lan: v9: no such link on the host' 'a parent that is not there'
	says '^half: .*ip_forward = x: "x": Invalid argument' 'a failure half-way'
	says '^under: .*link lan: up: Network is down \(the link that it is on is down\)' 'a parent that is down'
	says '^undone: lo$' 'and nothing is left of all that'
	says '^mac: mac: [34] of 4 operations done' 'a macvlan on a link of the host'
	says '^mac2: mac: 0 of 4 operations done' 'up again does nothing'
	says '^macdown: mac: 1 link removed' 'down'
	says '^down: red: 3 links removed' 'the VLANs too'
	says '^downed: lo$' 'leaves nothing'
	says '^last: mac: [34] of 4 operations done' 'a VLAN is taken again, when its container was killed'
	is "$(console | grep -c '^killed: status 0')" 5 'each time'
	says '^moved: nic: 4 of 4 operations done' 'a card of the machine moves in'
	says '^outside: 0' 'with traffic to the outside'
	says '^less: nic: 1 of 2 operations done' 'declared no more'
	says '^home: .*eth0' 'it goes back'
	says '^failing: .*ip_forward = x: "x": Invalid argument$' 'a failure after it has moved'
	says '^undone2: .*eth0' 'takes it back'
	says '^moved2: nic: 3 of 4 operations done' 'and in again'
	says '^returned: nic: 1 link removed' 'and out'
	is "$(console | grep -c '^nic: status 0')" 5 'out of a killed container, into the next one, each time'
	says '^unit: 0' 'a VLAN in a unit of the direct engine'
	says '^rival: .*unit unit has VLAN 4094 of v0$' 'which is named to another that wants it'
	says '^host: dev[0-9] lo$' 'and the host has its own again, under a name that nobody had'
}

qemu() {
	host_install
	kernel_of_suite || return 0
	root=$(host_root)
	mkdir -p "$root/srv/kernel/lib"
	cp -a "$kernel"/lib/modules "$root/srv/kernel/lib/" 2>/dev/null ||
		cp -a "$kernel"/usr/lib/modules "$root/srv/kernel/lib/"
	# A web server as the README's, with a port of its host, and the way back to whoever asks. With
	# other parameters the unit ends itself.
	host_put /root/web.nix <<-'X'
	{ pkgs, lib, properties, ... }: {
	  caps_allow = [ "CAP_NET_BIND_SERVICE" ];
	  network.interfaces.veth = { ip4 = "192.168.20.2/31"; hostIp4 = "192.168.20.1/31"; };
	  network.interfaces.lan = lib.mkIf (properties ? bye) { kind = "macvlan"; parent = "eth1"; ip4 = "10.0.3.2/24"; };
	  network.ip4route = "192.168.20.1";
	  network.forward = [ "tcp:8080:80" ];
	  config = {
	    services.httpd.enable = true;
	    systemd.services = lib.optionalAttrs (properties ? bye) {
	      bye = {
	        wantedBy = [ "multi-user.target" ];
	        serviceConfig = { Type = "oneshot"; ExecStart = "/bin/sh -c 'kill -s RTMIN+4 1'"; };
	      };
	    };
	    system.stateVersion = "25.11";
	  };
	}
	X
	echo '{ "bye": true }' | host_put /root/bye.json
	cc -static -O1 -o "$T/escape" "$REPO/t/escape.c" || bail_out 'no compiler'
	host_put /root/escape <"$T/escape"
	run host sh -euc 'nixunits build -q -n /root/web.nix -i web2 -p debian
		nixunits build -q -n /root/web.nix -j /root/bye.json -i bye -p debian
		nixunits image --initramfs --modules /srv/kernel -k 8021q -k macvlan -k bridge -P /root/escape -o /srv/initrd.cpio.gz web2 bye'
	succeeds 'an initramfs of two units'
	[ "$status" = 0 ] || return 0
	like "$out" '/srv/initrd.cpio.gz: an initramfs for [0-9.]+.*, [0-9]+ kernel modules, [0-9.]+ MiB' 'which it describes'
	cp "$root/srv/initrd.cpio.gz" "$T/initrd"

	# From outside.
	recover web "nixunits.unit=web2 nixunits.ip=eth0,10.0.2.15/24,10.0.2.2 sysctl.net.ipv4.ip_forward=1"
	comes 20 'it boots, and a client outside gets the page' page
	since_power_on 'the page'
	like "$(page)" '<h1>It runs' 'of the web server behind the veth'
	unlike "$(console)" 'nu-init: ' 'without a word but from the unit'
	monitor sendkey ctrl-alt-delete
	ends 'ctrl-alt-delete is the end'
	like "$(console)" 'Restarting system' 'by a reboot'
	unlike "$(console)" 'nu-(init|run): .*(status|kill)' 'the unit having been shut down'

	# A card that comes late. The unit's end is the machine's.
	recover bye "nixunits.unit=bye nixunits.debug"
	says 'nu-init: waiting for the interface .eth1' 'the link of a macvlan that is not there yet is waited for'
	unlike "$(console)" 'nu-init: running' 'before the unit runs'
	monitor netdev_add user,id=late,net=10.0.3.0/24
	monitor device_add virtio-net-pci,netdev=late
	says 'nu-init: running /images/bye.erofs' 'nixunits.unit= chooses, nixunits.debug says so'
	says 'nu-init: module .*overlay' 'and names the modules'
	ends 'the machine ends when the unit does'
	like "$(console)" 'Power down' 'by powering off'

	# One that never comes.
	recover never "nixunits.unit=web2 nixunits.ip=eth9,10.0.3.15/24"
	says 'nu-init: nixunits.ip=eth9,10.0.3.15/24: no interface .eth9. after 10 s' 'it is not waited for without end'
	says 'System halted' 'and the machine halts'
	kill "$machine"
	wait "$machine" 2>/dev/null

	# The rescue shell.
	recover rescue "nixunits.unit=none nixunits.shell nixunits.nonsense"
	says 'a shell to look around' 'a unit that is not there: a rescue shell'
	like "$(console)" 'nixunits.unit=none: no such unit here; there is:.* web2' 'after what there is was said'
	like "$(console)" 'nixunits.nonsense.: not a parameter' 'and what no parameter is'
	busybox=$(host_sh 'grep -- -busybox-[0-9] /var/lib/nixunits/containers/web2/next/closure')/bin/busybox
	type "cd /tmp; nixunits run --engine direct /images/web2.erofs -- $busybox sh -c 'exit 7'; echo \"status \$?\""
	says '^status 7' 'where a command runs in a unit'
	type 'nixunits run --engine direct /images/web2.erofs >/tmp/log 2>&1 </dev/null &'
	type 'until wget -q -O - http://192.168.20.2/ 2>/dev/null; do sleep 1; done; ip addr show nu-web2'
	says '<h1>It runs' 'and its page is seen from the other side of the veth'
	says '192.168.20.1/31' 'which is the recovery system'"'s"
	type 'kill %1; wait %1; echo "end $?"'
	says '^end [0-9]+' 'it is stopped'
	type 'mkdir /run/l; cd /run/l; mkdir $(seq 500); l=; for i in $(seq 500); do echo $i >$i/f; : >$i/n$i; l="$l -l $i"; done'
	type 'nixunits overlay mount $l /mnt; echo "mount $? $(cat /mnt/f) $(ls /mnt | wc -l)"; nixunits overlay umount /mnt'
	says '^mount 0 1 501' '500 lowers become one, with this kernel too'
	type 'mkdir -p "/run/a:b,c\\" /run/up /run/w; echo x >"/run/a:b,c\\/x"; nixunits overlay mount -l "/run/a:b,c\\" -u /run/up -w /run/w /mnt; echo "named $? $(cat /mnt/x)"'
	says '^named 0 x' 'and one with any name'
	# Limits, which need cgroup controllers that not every machine of tests has.
	type 'mkdir -p /run/r/bin; cp /bin/busybox /run/r/bin/; ln -s busybox /run/r/bin/sh; ln -s busybox /run/r/bin/head; ln -s busybox /run/r/bin/tail; limited() { echo "{\"version\": 1, \"id\": \"lim\", \"system\": \"/nix/store/s\", \"init\": \"/nix/store/s/init\", \"network\": {\"dns\": \"none\"}, \"limits\": {$1}}" >/run/lim; shift; nixunits run --degrade --store /run/r /run/lim -- /nix/store/bin/sh -c "$1"; }'
	type 'limited "\"pids\": 30" "b() { b | b & }; b; read -t 3 x" 2>&1 | grep fork | tail -n 1; echo "bomb over"; limited "\"pids\": 30" "exit 4"; echo "after $?"'
	says 'can.t fork: Resource temporarily unavailable' 'a fork bomb meets the limit of processes'
	says '^bomb over' 'and ends with its container'
	says '^after 4' 'whose place is free again'
	type 'limited "\"memory\": 67108864" "/nix/store/bin/head -c 300m /dev/zero | /nix/store/bin/tail >/dev/null"; echo "memory $?"'
	says '^memory 137' 'who takes more memory than declared is killed'
	type 'limited "\"memory\": 67108864}, \"privateUsers\": false, \"sysctl\": {" "echo max >/sys/fs/cgroup/memory.max; echo \"lifted \$?\""'
	says '^lifted 1' 'and has it be no less by himself, with no user namespace either'
	type 'limited "\"cpu\": 50" "read l </sys/fs/cgroup/cpu.max; echo \"cpu \$l\""'
	says '^cpu 50000 100000' 'a part of a processor is a limit as well'
	# What there is to get at in these kernels, that of many machines of tests has not.
	type 'cp /bin/escape /run/r/bin/; limited "" /nix/store/bin/escape >/run/escaped; echo "escaped $(wc -l </run/escaped) $(grep -c done /run/escaped)"; cat /run/escaped'
	says '^escaped 55 0' 'nothing of what a container tries gets it out'
	vlans
	type 'ls -d /sys/fs/cgroup/nixunits-*; echo "cgroups $?"'
	says '^cgroups 1' 'and no cgroup is left'
	type 'echo x >>/images/bye.erofs; nixunits run --engine direct /images/bye.erofs; echo "broken $?"'
	says '/images/bye.erofs: no trailer at its end' 'a damaged image is refused'
	says '^broken 1' 'with exit status 1'
	type reboot
	ends 'a reboot, as busybox asks its init for one, is the end'
	like "$(console)" 'Restarting system' 'by a reboot'
}

each_suite qemu
done_testing
