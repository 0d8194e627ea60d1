#!/bin/sh
# The flake, with the offline package set for its nixpkgs; default.nix without flakes: what they
# evaluate to (t/nix-package.t builds the packages and a container of mkContainer). And what
# `nix run …#portable` does to a host.
. "$(dirname "$0")/lib/host.sh"

# flake COMMAND NIXPKGS OUTPUT [ARG...]
flake() {
	local command="$1" nixpkgs="$2" output="$3"
	shift 3
	host nix --extra-experimental-features 'nix-command flakes' $command --impure --no-write-lock-file \
		--override-input nixpkgs "path:$nixpkgs" "path:/root/nixunits#$output" "$@"
}
# of OUTPUT [FUNCTION] - what that, or the function of it, evaluates to
of() { flake 'eval --json' /root/nixpkgs "$1" ${2:+--apply "$2"} 2>"$T/of" || tail -n 3 "$T/of" >&2; }
instantiated() {
	host nix-instantiate --eval --strict --json -E "let n = import /root/nixunits { pkgs =
		import /src/nix/debian { dpkg = /root/nixpkgs/dpkg.json; }; }; in $1" 2>"$T/of" || tail -n 3 "$T/of" >&2
}

outputs() {
	host_sh 'mkdir -p /etc/nix /root/nixunits /root/nixpkgs; cp /src/t/real/nix.conf /etc/nix/
		cd /src; cp -r default.nix flake.nix flake.lock Makefile LICENSE applets lib man nix /root/nixunits/
		cp -r nix/debian t/real/flake.nix /root/nixpkgs/; t/real/index | jq ". + {\"libmnl-dev\": .libc6, \"libcjson-dev\": .libc6, mandoc: .libc6}" >/root/nixpkgs/dpkg.json'
	# (What is only looked at need not be there.)

	for system in x86_64-linux aarch64-linux; do
		is "$(of "packages.$system" | jq -c 'map_values(test("^/nix/store/.*-nixunits"))')" \
			'{"default":true,"nixunits":true,"nixunits-static":true,"portable":true}' "$system: its packages evaluate"
		like "$(of "devShells.$system.default")" '^"/nix/store/.*-shell"$' "$system: so does a shell for development"
	done
	like "$(of checks.x86_64-linux.container)" '^"/nix/store/.*-unit.json"$' 'among its checks is a container, whose system evaluates'
	is "$(of nixosModules.default 'm: baseNameOf (dirOf m) + "/" + baseNameOf m')" '"host/module.nix"' 'the module for NixOS hosts'
	is "$(of lib.x86_64-linux.mkContainer 'mk: (mk { id = "t"; properties.a = "fd00::1/64"; declaration = { properties, ... }: {
		network.interfaces.veth.ip6 = properties.a; }; }).document.network.interfaces.veth.ip6')" \
		'["fd00::1/64"]' 'mkContainer takes a declaration and its parameters'
	like "$(of lib.x86_64-linux.mkContainer 'mk: (mk { id = "t"; properties.a = "b"; declaration = { properties, ... }: {
		config.environment.etc.x.text = properties.a; }; }).guest.config.environment.etc.x.text')" '^"b"$' 'and makes a system of them'
	like "$(of lib.x86_64-linux.mkContainer 'mk: (mk { id = "t"; declaration.systemdDeps = "x"; })
		.guest.config.systemd.services.nixunits-wait.serviceConfig.ExecStart')" '-nixunits-static-[^/]*/bin/nixunits wait"$' \
		'in which the static nixunits waits for the network'
	caught='declaration = { properties, ... }: { config.environment.etc.x.text = if (builtins.tryEval properties.a).success then "yes" else "no"; }'
	is "$(of lib.x86_64-linux.mkContainer "mk: let of = a: mk { id = \"t\"; properties.a = a; $caught; }; in
		(of \"b\").unit.outPath == (mk { id = \"t\"; properties.a = \"b\"; declaration.config.environment.etc.x.text = \"yes\"; }).unit.outPath")" \
		true 'which is its own where it asks whether a parameter can be evaluated'

	like "$(instantiated 'map (p: p.name) [ n.nixunits n.nixunits-static n.portable ]' | jq -c .)" \
		'"nixunits-[0-9.]+","nixunits-static-[0-9.]+","nixunits-portable"' 'the same without flakes'
	is "$(instantiated 'let d = (n.mkContainer { id = "t"; declaration.autoStart = true; }).document; in [ d.autoStart (baseNameOf d.init) ]')" \
		'[true,"init"]' 'mkContainer too'

	# The binary of this test is the static one that a nixpkgs would have built.
	host_sh 'cp -r /root/nixpkgs /root/with; cp /src/build/nixunits /root/with/'
	portable() { flake run /root/with portable "$@"; }
	installed() { host_sh 'find /usr/local /etc/systemd -name "*nixunits*" -o -name "nu-*" | sort'; }
	before=$(installed)
	run portable
	succeeds 'nix run …#portable installs'
	like "$(installed)" '^/usr/local/lib/systemd/system/nixunits@.service$' 'with the unit'
	like "$(installed)" '^/usr/local/bin/nu-status$' 'and the commands'
	is "$(host systemctl show -P LoadState nixunits@x)" loaded 'systemd knows it'
	run portable
	like "$status$err" '^nu-install: .*is installed, nothing to do' 'again, and nothing changes'
	run portable -- --uninstall
	succeeds 'it uninstalls'
	is "$(installed)" "$before" 'and nothing is left'
	portable 2>/dev/null
	host_sh 'rm -rf /nix'
	is "$(host nixunits list)$(host nixunits --version)" "$("$REPO/build/nixunits" --version)" \
		'what is installed needs no nix store'
	run host nixunits install --uninstall
	succeeds 'and uninstalls itself'
	is "$(installed)" "$before" 'and nothing is left'
}

each_suite outputs
done_testing
