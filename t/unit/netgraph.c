/* netgraph: what units hang on, as a tree and in the language of Graphviz. */
#include "../../lib/netgraph.h"

#include "tap.h"

/* A document with this "network", in which ' stands for ". */
static struct unit *unit_with(const char *id, const char *network)
{
	autofree char *json = xfmt("{'version': 1, 'id': '%s', 'system': '/nix/store/s', 'init': "
				   "'/nix/store/s/init', 'privateUsers': false, 'network': %s}",
				   id, network);
	struct err e = { 0 };

	for (char *p = json; *p; p++)
		if (*p == '\'')
			*p = '"';
	struct unit *u = unit_parse(json, strlen(json), &e);
	if (!u)
		ok(false, "%s: %s", id, e.text);
	return u;
}

static const struct {
	const char *id, *network;
} units[] = {
	{ "web2", "{'interfaces': {'veth': {'kind': 'veth', 'ip4': ['192.168.20.2/31'], 'hostIp4':"
		  " ['192.168.20.1/31']}}, 'routes': {'ip4': '192.168.20.1'}}" },
	{ "router1", "{'interfaces': {'lan': {'kind': 'ovs', 'ip4': ['10.0.0.2/16'], 'ovs': {'bridge':"
		     " 'br0', 'vlan': 356}, 'macvlan': {'vrid': 7, 'ip4': ['10.0.0.254/16']}},"
		     " 'wan': {'kind': 'ovs', 'ip4': ['70.0.0.2/31'], 'ip6': ['2001:bc8::a/64'],"
		     " 'ovs': {'bridge': 'br0', 'vlan': 357}}},"
		     " 'routes': {'ip4': '70.0.0.3', 'ip6': '2001:bc8::1'}}" },
	{ "inner", "{'interfaces': {'eth0': {'kind': 'ovs', 'ip4': ['10.0.0.3/16'],"
		   " 'ovs': {'bridge': 'br0', 'vlan': 356}}}, 'routes': {'ip4': '10.0.0.2'}}" },
	{ "db", "{'interfaces': {'lan': {'kind': 'bridge', 'hostBridge': 'virbr0', 'ip4':"
		" ['10.9.0.2/24']}, 'mgmt': {'kind': 'vlan', 'parent': 'eth0', 'vlan': 12}}}" },
	{ "app", "{'interfaces': {'lan': {'kind': 'bridge', 'hostBridge': 'virbr0'},"
		 " 'mv': {'kind': 'macvlan', 'parent': 'eth0'}, 'eth1': {'kind': 'host'},"
		 " 'up': {'kind': 'macvlan', 'parent': 'br0', 'ip6': ['fd05::3/64']}}}" },
	{ "joins", "{'netns': '/run/netns/blue'}" },
	{ "shares", "{'private': false}" },
	{ "alone", "{}" },
};

static void test_tree(void)
{
	struct unit *u[ARRAY_SIZE(units)];
	autonetgraph struct netgraph g = { 0 };
	autobuf struct buf b = { 0 };
	struct err e;

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		u[i] = unit_with(units[i].id, units[i].network);
		ok(netgraph_add(&g, u[i], &e) == 0, "%s is added", units[i].id);
	}
	netgraph_sort(&g);
	netgraph_text(&g, &b);
	is(b.p,
	   "bridge virbr0\n"
	   "├─ app lan\n"
	   "└─ db lan  10.9.0.2/24\n"
	   "Open vSwitch bridge br0\n"
	   "├─ app up  macvlan  fd05::3/64\n"
	   "├─ VLAN 356\n"
	   "│  ├─ inner eth0  10.0.0.3/16  default via 10.0.0.2\n"
	   "│  └─ router1 lan  10.0.0.2/16\n"
	   "│     └─ mv-lan  macvlan  VRRP router 7  10.0.0.254/16\n"
	   "└─ VLAN 357\n"
	   "   └─ router1 wan  70.0.0.2/31  2001:bc8::a/64  default via 70.0.0.3"
	   "  default via 2001:bc8::1\n"
	   "interface eth0\n"
	   "├─ app mv  macvlan\n"
	   "└─ VLAN 12\n"
	   "   └─ db mgmt\n"
	   "interface eth1\n"
	   "└─ app eth1  moved in\n"
	   "veth nu-web2  192.168.20.1/31\n"
	   "└─ web2 veth  192.168.20.2/31  default via 192.168.20.1\n"
	   "network namespace \"/run/netns/blue\"\n"
	   "└─ joins\n"
	   "the host's network\n"
	   "└─ shares\n"
	   "no interfaces\n"
	   "└─ alone\n",
	   "every kind, as a tree");
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		unit_free(u[i]);
}

/* The lines of the drawing that have this in them. */
static const char *dot_lines(const char *id, const char *network, const char *with)
{
	static struct buf found;
	autonetgraph struct netgraph g = { 0 };
	autobuf struct buf b = { 0 };
	autounit struct unit *u = unit_with(id, network);
	struct err e;

	netgraph_add(&g, u, &e);
	netgraph_sort(&g);
	netgraph_dot(&g, &b);
	buf_free(&found);
	buf_addf(&found, "%s", "");
	for (char *line = strtok(b.p, "\n"); line; line = strtok(NULL, "\n"))
		if (strstr(line, with))
			buf_addf(&found, "%s\n", line + strspn(line, "\t"));
	return found.p;
}

static void test_dot(void)
{
	is(dot_lines("web2", units[0].network, "nu-web2"),
	   "\"veth nu-web2\" [label=\"veth\"+\"\\n\"+\"nu-web2\"+\"\\n\"+\"192.168.20.1/31\", "
	   "fillcolor=\"#dbe9f6\"];\n"
	   "\"veth nu-web2\" -- \"web2/veth\" [label=\"\", minlen=2];\n",
	   "a veth");
	is(dot_lines("router1", units[1].network, " -- "),
	   "\"ovs br0\" -- \"ovs br0 356\";\n"
	   "\"ovs br0\" -- \"ovs br0 357\";\n"
	   "\"router1/lan\" -- \"router1/mv-lan\" [style=dashed];\n"
	   "\"ovs br0 356\" -- \"router1/lan\" [label=\"nu-router1_lan\"];\n"
	   "\"ovs br0 357\" -- \"router1/wan\" [label=\"nu-router1_wan\"];\n",
	   "VLANs are between a bridge and its ports");
	is(dot_lines("joins", "{'netns': '/a\\\"];x[\\\\N&amp;'}", " -- "),
	   "\"netns /a\\\"];x[\\\\N&amp;amp;\" -- \"joins/\" [label=\"\", minlen=2];\n",
	   "nothing in a name is taken for the language");
}

static void test_refused(void)
{
	autonetgraph struct netgraph g = { 0 };
	autounit struct unit *u = unit_with("u", "{'interfaces': {'a': {'kind': 'host'}}, 'routes': "
						 "{'ip4': '10.0.0.1'}}");
	struct err e;

	ok(netgraph_add(&g, u, &e) < 0 && e.code == NU_USAGE, "a contradiction is refused");
	netgraph_sort(&g);
}

int main(void)
{
	test_tree();
	test_dot();
	test_refused();
	return tap_done();
}
