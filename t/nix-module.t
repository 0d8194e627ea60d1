#!/bin/sh
# Containers that a NixOS host's configuration declares: what the module makes of them, and that
# they run from what it makes. The host is a Debian, which is given that part of a NixOS.
. "$(dirname "$0")/lib/host.sh"

# of EXPRESSION [ARG...] - a part of the configuration that the module makes, as JSON
of() {
	local attr="config.$1"
	shift
	host nix-instantiate --eval --strict --json --argstr dpkg /root/dpkg.json --argstr toolbox /usr/local/bin/nixunits \
		"$@" /src/t/real/host.nix -A "$attr" 2>"$T/of" || cat "$T/of" >&2
}
# made EXPRESSION [ARG...] - the same, built
made() {
	local attr="config.$1"
	shift
	run host nix-build --no-out-link --argstr dpkg /root/dpkg.json --argstr toolbox /usr/local/bin/nixunits \
		"$@" /src/t/real/host.nix -A "$attr"
}
document() { printf 'environment.etc."nixunits/%s.json".source' "$1"; }
programs() {
	of 'systemd.services."nixunits@web2".path' "$@" | jq -r '.[] | sub("^/nix/store/[^-]*-"; "") | sub("-[0-9].*"; "")' | tr '\n' ' '
}
# unit_files [ARG...] - of systemd, in the packages that the module adds
unit_files() {
	made systemd.packages "$@" >&2
	host_sh 'for p; do ls $p/lib/systemd/system; done' $out | sort | tr '\n' ' '
}

module() {
	host_install
	# (The root of a test host is an overlay, which has no idmapped mounts.)
	host_sh 'mkdir -p /nix /var/nix; mount --bind /var/nix /nix'
	host_sh 'mkdir -p /etc/nix; cp /src/t/real/nix.conf /etc/nix/; /src/t/real/index >/root/dpkg.json'

	is "$(of systemd.services | jq -c 'map_values([.overrideStrategy, .wantedBy])')" \
		'{"nixunits@":[null,null],"nixunits@other":["asDropin",[]],"nixunits@web2":["asDropin",["multi-user.target"]]}' \
		'each unit has its drop-in; one with autoStart is started at boot'
	is "$(programs)" 'systemd iproute2 nftables ' 'with the programs that nixunits calls'
	is "$(programs --arg more '{ virtualisation.vswitch.enable = true; }')" 'systemd iproute2 nftables ovs-vsctl ' \
		'and with those of Open vSwitch where the host has it'
	is "$(unit_files)" 'nixunits@.service nixunits@other.service nixunits@web2.service ' \
		'each unit has a file of its own beside the template'
	is "$(unit_files --arg without '[ "other" ]')" 'nixunits@.service nixunits@web2.service ' \
		'which goes with it: a switch stops a unit that has none'
	is "$(of security.sudo.extraRules | jq -c '.[] | [.groups, (.commands | map(.command | sub(".*/"; "")))]')" \
		'[["nixunits"],["nixunits start other","nixunits stop other","nixunits restart other","nixunits status other","nixunits start web2","nixunits stop web2","nixunits restart web2","nixunits status web2"]]' \
		'the group may do four things with each unit, and nothing else'
	like "$(of services.udev.extraRules)" 'INTERFACE.*nu-\*.*NM_UNMANAGED' 'NetworkManager leaves the veths alone'
	is "$(of networking.dhcpcd.denyInterfaces | jq -c .)$(of systemd.network.networks | jq -c '.[] | [.matchConfig.Name, .linkConfig.Unmanaged]')" \
		'["nu-*"]["nu-*",true]' 'so do dhcpcd and systemd-networkd'
	is "$(of systemd.tmpfiles.rules | jq -r '.[]')" 'd /var/lib/nixunits 0755 root root -
d /var/lib/nixunits/containers 0755 root root -' 'the directories are made'
	is "$(of environment.etc | jq -c keys)" '["nixunits/other.json","nixunits/web2.json"]' 'each has its document'

	# What can't be run is no part of a host.
	refused() {
		made "$(document web2)" --arg more "{ nixunits.web2 = { $1 }; }"
		if [ "$status" = 0 ]; then fail "refused: $1"; else like "$err" "$2" "refused: $1"; fi
	}
	refused 'caps_allow = [ "capz" ];' 'caps\[1\]: "capz": not a capability'
	refused 'network.interfaces.lan.ovs = { bridge = "b"; vlan = 4356; };' 'network.interfaces.lan.ovs.vlan'
	refused 'network.interfaces.lan.ip4 = "10.0.0.1";' 'network.interfaces.lan.ip4\[0\]: "10.0.0.1": expected a prefix length'
	refused 'network.interfaces.lan = { kind = "vlan"; parent = "e"; };' 'lan'
	# Without a static nixunits inside there is nobody to wait for the network.
	for option in 'systemdDeps = "httpd"' 'preCheckNetReadyScript = "true"'; do
		like "$(of "$(document web2)" --arg more "{ lib, pkgs, ... }: { nixunits.web2.$option;
			programs.nixunits = { toolbox = lib.mkForce null; package = pkgs.emptyDirectory; }; }" 2>&1)" \
			"error: ${option%% *}: only a nixunits inside" "$option without a toolbox is refused"
	done

	made "$(document web2)"
	succeeds 'the document of one, and so its system, is built into the host store'
	[ "$status" = 0 ] || return 0
	host_sh 'mkdir -p /etc/nixunits; ln -s "$1" /etc/nixunits/web2.json' "$out"
	is "$(host jq -c '[.caps, .network.interfaces.veth.ip4]' /etc/nixunits/web2.json)" \
		'[["CAP_NET_BIND_SERVICE"],["192.168.20.2/31"]]' 'it is as the declaration has it, with the parameters'
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
	made "$(document other)" --arg nixpkgs /root/another
	succeeds 'a unit of another nixpkgs is built'
	host_sh 'ln -s "$1" /etc/nixunits/other.json' "$out"
	is "$(host jq -r .os.name /etc/nixunits/other.json /etc/nixunits/web2.json)" 'Another
Debian' 'of the modules that are there; the others are of the host'\''s'
	is "$(host jq -r .extra /etc/nixunits/other.json)" "# other of the host's, inside Another" \
		'whose declaration is given the packages of the host, and the system inside'
	run host nixunits start other
	succeeds 'and starts'
	is "$(host nixunits shell other -- cat /etc/from)" another 'with packages from there'
	host nixunits stop other
	# And one that is built by hand, whose nixpkgs lies beside its declaration.
	host_sh 'mkdir /root/own; cp -r /root/another /root/own/nixpkgs'
	host_put /root/own/config.nix <<-'X'
		{ nixpkgs = ./nixpkgs; config = { pkgs, ... }: { environment.etc.from.text = pkgs.origin; }; }
	X
	run host_sh 'cd /root/own; nixunits build -q -s -i own -n config.nix -p debian'
	succeeds 'a unit of a nixpkgs that its declaration names is built, and starts'
	is "$(host nixunits shell own -- cat /etc/from)" another 'with packages from there'
	is "$(host_sh 'cd /var/lib/nixunits/containers/own/current/declaration; find root -type f')" root/own/config.nix \
		'of which its generation has no copy'
	like "$(host nixunits build own 2>&1)" 'unchanged' 'nothing has changed'
	host_sh 'sed -i "s/\"another\"/\"yet another\"/" /root/own/nixpkgs/default.nix'
	run host nixunits build -r own
	like "$err" '/root/own/nixpkgs/default.nix changed' 'a change of that nixpkgs is one of the unit'
	is "$(host nixunits shell own -- cat /etc/from)" 'yet another' 'which is built again without its declaration'
	# Or is fetched: what evaluates alone, and has no store for it, takes one.
	host_sh 'tar -C /root/own -czf /root/nixpkgs.tar.gz nixpkgs
		sed "s,\./nixpkgs,builtins.fetchTarball \"file:///root/nixpkgs.tar.gz\"," /root/own/config.nix >/root/own/fetched.nix'
	run host nixunits eval -g os.name -n /root/own/fetched.nix -i fetched -p debian
	is "$status$out" '0"Another"' 'a declaration that fetches its nixpkgs is evaluated'
	run host nixunits build -q --strict -n /root/own/fetched.nix -i fetched -p debian
	is "$status$err" 0 'and built'
	host nixunits delete -q -f -r own fetched

	run host nixunits stop web2
	succeeds 'it stops'
	is "$(host_sh 'ip -brief link | grep -c nu- || true')" 0 'and its veth is gone'
	# As a switch leaves it, without its declaration.
	host rm /etc/nixunits/other.json
	ok 'the data of a unit that is no longer declared stays' host test -d /var/lib/nixunits/containers/other
	run host nixunits delete -f -r other
	succeeds 'and is deleted as any'
	not_ok 'all of it' host test -e /var/lib/nixunits/containers/other
}

each_suite module
done_testing
