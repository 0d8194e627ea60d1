#!/bin/sh
# README.md's quick start, as pasted: every line of it but those that install packages and build;
# and what its section on the applets shows, ahead of the delete.
. "$(dirname "$0")/lib/host.sh"

# The commands of a section, in one script: a later one may need what an earlier one did.
section() {
	awk -v name="$1" -v lang="$2" '/^## /{ here = index($0, name) }
		here && /^```/ { code = $0 == "```" lang; next } here && code' "$REPO/README.md"
}
section 'Quick start' sh >"$T/all"
section 'The applets' sh >"$T/applets"
sed -e '/^apt-get/,/[^\\]$/d' -e '/^make/d' "$T/all" | while read -r line; do
	case $line in 'nixunits delete'*) cat "$T/applets" ;; esac
	printf '%s\n' "$line"
done >"$T/script"

# And its larger declaration.
section 'larger declaration' nix >"$T/large.nix"

on_host() {
	host_install
	like "$(cat "$T/all")" '^make install$' 'the README builds and installs'
	unlike "$(cat "$T/script")" 'apt-get|make' 'which other tests do'
	# What nix does is said elsewhere: here it would hide the rest.
	run host sh -euxc "cd /src; $(cat "$T/script")" </dev/null
	err=$(printf '%s' "$err" | grep -v ': building ')
	succeeds 'all of its commands succeed'
	like "$out" '<h1>It runs' 'curl shows the page'
	like "$out" 'status: started' 'status shows that it runs'
	like "$out" 'systemd\[1\]:' 'journalctl shows its journal'
	like "$out" 'route 192.168.20.2/32 on nu-web2' 'nu-net plan says what would be done'
	like "$out" '^dropped +CAP_SYS_ADMIN ' 'nu-caps plan what is allowed'
	like "$err" 'web2: deleted$' 'and it is gone in the end'
	is "$(host nixunits list -q)" '' 'with nothing left'

	host_put /root/large.nix <"$T/large.nix"
	echo '{ caps_allow = [ "CAP_NET_RAW" ]; }' | host_put /root/site.nix
	run host sh -c 'cd /root; nixunits eval -n large.nix -i large -p debian | nixunits unit -'
	succeeds 'the larger declaration evaluates, to a valid document'
	is "$(printf '%s' "$out" | jq -c '[(.caps | sort), .autoStart, .network.interfaces.dmz.hostBridge]')" \
		'[["CAP_NET_BIND_SERVICE","CAP_NET_RAW"],true,"br0"]' 'with what its import adds'
}

each_suite on_host
done_testing
