#!/bin/sh
# The TAP library itself: what it prints, and how a script that uses it ends.
. "$(dirname "$0")/tap.sh"

lib=$(cd "$(dirname "$0")" && pwd)
script() {	# a test script on stdin, run by itself
	{ echo ". '$lib/tap.sh'"; cat; } >"$T/script"
	run env -u NIXUNITS_MUST ${must:+NIXUNITS_MUST=1} TMPDIR="$T" sh "$T/script"
}

script <<'X'
ok 'true is true' true
is a a 'same'
like "$(printf 'one\ntwo')" '^two$' 'a line of it'
skip 'no moon' 'howls'
done_testing
X
succeeds 'a script whose tests pass exits 0'
is "$out" 'ok 1 - true is true
ok 2 - same
ok 3 - a line of it
ok 4 - howls # SKIP no moon
1..4' 'and prints TAP'
is "$(ls -A "$T" | grep nixunits-test)" '' 'and removes its scratch directory'

script <<'X'
is a b 'different'
ok 'false' false
not_ok 'true' true
unlike 'abc' b 'no b'
done_testing
X
is "$status" 1 'one whose tests fail exits 1'
is "$(echo "$out" | grep -c '^not ok')" 4 'and prints each failure'
like "$err" '^# b$' 'what was wanted is shown'

script <<'X'
ok 'one' true
X
isnt "$status" 0 'a script that ends without a plan fails'

script <<'X'
at_exit echo "# it's" last
at_exit echo '# first'
plan 1
run sh -c 'echo out; echo err >&2; exit 7'
is "$status/$out/$err" 7/out/err 'run'
kill -TERM $$
X
is "$status" 143 'a signal ends it'
is "$out" "1..1
ok 1 - run
# first
# it's last" 'after the cleanup, last in first out'

script <<'X'
need no-such-program
X
is "$status/$out" '0/1..0 # SKIP no-such-program is not installed' 'a missing program skips the script'
must=1
script <<'X'
need no-such-program
X
is "$status" 1 'and fails it where tests must run'
like "$out" '^not ok 1' 'as a failed test'
must=

script <<'X'
printf 'ab' >"$T/in"
run cat <"$T/in"
is "$out" ab 'stdin'
ok 'in time' eventually 2 true
not_ok 'too late' eventually 0 false
done_testing
X
succeeds 'redirected input, and waiting'

done_testing
