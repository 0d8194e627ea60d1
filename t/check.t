#!/bin/sh
# nu-check: what runs is what was declared, and when it is not, it is said.
. "$(dirname "$0")/lib/host.sh"

drift() { host nixunits check -o json c1 | jq -c '[.drift[] | [.where, .what]]'; }

check() {
	host_install
	host mkdir -p /srv/data
	host_put /root/c1.nix <<-'X'
	{ properties, ... }: {
	  bind = [ "/srv/data:/data:ro" ];
	  network.interfaces.veth = { ip4 = properties.ip4 or "10.9.1.2/31"; hostIp4 = "10.9.1.3/31"; };
	  config.system.stateVersion = "25.11";
	}
	X
	host nixunits build -q -n /root/c1.nix -i c1 -p debian -s
	run host nixunits check c1
	is "$status/$out$err" 0/ 'no difference, nothing to say'
	is "$(drift)" '[]' 'nor in JSON'

	host ip address del 10.9.1.3/31 dev nu-c1
	run host nixunits check c1
	is "$status" 1 'an address taken by hand: exit code 1'
	like "$out" 'host: nu-c1: address: declared "10.9.1.3/31", live null' 'it is named'
	run host nixunits net up c1
	is "$(drift)" '[]' 'nu-net up repairs it'

	host_sh 'echo "{ \"ip4\": \"10.9.1.4/31\" }" >/root/other.json; nixunits build -q -i c1 -j /root/other.json'
	is "$(drift)" '[["unit","generation"]]' 'a generation that waits for a restart'
	host nixunits restart -q c1
	is "$(drift)" '[]' 'and after it'

	host_sh 'f=/var/lib/nixunits/containers/c1/current/unit.json
		jq ".bind += [{ \"source\": \"/srv/data\", \"target\": \"/more\" }]" "$f" >/root/unit.json; mv /root/unit.json "$f"'
	is "$(drift)" '[["unit","document"],["mount","/more"]]' \
		'a document changed behind the running unit, and a bind it does not have'
	host nixunits stop -q c1
	run host nixunits check c1
	is "$status/$err" '1/nu-check: c1: is not running' 'a unit that does not run'
	run host nixunits check c9
	is "$status" 3 'an unknown one'
	host nixunits delete -q -f -r c1
}

each_suite check
done_testing
