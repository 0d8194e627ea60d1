#!/bin/sh
# The unit tests in C, one after the other; `make check` shows each of their lines.
. "$(dirname "$0")/lib/tap.sh"
cd "$(dirname "$0")/.."

[ -d build/unit ] || lacking 'make units has not been run'
for source in t/unit/*.c; do
	name=$(basename "$source" .c)
	run "build/unit/$name"
	succeeds "$name: $(printf '%s\n' "$out" | grep -c '^ok') checks under ASan and UBSan"
	[ "$status" = 0 ] || tap_shown "$out"
done
done_testing
