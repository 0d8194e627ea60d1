#!/bin/sh
# network.hosts: the names of the host's units, in the containers that want them, as units come
# and go.
. "$(dirname "$0")/lib/host.sh"

build() {	# build ID CONFIG NUMBER [OPTION...]
	local id=$1 config=$2 number=$3
	shift 3
	host_put /root/p.json <<-X
	{"ip4": "10.20.$number.2/24", "ip6": "fd20:$number::2/64", "host": "10.20.$number.1/24"}
	X
	run host nixunits build -q -n "/root/$config.nix" -j /root/p.json -i "$id" -p debian "$@"
}
inside() { local id=$1; shift; host nixunits nsenter "$id" -- "$@"; }
address() { inside asks getent "${2:-ahostsv4}" "$1" | awk '{ print $1; exit }'; }
leader() { host nixunits status -o json asks | jq .leader; }

hosts() {
	host_install
	host_put /root/plain.nix <<-'X'
	{ properties, ... }: {
	  network.interfaces.veth = {
	    ip4 = properties.ip4 or ""; ip6 = properties.ip6 or ""; hostIp4 = properties.host or "";
	  };
	  config.system.stateVersion = "25.11";
	}
	X
	host_put /root/asks.nix <<-'X'
	{ imports = [ ./plain.nix ];
	  network.hosts = true;
	  config.networking.hosts."10.1.1.1" = [ "elsewhere" ];
	}
	X
	build plain plain 1 -s
	succeeds 'a unit that does not ask'
	not_ok 'has no file for it' host test -e /var/lib/nixunits/containers/plain/hosts
	build asks asks 2 -s
	succeeds 'one that does'
	like "$(inside asks readlink -f /etc/hosts)" '^/run/nixunits/hosts/hosts$' 'sees the one of the host'
	is "$(address plain)" 10.20.1.2 'it knows the other'
	is "$(address plain ahostsv6)" fd20:1::2 'by IPv6 too'
	is "$(address asks)" 10.20.2.2 'and itself'
	is "$(address elsewhere)" 10.1.1.1 'the declared hosts are there'
	is "$(address localhost)" 127.0.0.1 'and localhost'
	not_ok 'the file is not its own to change' inside asks sh -c 'echo x >>/run/nixunits/hosts/hosts'
	not_ok 'nor to replace' inside asks rm /run/nixunits/hosts/hosts
	not_ok 'the other knows no names' inside plain getent hosts asks
	is "$(host stat -c '%a %u' /var/lib/nixunits/hosts.lock)" '600 0' 'what locks it is the host root'"'"'s'
	run host setpriv --reuid=65534 --clear-groups flock -n /var/lib/nixunits/hosts.lock true
	like "$err" 'ermission denied' 'no user of the host can hold up who writes it'

	was=$(leader)
	build new plain 3
	is "$(address new)" 10.20.3.2 'one that is built is known'
	build plain plain 4
	is "$(address plain)" 10.20.1.2 'a new address is not known before it is used'
	host nixunits restart -q plain
	is "$(address plain)" 10.20.4.2 'and from then on it is'
	host nixunits delete -q -f -r new
	is "$(address new)" '' 'one that is deleted is not'
	is "$(inside asks sh -c 'ls -a /run/nixunits/hosts | tr "\n" " "')" '. .. hosts ' \
		'nothing but the file is left'
	is "$(leader)" "$was" 'without a restart'

	# Many at once: the last one has seen them all.
	for n in 1 2 3 4 5 6; do
		host_sh 'd=/var/lib/nixunits/containers
			mkdir -p $d/copy$1/generations/1; ln -s generations/1 $d/copy$1/current
			sed "s/\"plain\"/\"copy$1\"/; s/10\.20\.4\./10.21.$1./g; s/fd20:4:/fd21:$1:/g" \
				$d/plain/current/unit.json >$d/copy$1/generations/1/unit.json' $n
	done
	host nixunits restart -q plain
	is "$(inside asks grep -c ' copy' /etc/hosts)" 12 'units by the dozen'
	host_sh 'for n in 1 2 3 4 5 6; do nixunits delete -q -f -r copy$n & done; wait'
	is "$(inside asks grep -c ' copy' /etc/hosts)" 0 'deleted together'

	host_sh 'sed -i "s/network.hosts = true;//" /root/asks.nix'
	build asks asks 2 -r
	is "$(address plain)" '' 'who no longer asks is no longer told'
	is "$(address elsewhere)" 10.1.1.1 'but for what it declares'
	not_ok 'and nothing is kept' host test -e /var/lib/nixunits/containers/asks/hosts
	for id in asks plain; do
		ok "delete $id" host nixunits delete -q -f -r $id
	done
}

each_suite hosts
done_testing
