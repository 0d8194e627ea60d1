#!/bin/sh
# README.md's quick start, as pasted: every line of it, on a Debian 12 that has none of what it
# installs, no compiler and nothing of ours; on others what comes after the build. And what its
# section on the applets shows, ahead of the delete.
. "$(dirname "$0")/lib/host.sh"

# The commands of a section, in one script: a later one may need what an earlier one did.
section() {
	awk -v name="$1" -v lang="$2" '/^## /{ here = index($0, name) }
		here && /^```/ { code = $0 == "```" lang; next } here && code' "$REPO/README.md"
}
section 'Quick start' sh >"$T/all"
section 'The applets' sh >"$T/applets"
sed '/^cd /,$d' "$T/all" >"$T/setup"
sed -n '/^cd /,$p' "$T/all" | while read -r line; do
	case $line in 'nixunits delete'*) cat "$T/applets" ;; esac
	printf '%s\n' "$line"
done >"$T/script"

# And its larger declaration.
section 'larger declaration' nix >"$T/large.nix"

left() { host_sh 'find /usr/local /etc/systemd /var/log/journal | sort; ip -o link | cut -d: -f2'; }

# From nothing: packages, a build, an installation.
set_up() {
	packages=$(sed -e ':a; /\\$/{N; s/\\\n//; ta}' "$T/setup" | sed -n 's/^apt-get install --[^ ]* //p')
	host_sh 'echo "APT::Get::Assume-Yes 1;" >/etc/apt/apt.conf.d/91test
		for p; do dpkg -s "$p" >/dev/null 2>&1 && set -- "$@" "$p"; shift; done
		apt-get -qq purge --autoremove "$@"' $packages >/dev/null 2>&1
	is "$(host_sh 'for c; do command -v "$c" || true; done' make cc nix-build systemd-nspawn machinectl apache2 curl ip ps)" '' \
		'a Debian without all of it'
	host mkdir -p /root/checkout
	tar -C "$REPO" --exclude=./build --exclude=./.git -cf - . | host tar -C /root/checkout --no-same-owner -xf -
	run host_online env DEBIAN_FRONTEND=noninteractive sh -euc "cd /root/checkout; $(cat "$T/setup")"
	succeeds 'the packages that the README names are enough to build and install'
}

# make demo where systemd is PID 1, and what it says of its removal.
demo() {
	host nixunits install -q --uninstall
	left >"$T/before"
	run host sh -c 'cd /root/checkout; make -s demo'
	succeeds 'make demo, on a machine with systemd'
	unlike "$out" '^# Installing [a-z]+-' 'finds there all that it needs'
	like "$out" '<h1>It runs' 'shows the page of web2'
	like "$out" '^web2 +started +1$' 'and what runs'
	run host sh -euc "$(printf '%s\n' "$out" | sed -n '/^# .* To remove it/,$s/^[$] //p')"
	succeeds 'what it says of its removal is right'
	left >"$T/after"
	is "$(diff "$T/before" "$T/after")" '' 'and all of it is gone'
	not_ok 'with its data' host test -e /var/lib/nixunits
}

on_host() {
	checkout=/src
	like "$(cat "$T/setup")" '^make install$' 'the README builds and installs'
	if [ "$SUITE" = bookworm ]; then
		set_up
		checkout=/root/checkout
	else
		host_install
	fi
	# What nix does is said elsewhere: here it would hide the rest.
	run host sh -euxc "cd $checkout; $(cat "$T/script")" </dev/null
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
	if [ "$SUITE" = bookworm ]; then demo; fi
}

each_suite on_host
done_testing
