#!/bin/sh
# nix/package.nix: nixunits built by nix, of its sources alone, with this machine's compiler.
. "$(dirname "$0")/lib/tap.sh"

REPO=$(cd "$(dirname "$0")/.." && pwd)
[ "$(id -u)" = 0 ] || lacking 'must be root'
need nix-build unshare cc jq
for header in libmnl/libmnl.h cjson/cJSON.h sys/capability.h; do
	[ -e "/usr/include/$header" ] || lacking "/usr/include/$header is not there"
done

export NIX_CONF_DIR=$REPO/t/real NIX_STATE_DIR="$T/var" HOME="$T" NIX_CONFIG=
"$REPO/t/real/index" >"$T/dpkg.json"
# Builders see the machine's /usr, and must not write there.
build() {
	unshare -m sh -euc 'mount --make-rprivate /
		for dir in /usr /var/lib/dpkg; do mount --bind $dir $dir; mount -o remount,bind,ro $dir; done
		exec nix-build --store "$1" --no-out-link -A nixunits \
			--arg pkgs "import $2/nix/debian { dpkg = $1.json; }" "$2/default.nix"' - "$T/dpkg" "$REPO"
}
mkdir "$T/dpkg"
run build
succeeds 'nix builds the package'
there=$T/dpkg$out
is "$("$there/bin/nixunits" --version)" "$("$REPO/build/nixunits" --version)" 'it is this version'
is "$("$there/bin/nu-eval" --help | head -n 1)" "$("$REPO/build/nixunits" eval --help | head -n 1)" 'with its applets'
like "$(cat "$there/lib/systemd/system/nixunits@.service")" "^ExecStart=$out/bin/nixunits run %i$" \
	'its unit runs it by its path'
ok 'it has the nix code' test -e "$there/share/nixunits/nix/default.nix"
chmod -R u+w "$T/dpkg"
done_testing
