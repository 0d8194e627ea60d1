#!/bin/sh
# The documentation says what is there: all of it, and nothing else.
. "$(dirname "$0")/lib/tap.sh"

REPO=$(cd "$(dirname "$0")/.." && pwd)
N=$REPO/build/nixunits
cd "$REPO" || bail_out 'no repository'
[ -x "$N" ] || bail_out "$N is not built"
need mandoc

applets=$("$N" --list | cut -d' ' -f1)
sorted() { LC_ALL=C sort -u; }

# Manual pages.
is "$(cd man && ls nu-*.1 | sed 's/^nu-//; s/\.1$//' | sorted)" "$(echo "$applets" | sorted)" \
	'every applet has a manual page, and nothing else has'
for page in man/*; do
	is "$(mandoc -T lint -W warning "$page")" '' "$page: mandoc finds no fault"
	is "$(grep -oE '^\.Xr (nixunits|nu-[a-z0-9]+) [0-9]' "$page" | sorted |
		while read -r _ name section; do
			[ -e "man/$name.$section" ] || echo "$name.$section"
		done)" '' "$page: refers to pages that exist"
done

# "-n --nix" for each option, from the help, and from the .It lines of a page.
options_of_help() {
	sed -nE 's/^  (-.)?,? +(--[a-z0-9-]+).*/\1 \2/p' | sed 's/^ //' | sorted
}
options_of_page() {
	sed -nE '/^\.It Fl /{ s/^\.It //; s/ Ar .*//; s/Fl -([a-z])/--\1/g; s/Fl /-/g; s/ , / /g; p; }' "$1" |
		sorted
}
for a in $applets; do
	is "$(options_of_page "man/nu-$a.1")" "$("$N" "$a" --help | options_of_help)" \
		"nu-$a: the options of its page are those of its help"
	like "$("$N" --list)" "^$a +$(sed -n 's/^\.Nd \([a-z]*\).*/\1/p' "man/nu-$a.1" | sed 's/^./[&A-Z]/')" \
		"nu-$a: page and --list begin alike"
done
is "$(options_of_page man/nixunits.1)" "$("$N" --help | options_of_help)" \
	'nixunits: the options of its page are those of its help'
is "$(sed -nE 's/^\.It Xr nu-([a-z0-9]+) 1/\1/p' man/nixunits.1 | sorted)" \
	"$(echo "$applets" | sorted)" 'nixunits(1) lists the applets'
is "$(sed -nE 's/^\.It Ev (NIXUNITS_[A-Z]+).*/\1/p' man/nixunits.1 | sorted)" \
	"$(grep -ohE '"NIXUNITS_[A-Z]+"' lib/*.c applets/*.c | tr -d '"' | sorted)" \
	'and the environment variables'

# The unit document: the fields that lib/unit knows are those that are described.
fields=$(grep -ohE 'json_at\([^)]*, "[A-Za-z0-9]+"\)|_at\(.*, "[A-Za-z0-9]+",' lib/unit.c |
	grep -oE '"[A-Za-z0-9]+"' | tr -d '"' | sorted)
ok 'the fields of the unit document are found' test "$(echo "$fields" | wc -l)" -ge 30
is "$(for f in $fields; do grep -qE "^\.(It )?Va (.* , )?$f( |\$)" man/nixunits.5 || echo "$f"; done)" '' \
	'nixunits(5) has every field of the unit document'
options=$(sed -nE 's/^ {4,}(options\.)?([a-zA-Z0-9_.]+) = (mkOption|addresses|flag|maybe|maybeText) .*/\2/p' nix/options.nix | sorted)
ok 'the options of a declaration are found' test "$(echo "$options" | wc -l)" -ge 25
is "$(for o in $options; do grep -qE "^\.(It )?Va (.* , )?$o( |\$)" man/nixunits.5 || echo "$o"; done)" '' \
	'and every option of a declaration'

# README.md and INSTALL.
is "$(for a in $applets; do
	grep -qE "^\| \`$a\` \|" README.md || echo "$a"; done)" '' 'README.md has a line on every applet'
is "$(sed -nE 's/^\| `([a-z0-9]+)` \|.*/\1/p' README.md | sorted)" "$(echo "$applets" | sorted)" \
	'and on nothing else'
for doc in README.md INSTALL; do
	is "$({ grep -oE '^ *make [a-z]+' "$doc"; tr '\n' ' ' <"$doc" | grep -oE '`make [a-z]+`'; } |
		grep -oE '[a-z]+`?$' | tr -d '`' | sorted | while read -r target; do
			grep -qE "^$target:" Makefile || echo "$target"
		done)" '' \
		"$doc: the make targets it names exist"
	is "$(grep -oE '\]\([^)#]+' "$doc" | cut -c3- | grep -v '^http' | sorted | while read -r file; do
		[ -e "$file" ] || echo "$file"; done)" '' "$doc: the files it links to exist"
	# "nixunits build -n ./x -s": an action that exists, with options that it has. Of a pipeline
	# "... | xargs nixunits stop" each command by itself.
	is "$(sed -nE 's/ \| (xargs (-[a-z0-9]+ )*)?/\n/g; /^ *([$#] |sudo )?nixunits /p' "$doc" |
		grep -ohE '^ *([$#] |sudo )?nixunits [a-z0-9]+( .*)?' | sed -E 's/^ *([$#] |sudo )?nixunits //' |
		while read -r action rest; do
			help=$("$N" "$action" --help 2>/dev/null) || { echo "$action"; continue; }
			for word in $(printf '%s\n' "${rest%% -- *}" | grep -oE '(^| )--?[a-z]+' | tr -d '\n'); do
				printf '%s\n' "$help" | grep -qE -e "^ +(-.,? +)?$word( |\$)|^ +$word," ||
					echo "$action $word"
			done
		done)" '' "$doc: the commands it shows exist"
done

# block FILE LINE - the lines of README.md between the fence after that line and the next.
block() {
	awk -v start="$1" '
		index($0, start) == 1 { found = 1; next }
		found && /^```/ { if (inside) exit; inside = 1; next }
		inside' README.md
}
for f in web2.json web_default.nix; do
	is "$(block "**$f**")" "$(cat "nix/examples/quickstart/$f")" \
		"README.md: the quick start's $f is the one in nix/examples/quickstart"
done

not_ok 'nothing is left to be written' grep -nE 'TODO|FIXME|XXX|TBD' README.md INSTALL man/*
is "$(grep -nE '.{101}' INSTALL man/* | cut -d: -f1,2)" '' 'lines have 100 columns at most'

done_testing
