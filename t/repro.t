#!/bin/sh
# The build is reproducible: the same source gives the same bytes, wherever and whenever.
. "$(dirname "$0")/lib/tap.sh"

REPO=$(cd "$(dirname "$0")/.." && pwd)
need make cc readelf nm aarch64-linux-gnu-gcc musl-gcc
[ -e "$REPO/build/deps/stamp" ] || bail_out 'make deps has not run'

build() {	# build DIR LOCALE UMASK: a copy of the source, built there
	mkdir -p "$1/build"
	(
		umask "$3"
		cd "$REPO"
		tar cf - Makefile applets lib nix man $(ls flake.lock 2>/dev/null) | tar xf - -C "$1" --no-same-permissions
		cp -a build/deps "$1/build/"
		find "$1" -name '*.[ch]' -exec touch {} +
	)
	LC_ALL=$2 TZ=Asia/Tokyo make -s -C "$1" build/nixunits
}

ok 'builds' build "$T/a" C 022
ok 'builds elsewhere' build "$T/elsewhere/with-a-longer-name" C.UTF-8 077
ok 'to the same bytes' cmp "$T/a/build/nixunits" "$T/elsewhere/with-a-longer-name/build/nixunits"
ok 'which are those of this tree' cmp "$T/a/build/nixunits" "$REPO/build/nixunits"
is "$(nm "$T/a/build/nixunits.debug" | grep -Eo '[a-z_]*(scanf|localtime|strftime)[a-z_]*' | sort -u)" '' \
	'without scanf and time zones, a tenth of a static binary: take_number() and the like do'
size=$(stat -c %s "$T/a/build/nixunits")
note "size: $size bytes"
ok 'in at most 1.2 MB' test "$size" -le 1200000
is "$(readelf -lW "$T/a/build/nixunits" | grep -c INTERP)" 0 'that need no other file'
not_ok 'and name no directory of the build' grep -q "$T" "$T/a/build/nixunits"

# Without the static archives: the -dev packages of the distribution are enough.
ok 'STATIC=0 builds with the -dev packages alone' make -s -C "$REPO" STATIC=0 B="$T/dynamic" all
is "$(readelf -dW "$T/dynamic/nixunits" | sed -n 's/.*NEEDED.*\[\(lib[a-z]*\).*/\1/p' | sort | tr '\n' ' ')" \
	'libc libcap libcjson libmnl ' 'against their shared libraries'
is "$("$T/dynamic/nixunits" --version)" "$("$REPO/build/nixunits" --version)" 'and runs'

# For the other architecture, and with musl, the C library of nixpkgs' static builds. Linking would
# want their libraries.
compiles() {	# compiles NAME COMPILER FLAGS
	ok "all of it compiles $1" make -s -C "$REPO" CC="$2" B="$T/$2" stamp= CPPFLAGS="-isystem $REPO/build/deps/include $3" \
		$(cd "$REPO" && ls lib/*.c applets/*.c | sed "s|^|$T/$2/|; s|c$|o|")
}
compiles 'for aarch64' aarch64-linux-gnu-gcc '-idirafter /usr/include'
mkdir -p "$T/include/sys"
for header in linux asm-generic "$(cc -print-multiarch)/asm"; do
	ln -s "/usr/include/$header" "$T/include/"
done
ln -s /usr/include/sys/capability.h "$T/include/sys/"
compiles 'with musl' musl-gcc "-idirafter $T/include"

done_testing
