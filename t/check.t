#!/bin/sh
# nu-check and nu-caps check: what runs is what was declared, and when it is not, it is said.
. "$(dirname "$0")/lib/host.sh"

# What holds more than is declared, as lines "NAME SET outside NUMBER-OF-CAPABILITIES".
excess() {
	host nixunits caps check -o json c1 |
		jq -r '.excess[] | "\(.name) \(.set) \(.outside) \(.excess | length)"' | LC_ALL=C sort
}
# gone NAME - end the processes in the host that were started for a test.
gone() { host pkill -x "$1"; eventually 5 sh -c '! "$@"' - "$REPO/t/host/host" run "$HOST" pgrep -x "$1"; }

capabilities() {
	live=$(host nixunits caps show -o json c1)
	is "$(host nixunits caps plan -o json c1 | jq -c '[.bounding, .permitted, .effective, .inheritable, .ambient]')" \
		"$(echo "$live" | jq -c '[.bounding, .permitted, .effective, .inheritable, .ambient]')" \
		'the sets of PID 1 are those that caps plan says'
	is "$(echo "$live" | jq -c '[.name, .bounding[-1], (.bounding | length), .noNewPrivileges, .seccomp]')" \
		'["systemd","CAP_SETFCAP",11,true,"filter"]' 'eleven, with no new privileges and a filter'
	is "$(echo "$live" | jq -c '.uidMap == .gidMap, .uidMap[0][0], .uidMap[0][2], .uidMap[0][1] == .uid' | paste -sd' ')" \
		'true 0 65536 true' 'it is root in a range of its own'
	run host nixunits caps show -a -o json c1
	is "$(echo "$out" | jq -c '[.[].name] | sort')" '["systemd","systemd-journal"]' 'show -a: every process of the unit'
	is "$(echo "$out" | jq -c '[.[] | .noNewPrivileges] | unique')" '[true]' 'none can gain privileges'
	run host nixunits caps show -a c1
	is "$(echo "$out" | grep -c '^process ') $(echo "$out" | grep -c '^uid_map  *0 [0-9]* 65536$')" '2 2' 'the same as text'
	run host nixunits caps check c1
	is "$status/$out$err" 0/ 'caps check: none holds more than is declared'

	# More by every way there is; each is a copy of sleep under its own name.
	host_sh 'cd /var/tmp; for name in inside outside moved nested; do cp "$(command -v sleep)" $name; done
		leader=$(nixunits status -o json c1 | jq .leader)
		nsenter -t "$leader" -U -p -C ./inside 300 </dev/null >/dev/null 2>&1 &
		nsenter -t "$leader" -p -C ./outside 300 </dev/null >/dev/null 2>&1 &'
	eventually 5 host pgrep -x outside
	eventually 5 host pgrep -x inside
	ours=$(host capsh --print | sed -n 's/^Bounding set =//p' | tr ',' '\n' | wc -l)
	more=$(($(host cat /proc/sys/kernel/cap_last_cap) + 1 - 11)) # of all, in a user namespace
	is "$(excess)" "$(printf '%s\n' "inside bounding false $more" "inside effective false $more" \
		"inside permitted false $more" "outside bounding true $ours" "outside effective true $ours" \
		"outside permitted true $ours")" 'what came in with more, in its user namespace or not, is found'
	run host nixunits caps check c1
	is "$status" 1 'exit code 1'
	like "$out" '^c1: process [0-9]+ inside: bounding: .*CAP_SYS_ADMIN' 'and it is named'
	unlike "$out" '^c1: process [0-9]+ inside: .*CAP_CHOWN' 'without what is declared'
	like "$out" "^c1: process [0-9]+ outside, outside of the unit's user namespace: effective: CAP_CHOWN" 'or it has none there'
	gone inside; gone outside
	host_sh '(echo 0 >/sys/fs/cgroup/machine.slice/nixunits@c1.service/payload/init.scope/cgroup.procs
		exec /var/tmp/moved 300 </dev/null >/dev/null 2>&1) &'
	eventually 5 host pgrep -x moved
	is "$(excess | cut -d' ' -f1 | uniq)" moved 'one in its cgroup alone is found as well'
	gone moved

	# Not more, though it looks like it: a user namespace of its own making, and a visitor.
	host_sh 'cp /var/tmp/nested /var/lib/nixunits/containers/c1/root/
		nixunits shell c1 -- unshare -U /nested 300 </dev/null >/dev/null 2>&1 &'
	eventually 5 host pgrep -x nested
	is "$(excess)" '' 'what a process has in a user namespace that it made is its own'
	gone nested
	host_sh 'rm /var/lib/nixunits/containers/c1/root/nested'
	host_sh 'i=0; while [ $((i += 1)) -le 40 ]; do nixunits shell c1 -- true </dev/null; done & visits=$!
		i=0; while [ $((i += 1)) -le 20 ]; do nixunits caps check c1; done; wait $visits' >"$T/visits" 2>&1
	is "$?/$(cat "$T/visits")" 0/ 'processes that come and go are no excess and no error'
}

drift() { host nixunits check -o json c1 | jq -c '[.drift[] | [.where, .what]]'; }

check() {
	host_install
	host mkdir -p /srv/data
	host_put /root/c1.nix <<-'X'
	{ properties, ... }: {
	  bind = [ "/srv/data:/data:ro" ];
	  network.interfaces.veth = { ip4 = properties.ip4 or "10.9.1.2/31"; hostIp4 = "10.9.1.3/31"; };
	  config.system.stateVersion = "25.11";
	}
	X
	host nixunits build -q -n /root/c1.nix -i c1 -p debian -s
	run host nixunits check c1
	is "$status/$out$err" 0/ 'no difference, nothing to say'
	is "$(drift)" '[]' 'nor in JSON'
	capabilities

	host ip address del 10.9.1.3/31 dev nu-c1
	run host nixunits check c1
	is "$status" 1 'an address taken by hand: exit code 1'
	like "$out" '^c1: host: nu-c1: address: declared "10.9.1.3/31", live null' 'it is named'
	run host nixunits net up c1
	is "$(drift)" '[]' 'nu-net up repairs it'

	host_sh 'echo "{ \"ip4\": \"10.9.1.4/31\" }" >/root/other.json; nixunits build -q -i c1 -j /root/other.json'
	is "$(drift)" '[["unit","generation"]]' 'a generation that waits for a restart'
	host nixunits restart -q c1
	is "$(drift)" '[]' 'and after it'

	# Something else in the place of its document is not opened.
	host nixunits shell c1 -- sh -c 'cd /run; mv nixunits was; mkdir nixunits; ln -s /dev/zero nixunits/unit.json'
	run host nixunits check c1
	is "$status $out" '1 c1: unit: document: declared "the current one", live "none"' 'a device for its document is none'
	host nixunits shell c1 -- sh -c 'cd /run; rm -r nixunits; mv was nixunits'
	is "$(drift)" '[]' 'which comes back'

	host_sh 'f=/var/lib/nixunits/containers/c1/current/unit.json
		jq ".bind += [{ \"source\": \"/srv/data\", \"target\": \"/more\" }]" "$f" >/root/unit.json; mv /root/unit.json "$f"'
	is "$(drift)" '[["unit","document"],["mount","/more"]]' \
		'a document changed behind the running unit, and a bind it does not have'
	host nixunits stop -q c1
	run host nixunits check c1
	is "$status/$err" '1/nu-check: c1: is not running' 'a unit that does not run'
	run host nixunits net show c1
	is "$status/$err" '1/nu-net: c1: is not running' 'nor has it a network'
	for verb in check show 'show -a'; do
		run host nixunits caps $verb c1
		is "$status/$err" '1/nu-caps: c1: is not running' "nor has it capabilities to $verb"
		run host nixunits caps $verb c9
		is "$status" 3 "caps $verb of an unknown one"
	done
	for verb in check 'net show' 'net check'; do
		run host nixunits $verb c9
		is "$status" 3 "$verb of an unknown one"
	done
	host nixunits delete -q -f -r c1
}

each_suite check
done_testing
