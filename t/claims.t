#!/bin/sh
# What only one unit can have: a port of the host, an interface of it, an address. The second one does
# not start, is told who has it, leaves nothing, and starts when the first has let go.
. "$(dirname "$0")/lib/host.sh"

state() {
	host ip -o link | cut -d: -f2
	host ip route
	host nft list tables
}

# claim ID 'DECLARATION' - builds it
claim() {
	printf '{ ... }: { %s\n  config.system.stateVersion = "25.11"; }\n' "$2" | host_put "/root/$1.nix"
	run host nixunits build -q -n "/root/$1.nix" -i "$1" -p debian
	[ "$status" = 0 ] || fail "$1 is built: $err"
}
# veth NUMBER - an interface of one's own
veth() { echo "network.interfaces.veth = { ip4 = \"10.50.$1.2/32\"; hostIp4 = \"10.50.$1.1/32\"; };"; }

refused() {	# refused ID REGEX NAME: the start of it
	before=$(state)
	run host nixunits start -q "$1"
	is "$status" 1 "$3: it does not start"
	like "$err" "$2" 'the unit that has it is named'
	is "$(state)" "$before" 'nothing is left of the try'
	is "$(host nixunits status -o json first | jq -r .status)" started 'the first goes on'
}

cable() { host_sh 'ip link add up0 type veth peer name up1; ip link set up0 up; ip link set up1 up'; }

claims() {
	host_install
	cable
	claim first "$(veth 1) network.interfaces.up1 = { kind = \"host\"; ip4 = \"10.51.0.1/24\"; };
		network.forward = [ \"tcp:8080:80\" ];"
	ok 'a unit starts' host nixunits start -q first

	claim port "$(veth 2) network.forward = [ \"tcp:8080:8000\" ];"
	refused port 'operation [0-9]+ of [0-9]+: host: forward tcp 8080 to 8000: unit first forwards tcp port 8080 already' \
		'a second forwards the same port'
	claim nic "network.interfaces.up1 = { kind = \"host\"; };"
	refused nic "interface up1: unit first has the host's link up1" 'one wants the same interface'
	claim child "network.interfaces.eth0 = { kind = \"macvlan\"; parent = \"up1\"; };"
	refused child "interface eth0: unit first has the host's link up1" 'one wants a macvlan on it'
	claim address "$(veth 1)"
	refused address 'route 10.50.1.2/32 on nu-address: File exists .there is another route to it, on nu-first' \
		'one has the same address'

	ok 'the first stops' host nixunits stop -q first
	for id in port address; do
		ok "then $id starts" host nixunits start -q $id
	done
	run host nixunits start -q first
	is "$status" 1 'and the first does not'
	host nixunits stop -q port address
	# Two at the same moment: one of them, which ever it is.
	claim twin "$(veth 3) network.forward = [ \"tcp:8080:80\" ];"
	host_sh 'for i in 1 2 3; do
			for id in port twin; do
				{ nixunits start -q $id 2>/dev/null && echo $id; } >>/root/started.$i &
			done
			wait; nixunits stop -q port twin
		done'
	is "$(host sh -c 'wc -l </root/started.1; wc -l </root/started.2; wc -l </root/started.3' | tr '\n' ' ')" \
		'1 1 1 ' 'of two at the same moment one starts'
	# The kernel has removed it with the first's namespace.
	cable
	ok 'and the first again' host nixunits start -q first
	run host nixunits check first
	is "$status:$out$err" 0: 'with all it wants'
	host nixunits delete -q -f -r first port nic child address twin
	is "$(host ip -j link | jq -r '[.[].ifname | select(startswith("nu-"))] | length') $(host nft list tables)" \
		'0 ' 'all gone'
}

each_suite claims
done_testing
