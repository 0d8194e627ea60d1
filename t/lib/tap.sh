# t/lib/tap.sh - what a test script needs to speak TAP. Source it:
#
#	. "$(dirname "$0")/lib/tap.sh"
#	run nixunits --list
#	is "$status" 0 'exits 0'
#	like "$out" '^nu-build$' 'lists nu-build'
#	done_testing
#
# Arguments are GOT, WANT, NAME, in this order. A failed test never ends the script: what it got
# and what was wanted are shown, and the script exits 1 at its end. POSIX sh, with `local`.
#
#   ok NAME COMMAND...      the command succeeds        not_ok NAME COMMAND...  it fails
#   is GOT WANT NAME        the same string             isnt GOT BAD NAME       another string
#   like GOT REGEX NAME     a line matches (grep -E)    unlike GOT REGEX NAME   no line does
#   pass NAME   fail NAME   skip WHY NAME...            diag TEXT   note TEXT
#   run COMMAND...          runs it: $status, $out (its stdout) and $err (its stderr); a terminal
#                           is not passed on as stdin, anything else is: run cmd <file
#   succeeds NAME           the last `run` exited 0; if not, shows what it said
#   plan N | done_testing | skip_all WHY | bail_out WHY
#   at_exit COMMAND...      runs it at the end, however that comes; last in, first out
#   $T                      a scratch directory, removed at the end
#   need COMMAND...         the commands must be installed: see `lacking`
#   lacking WHY             the machine lacks something: skips the whole script, or fails it where
#                           $NIXUNITS_MUST is set, as it is where a skip would hide a fault (CI)
#   eventually SECONDS COMMAND...   runs it until it succeeds; at most so long where the machine has
#                           nothing else to do, and ten times that where it has
#
# $TAP_PREFIX is put before the name of each test.

tap_count=0 tap_failed=0 tap_plan= tap_cleanup=

note() { printf '%s\n' "$*" | sed 's/^/# /'; }
diag() { note "$@" >&2; }

tap_result() {	# tap_result ok|"not ok" NAME
	tap_count=$((tap_count + 1))
	printf '%s %d - %s%s\n' "$1" "$tap_count" "${TAP_PREFIX:-}" "$2"
	[ "$1" = ok ] || { tap_failed=$((tap_failed + 1)); return 1; }
}

pass() { tap_result ok "$1"; }
fail() { tap_result 'not ok' "$1" || true; }

# tap_shown TEXT - at most 60 lines of it, for a diagnostic.
tap_shown() { diag "$(printf '%s' "$1" | sed -n '1,60p; 61s/.*/(and more)/p')"; }

tap_compare() {	# tap_compare VERDICT NAME GOT RELATION OTHER
	if [ "$1" = 0 ]; then
		pass "$2"
		return
	fi
	fail "$2"
	diag '  got:'; tap_shown "$3"
	diag "  $4:"; tap_shown "$5"
}

is() { local v=1; [ "$1" != "$2" ] || v=0; tap_compare $v "$3" "$1" wanted "$2"; }
isnt() { local v=1; [ "$1" = "$2" ] || v=0; tap_compare $v "$3" "$1" 'wanted anything but' "$2"; }

tap_matches() { printf '%s\n' "$1" | grep -Eq -e "$2"; }
like() { local v=0; tap_matches "$1" "$2" || v=1; tap_compare $v "$3" "$1" 'wanted a line like' "$2"; }
unlike() { local v=1; tap_matches "$1" "$2" || v=0; tap_compare $v "$3" "$1" 'wanted no line like' "$2"; }

run() {
	status=0
	if [ -t 0 ]; then
		"$@" >"$T/.out" 2>"$T/.err" </dev/null || status=$?
	else
		"$@" >"$T/.out" 2>"$T/.err" || status=$?
	fi
	out=$(cat "$T/.out") err=$(cat "$T/.err")
}

succeeds() {
	if [ "$status" = 0 ]; then
		pass "$1"
	else
		fail "$1"
		diag "  exit status $status, and it said:"; tap_shown "$out
$err"
	fi
}

ok() {
	local name="$1"
	shift
	run "$@"
	succeeds "$name"
}

not_ok() {
	local name="$1"
	shift
	run "$@"
	if [ "$status" != 0 ]; then
		pass "$name"
	else
		fail "$name"
		diag "  it succeeded, and said:"; tap_shown "$out
$err"
	fi
}

skip() {
	local why="$1" name
	shift
	for name; do
		pass "$name # SKIP $why"
	done
}

plan() { tap_plan=$1; echo "1..$1"; }
done_testing() { plan "$tap_count"; }
skip_all() { tap_plan=0; echo "1..0 # SKIP $*"; exit 0; }
bail_out() { echo "Bail out! $*"; tap_plan=0; exit 255; }

lacking() {
	if [ -n "${NIXUNITS_MUST:-}" ]; then
		fail "the machine has what the test needs: $*"
		diag "$*"
		tap_plan=${tap_plan:-$tap_count}
		echo "1..$tap_plan"
		exit 1
	fi
	skip_all "$*"
}

need() {
	local tool
	for tool; do
		command -v "$tool" >/dev/null || lacking "$tool is not installed"
	done
}

eventually() {
	local end
	end=$(($(date +%s) + $1 * 10))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# at_exit COMMAND... - kept quoted for eval, newest first.
at_exit() {
	local word line=
	for word; do
		line="$line '$(printf '%s' "$word" | sed "s/'/'\\\\''/g")'"
	done
	tap_cleanup="$line
$tap_cleanup"
}

tap_end() {
	local code=$?
	trap - EXIT
	trap '' INT TERM HUP
	eval "$tap_cleanup"
	rm -rf --one-file-system "$T"
	if [ -z "$tap_plan" ]; then
		diag "the script ended before it said how many tests it has"
		[ "$code" != 0 ] || code=1
	elif [ "$tap_failed" -gt 0 ]; then
		[ "$code" != 0 ] || code=1
	fi
	exit "$code"
}
trap tap_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

T=$(mktemp -d "${TMPDIR:-/tmp}/nixunits-test.XXXXXX") || bail_out 'no scratch directory'
