#!/bin/sh
# Recovery images, really booted: an initramfs made on a Debian host, run in QEMU with the cloud
# kernel of the same Debian. A client outside reaches the unit through a port that it forwards, by
# the initramfs and the veth; the rescue shell sees what is on the other side of it.
. "$(dirname "$0")/lib/host.sh"
need qemu-system-x86_64 curl
[ "$(uname -m)" = x86_64 ] || lacking 'QEMU is set up for x86-64 here'

# One CPU, by one thread: two of QEMU's emulation are seen to lock each other up on a busy machine.
# boot NAME PARAMETERS: starts a machine, with its console in $T/NAME and its keyboard in fd 7, in a
# network namespace where nobody else takes its port.
boot() {
	console=$T/$1
	shift
	rm -f "$T/keyboard" "$T"/monitor.*
	mkfifo "$T/keyboard" "$T/monitor.in" "$T/monitor.out"
	exec 7<>"$T/keyboard"
	unshare --net sh -c 'ip link set lo up; exec "$@"' - qemu-system-x86_64 -accel tcg,thread=single -smp 1 -m 768 \
		-display none -monitor pipe:"$T/monitor" -serial stdio -no-reboot -kernel "$kernel"/boot/vmlinuz-* \
		-initrd "$T/initrd" -append "console=ttyS0 quiet panic=-1 $*" \
		-nic user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:8080-10.0.2.15:8080 \
		<"$T/keyboard" >"$console" 2>&1 7<&- &
	machine=$!
	at_exit sh -c "kill $machine 2>/dev/null"
	began=$(date +%s%N)
}
runs() { [ -d "/proc/$machine" ]; }
gone() { ! runs; }
# The console without what colours it.
console() { tr -d '\r' <"$console" | sed 's/\x1b\[[0-9;?]*[a-zA-Z]//g'; }
said() { console | grep -Eq -e "$1"; }
# reached COMMAND...: it succeeds, or never will.
reached() {
	reached=no
	"$@" && reached=yes || gone
}
# comes SECONDS NAME COMMAND...: it succeeds in time; if not, the console shows how far it came.
comes() {
	local seconds=$1 name=$2
	shift 2
	if eventually "$seconds" reached "$@" && [ "$reached" = yes ]; then
		pass "$name"
	else
		fail "$name"
		tap_shown "$(console | tail -n 30)"
	fi
}
says() { comes 150 "$2" said "$1"; }
ends() { comes 150 "$1" gone; kill $machine 2>/dev/null; wait $machine 2>/dev/null; }
page() { nsenter -t "$machine" -n curl --silent --fail --max-time 2 http://127.0.0.1:8080/; }
type() { printf '%s\n' "$*" >&7; }

qemu() {
	host_install
	kernel=$("$REPO/t/host/kernel" "$SUITE" 2>"$T/kernel") || {
		fail "a kernel of $SUITE"
		diag "$(cat "$T/kernel")"
		return
	}
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
	run host sh -euc 'nixunits build -q -n /root/web.nix -i web2 -p debian
		nixunits build -q -n /root/web.nix -j /root/bye.json -i bye -p debian
		nixunits image --initramfs --modules /srv/kernel -o /srv/initrd.cpio.gz web2 bye'
	succeeds 'an initramfs of two units'
	[ "$status" = 0 ] || return 0
	like "$out" '/srv/initrd.cpio.gz: an initramfs for [0-9.]+.*, [0-9]+ kernel modules, [0-9.]+ MiB' 'which it describes'
	cp "$root/srv/initrd.cpio.gz" "$T/initrd"

	# From outside.
	boot web "nixunits.unit=web2 nixunits.ip=eth0,10.0.2.15/24,10.0.2.2 sysctl.net.ipv4.ip_forward=1"
	comes 150 'it boots, and a client outside gets the page' page
	note "from power on to the page: $((($(date +%s%N) - began) / 1000000)) ms"
	like "$(page)" '<h1>It runs' 'of the web server behind the veth'
	unlike "$(console)" 'nu-init: ' 'without a word but from the unit'
	echo 'sendkey ctrl-alt-delete' >"$T/monitor.in"
	ends 'ctrl-alt-delete is the end'
	like "$(console)" 'Restarting system' 'by a reboot'
	unlike "$(console)" 'nu-(init|run): .*(status|kill)' 'the unit having been shut down'

	# The unit's end is the machine's.
	boot bye "nixunits.unit=bye nixunits.debug"
	says 'nu-init: running /images/bye.erofs' 'nixunits.unit= chooses, nixunits.debug says so'
	says 'nu-init: module .*overlay' 'and names the modules'
	ends 'the machine ends when the unit does'
	like "$(console)" 'Power down' 'by powering off'

	# The rescue shell.
	boot rescue "nixunits.unit=none nixunits.shell nixunits.nonsense"
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
