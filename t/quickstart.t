#!/bin/sh
# The main path, for real: declare, build, start, look, change, delete; on a whole Debian host.
. "$(dirname "$0")/lib/host.sh"

field() { host nixunits status "$1" -o json | jq -r "$2"; }

# footprint - what a host shows of units: whatever delete must put back as it was.
footprint() {
	host_sh '
		ip -brief link | cut -d" " -f1
		ip -4 route; ip -6 route
		cut -d" " -f2 /proc/self/mounts | sort
		ls /etc/systemd/system /etc/systemd/system/*.wants /var/log/journal
		systemctl list-units --plain --no-legend --all "nixunits@*"
		cat /var/lib/nixunits/uidmap 2>/dev/null || true
		ls /var/lib/nixunits/gcroots /var/lib/nixunits/containers 2>/dev/null || true
		ls /var/lib/nixunits/store/default/root/nix/var/nix/gcroots/nixunits 2>/dev/null || true
		ls /run/systemd/machines 2>/dev/null || true
		find /run/systemd/nspawn /sys/fs/cgroup/machine.slice -mindepth 2 2>/dev/null || true'
}

page() { host curl --silent --fail --max-time 5 --retry 9 --retry-connrefused --retry-delay 1 "$1"; }

cc -D_GNU_SOURCE -static -O1 -o "$T/tries" "$REPO/t/lib/tries.c" || bail_out 'tries.c does not compile'

quickstart() {
	host_install
	host_sh 'cp /src/nix/examples/quickstart/* /root/; mkdir -p /var/lib/nixunits/gcroots \
		/var/lib/nixunits/containers /var/lib/nixunits/store/default/root/nix/var/nix/gcroots/nixunits; \
		touch /var/lib/nixunits/uidmap'
	footprint >"$T/before"

	run host_sh 'cd /root; nixunits build -n ./web_default.nix -j ./web2.json -p debian -s'
	succeeds 'the quick start builds and starts web2'
	like "$err" 'web2: started generation 1' 'and says so'
	like "$(page http://192.168.20.2/)" '<h1>It runs' 'its page is served through the veth'
	is "$(field web2 .status)" started 'its status is started'
	is "$(field web2 '.addresses | index("192.168.20.2/31") != null')" true 'with its address'
	is "$(field web2 '.need_store_build or .need_container_build or .need_switch')" false \
		'and needs nothing'
	is "$(host nixunits status web2 -o json | jq -r '[.id, .generation, .os, .version, .leader, .memory, .tasks,
		.started, .in_nixos, .need_store_build, .need_container_build, .need_switch] | map(type) | join(" ")')" \
		'string number string string number number number boolean boolean boolean boolean boolean' \
		'the fields of its status are there, each of its type'
	like "$(host nixunits list)" '^web2 +started +1$' 'it is listed'
	is "$(host nixunits list -q)/$(host nixunits list -o json | jq -c 'map([.id, .status, .started])')" \
		'web2/[["web2","started",true]]' 'by its id alone, and as JSON'
	run host nixunits shell web2 -- systemctl is-system-running
	is "$out" running 'no service failed inside'
	is "$(host nixunits shell web2 -- id -u)" 0 'a command runs inside as root'
	run host nixunits shell web2 -- sh -c 'exit 7'
	is "$status" 7 'and its exit status comes back'
	ok 'journalctl -M reads its journal' eventually 10 host_sh 'journalctl -M web2 -b -o cat | grep -q systemd'
	ok 'and that of one service' eventually 10 host_sh 'journalctl -M web2 -u httpd -o cat | grep -q tarted'

	# What is declared is what runs.
	leader=$(field web2 .leader)
	isnt "$(host readlink /proc/"$leader"/ns/user)" "$(host readlink /proc/1/ns/user)" \
		'it has a user namespace'
	is "$(host awk '$1 == "NoNewPrivs:" { print $2 }' /proc/"$leader"/status)" 1 'no new privileges'
	is "$(host nixunits caps show -o json "$leader" | jq -c '[.bounding, .effective, .permitted | length]')" '[11,11,11]' \
		'its init has eleven capabilities'
	host_put /srv/tries <"$T/tries"
	host_sh 'chmod 755 /srv/tries; cp /srv/tries /var/lib/nixunits/containers/web2/root/var/'
	said() { sed 's/.*: //' | sort | uniq -c | tr -s ' ' | tr '\n' ','; }
	is "$(host /srv/tries /srv/t | said)" ' 9 done,' "what is tried next, the host's root can do"
	is "$(host nixunits shell web2 -- /var/tries /var/t | said)" ' 8 Operation not permitted, 1 Permission denied,' \
		"mknod, raw sockets, mount, sethostname and more are refused to the container's"
	not_ok 'its store is read-only' host nixunits shell web2 -- touch /nix/store/x
	is "$(host_sh 'find /var/lib/nixunits/containers/web2/root -xdev -uid +65535 | head -n 3')" '' \
		'what it writes is owned by its own ids, unshifted'

	# Nothing to do is known without nix.
	run host_sh 'cd /root; PATH=/usr/local/bin; nixunits build -n ./web_default.nix -j ./web2.json -p debian'
	is "$status/$err" '0/nu-build: web2: unchanged (generation 1)' 'unchanged, with no nix in PATH'
	run host nixunits build web2
	like "$err" 'unchanged' 'the same without naming the files'

	# Other parameters: only the container's part.
	host_sh 'cd /root; sed "s/20\\./21./g" web2.json >changed.json'
	is "$(host nixunits status web2 -o json -j /root/changed.json |
		jq -c '[.need_store_build, .need_container_build]')" '[false,true]' \
		'other parameters need a container build only'
	host_sh 'echo data >/var/lib/nixunits/containers/web2/root/var/kept'
	run host_sh 'cd /root; nixunits build -n ./web_default.nix -j ./changed.json'
	unlike "$err" 'base:' 'and get no more'
	is "$(field web2 '[.status, .need_switch, .pending, .generation] | map(tostring) | join(" ")')" \
		'started true 2 1' \
		'the running unit keeps its generation until a restart'
	run host nixunits restart web2
	succeeds 'it restarts into the new one'
	like "$(page http://192.168.21.2/)" '<h1>It runs' 'and serves at its new address'
	is "$(host cat /var/lib/nixunits/containers/web2/root/var/kept)" data 'its data was kept'
	run host nixunits rollback -r web2
	succeeds 'it rolls back'
	like "$(page http://192.168.20.2/)" '<h1>It runs' 'to where it was'

	# An import that changes is a change, whatever its directory is called; another configuration
	# rebuilds the base.
	host_sh 'cd /root; mkdir -p nix/store; echo "{ environment.etc.hello.text = \"one\"; }" >nix/store/sub.nix
		sed "s|services.httpd.enable|imports = [ ./nix/store/sub.nix ]; services.httpd.enable|
			s|inherit ip4 hostIp4;|& ip6 = \"fd00:20::2/127\"; hostIp6 = \"fd00:20::3/127\";|
			s|caps_allow = .|&\"CAP_NET_RAW\" \"CAP_NET_ADMIN\" |" web_default.nix >web_import.nix'
	run host_sh 'cd /root; nixunits build -n ./web_import.nix -j ./web2.json'
	like "$err" 'base:' 'another configuration rebuilds the base'
	run host_sh 'cd /root; nixunits build -n ./web_import.nix -j ./web2.json'
	like "$err" 'unchanged' 'once'
	host_sh 'cd /root; echo "{ environment.etc.hello.text = \"two\"; }" >nix/store/sub.nix'
	is "$(host nixunits status web2 -o json -n /root/web_import.nix | jq -r '[.need_store_build, .reason] | map(tostring) | join(" ")')" \
		'true /root/nix/store/sub.nix changed' 'a changed import is noticed'
	run host_sh 'cd /root; nixunits build -n ./web_import.nix -j ./web2.json -r'
	succeeds 'it is built and restarted'
	is "$(host nixunits shell web2 -- cat /etc/hello)" two 'and runs what was declared'
	like "$(page 'http://[fd00:20::2]/')" '<h1>It runs' 'its page is served by IPv6 as well'
	is "$(host nixunits shell web2 -- /var/tries /var/t | sed -n 's/: done$//p' | tr '\n' ',')" \
		'NET_RAW socket(SOCK_RAW),NET_RAW socket(AF_PACKET),NET_ADMIN ioctl(SIOCSIFFLAGS),' \
		'what is declared in caps_allow is what its root can do'
	host rm -r /root/nix /root/web_import.nix
	run host nixunits build -f web2
	succeeds 'a rebuild without -n does not need the original files'

	# Two containers, one base.
	host_sh 'cd /root; sed "s/web2/web3/; s/20\\./22./g" web2.json >web3.json'
	before_use=$(host du -s /var/lib/nixunits/store | cut -f1)
	run host_sh 'cd /root; script -qec "stty cols 36; nixunits build -n ./web_default.nix -j ./web3.json -p debian -s" \
		/dev/null </dev/null'
	succeeds 'a second container of the same configuration'
	out=$(printf '%s' "$out" | tr '\r' '\n')
	like "$out" 'web3: evaluating, [0-9]+ files +[0-9.]+ s' 'a terminal is shown what is evaluated, and for how long'
	like "$out" 'web3: building 1 of 1: uni(t\.?)?  [0-9.]+ s' 'and built, how many of how many'
	unlike "$out" 'web3: [eb].{29}' 'in one row of it'
	after_use=$(host du -s /var/lib/nixunits/store | cut -f1)
	ok "shares the base: $before_use and $after_use KiB" [ "$((after_use - before_use))" -lt 1024 ]
	ok 'and its own part is small' host_sh \
		'[ "$(du -s /var/lib/nixunits/containers/web3/generations | cut -f1)" -lt 1024 ]'
	inode() { host nixunits shell "$1" -- sh -c 'stat -L -c %i $(command -v httpd || echo /usr/sbin/apache2)'; }
	like "$(inode web2)" '^[0-9]+$' 'a program of it has an inode'
	is "$(inode web3)" "$(inode web2)" 'which is the same one in both'
	is "$(host nixunits status -o json web2 web3 | jq -c 'map(.started)')" '[true,true]' 'both run'

	run host nixunits delete -f -r web2 web3
	succeeds 'both are deleted'
	footprint >"$T/after"
	is "$(diff "$T/before" "$T/after")" '' 'and the host is as it was'
	run host nixunits status web2
	is "$status" 3 'a deleted unit is unknown'
}

each_suite quickstart
done_testing
