#!/bin/sh
# nu-net graph: which units, in which form. What the drawings hold is t/unit/netgraph.c's.
. "$(dirname "$0")/lib/tap.sh"

REPO=$(cd "$(dirname "$0")/.." && pwd)
N=$REPO/build/nixunits
[ -x "$N" ] || bail_out "$N is not built"
need jq
export NIXUNITS_DIR="$T/state" NIXUNITS_ETC="$T/etc"
graph() { run "$N" net graph "$@"; }

# built ID LINK NETWORK - a unit with a generation that this link names.
built() {
	local dir="$NIXUNITS_DIR/containers/$1"
	mkdir -p "$dir/generations/1"
	ln -s generations/1 "$dir/$2"
	printf "{'version': 1, 'id': '%s', 'system': '/nix/store/s', 'init': '/nix/store/s/init',
		'network': %s}" "$1" "$3" | tr "'" '"' >"$dir/generations/1/unit.json"
	cp "$dir/generations/1/unit.json" "$T/$1.json"
}

graph
is "$status:$out$err" 0: 'no units, no graph'
built web2 current "{'interfaces': {'lan': {'kind': 'bridge', 'hostBridge': 'br0', 'ip4': ['10.0.0.2/24']}}}"
built db next "{'interfaces': {'lan': {'kind': 'bridge', 'hostBridge': 'br0', 'ip4': ['10.0.0.3/24']}}}"
mkdir -p "$NIXUNITS_DIR/containers/initial"
graph
is "$status:$out" "$(printf '0:bridge br0\n├─ db lan  10.0.0.3/24\n└─ web2 lan  10.0.0.2/24')" \
	'all that are built, started or not'
graph web2
is "$status:$out" "$(printf '0:bridge br0\n└─ web2 lan  10.0.0.2/24')" 'one by its id'
run setpriv --reuid=65534 --clear-groups "$N" net graph - <"$T/db.json"
is "$status:$out" "$(printf '0:bridge br0\n└─ db lan  10.0.0.3/24')" 'a document, without privilege'
graph -o json "$T/db.json" web2
is "$(echo "$out" | jq -c '.places[] | [.kind, .name, .ports[].unit, .ports[].addresses[]]')" \
	'["bridge","br0","db","web2","10.0.0.3/24","10.0.0.2/24"]' 'files among them, as JSON'
graph initial
is "$status" 1 'one that was never built has no graph'
graph nothing
is "$status" 3 'no such unit is exit 3'
echo '{"version": 1}' >"$T/bad.json"
graph "$T/bad.json"
is "$status" 2 'a document that is none is exit 2'
for args in '-o xml' 'web2 web2' '-N /proc/self/ns/net web2' '-p 1'; do
	graph $args
	is "$status" 2 "graph $args is exit 2"
done

graph -o dot
like "$out" '"bridge br0" -- "web2/lan"' 'for Graphviz'
run env PATH="$T" "$N" net graph -o svg
is "$status:$out" 77: 'a picture takes dot(1)'
like "$err" graphviz 'and where it comes from is said'
if command -v dot >/dev/null; then
	graph -o svg
	like "$out" '^<text.*>10\.0\.0\.2/24</text>' 'which draws it'
else
	skip 'no dot here' 'the picture'
fi
done_testing
