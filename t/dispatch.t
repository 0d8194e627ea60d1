#!/bin/sh
# The multicall binary: by which names it is called, and what all applets have in common.
. "$(dirname "$0")/lib/tap.sh"

REPO=$(cd "$(dirname "$0")/.." && pwd)
N=$REPO/build/nixunits
export NIXUNITS_DIR="$T/state" NIXUNITS_ETC="$T/etc"
[ -x "$N" ] || bail_out "$N is not built"

run "$N" --list
succeeds '--list'
applets=$(echo "$out" | cut -d' ' -f1)
is "$applets" "$(cd "$REPO/applets" && ls -- *.c | sed 's/\.c$//' | grep -vx main | LC_ALL=C sort)" \
	'names one applet for each file, sorted'
unlike "$out" '.{101}' 'in lines of 100 columns at most'
is "$(echo "$out" | grep -cE '^[a-z0-9]+ +[A-Z].*[^.]$')" "$(echo "$applets" | wc -l)" \
	'with a summary'
run "$N" --version
is "$status $out" "0 nixunits $(sed -n 's/^VERSION = //p' "$REPO/Makefile")" '--version'
run "$N" -h
succeeds '-h'
like "$out" '^usage: nixunits ' 'is the usage'

mkdir "$T/bin"
run "$N" --install "$T/bin"
succeeds '--install DIR'
is "$(ls "$T/bin")" "$(echo "$applets" | sed 's/^/nu-/' | LC_ALL=C sort)" 'makes a symlink for each'
ok 'again' "$N" --install "$T/bin"
run "$N" --install "$T/none"
is "$status" 1 'into a directory that is not there fails'

for a in $applets; do
	"$T/bin/nu-$a" -h >"$T/help" 2>"$T/err"
	is "$? $(cat "$T/err")" '0 ' "nu-$a -h: exit 0, nothing on stderr"
	is "$(head -n1 "$T/help" | cut -d' ' -f1,2)" "usage: nu-$a" 'the usage comes first'
	run "$N" "$a" --help
	is "$status $out" "0 $(cat "$T/help")" "nixunits $a --help is the same"
	unlike "$out" '.{101}' 'in lines of 100 columns at most'
	run "$T/bin/nu-$a" --no-such-option
	is "$status" 2 "nu-$a: an unknown option is exit 2"
	like "$err" "^nu-$a: unknown option \"--no-such-option\"\$" 'named'
	is "$out" '' 'on stderr alone'
	"$T/bin/nu-$a" -h >/dev/full 2>/dev/null
	is "$?" 1 'help that can not be written is exit 1'
done

# Applets that take ids refuse what is none, before they do anything.
for id in '' .. a/b a_b Web2 -- "$(printf 'a%.0s' $(seq 65))"; do
	for a in $(cd "$T/bin" && ls | grep -E '^nu-(start|stop|restart|enable|disable|delete|run|unit|shell|nsenter|rollback)$'); do
		# To nu-run a path is that of an image.
		[ "$a $id" != 'nu-run a/b' ] || continue
		run "$T/bin/$a" "$id"
		is "$status" 2 "$a '$(printf %.5s "$id")' is exit 2"
	done
done
not_ok 'and nothing was made' test -e "$T/state"

# Started with closed standard files, no message ends up in a file of ours.
"$N" uid alloc web2 <&- >&- 2>&-
is "$?" 1 'closed standard files: what can not be written is exit 1'
is "$(sed 's/^[0-9]* //' "$T/state/uidmap")" 'web2' 'and no file got what was meant for them'
rm -r "$T/state"

for args in --list --version 'list -o json' 'uid show -o json'; do
	"$N" $args >/dev/full 2>"$T/err"
	is "$?" 1 "nixunits $args >/dev/full is exit 1"
	like "$(cat "$T/err")" 'No space left on device' 'with the reason'
done

run "$N"
is "$status" 0 'nixunits alone'
is "$out" "$("$N" list)" 'is nixunits list'
ln -s "$N" "$T/bin/nu-nonsense"
run "$T/bin/nu-nonsense"
is "$status" 127 'a name that is no applet is exit 127'
run "$N" --bad
is "$status" 2 'an unknown option is exit 2'
run "$N" --version list
is "$status" 2 'an action after an option too'
is "$("$N" help)" "$("$N" --help)" 'help is --help'
is "$("$N" help unit)" "$("$N" unit --help)" 'and that of an action'
run "$N" help image-status
is "$status:$out" 2: 'help on one that is not ours is exit 2'
like "$err" '^nixunits: "image-status" is no action of ours' 'and says so'
for a in list gc install; do
	run "$N" $a web2
	is "$status" 2 "nu-$a takes no operand"
	like "$err" "^nu-$a: \"web2\": no operand is expected" 'and names what it was given'
done
run env PATH="$T" "$N" image-status
is "$status" 77 'an action that is not ours, without machinectl, is exit 77'
like "$err" 'machinectl: .*systemd-container' 'and says what to install'
if command -v machinectl >/dev/null; then
	is "$("$N" image-status --version)" "$(machinectl --version)" 'with it, machinectl answers'
	printf '#!/bin/sh\nprintf "<%%s>" "$@"\n' >"$T/bin/machinectl"
	chmod +x "$T/bin/machinectl"
	is "$(PATH="$T/bin" "$N" copy-to 'a b' '' '*')" '<copy-to><a b><><*>' 'to each word as it is'
else
	skip 'machinectl is not installed' 'machinectl answers'
fi

# The completion asks the binary.
if command -v bash >/dev/null; then
	ln -s "$N" "$T/bin/nixunits"
	mkdir -p "$NIXUNITS_DIR/containers/web2"
	complete() {
		PATH="$T/bin:$PATH" bash -c '. "$0"; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
			_nixunits "$1"; echo "${COMPREPLY[*]}"' "$REPO/nix/host/nixunits.bash" "$@"
	}
	is "$(complete nixunits sta)" 'start status' 'completes actions'
	is "$(complete nixunits start w)" 'web2' 'and ids'
	is "$(complete nu-build --n)" '--nix --nixpkgs' 'and options'
	is "$(complete /usr/local/bin/nu-net '')" 'plan up down show check graph' 'and what comes first'
	is "$(complete nixunits uid alloc w)" 'web2' 'then ids again'
else
	skip 'bash is not installed' 'completion'
fi

done_testing
