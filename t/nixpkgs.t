#!/bin/sh
# Which nixpkgs is taken where none is named: the pinned one, if it can be had and this nix can
# evaluate it; else a Debian host's own packages.
. "$(dirname "$0")/lib/host.sh"

# pin EXPRESSION - that is the default.nix of the pinned nixpkgs, and it has been fetched before
pin() {
	host_sh 'rm -rf /root/pin /root/source; mkdir -p /root/pin /root/source
		cp -r /usr/local/share/nixunits/nix /usr/local/share/nixunits/flake.lock /root/pin
		echo "$1" >/root/source/default.nix
		store=/var/lib/nixunits/store/default/root; mkdir -p $store
		nix-store --store $store --option build-users-group "" --add-fixed --recursive sha256 /root/source
		hash=$(nix --extra-experimental-features nix-command hash path /root/source)
		sed -i "s|\"narHash\": \"[^\"]*\"|\"narHash\": \"$hash\"|" /root/pin/flake.lock' "$1" >/dev/null 2>&1
}
pinned() { run host env NIXUNITS_NIX=/root/pin/nix nixunits "$@"; }

unnamed() {
	host_install
	echo '{ }' | host_put /root/c.nix
	pin 'abort "This version of Nixpkgs requires Nix >= 99, please upgrade"'
	pinned build -n /root/c.nix -i old
	succeeds 'where nix is too old for the pinned nixpkgs a unit is built'
	like "$err" 'nu-build: the pinned nixpkgs needs a newer nix than this host.s: taking .* Debian packages' \
		'of the host'"'"'s packages, and says why'
	pin '{ ... }: throw "the pinned one is evaluated"'
	pinned build -n /root/c.nix -i new
	is "$status" 1 'where it is not, the pinned nixpkgs is taken'
	unlike "$err" 'Debian' 'and nothing in its place'
	like "$err" '/nix/store/.*-source' 'whatever it holds'
	run host nixunits build -n /root/c.nix -i away
	succeeds 'where it can not be fetched'
	like "$err" 'the pinned nixpkgs can.t be fetched here: taking' 'that is said too'
	run host nixunits build -q -n /root/c.nix -i named -p /nonexistent
	isnt "$status" 0 'a nixpkgs that is named is taken or nothing is'
	run host env NIXUNITS_NIXPKGS=/nonexistent nixunits build -q -n /root/c.nix -i named
	isnt "$status" 0 'be it in the environment'
	host nixunits delete -q -f -r old away
}

each_suite unnamed
done_testing
