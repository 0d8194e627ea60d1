#!/bin/sh
# nixunits builds whatever nix.conf and the environment say of build users, a daemon, flakes, the
# sandbox and binary caches.
. "$(dirname "$0")/lib/host.sh"

# builds NAME - a container whose system is made anew, and starts
builds() {
	printf '{ config.environment.etc.made.text = "%s"; }\n' "$1" | host_put /root/conf.nix
	run host ${2:+env "$2"} nixunits build -q -i conf -n /root/conf.nix -p debian -r
	is "$status $err" '0 ' "it builds $1"
	is "$(host nixunits shell conf -- cat /etc/made)" "$1" 'what is declared'
}
conf() { host_put /etc/nix/nix.conf; }

settings() {
	host_install
	host rm -rf /etc/nix
	builds 'without a nix.conf'
	conf <<-'X'
		build-users-group = nixbld
		sandbox = false
		substituters = https://cache.invalid
		experimental-features =
	X
	builds 'where the group of build users is missing'
	host_sh 'groupadd nixbld; useradd -M -N -g nixbld -G nixbld -d /var/empty -s /usr/sbin/nologin nixbld1'
	builds 'with build users'
	conf <<-'X'
		experimental-features = nix-command flakes
		substitute = true
		max-jobs = 0
		builders = ssh://builder.invalid x86_64-linux
	X
	builds 'with flakes, and where others are to build'
	builds 'where a daemon is asked for and none runs' NIX_REMOTE=daemon
	host_sh 'mkdir -p /nix /var/nix; mount --bind /var/nix /nix; nix-daemon </dev/null >/dev/null 2>&1 & echo $! >/run/nix.pid
		for i in $(seq 50); do [ -S /nix/var/nix/daemon-socket/socket ] && break; sleep 0.1; done'
	host test -S /nix/var/nix/daemon-socket/socket || bail_out 'nix-daemon does not listen'
	builds 'beside a daemon' NIX_REMOTE=daemon
	is "$(host_sh 'ls /nix/store 2>/dev/null | grep -v "^[.]" | wc -l')" 0 'and the store of the daemon stays as it was'
	host_sh 'kill "$(cat /run/nix.pid)"'
	host nixunits delete -f -r conf
}

each_suite settings
done_testing
