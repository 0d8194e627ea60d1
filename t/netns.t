#!/bin/sh
# Networks that are not made for the unit: a namespace that is there already, the host's own, none.
. "$(dirname "$0")/lib/host.sh"

# start ID 'DECLARATION'
start() {
	printf '{ ... }: { %s\n  config.system.stateVersion = "25.11"; }\n' "$2" | host_put "/root/$1.nix"
	run host nixunits build -q -n "/root/$1.nix" -i "$1" -p debian -s
}
inside() { local id=$1; shift; host nixunits nsenter -n "$id" -- "$@"; }
links() { "$@" ip -j link | jq -r 'map(.ifname) | join(" ")'; }
field() { host nixunits status -o json "$1" | jq -c "$2"; }
namespace() { host readlink "/proc/$(field "$1" .leader)/ns/$2"; }

# No user namespace keeps its root from a file of the host's root that he has a descriptor of: such as
# the program that the host's administrator comes in with, if it is made to execute itself.
steals() {
	cc -static -O1 -o "$T/inmate" "$REPO/t/inmate.c" || bail_out 'no compiler'
	host_put /var/lib/nixunits/containers/joins/root/inmate <"$T/inmate"
	printf '#!/proc/self/exe\n' | host_put /var/lib/nixunits/containers/joins/root/trap
	host_sh 'cd /var/lib/nixunits/containers/joins/root; chmod 755 inmate trap
		cp /usr/local/bin/nixunits /root/nixunits; cp /root/nixunits /root/compare
		nixunits shell joins -- /inmate steal </dev/null >/root/stolen 2>&1 &
		timeout 60 sh -c "until grep -q waiting /root/stolen; do sleep 0.1; done"
		for i in $(seq 200); do
			/root/nixunits shell joins -- /trap </dev/null || true
			! grep -q held /root/stolen || break
		done 2>/dev/null
		timeout 60 sh -c "until grep -q ^write /root/stolen; do sleep 0.1; done"'
	like "$(host cat /root/stolen)" '^write: ' 'its root gets hold of the program that comes in'
	ok 'and can not change it' host cmp /root/nixunits /root/compare
}

joined() {
	host_sh 'ip netns add blue; ip link add up0 type veth peer name eth0 netns blue
		ip addr add 10.60.0.1/24 dev up0; ip link set up0 up
		ip -n blue addr add 10.60.0.2/24 dev eth0; ip -n blue link set eth0 up; ip -n blue link set lo up'
	blue() {
		host ip netns exec blue sh -c 'ip -j addr | jq -c "map([.ifname, .flags, .addr_info[].local])"
			for family in -4 -6; do ip $family route show table all | sort; done; nft list ruleset'
	}
	ok 'the namespace has its link-local address' eventually 20 host_sh \
		'! ip -n blue -6 addr show tentative | grep . && ip -n blue -6 addr | grep fe80'
	before=$(blue)
	start joins 'netns_path = "/run/netns/blue";'
	succeeds 'a unit that joins a namespace starts'
	is "$(links inside joins)" 'lo eth0' 'it has its links'
	ok 'and its traffic' inside joins ping -n -c1 -w20 10.60.0.1
	is "$(namespace joins net)" "net:[$(host stat -Lc %i /run/netns/blue)]" 'it is in that very namespace'
	is "$(namespace joins user)" "$(host readlink /proc/1/ns/user)" 'and in no user namespace'
	is "$(host nixunits net plan joins)" \
		'nothing: the network is that of /run/netns/blue, and there is no user namespace' 'plan says so'
	is "$(host nixunits net plan -o json joins | jq -c '[.network, .operations]')" '["/run/netns/blue",[]]' \
		'as JSON too'
	run host nixunits status joins
	like "$out" '^ +network: that of /run/netns/blue$' 'status as well'
	like "$out" "^ +users: the host's: no user namespace$" 'with what it costs'
	is "$(field joins '[.network, .user_namespace, (.addresses | index("10.60.0.2/24") != null)]')" \
		'["/run/netns/blue",false,true]' 'as JSON too'
	run host nixunits check joins
	is "$status:$out$err" 0: 'check is content'
	steals
	ok 'it stops' host nixunits stop -q joins
	is "$(blue)" "$before" 'the namespace is as it was'
	host ip netns del blue
	run host nixunits start joins
	is "$status" 1 'without the namespace it does not start'
	like "$err" '/run/netns/blue' 'and says which'
	host nixunits delete -q -f -r joins
}

shared() {
	start shares 'network.private = false;'
	succeeds "a unit in the host's network starts"
	is "$(namespace shares net)" "$(host readlink /proc/1/ns/net)" 'where it is'
	is "$(host nixunits net plan shares)" "nothing: the network is the host's" 'plan says so'
	like "$(host nixunits status shares)" "^ +network: the host's$" 'status as well'
	is "$(field shares '[.network, .user_namespace]')" '["host",true]' 'it has a user namespace'
	run host nixunits check shares
	is "$status:$out$err" 0: 'check is content'
	ok 'it is deleted' host nixunits delete -q -f -r shares
}

alone() {
	start alone ''
	succeeds 'a unit without interfaces starts'
	is "$(links inside alone)" lo 'it has a loopback'
	ok 'that is up' inside alone ping -n -c1 -w20 127.0.0.1
	isnt "$(namespace alone net)" "$(host readlink /proc/1/ns/net)" 'in a network of its own'
	is "$(field alone '[.network, .user_namespace, .addresses]')" '["private",true,[]]' 'status says so'
	run host nixunits check alone
	is "$status:$out$err" 0: 'check is content'
	ok 'it is deleted' host nixunits delete -q -f -r alone
}

networks() {
	host_install
	joined
	shared
	alone
}

each_suite networks
done_testing
