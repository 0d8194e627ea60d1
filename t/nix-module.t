#!/bin/sh
# Containers that a NixOS host's configuration declares: what the module makes of them, and that
# they run from what it makes. The host is a Debian, which is given that part of a NixOS.
. "$(dirname "$0")/lib/host.sh"

# of EXPRESSION - a part of the configuration that the module makes, as JSON
of() {
	host nix-instantiate --eval --strict --json --argstr dpkg /root/dpkg.json --argstr toolbox /usr/local/bin/nixunits \
		/src/t/real/host.nix -A "config.$1" 2>"$T/of" || cat "$T/of" >&2
}

module() {
	host_install
	# (The root of a test host is an overlay, which has no idmapped mounts.)
	host_sh 'mkdir -p /nix /var/nix; mount --bind /var/nix /nix'
	host_sh 'mkdir -p /etc/nix; cp /src/t/real/nix.conf /etc/nix/; /src/t/real/index >/root/dpkg.json'

	is "$(of systemd.services | jq -c 'map_values([.overrideStrategy, .wantedBy])')" \
		'{"nixunits@":[null,null],"nixunits@other":["asDropin",[]],"nixunits@web2":["asDropin",["multi-user.target"]]}' \
		'each unit adds to the template; one with autoStart is started at boot'
	is "$(of systemd.services | jq '[.[] | .path | map(test("-systemd-|-iproute2-|-nftables-")) | all] | all')" true \
		'with the programs that nixunits calls'
	is "$(of security.sudo.extraRules | jq -c '.[] | [.groups, (.commands | map(.command | sub(".*/"; "")))]')" \
		'[["nixunits"],["nixunits start other","nixunits stop other","nixunits restart other","nixunits status other","nixunits start web2","nixunits stop web2","nixunits restart web2","nixunits status web2"]]' \
		'the group may do four things with each unit, and nothing else'
	like "$(of services.udev.extraRules)" 'INTERFACE.*nu-\*.*NM_UNMANAGED' 'NetworkManager leaves the veths alone'
	is "$(of systemd.tmpfiles.rules | jq -r '.[]')" 'd /var/lib/nixunits 0755 root root -
d /var/lib/nixunits/containers 0755 root root -' 'the directories are made'
	is "$(of environment.etc | jq -c keys)" '["nixunits/other.json","nixunits/web2.json"]' 'each has its document'

	run host nix-build --no-out-link --argstr dpkg /root/dpkg.json --argstr toolbox /usr/local/bin/nixunits \
		/src/t/real/host.nix -A 'config.environment.etc."nixunits/web2.json".source'
	succeeds 'the document of one, and so its system, is built into the host store'
	[ "$status" = 0 ] || return 0
	host_sh 'mkdir -p /etc/nixunits; ln -s "$1" /etc/nixunits/web2.json' "$out"
	is "$(host nixunits status web2 -o json | jq -c '[.in_nixos, .status]')" '[true,"configured"]' \
		'it is known as one of the NixOS host'
	run host nixunits start web2
	succeeds 'it starts'
	like "$(host curl --silent --fail --max-time 5 --retry 3 --retry-connrefused http://192.168.20.2/)" '<h1>It runs' \
		'and serves'
	is "$(host nixunits shell web2 -- systemctl is-system-running --wait)" running 'no service failed'
	run host nixunits check web2
	succeeds 'what runs is what is declared'
	run host nixunits build -i web2 -n /src/nix/examples/quickstart/web_default.nix -p debian
	like "$status $err" '^1 .*the NixOS host' 'build refuses to touch it'
	run host nixunits delete -f web2
	like "$status $err" '^1 .*the NixOS host' 'so does delete'
	run host nixunits enable web2
	like "$err" 'nixunits.web2.autoStart' 'and enable says where that is set'
	# A unit of another nixpkgs: its modules, library and packages.
	host_sh 'cp -r /src/nix/debian /root/another; cd /root/another; mv default.nix debian.nix
		sed -i "s/default = \"Debian\"/default = \"Another\"/" nixos/modules/misc/version.nix
		echo "args: import ./debian.nix (args // { dpkg = /root/dpkg.json; }) // { origin = \"another\"; }" >default.nix'
	run host nix-build --no-out-link --argstr dpkg /root/dpkg.json --argstr toolbox /usr/local/bin/nixunits \
		--arg nixpkgs /root/another /src/t/real/host.nix -A 'config.environment.etc."nixunits/other.json".source'
	succeeds 'a unit of another nixpkgs is built'
	host_sh 'ln -s "$1" /etc/nixunits/other.json' "$out"
	is "$(host jq -r .os.name /etc/nixunits/other.json /etc/nixunits/web2.json)" 'Another
Debian' 'of the modules that are there; the others are of the host'\''s'
	run host nixunits start other
	succeeds 'and starts'
	is "$(host nixunits shell other -- cat /etc/from)" another 'with packages from there'
	host nixunits stop other

	run host nixunits stop web2
	succeeds 'it stops'
	is "$(host_sh 'ip -brief link | grep -c nu- || true')" 0 'and its veth is gone'
}

each_suite module
done_testing
