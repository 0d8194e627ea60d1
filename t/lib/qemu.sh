# t/lib/qemu.sh - machines that are really booted, in QEMU. Source it after t/lib/host.sh:
#
#	kernel_of_suite || return 0
#	boot first -initrd "$T/initrd" -append "console=ttyS0 $PARAMETERS"
#	says '^login:' 'it boots'
#	type 'poweroff'
#	ends 'the end'
#
# kernel_of_suite         Debian's cloud kernel of the suite: $kernel, its unpacked package
# boot NAME OPTION...     starts a machine, with its console in $T/NAME and its keyboard in fd 7
# monitor COMMAND         tells QEMU
# console, said REGEX     what it has said so far
# says REGEX NAME         the test: it says so in time; if not, the console is shown
# comes SECONDS NAME COMMAND...   the same for a command that succeeds
# type COMMAND            to the shell on its console
# ends NAME               the test: QEMU ends
# inside_net COMMAND...   runs it where the machine's forwarded port 8080 is

need qemu-system-x86_64 curl
[ "$(uname -m)" = x86_64 ] || lacking 'QEMU is set up for x86-64 here'

kernel_of_suite() {
	kernel=$("$REPO/t/host/kernel" "$SUITE" 2>"$T/kernel") || {
		fail "a kernel of $SUITE"
		diag "$(cat "$T/kernel")"
		return 1
	}
}

# One CPU, by one thread: two of QEMU's emulation are seen to lock each other up on a busy machine.
# In a network namespace where nobody else takes its port.
boot() {
	console=$T/$1
	shift
	rm -f "$T/keyboard" "$T"/monitor.*
	mkfifo "$T/keyboard" "$T/monitor.in" "$T/monitor.out"
	exec 7<>"$T/keyboard"
	unshare --net sh -c 'ip link set lo up; exec "$@"' - qemu-system-x86_64 -accel tcg,thread=single -smp 1 -m 768 \
		-display none -monitor pipe:"$T/monitor" -serial stdio -kernel "$kernel"/boot/vmlinuz-* \
		-nic user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:8080-10.0.2.15:8080 "$@" \
		<"$T/keyboard" >"$console" 2>&1 7<&- &
	machine=$!
	at_exit sh -c "kill $machine 2>/dev/null"
	began=$(date +%s%N)
}
monitor() { echo "$*" >"$T/monitor.in"; }
since_power_on() { note "from power on to $1: $((($(date +%s%N) - began) / 1000000)) ms"; }
runs() { [ -d "/proc/$machine" ]; }
gone() { ! runs; }
# The console without what colours it.
console() { tr -d '\r' <"$console" | sed 's/\x1b\[[0-9;?]*[a-zA-Z]//g'; }
said() { console | grep -Eq -e "$1"; }
# reached COMMAND...: it succeeds, or never will.
reached() {
	reached=no
	"$@" && reached=yes || gone
}
# comes SECONDS NAME COMMAND...: it succeeds in time; if not, the console shows how far it came.
comes() {
	local seconds=$1 name=$2
	shift 2
	if eventually "$seconds" reached "$@" && [ "$reached" = yes ]; then
		pass "$name"
	else
		fail "$name"
		tap_shown "$(console | tail -n 30)"
	fi
}
says() { comes 20 "$2" said "$1"; }
ends() { comes 20 "$1" gone; kill $machine 2>/dev/null; wait $machine 2>/dev/null; }
type() { printf '%s\n' "$*" >&7; }
inside_net() { nsenter -t "$machine" -n "$@"; }
