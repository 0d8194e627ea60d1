# t/lib/host.sh - tests that run on a disposable Debian host (t/host/host). Source it:
#
#	. "$(dirname "$0")/lib/host.sh"
#	on_host() {
#		ok 'the quick start starts' host nixunits start web2
#		is "$(host nixunits status web2 -o json | jq -r .status)" started 'and says so'
#	}
#	each_suite on_host
#	done_testing
#
# each_suite FUNCTION     boots a host of each suite in $NIXUNITS_SUITES ("bookworm trixie"), calls
#                         the function, ends the host. Names of tests are prefixed with the
#                         suite, which is in $SUITE.
# host COMMAND...         runs it in the host as root; stdin, stdout, stderr and the status pass
# host_sh 'SCRIPT' ARG... the same for a shell script, with -eu
# host_online COMMAND...  runs it on this machine's network, with its way to Debian's packages
# host_start SUITE, host_stop   what each_suite uses
# host_install            puts nixunits into the host, as its administrator would
# host_put PATH           writes stdin to a file in the host, with its directories
# host_root               a path to the host's root directory, seen from here
# host_files              the directory that keeps what is the host's own (t/host/host)
#
# A test file that dies, even by SIGKILL, leaves no host behind.

# The repository: upwards from the test.
REPO=$(cd "$(dirname "$0")" && until [ -e t/host/host ] || [ "$PWD" = / ]; do cd ..; done; pwd)
. "$REPO/t/lib/tap.sh"

HOST= SUITE=

host() { "$REPO/t/host/host" run "$HOST" "$@"; }
host_sh() { local script="$1"; shift; host sh -euc "$script" - "$@"; }
host_root() { "$REPO/t/host/host" root "$HOST"; }
host_files() { echo "${NIXUNITS_TEST_CACHE:-/var/cache/nixunits-test}/hosts/$HOST"; }

host_put() { host sh -euc 'mkdir -p "$(dirname "$1")"; cat >"$1"' - "$1"; }

host_online() {
	local status=0 resolv="$(host_root)/etc/resolv.conf"
	apt-config dump --format '%F "%v";%n' Acquire::http Acquire::https Acquire::Check-Valid-Until \
		Acquire::Check-Date | host_put /etc/apt/apt.conf.d/90online
	cp "$resolv" "$T/resolv.conf"
	cat /etc/resolv.conf >"$resolv"
	"$REPO/t/host/host" online "$HOST" "$@" || status=$?
	cat "$T/resolv.conf" >"$resolv"
	return $status
}

host_install() {
	[ -x "$REPO/build/nixunits" ] || bail_out "$REPO/build/nixunits is not built"
	host /src/build/nixunits install -q
}

host_start() {
	SUITE=$1
	HOST=t$$-$SUITE
	if ! "$REPO/t/host/host" boot "$HOST" "$SUITE" --for $$ 2>"$T/boot"; then
		HOST=
		tap_shown "$(cat "$T/boot")"
		return 1
	fi
	at_exit host_stop
}

host_stop() {
	[ -n "$HOST" ] || return 0
	"$REPO/t/host/host" down "$HOST" || diag "the host $HOST could not be removed"
	HOST=
}

each_suite() {
	local suite
	for suite in ${NIXUNITS_SUITES:-bookworm trixie}; do
		TAP_PREFIX="$suite: "
		if host_start "$suite"; then
			"$1"
			host_stop
		elif [ -n "${NIXUNITS_MUST:-}" ]; then
			fail 'a host boots'
		else
			skip "no host: $(tail -n 1 "$T/boot")" 'all tests on this host'
		fi
	done
	TAP_PREFIX=
}

[ "$(id -u)" = 0 ] || lacking 'must be root'
need systemd-nspawn mmdebstrap nsenter unshare flock
