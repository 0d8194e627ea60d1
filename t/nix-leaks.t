#!/bin/sh
# What a configuration says of one unit is in the base that all can read: nu-build warns of it, or
# refuses. Evaluation alone is tested in nix-eval.t.
. "$(dirname "$0")/lib/host.sh"

leaks() {
	host_install
	host_put /root/leak.nix <<-'X'
		{ properties, ... }: {
		  config.environment.etc.where.text = "db at 192.168.20.2";
		  config.environment.etc.name.text = properties.name or "nobody";
		  config.system.stateVersion = "25.11";
		}
	X
	host_put /root/leak.json <<-'X'
		{"id": "leak", "name": "zirconium", "db": "192.168.20.2"}
	X
	bases() { host_sh 'ls /var/lib/nixunits/gcroots 2>/dev/null | wc -l'; }
	says='leak: config.environment.etc.where.text says "192.168.20.2", the parameter db'

	run host_sh 'cd /root; nixunits build -n leak.nix -j leak.json -p debian --strict'
	is "$status" 1 '--strict refuses'
	like "$err" "error: ${says#leak: }" 'and says why'
	is "$(bases) $(host nixunits list -q)" '0 ' 'nothing was built'
	run host_sh 'cd /root; nixunits build -n leak.nix -j leak.json -p debian -q'
	succeeds 'without it the unit is built'
	like "$err" "^nu-build: warning: $says" 'with a warning that names the option'
	is "$(printf "%s\n" "$err" | wc -l)" 1 'and none but that'
	isnt "$(host_sh 'grep -rls 192.168.20.2 /var/lib/nixunits/store/default/root/nix/store || true')" '' \
		'it is in the base indeed'
	is "$(host_sh 'grep -rls zirconium /var/lib/nixunits/store/default/root/nix/store || true')" '' \
		'where the parameters are not'
	run host_sh 'cd /root; nixunits build -n leak.nix -j leak.json'
	like "$err" 'unchanged' 'no news is no warning'
	run host nixunits build --strict leak
	is "$status" 1 'but --strict looks again'

	host_sh 'sed -i "s/\"db at .*\";/\"db at \${properties.db or \"\"}\";/" /root/leak.nix'
	run host_sh 'cd /root; nixunits build -n leak.nix -j leak.json --strict'
	succeeds 'a configuration that leaves it to the parameters is not refused'
	unlike "$err" 'says' 'nor warned of'
	run host nixunits build --strict leak
	like "$err" 'unchanged' 'nor built again'

	run host_sh 'cd /root; nixunits build -n leak.nix -i x -p debian+/nowhere'
	is "$status" 2 'NixOS modules from nowhere are refused'
	like "$err" '/nowhere' 'by name'
	host_put /root/fails.nix <<-'X'
		{ config = { pkgs, ... }: {
		  environment.etc.x.source = pkgs.runCommand "fails" { } "for i in 1 2 3 4 5 6 7 8 9; do echo no $i; done; echo why; echo it fails; false";
		  environment.etc.y.source = pkgs.runCommand "works" { } "echo what another says; sleep 2; echo goes on; touch $out";
		}; }
	X
	run host_sh 'cd /root; nixunits build -n fails.nix -i fails -p debian'
	is "$status" 1 'what does not build is an error'
	is "$(printf '%s\n' "$err" | sed -n 's/^ *> //p')" 'no 2
no 3
no 4
no 5
no 6
no 7
no 8
no 9
why
it fails' 'which shows what the builder said last, and no other'
	like "$err" "(builder for|Cannot build) '.*-fails\\.drv'" 'and which one it was'
	host nixunits delete -f -r leak
}

each_suite leaks
done_testing
