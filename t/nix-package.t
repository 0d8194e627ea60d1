#!/bin/sh
# nix/package.nix: nixunits built by nix, of its sources alone, with this machine's compiler.
. "$(dirname "$0")/lib/tap.sh"

REPO=$(cd "$(dirname "$0")/.." && pwd)
[ "$(id -u)" = 0 ] || lacking 'must be root'
need nix-build unshare cc jq readelf
for header in libmnl/libmnl.h cjson/cJSON.h sys/capability.h; do
	[ -e "/usr/include/$header" ] || lacking "/usr/include/$header is not there"
done

export NIX_CONF_DIR=$REPO/t/real NIX_STATE_DIR="$T/var" HOME="$T" NIX_CONFIG=
"$REPO/t/real/index" >"$T/dpkg.json"
# Builders see the machine's /usr, and must not write there.
build() {
	unshare -m sh -euc 'mount --make-rprivate /
		for dir in /usr /var/lib/dpkg; do mount --bind $dir $dir; mount -o remount,bind,ro $dir; done
		exec nix-build --no-out-link "$@"' - --store "$T/dpkg" "$@"
}
packages="import $REPO/nix/debian { dpkg = $T/dpkg.json; }"
mkdir "$T/dpkg"
run build -A nixunits --arg pkgs "$packages" "$REPO/default.nix"
succeeds 'nix builds the package'
there=$T/dpkg$out
is "$("$there/bin/nixunits" --version)" "$("$REPO/build/nixunits" --version)" 'it is this version'
is "$("$there/bin/nu-eval" --help | head -n 1)" "$("$REPO/build/nixunits" eval --help | head -n 1)" 'with its applets'
like "$(cat "$there/lib/systemd/system/nixunits@.service")" "^ExecStart=$out/bin/nixunits run %i$" \
	'its unit runs it by its path'
ok 'it has the nix code' test -e "$there/share/nixunits/nix/default.nix"
# The static one, by a compiler that has not the name of the machine's.
run build -A nixunits-static --arg pkgs "import $REPO/t/real/static.nix { dpkg = $T/dpkg.json; deps = $REPO/build/deps; }" \
	"$REPO/default.nix"
succeeds 'nix builds the static one, in a set whose compiler has a prefix'
there=$T/dpkg$out
is "$("$there/bin/nixunits" --version)" "$("$REPO/build/nixunits" --version)" 'it is this version'
is "$(readelf -lW "$there/bin/nixunits" | grep -c INTERP)" 0 'that needs no other file'
static=$out
# mkContainer puts that one into its containers.
run build -A unit --arg pkgs "import $REPO/t/real/static.nix { dpkg = $T/dpkg.json; deps = $REPO/build/deps; }" \
	-E "{ pkgs }: (import $REPO/default.nix { inherit pkgs; }).mkContainer { id = \"t\"; declaration = { systemdDeps = \"x\";
		config.systemd.services.x = { script = \"true\"; serviceConfig.Type = \"oneshot\"; }; }; }"
succeeds 'mkContainer makes a container'
is "$(jq -r .id "$T/dpkg$out") $(nix-store --store "$T/dpkg" -qR "$out" | grep -xF "$static")" "t $static" \
	'with the static nixunits inside, which waits for the network'
# What nixpkgs' own modules ask of builders, newer ones of them.
expression() { build -E "let pkgs = $packages; in $1"; }
run expression 'pkgs.runCommand "t" { __structuredAttrs = true; text = "a  b"; list = [ "x y" "z" ]; nothing = null;
	nativeBuildInputs = [ pkgs.emptyDirectory (pkgs.writeShellScriptBin "say" "printf %s, \"$@\"") ]; } "say \"$text\" \"\${list[@]}\" >$out"'
succeeds 'a builder with structured attributes'
is "$(cat "$T/dpkg$out")" 'a  b,x y,z,' 'has them, with its tools'
run expression 'pkgs.replaceVarsWith { src = pkgs.writeText "in" "#!@shell@\n@stays@"; isExecutable = true; dir = "bin"; name = "x";
	replacements = { shell = "/bin/sh"; stays = null; }; }'
succeeds 'replaceVarsWith'
is "$(stat -c %a "$T/dpkg$out/bin/x") $(cat "$T/dpkg$out/bin/x")" '555 #!/bin/sh
@stays@' 'replaces, and leaves what is null'
chmod -R u+w "$T/dpkg"
done_testing
