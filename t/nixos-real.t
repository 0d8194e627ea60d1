#!/bin/sh
# NixOS' own modules, evaluated, built and booted: the services of t/real/services.nix, each asked
# to serve. $NIXUNITS_NIXPKGS names the tree they are of, with its nixos/ and lib/: nixpkgs, or a
# part of it. The packages are the test host's, so nothing is fetched.
. "$(dirname "$0")/lib/host.sh"

tree=${NIXUNITS_NIXPKGS:-}
[ -d "$tree/nixos/modules" ] && [ -d "$tree/lib" ] ||
	skip_all "NIXUNITS_NIXPKGS is '$tree': not a directory with the nixos/ and lib/ of nixpkgs"

inside() { host nixunits shell "$unit" -- "$@"; }
# up SERVICE... - each runs
up() {
	local service
	for service; do
		is "$(inside systemctl is-active "$service")" active "$service runs"
	done
}
settled() { case $(inside systemctl is-system-running) in running | degraded) ;; *) return 1 ;; esac; }

services() {
	host_install
	tar -C "$tree" -c nixos lib | host sh -euc 'mkdir -p /var/tmp/tree; tar -C /var/tmp/tree -x'
	host_sh 'mkdir -p /root/.ssh; ssh-keygen -q -t ed25519 -N "" -f /root/.ssh/id_ed25519; cp /src/t/real/s*.nix /root/
		printf "{\"id\": \"many\", \"ip4\": \"192.168.20.2/31\", \"hostIp4\": \"192.168.20.3/31\", \"key\": \"%s\"}" \
			"$(cat /root/.ssh/id_ed25519.pub)" >/root/many.json'
	unit=many

	run host_sh 'cd /root; nixunits build -n services.nix -j many.json -p debian+/var/tmp/tree -s'
	succeeds 'the services build and start'
	[ "$status" = 0 ] || return 0
	is "$(host nixunits status many -o json | jq -r .os)" NixOS 'it is NixOS'
	eventually 60 settled
	is "$(inside systemctl --failed --plain --no-legend)" '' 'no unit failed'
	is "$(inside systemctl is-system-running)" running 'the system runs'

	up httpd nginx dnsmasq sshd redis postgresql prometheus-node-exporter plain sandboxed
	page() { host curl --silent --fail --max-time 5 --retry 5 --retry-connrefused "$1"; }
	like "$(page http://192.168.20.2/)" '<h1>It runs' 'httpd serves a page'
	is "$(page http://192.168.20.2:8080/)" 'nginx serves' 'so does nginx'
	like "$(page http://192.168.20.2:9100/metrics)" '^node_cpu_seconds_total' 'the node exporter has metrics'
	like "$(host busybox nslookup www.unit.test 192.168.20.2)" 'Address.* 192\.0\.2\.7' 'dnsmasq answers'
	is "$(host ssh -o StrictHostKeyChecking=accept-new -o BatchMode=yes -o LogLevel=ERROR root@192.168.20.2 cat /run/plain 2>&1)" \
		"$(inside cat /run/plain)" 'ssh logs in'
	is "$(inside redis-cli set a b; inside redis-cli get a)" 'OK
b' 'redis keeps a value'
	is "$(inside runuser -u postgres -- sh -c "cd /; psql -Atc 'select datname from pg_database' | grep shop")" shop \
		'postgresql has the declared database'
	like "$(inside cat /run/plain)" '192\.168\.20\.2/31' 'systemdDeps: a service found the network ready'
	is "$(inside cat /run/sandboxed/said | grep -v '^touch')" 'sandboxed
writes
kept out' 'a sandboxed service runs as its user, writes where it may and nowhere else'

	# What there is not.
	is "$(inside ps -e -o comm | grep -E 'dbus|logind|getty|udevd|nscd|oomd|resolved')" '' \
		'no D-Bus, logind, getty, udevd, nscd, oomd or resolved'
	is "$(inside sh -c 'ls /run/current-system/sw/bin | grep -xE "jq|inotifywait|nix"')" '' \
		'no jq, inotify-tools or nix'
	is "$(host_sh 'grep -E -- "-(jq|inotify-tools)(-|$)" /var/lib/nixunits/containers/many/current/closure || true')" '' \
		'and not one of the first two anywhere in the closure'
	note "$(inside ps -e -o comm= | sort | uniq -c | tr -s ' \n' ' ,')"
	note "$(host_sh 's=/var/lib/nixunits/store/default/root; cd $s/nix/var/nix/gcroots/nixunits; set -- $(ls)
		echo closure: $(nix-store --option build-users-group "" --store $s -qR $(readlink $1) | sed "s,^,$s," | xargs du -sc | tail -n 1) KiB')"

	# A second start finds what the first left.
	run host nixunits restart many
	succeeds 'it restarts'
	eventually 60 settled
	is "$(inside systemctl --failed --plain --no-legend)" '' 'and again no unit failed'
	eventually 20 inside redis-cli ping
	is "$(inside redis-cli get a)" b 'redis has kept its data'
	run host nixunits delete -f -r many
	succeeds 'it is deleted'

	# The README's declaration as it stands.
	unit=web2
	run host_sh 'cd /src/nix/examples/quickstart; nixunits build -n web_default.nix -j web2.json -p debian+/var/tmp/tree -s'
	succeeds 'the quick start builds and starts on NixOS'
	like "$(page http://192.168.20.2/)" '<h1>It runs' 'and serves'
	eventually 20 settled
	is "$(inside ps -e -o comm= | sort | uniq | grep -vx -e ps | tr '\n' ' ')" 'httpd systemd systemd-journal ' \
		'by systemd, the journal and httpd alone'
	host nixunits delete -f -r web2

	# The same with a D-Bus.
	unit=bus
	run host_sh 'nixunits build -i bus -n /src/t/real/bus.nix -p debian+/var/tmp/tree -s'
	succeeds 'a container with a D-Bus builds and starts'
	eventually 20 settled
	is "$(inside systemctl show -P Type -P ActiveState dnsmasq)" 'dbus
active' 'a service is ready when it says so on the bus'
	like "$(inside dbus-send --system --print-reply --dest=uk.org.thekelleys.dnsmasq /uk/org/thekelleys/dnsmasq \
		uk.org.thekelleys.GetVersion)" '^ *string "2\.' 'and answers there'
	is "$(inside systemctl --failed --plain --no-legend)" '' 'no unit failed'
	host nixunits delete -f -r bus
	is "$(host_sh 'ip -brief link | grep -c nu- || true')" 0 'nothing of it is left'

	# The module for NixOS hosts, in one.
	host_sh '/src/t/real/index >/root/dpkg.json'
	run host nix-instantiate --eval --strict --json --arg tree /var/tmp/tree --arg dpkg /root/dpkg.json \
		--argstr toolbox /usr/local/bin/nixunits /src/t/real/nixos-host.nix
	succeeds 'a NixOS host with units evaluates'
	part() { printf '%s' "$out" | jq -c "$1"; }
	is "$(part .failed)" '[]' 'no assertion fails'
	is "$(part '.documents | keys')" '["nixunits/other.json","nixunits/web2.json"]' 'each unit has its document'
	is "$(part .wants)" \
		'{"nixunits@.service":[],"nixunits@other.service":[],"nixunits@web2.service":["multi-user.target"]}' \
		'and its drop-in'
	like "$(part '.units["nixunits@web2.service"]')" 'PATH=[^"]*/nix/store/[a-z0-9]*-systemd-' 'with the programs it needs'
	like "$(part '.units["nixunits@web2.service"]')" 'PATH=[^"]*/nix/store/[a-z0-9]*-openvswitch-' \
		'and Open vSwitch, which this host has'
	like "$(part .denied)" '"nu-\*"' 'dhcpcd leaves the veths alone'
	is "$(part .networkd)" '{}' 'of systemd-networkd there is nothing where the host has none'
	like "$(part .rules)" 'NM_UNMANAGED' 'the udev rule is there'
	is "$(part '.extraRules | map(select(.groups == ["nixunits"])) | length')" 1 "and sudo's"
	# switch-to-configuration(8) stops what has no file any more.
	built() {
		run host nix-build --no-out-link --arg tree /var/tmp/tree --arg dpkg /root/dpkg.json \
			--argstr toolbox /usr/local/bin/nixunits "$@" /src/t/real/nixos-host.nix
	}
	files() {
		built -A files "$@"
		host_sh 'cd "$1"; for f in nixunits@*; do [ -f "$f" ] && echo "$f"; done; ls nixunits@web2.service.d' "$out" | tr '\n' ' '
	}
	host_sh 'mkdir -p /etc/nix; cp /src/t/real/nix.conf /etc/nix/; mkdir -p /nix /var/nix; mount --bind /var/nix /nix'
	is "$(files)" 'nixunits@.service nixunits@other.service nixunits@web2.service overrides.conf ' \
		'a unit has a file of its own, and the drop-in'
	is "$(files --arg without '[ "other" ]')" 'nixunits@.service nixunits@web2.service overrides.conf ' \
		'without its declaration the file is gone'
	built -A web2
	succeeds 'the document of one is built, and its system'
	host_sh 'mkdir -p /etc/nixunits; ln -s "$1" /etc/nixunits/web2.json' "$out"
	unit=web2
	run host nixunits start web2
	succeeds 'it starts'
	is "$(host nixunits status web2 -o json | jq -c '[.in_nixos, .status, .os]')" '[true,"started","NixOS"]' \
		'as one of the NixOS host'
	like "$(page http://192.168.20.2/)" '<h1>It runs' 'and serves'
	eventually 20 settled
	is "$(inside systemctl is-system-running)" running 'no unit failed'
	run host nixunits check web2
	succeeds 'what runs is what is declared'
	host nixunits stop web2
}

each_suite services
done_testing
