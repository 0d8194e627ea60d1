#!/bin/sh
# What a container's root could do to the host, tried: it owns its root directory, and whatever
# enters the container is in its hands.
. "$(dirname "$0")/lib/host.sh"

# Files of the container's root belong to UID 0 on the disk.
set_id() {
	nobody='setpriv --reuid 65534 --regid 65534 --clear-groups'
	host nixunits shell web2 -- sh -c '
		for d in / /var/log/journal/*/; do
			cp "$(readlink -f /bin/sh)" "$d/suid"; chmod 4755 "$d/suid"
		done'
	for f in containers/web2/root/suid containers/web2/journal/suid; do
		ok "$f is a set-user-ID program of UID 0 on the disk" host test -u "/var/lib/nixunits/$f"
		not_ok 'no user of the host can run it' host $nobody sh -c '"$0" -pc :' "/var/lib/nixunits/$f"
	done
	not_ok 'nor find another path to it' host_sh "$nobody find -L /var/log/journal /var/lib/nixunits \
		-perm -4000 2>/dev/null | grep ."
	not_ok 'nor read its parameters' host $nobody \
		cat /var/lib/nixunits/containers/web2/generations/1/parameters.json
	host_sh 'rm /var/lib/nixunits/containers/web2/*/suid; chmod 755 /var/lib/nixunits/containers/web2'
	run host nixunits restart -q web2
	is "$(host stat -c %a /var/lib/nixunits/containers/web2)" 700 'a start closes a directory that is open'
	like "$(host_sh 'journalctl -q -m -o cat -u httpd')" Started 'journalctl -m shows its journal'
}

isolation() {
	host_install
	host_sh 'cp /src/nix/examples/quickstart/* /root/'
	run host nixunits build -n /root/web_default.nix -j /root/web2.json -p debian -s
	succeeds 'web2 runs'
	set_id
	host nixunits delete -q -f -r web2
	is "$(host_sh 'find -L /var/log/journal /var/lib/nixunits/containers -mindepth 1 -newer /root/web2.json -path "*web2*"; find /var/log/journal -type l')" '' 'delete -r takes the journal along'
}

each_suite isolation
done_testing
