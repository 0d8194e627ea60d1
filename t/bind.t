#!/bin/sh
# Binds: files and directories, read-only or not, owned inside by those who own them outside, and
# never changed on the host to make it so. Also: networks that are not the unit's own.
. "$(dirname "$0")/lib/host.sh"

inside() { host nixunits shell binds -- "$@"; }
owners() { host_sh 'find /srv -printf "%p %U:%G %m\n" | sort'; }

binds() {
	host_install
	host_sh 'mkdir -p /srv/data /srv/read /srv/a:b "/srv/with space"
		echo one >/srv/read/file; echo two >/srv/single; chown 1000:1000 /srv/read /srv/single
		chmod 640 /srv/single; touch /srv/data/theirs; chown 1000:1000 /srv/data/theirs'
	host_put /root/binds.nix <<-'X'
	{ ... }: {
	  bind = [
	    "/srv/data"
	    "/srv/read:/var/read:ro"
	    "/srv/single:/etc/deep/er/single"
	    { source = "/srv/a:b"; target = "/mnt/c:d"; }
	    { source = "/srv/with space"; target = "/mnt/with space"; readOnly = true; }
	    "/dev/zero:/mnt/zero"
	  ];
	  nspawnArgs = "--tmpfs=/scratch:size=1m --setenv=FROM=nspawn";
	  config.system.stateVersion = "25.11";
	}
	X
	owners >"$T/before"
	run host nixunits build -n /root/binds.nix -i binds -p debian -s
	succeeds 'a unit with binds starts'
	owners >"$T/after"
	is "$(diff "$T/before" "$T/after")" '' 'no owner and no mode on the host changed'

	is "$(inside stat -c '%u:%g' /srv/data /srv/data/theirs /var/read /etc/deep/er/single | tr '\n' ' ')" \
		'0:0 1000:1000 1000:1000 1000:1000 ' 'owners inside are those outside'
	is "$(inside cat /var/read/file /etc/deep/er/single | tr '\n' ' ')" 'one two ' 'files are read'
	ok 'a writable bind is written' inside touch /srv/data/mine
	is "$(host stat -c %u:%g /srv/data/mine)" 0:0 'by the root that the host sees as well'
	not_ok 'a read-only one is not' inside touch /var/read/mine
	ok 'a single file is written in place' inside sh -c 'echo three >/etc/deep/er/single'
	is "$(host cat /srv/single)" three 'seen by the host'
	is "$(inside head -c 2 /mnt/zero | wc -c)" 2 'a device is one'
	ok 'a colon in a path' inside touch /mnt/c:d/x
	ok 'reaches where it should' host test -e /srv/a:b/x
	not_ok 'a space too, read-only' inside touch '/mnt/with space/x'
	is "$(inside stat -f -c '%T %b' /scratch)" 'tmpfs 256' 'nspawnArgs reach systemd-nspawn'
	is "$(inside sh -c 'tr "\0" "\n" </proc/1/environ | grep FROM')" FROM=nspawn 'all of them'
	is "$(inside ip -brief link | awk '{ print $1 }' | tr '\n' ' ')" 'lo ' \
		'no network declared is a private one'
	run host nixunits stop binds
	is "$(host find /srv -path '*deep*')" '' 'nothing is made on the host'

	# A source that is not there: said before anything starts.
	host mv /srv/read /srv/away
	run host nixunits start binds
	is "$status" 1 'a bind source that is missing: the start fails'
	like "$err" 'bind "/var/read": source "/srv/read": No such file' 'and names it'
	is "$(host systemctl is-active nixunits@binds)" inactive 'it is not tried again behind our back'
	host mv /srv/away /srv/read

	# The container made the target a symlink to somewhere on the host.
	host_sh 'cd /var/lib/nixunits/containers/binds/root; rm -rf var/read; ln -s /etc var/read
		ls -A /etc >/root/etc.before'
	host nixunits start -q binds 2>/dev/null
	ok 'a target that became a symlink does not leave the container' \
		host_sh 'ls -A /etc | cmp - /root/etc.before && [ ! -e /etc/file ]'
	host nixunits stop -q binds
	host rm /var/lib/nixunits/containers/binds/root/var/read

	# It made a source a symlink to somewhere on the host, and asks to be started again.
	host_sh 'mkdir /srv/data/pub; ln -s data /srv/link
		sed "s|\"/srv/data\"|& \"/srv/link/pub:/pub\"|" /root/binds.nix >/root/nested.nix'
	run host nixunits build -q -n /root/nested.nix -i binds -s
	succeeds 'a bind by a symlink of the administrator, below what is writable'
	ok 'is what it leads to' inside touch /pub/there
	ok 'on the host' host test -e /srv/data/pub/there
	inside sh -c 'rm -r /srv/data/pub; ln -s /etc /srv/data/pub'
	run host nixunits restart binds
	is "$status" 1 "a container's symlink in a source: the start fails"
	like "$err" 'bind "/pub": source "/srv/link/pub": the symlink "/srv/data/pub" can be a container' 'and says why'
	is "$(host ls /run/nixunits/.binds)" '' 'nothing of it stays'
	host rm /srv/data/pub /srv/link
	is "$(host cat /var/lib/nixunits/shared)" "$(printf '/srv/data\n/srv/a:b')" 'what is shared is listed'

	# The host's own network, only when asked for.
	host_sh 'sed "s|config.system|network.private = false; config.system|" /root/binds.nix >/root/shared.nix'
	run host nixunits build -n /root/shared.nix -i binds -r
	succeeds 'a unit with the host'"'"'s network starts'
	is "$(host readlink /proc/"$(host nixunits status binds -o json | jq .leader)"/ns/net)" \
		"$(host readlink /proc/1/ns/net)" 'and has it'

	# A namespace that exists, for which the user namespace has to go.
	host_sh 'ip netns add blue; sed "s|config.system|netns_path = \"/run/netns/blue\"; config.system|" \
		/root/binds.nix >/root/joined.nix'
	run host nixunits build -n /root/joined.nix -i binds -r
	succeeds 'a unit in a network namespace of the host starts'
	is "$(host readlink /proc/"$(host nixunits status binds -o json | jq .leader)"/ns/net)" \
		"$(host ip netns exec blue readlink /proc/self/ns/net)" 'and is in it'
	is "$(inside cat /proc/self/uid_map | tr -s ' ')" ' 0 0 4294967295' 'without a user namespace'
	ok 'a writable bind is written there too' inside touch /srv/data/joined
	host nixunits delete -q -f -r binds
	ok 'the namespace stays' host ip netns del blue
	is "$(host find /var/lib/nixunits/containers -mindepth 1)" '' 'deleted'
	ok 'what was bound is there' host test -e /srv/read/file
}

each_suite binds
done_testing
