#!/bin/sh
# The direct engine with stored units, on a host where systemd's engine runs them as well: the same
# unit, the same page, and one of the two at a time.
. "$(dirname "$0")/lib/host.sh"

# Runs in the background, as a person's script would.
direct() {
	host_sh 'rm -f /root/direct.*; (nixunits run --engine direct "$@" </dev/null >/root/direct.log 2>&1
		echo $? >/root/direct.status) &' "$@"
}
# The same where a system call takes its time, by strace's OPTIONS.
direct_slowly() {
	host_sh 'rm -f /root/direct.*; options=$1; shift
		(strace -qq -o /dev/null $options nixunits run --engine direct "$@" </dev/null >/root/direct.log 2>&1 &&
			s=0 || s=$?
		echo $s >/root/direct.status) &' "$@"
}
# begin SECONDS - starts web2, and halts it so long after it has its entry: the lock, not the file
# alone, keeps others away.
begin() {
	host timeout --foreground 60 sh -euc 'nixunits run --engine direct web2 </dev/null >/root/direct.log 2>&1 & echo $! >/root/direct.pid
		until grep -qs "OFDLCK.*:$(stat -c %i /run/nixunits/web2 2>/dev/null) " /proc/locks; do :; done
		sleep $1; kill -STOP $!' - "$1"
}
ended() { host test -e /root/direct.status; }
signal() { host_sh 'kill -$1 $(sed -n s/^SUPERVISOR=//p /run/nixunits/web2)' "$1"; }
locked() { host_sh 'grep "OFDLCK.*:$(stat -c %i "/run/systemd/nspawn-uid/$1") " /proc/locks' "$base"; }
page() { host curl -sf -m 2 http://192.168.20.2/; }
state() {
	host_sh 'ip -br link; findmnt -rno TARGET; ls /run/nixunits; ls /run/systemd/nspawn-uid
		find /sys/fs/cgroup -name "nixunits-*"; ls /tmp; nft list tables; ls -A /var/lib/nixunits/containers/web2'
}

with_direct() {
	host_install
	host_sh 'cp /src/nix/examples/quickstart/* /root/; mkdir -p /run/nixunits /run/systemd/nspawn-uid'
	run host nixunits build -q -n /root/web_default.nix -j /root/web2.json -p debian -s
	succeeds 'web2 is built, and runs by systemd'
	run host nixunits run --engine direct web2
	is "$status" 4 'then the direct engine does not run it'
	like "$err" 'web2: is running already' 'and says so'
	base=$(host nixunits uid show -o json web2 | jq '.[0].base')
	ok 'its UID range is locked, as systemd-nspawn locks its own' locked
	not_ok 'which the container has no descriptor of' host_sh \
		'ls -l "/proc/$(nixunits status -o json web2 | jq .leader)/fd" | grep nspawn-uid'
	host nixunits stop -q web2
	before=$(state)
	is "$(host ls /run/systemd/nspawn-uid)" '' 'but not once it has ended'

	direct web2
	ok 'it serves its page' eventually 20 page
	like "$(host nixunits status -o json web2 | jq -r '"\(.status) \(.tasks > 3) \(.addresses)"')" \
		'^started true .*192.168.20.2/31' 'status says the same of it'
	run host nixunits check web2
	is "$status:$out" 0: 'it is what was declared'
	for try in 'echo x >>' 'chmod 666' 'rm -f' 'mv -f /etc/hostname'; do
		not_ok "its document is not its own: $try" host nixunits shell web2 -- \
			sh -c "$try /run/nixunits/unit.json"
	done
	is "$(host nixunits shell web2 -- cat /proc/1/comm)" systemd 'a shell enters it'
	like "$(host nixunits caps show web2)" bounding 'its capabilities are shown'
	like "$(host_sh 'nixunits start web2 2>&1')" 'is running, by process' 'start knows that it runs'
	not_ok 'systemd can not start it beside' host systemctl start nixunits@web2
	host systemctl stop nixunits@web2
	ok 'which does it no harm' page
	like "$(host cat /root/direct.log)" 'nu-run: web2: ready' 'it was ready'
	ok 'its UID range is locked' locked
	ok 'its journal is kept' eventually 10 host_sh 'journalctl -q -m -o cat -u httpd | grep -q Started'
	run host nixunits stop web2
	like "$err" 'web2: stopped in [0-9.]+ s \(shut down\)' 'stop shuts it down'
	ok 'its run ends' eventually 5 ended
	is "$(host cat /root/direct.status)" 0 'with success'
	is "$(state)" "$before" 'nothing is left'

	direct web2
	ok 'again' eventually 20 page
	signal KILL
	ok 'killed, it takes the container along' eventually 5 sh -c '! '"$REPO/t/host/host run $HOST"' pgrep -x httpd >/dev/null'
	direct web2
	ok 'and is started again' eventually 20 page
	signal TERM
	ok 'SIGTERM shuts it down' eventually 20 ended
	is "$(state)" "$before" 'nothing is left'

	# Neither begins while the other does, however far that is.
	for far in 0 0.001 0.003 0.01; do
		begin $far
		not_ok "systemd can not start one that the other engine is starting ($far s)" host systemctl start nixunits@web2
		host_sh 'systemctl stop nixunits@web2; kill -CONT $(cat /root/direct.pid)'
		ok 'which goes on' eventually 20 page
		host_sh 'kill -TERM $(cat /root/direct.pid)
			timeout 60 tail --pid=$(cat /root/direct.pid) -f /dev/null'
		not_ok 'and ends' host pgrep -x httpd
	done
	direct_slowly '-e inject=pivot_root:delay_enter=2000000' web2
	eventually 20 host test -e /run/nixunits/web2
	run host nixunits uid free web2
	is "$status/$err" '1/nu-uid: web2: runs, stop it first' 'one that is starting keeps its UID range'
	run host nixunits stop web2
	like "$status $err" '^0 nu-stop: web2: stopped in' 'one that is starting is stopped once it has started'
	ok 'and is gone' eventually 20 ended
	is "$(state)" "$before" 'nothing is left'
	# One that has ended by itself, and is being tidied up: the unlink is that of its entry.
	direct_slowly '-P /run/nixunits/web2 -e inject=unlink:delay_enter=2000000' web2
	ok 'a slow one' eventually 20 page
	host_sh 'kill -KILL $(sed -n s/^LEADER=//p /run/nixunits/web2); until ! pgrep -x httpd >/dev/null; do sleep 0.1; done'
	run host nixunits stop web2
	is "$status/$err" '0/nu-stop: web2: is not running' 'one that has ended and is tidied up is waited for'
	is "$(state)" "$before" 'nothing is left'
	# One that looked, and then took its time.
	direct_slowly '-P /run/nixunits/web2 -e inject=fcntl:delay_enter=3000000:when=1' web2
	ok 'systemd starts what the other engine is only about to start' host systemctl start nixunits@web2
	ok 'which then leaves it alone' eventually 20 ended
	is "$(host cat /root/direct.status)" 4 'as one that runs'
	host nixunits stop -q web2
	run host_sh 'systemctl start --no-block nixunits@web2
		until pgrep -f "^[^ ]*systemd-nspawn .*web2" >/dev/null; do :; done
		timeout 60 nixunits run --engine direct web2 </dev/null'
	is "$status" 4 'nor the other one that systemd is starting'
	ok 'which is there' eventually 20 page
	host nixunits stop -q web2
	is "$(state)" "$before" 'nothing is left'

	# A supervisor that hangs is killed in the end, and tidied up after.
	host_sh 'nixunits unit web2 | jq ".network.forward = [{protocol: \"tcp\", address: null, hostPort: 8099, port: 80}]" >/root/forward.json'
	direct --timeout 0 --root /var/lib/nixunits/containers/web2/root \
		--store /var/lib/nixunits/containers/web2/current/nix/store \
		--store /var/lib/nixunits/store/default/root/nix/store /root/forward.json
	ok 'one with a forwarded port' eventually 20 host_sh 'curl -sf -m 2 http://192.168.20.2/; nft list table inet nixunits-web2'
	signal STOP
	run host nixunits stop web2
	like "$status/$err" '^0/.*\(killed: it did not end in time\)' 'is stopped though its supervisor hangs'
	is "$(state | grep -vx '[0-9]*')" "$(printf '%s\n' "$before" | grep -vx '[0-9]*')" 'nothing is left'

	run host nixunits run --ephemeral web2 -- sh -c 'echo $$; cat /etc/machine-id; touch /gone; id -u'
	succeeds 'a command instead of its init'
	not_ok 'throws its writes away' host test -e /var/lib/nixunits/containers/web2/root/gone
	run host_sh 'nixunits unit web2 | nixunits run --store /var/lib/nixunits/containers/web2/current/nix/store \
		--store /var/lib/nixunits/store/default/root/nix/store - -- \
		"$(grep -- "-nixunits" /var/lib/nixunits/containers/web2/current/closure | head -1)/bin/nixunits" --version'
	succeeds 'its document in a pipeline'

	host_put /root/extra.nix <<-'X'
	{ ... }: { extra = "echo from extra; exit 3"; config.system.stateVersion = "25.11"; }
	X
	host nixunits build -q -n /root/extra.nix -i extra -p debian
	run host timeout 60 nixunits run --engine direct extra
	is "$status" 1 'an extra that fails ends it'
	like "$out$err" 'from extra' 'what it said is shown'
	host_sh 'nixunits unit extra | jq ".limits = {memory: 50000000} | .extra = null" >/root/limited.json'
	run host nixunits run --engine direct /root/limited.json
	if [ "$status" = 77 ]; then
		like "$err" 'limits: no cgroup controller memory' 'a limit that this kernel can not keep is an error'
	fi
	host nixunits delete -q -f -r extra

	run host nixunits start -q web2
	succeeds 'systemd runs it again'
	host nixunits stop -q web2
	# It has looked for its files, and asks for its range only after a while.
	direct_slowly '-P /var/lib/nixunits/uidmap.lock -e inject=flock:delay_enter=4000000' web2
	ok 'one that has only just begun' eventually 10 host pgrep -f '^nixunits run --engine direct web2'
	sleep 1
	run host nixunits delete -f -r web2
	like "$status $err" '^0 nu-delete: web2: stopped in .*' 'is stopped before it is deleted'
	eventually 20 ended
	is "$(host ls /var/lib/nixunits/containers)$(host nixunits uid show)" '' 'and nothing of it comes back'
}

each_suite with_direct
done_testing
