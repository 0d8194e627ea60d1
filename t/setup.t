#!/bin/sh
# What a container gets beside its interfaces: kernel parameters, firewall, extra, readiness.
. "$(dirname "$0")/lib/host.sh"

inside() { host nixunits shell s1 -- "$@"; }
build() { run host nixunits build -n /root/s1.nix -i s1 -p debian "$@"; }

# declare TEXT: the unit s1 with these options.
declare_s1() {
	host_put /root/s1.nix <<-X
	{ pkgs, ... }: {
	  network.interfaces.veth = { ip4 = "10.9.0.2/31"; hostIp4 = "10.9.0.3/31"; };
	  config.system.stateVersion = "25.11";
	  $1
	}
	X
}

setup() {
	host_install
	forward=$(host cat /proc/sys/net/ipv4/ip_forward)
	host nft list ruleset >"$T/rules"
	declare_s1 '
	  sysctl = "net.ipv4.ip_forward=1\nnet.ipv4.conf.veth.rp_filter = 2";
	  network.nft = "table inet filter { chain input { type filter hook input priority 0; policy accept; iif veth tcp dport 81 drop\n}\n}";
	  extra = "echo hello from extra; cat /proc/self/uid_map >/var/extra; grep -q 1 /proc/sys/net/ipv4/ip_forward";
	  preCheckNetReadyScript = "echo ready check; touch /var/ready; test -e /run/nixunits/unit.json";'
	build -s
	succeeds 'a unit with sysctl, nft, extra and a ready check starts'
	is "$(inside cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/veth/rp_filter | tr '\n' ' ')" \
		'1 2 ' 'its kernel parameters are set, that of an interface too'
	is "$(host cat /proc/sys/net/ipv4/ip_forward)" "$forward" "the host's are not"
	like "$(host nixunits nsenter -n s1 -- nft list ruleset)" 'tcp dport 81 drop' 'its firewall is loaded, which names its interface'
	is "$(host nft list ruleset | diff - "$T/rules")" '' "the host's is untouched"
	is "$(host cat /var/lib/nixunits/containers/s1/root/var/extra | tr -s ' ')" \
		" 0 $(host nixunits uid show s1 -o json | jq '.[0].base') 65536" "extra ran inside, as the container's root"
	ok 'its output is in the journal' eventually 10 host_sh 'journalctl -u nixunits@s1 -o cat | grep -q "hello from extra"'
	ok 'the ready check ran' host test -e /var/lib/nixunits/containers/s1/root/var/ready
	ok 'inside' eventually 10 host_sh 'journalctl -M s1 -o cat | grep -q "ready check"'

	declare_s1 'extra = "echo no; exit 3";'
	build -r
	is "$status" 1 'an extra that fails, fails the start'
	like "$err" 'extra: exit status 3' 'and says how'
	is "$(host systemctl is-active nixunits@s1)" inactive 'the unit does not stay up'

	declare_s1 'network.nft = "table inet filter { chain input { nonsense } }";'
	build -s
	is "$status" 1 'rules that nft refuses fail the start'
	like "$err" 'network.nft: nft: line 1, column .*: Error: syntax error' 'and say where'
	is "$(host systemctl is-active nixunits@s1)" inactive 'nothing stays up'

	for key in vm.swappiness kernel.panic fs.file-max kernel.core_pattern; do
		before=$(host cat /proc/sys/$(echo $key | tr . /))
		declare_s1 "sysctl.\"$key\" = \"7\";"
		build -s
		is "$status" 2 "$key is refused when it is built"
		like "$err" "sysctl \"$key\": not the container's own" 'by name'
		is "$(host cat /proc/sys/$(echo $key | tr . /))" "$before" 'and stays on the host'
	done
	if host sh -c ': >>/proc/sys/kernel/shmmni' 2>/dev/null; then
		declare_s1 'sysctl = "kernel.shmmni=77";'
		build -s
		is "$(inside cat /proc/sys/kernel/shmmni)" 77 'a parameter of the IPC namespace is set'
	else
		skip 'this host may not write /proc/sys/kernel' 'a parameter of the IPC namespace is set'
	fi
	declare_s1 'sysctl."net.ipv4.conf.nosuch.rp_filter" = "1";'
	build -s
	is "$status" 1 'a parameter that is not there fails the start'
	like "$err" 'nosuch.rp_filter = 1: .*: No such file' 'by name'
	declare_s1 'sysctl."net/../../tmp/x" = "1";'
	build
	is "$status" 2 'a path that leaves /proc/sys is refused when it is built'
	like "$err" 'not the name of a sysctl' 'by name'

	declare_s1 'limits.rlimits = { nofile = 333; msgqueue = { soft = 1000; hard = 2000; }; };'
	build -s
	succeeds 'resource limits are taken'
	like "$(inside cat /proc/1/limits)" '^Max open files +333 +333 ' 'as declared'
	like "$(inside cat /proc/1/limits)" '^Max msgqueue size +1000 +2000 ' 'the hard one apart'
	# It turns on controllers, which it can't where a process of ours is left in the cgroup.
	host_put /root/bin/systemd-nspawn <<-'X'
	#!/bin/sh
	for pid in $(cat "/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)/cgroup.procs"); do
		cat /proc/$pid/comm
	done >/root/procs; grep nixunits /root/procs >/root/found; mv /root/found /root/left
	X
	host chmod +x /root/bin/systemd-nspawn
	host_put /run/systemd/system/nixunits@s1.service.d/slow.conf <<-'X'
	[Service]
	Type=exec
	Environment=PATH=/root/bin:/usr/local/bin:/usr/bin:/usr/sbin
	ExecStart=
	ExecStart=strace -f -qq -o /dev/null -P /sys/fs/cgroup/machine.slice/nixunits@%i.service/supervisor \
		-e trace=?mkdir,?mkdirat -e inject=?mkdir,?mkdirat:delay_enter=500000 nixunits run %i
	ExecStartPost=
	X
	host_sh 'systemctl daemon-reload; nixunits stop -q s1; systemctl start nixunits@s1'
	ok 'systemd-nspawn has come' eventually 20 host test -e /root/left
	is "$(host cat /root/left)" '' 'and is alone in its cgroup, be what waits for it slow'
	host_sh 'systemctl stop nixunits@s1; rm -r /run/systemd/system/nixunits@s1.service.d /root/bin; systemctl daemon-reload'
	# Its init is ready, with nothing to wait for, before all that was declared is there.
	host_put /run/systemd/system/nixunits@late.service.d/slow.conf <<-'X'
	[Service]
	ExecStart=
	ExecStart=strace -D -f --seccomp-bpf -qq -o /dev/null -e trace=setns -e inject=setns:delay_enter=2000000 nixunits run %i
	X
	host_put /root/late.nix <<-'X'
	{ ... }: {
	  sysctl = "net.ipv4.ip_forward=1";
	  extra = "grep -q 1 /proc/sys/net/ipv4/ip_forward";
	  config.system.stateVersion = "25.11";
	}
	X
	run host_sh 'systemctl daemon-reload; nixunits build -q -n /root/late.nix -i late -p debian -s'
	succeeds 'an extra finds what is declared, and so does who waits for the start'
	host_sh 'nixunits delete -q -f -r late; rm -r /run/systemd/system/nixunits@late.service.d; systemctl daemon-reload'
	declare_s1 'limits = { memory = "64M"; pids = 200; };'
	build -r
	if host grep -qw memory /sys/fs/cgroup/cgroup.controllers; then
		is "$(host cat /sys/fs/cgroup/machine.slice/nixunits@s1.service/payload/memory.max)" 67108864 \
			'a limit of memory is kept'
		is "$(host cat /sys/fs/cgroup/machine.slice/nixunits@s1.service/payload/pids.max)" 200 \
			'and of processes'
	else
		is "$status" 1 'a limit that this host can not keep fails the start'
		like "$err" 's1: limits: no cgroup controller memory here' 'by name'
	fi
	declare_s1 'limits.memory = "64X";'
	build
	is "$status" 1 'a size that is none is refused when it is built'
	like "$err" 'limits.memory: "64X": expected a number' 'by name'
	host nixunits stop -q s1

	# Others may be on a bridge: an address of IPv6 is of no use for a second, in which it is asked
	# whether somebody has it.
	host_sh 'ip link add br0 type bridge; ip link set br0 up'
	declare_s1 'network.interfaces.lan = { hostBridge = "br0"; ip6 = "fd05::2/64"; };
		config.systemd.services.online = {
		  wantedBy = [ "multi-user.target" ]; wants = [ "network-online.target" ]; after = [ "network-online.target" ];
		  serviceConfig = { Type = "oneshot"; ExecStart = "${pkgs.bash}/bin/bash -c \"cat /proc/net/if_inet6 >/var/online\""; };
		};'
	build -s
	succeeds 'a unit on a bridge starts'
	ok 'a service of it sees network-online' eventually 10 inside test -s /var/online
	like "$(inside cat /var/online)" '^fd05(0{4}){6}0002 [0-9a-f]+ 40 00 80 +lan$' 'its address is no longer tentative then'
	host nixunits stop -q s1
	host ip link del br0

	declare_s1 'preCheckNetReadyScript = "exit 9"; systemdDeps = [ "needs" ];
		config.systemd.services = {
		  needs = { wantedBy = [ "multi-user.target" ]; serviceConfig = { ExecStart = "/bin/sleep 1000"; }; };
		  wishes = {
		    wantedBy = [ "multi-user.target" ]; wants = [ "network-online.target" ];
		    after = [ "network-online.target" ]; serviceConfig.ExecStart = "/bin/sleep 1000";
		  };
		};'
	build -s
	succeeds 'a unit whose network does not get ready starts'
	ok 'a ready check that fails is named' eventually 10 host_sh \
		'journalctl -M s1 -o cat | grep -q "ready-check: exit status 9"'
	states() { host nixunits shell s1 -- systemctl show -P ActiveState wishes needs network-online.target |
		grep . | tr '\n' ' '; }
	started() { [ "$(states | cut -d' ' -f1)" = active ]; }
	ok 'what wants the network starts in the end' eventually 10 started
	is "$(states)" 'active inactive inactive ' 'what needs it does not, and it does not count as ready'

	declare_s1 'config.systemd.services.sandboxed = import /src/t/real/sandboxed.nix;'
	build -r
	succeeds 'a unit of a service that asks for more than a container has is built'
	ok 'it runs' eventually 10 inside grep -q kept /run/sandboxed/said
	is "$(inside cat /run/sandboxed/said | grep -v '^touch')" 'sandboxed
writes
kept out' 'as its user, writes where it may and nowhere else'
	host nixunits delete -q -f -r s1
}

each_suite setup
done_testing
