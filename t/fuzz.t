#!/bin/sh
# Under libFuzzer for a while: the parsers of documents, records and addresses, and the planning of
# networks. Every input is refused with a message or makes sense, and none is a memory error.
. "$(dirname "$0")/lib/tap.sh"

REPO=$(cd "$(dirname "$0")/.." && pwd)
[ -d "$REPO/build/deps" ] || bail_out 'make deps has not run'

run "$REPO/t/fuzz/run" 60
[ "$status" != 77 ] || lacking "$err"
succeeds 'no input is one too many'
said=$out
for target in unit state; do
	tried=$(echo "$said" | sed -n "s/^$target: inputs tried: //p")
	note "$target: ${tried:-no} inputs"
	ok "$target: of thousands" test "${tried:-0}" -gt 5000
done
done_testing
