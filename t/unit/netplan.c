/* netplan: plans as they are printed, and every contradiction with its message. */
#include "../../lib/netplan.h"

#include <stdlib.h>

#include "../../lib/json.h"
#include "tap.h"

/* The document with this "network" (and what may follow it), in which ' stands for ". */
static struct unit *unit_with(const char *id, const char *network, struct err *e)
{
	autofree char *json = xfmt("{'version': 1, 'id': '%s', 'system': '/nix/store/s', 'init': "
				   "'/nix/store/s/init', 'privateUsers': false, 'network': %s}",
				   id, network);

	for (char *p = json; *p; p++)
		if (*p == '\'')
			*p = '"';
	return unit_parse(json, strlen(json), e);
}

/* The plan as text, or what is wrong. */
static const char *plan(const char *id, const char *network)
{
	static struct buf b;
	autoplan struct net_plan p = { 0 };
	char text[NET_OP_TEXT];
	struct err e = { 0 };
	autounit struct unit *u = unit_with(id, network, &e);

	buf_free(&b);
	if (!u || net_plan(u, &p, &e) < 0) {
		buf_addf(&b, "%s", e.text);
		return b.p;
	}
	buf_addf(&b, "%s", "");
	for (size_t i = 0; i < p.n; i++)
		buf_addf(&b, "%s: %s\n", net_where_name(p.v[i].where), net_op_text(&p.v[i], text));
	return b.p;
}

static const char *ifaces(const char *interfaces)
{
	autofree char *network = xfmt("{'interfaces': {%s}}", interfaces);

	return plan("u", network);
}

static void test_plans(void)
{
	is(plan("web2", "{'interfaces': {'veth': {'kind': 'veth', 'ip4': ['192.168.20.2/31'],"
			" 'hostIp4': ['192.168.20.1/31']}}}"),
	   "host: link nu-web2: veth, the other end is veth in the container\n"
	   "host: link nu-web2: up\n"
	   "host: address 192.168.20.1/31 on nu-web2\n"
	   "host: route 192.168.20.2/32 on nu-web2\n"
	   "container: link lo: up\n"
	   "container: link veth: up\n"
	   "container: address 192.168.20.2/31 on veth\n"
	   "container: route 192.168.20.1/32 on veth\n",
	   "the quick start: two addresses that are not of one /31");
	is(plan("u", "{'interfaces': {'veth': {'kind': 'veth', 'ip4': ['10.0.0.2/31'],"
		     " 'hostIp4': ['10.0.0.3/31'], 'ip6': ['fd00::2/127'],"
		     " 'hostIp6': ['fd00::3/127']}}, 'routes': {'ip4': '10.0.0.3', 'ip6': 'fd00::3'}}"),
	   "host: link nu-u: veth, the other end is veth in the container\n"
	   "host: link nu-u: up\n"
	   "host: address 10.0.0.3/31 on nu-u\n"
	   "host: address fd00::3/127 on nu-u\n"
	   "container: link lo: up\n"
	   "container: link veth: up\n"
	   "container: address 10.0.0.2/31 on veth\n"
	   "container: address fd00::2/127 on veth\n"
	   "container: route default via 10.0.0.3 on veth\n"
	   "container: route default via fd00::3 on veth\n",
	   "a /31 and a /127 that hold both ends need no routes; default routes");
	is(plan("u", "{'interfaces': {'veth': {'kind': 'veth', 'ip4': ['10.0.0.2/24', '10.9.0.2/32'],"
		     " 'hostIp4': ['10.0.0.1/32', '10.9.0.1/16'], 'ip6': ['fd00::2/128'],"
		     " 'hostIp6': ['fd00::1/128']}}, 'routes': {'ip6': 'fd00::1'}}"),
	   "host: link nu-u: veth, the other end is veth in the container\n"
	   "host: link nu-u: up\n"
	   "host: address 10.0.0.1/32 on nu-u\n"
	   "host: address 10.9.0.1/16 on nu-u\n"
	   "host: address fd00::1/128 on nu-u\n"
	   "host: route 10.0.0.2/32 on nu-u\n"
	   "host: route fd00::2/128 on nu-u\n"
	   "container: link lo: up\n"
	   "container: link veth: up\n"
	   "container: address 10.0.0.2/24 on veth\n"
	   "container: address 10.9.0.2/32 on veth\n"
	   "container: address fd00::2/128 on veth\n"
	   "container: route 10.9.0.1/32 on veth\n"
	   "container: route fd00::1/128 on veth\n"
	   "container: route default via fd00::1 on veth\n",
	   "several addresses: a route for each that is in no network of the other end");
	is(plan("router1", "{'interfaces': {'lan': {'kind': 'bridge', 'hostBridge': 'br0',"
			   " 'ip4': ['10.0.0.2/16'], 'mtu': 9000, 'mac': '02:00:00:00:00:07'},"
			   " 'wan': {'kind': 'veth', 'hostBridge': 'br1', 'ip6': ['2001:bc8::a/64']}},"
			   " 'routes': {'ip4': '10.0.255.254',"
			   " 'ip6': '2001:bc8::ffff:ffff:ffff:fffe'}}"),
	   "host: link nu-router1_lan: veth, the other end is lan in the container, mtu 9000, mac "
	   "02:00:00:00:00:07\n"
	   "host: link nu-router1_lan: up, port of br0\n"
	   "host: link nu-router1_wan: veth, the other end is wan in the container\n"
	   "host: link nu-router1_wan: up, port of br1\n"
	   "container: link lo: up\n"
	   "container: link lan: up\n"
	   "container: link wan: up\n"
	   "container: address 10.0.0.2/16 on lan\n"
	   "container: address 2001:bc8::a/64 on wan\n"
	   "container: route default via 10.0.255.254 on lan\n"
	   "container: route default via 2001:bc8::ffff:ffff:ffff:fffe on wan\n",
	   "two interfaces on bridges, MTU and MAC");
	is(plan("router1", "{'interfaces': {'lan': {'kind': 'ovs', 'ip4': ['10.0.0.2/16'],"
			   " 'ovs': {'bridge': 'br0', 'vlan': 356}, 'macvlan': {'vrid': 7, 'ip4':"
			   " ['10.0.0.9/16']}}, 'wan': {'kind': 'ovs', 'mtu': 1400, 'ip6': ['2001:bc8::a/64'],"
			   " 'ovs': {'bridge': 'br1'}}, 'nic': {'kind': 'host', 'mac': '02:00:00:00:00:07'},"
			   " 'v12': {'kind': 'vlan', 'parent': 'eth0', 'vlan': 12}, 'mac': {'kind': 'macvlan',"
			   " 'parent': 'eth0'}}, 'nft': 'table inet filter {}', 'routes': {'ip6':"
			   " 'fe80::1%wan'}}, 'sysctl': {'net.ipv4.ip_forward': '1'}"),
	   "host: port nu-router1_lan of Open vSwitch bridge br0, vlan 356\n"
	   "host: port nu-router1_wan of Open vSwitch bridge br1\n"
	   "host: link nu-router1_lan: moves to the container, as lan\n"
	   "host: link nu-router1_wan: moves to the container, as wan\n"
	   "host: link nic: moves to the container\n"
	   "host: link v12: vlan 12 on eth0, in the container\n"
	   "host: link mac: macvlan on eth0, in the container\n"
	   "container: link lo: up\n"
	   "container: link lan: up, arp for its own addresses\n"
	   "container: link mv-lan: macvlan on lan, mac 00:00:5e:00:02:07\n"
	   "container: link mv-lan: up, arp for its own addresses\n"
	   "container: link wan: up, mtu 1400\n"
	   "container: link nic: up, mac 02:00:00:00:00:07\n"
	   "container: link v12: up\n"
	   "container: link mac: up\n"
	   "container: nft ruleset\n"
	   "container: sysctl net.ipv4.ip_forward = 1\n"
	   "container: address 10.0.0.2/16 on lan\n"
	   "container: address 10.0.0.9/16 on mv-lan\n"
	   "container: address 2001:bc8::a/64 on wan\n"
	   "container: route default via fe80::1 on wan\n",
	   "all kinds, a ruleset, a setting, a next hop with its interface");
	is(plan("u", "{}, 'sysctl': {'kernel.panic': '1'}"),
	   "sysctl \"kernel.panic\": not the container's own, it would be set on the host",
	   "a setting of the host's");
	is(plan("u", "{}, 'sysctl': {'kernel.shmmni': '77'}"), "container: link lo: up\n",
	   "a setting of the IPC namespace is no part of the network");
	is(plan("u", "{}, 'sysctl': {'net.ipv4.ip_forward': '1', 'net/ipv4/ip_forward': '0'}"),
	   "sysctl \"net/ipv4/ip_forward\": given twice, as \"net.ipv4.ip_forward\" too",
	   "one setting in two spellings");
	is(plan("u", "{}, 'sysctl': {'net.ipv4.conf.*.rp_filter': '1'}"),
	   "sysctl \"net.ipv4.conf.*.rp_filter\": a pattern, where one key is expected", "a pattern");
	is(plan("u", "{'private': false}, 'sysctl': {'net.ipv4.ip_forward': '1'}"),
	   "sysctl \"net.ipv4.ip_forward\": not the container's own, it would be set on the host (its "
	   "network is not private)",
	   "a setting of the host's network");
	is(plan("u", "{'interfaces': {'a': {'kind': 'veth', 'ip6': ['fd00::1/64']}}, 'routes': {'ip6':"
		     " 'fe80::1%b'}}"),
	   "network.routes.ip6: no interface is called \"b\"; there are: a",
	   "a next hop on an interface that is not there");
	is(plan("u", "{'interfaces': {'a': {'kind': 'veth'}}, 'routes': {'ip6': 'fd00::1%a'}}"),
	   "network.routes.ip6: only a link-local address takes an interface",
	   "an interface with another address");
	is(plan("u", "{}"), "container: link lo: up\n", "a private network without interfaces");
	is(plan("u", "{'private': false}"), "", "the host's network: nothing to do");
	is(plan("u", "{'netns': '/run/netns/x'}"), "", "a namespace to join: nothing to do");
	is(ifaces("'a': {'kind': 'veth'}"),
	   "host: link nu-u_a: veth, the other end is a in the container\n"
	   "host: link nu-u_a: up\n"
	   "container: link lo: up\n"
	   "container: link a: up\n",
	   "a veth without addresses");
}

static void test_gateways(void)
{
#define ONE "'lan': {'kind': 'bridge', 'hostBridge': 'br0', 'ip4': ['10.0.0.2/16'], " \
	    "'ip6': ['fd00::2/64']}"
#define TWO ONE ", 'wan': {'kind': 'bridge', 'hostBridge': 'br1', 'ip4': ['70.0.0.2/31']}"
	is(plan("u", "{'interfaces': {" TWO "}, 'routes': {'ip4': '20.0.0.254'}}"),
	   "network.routes.ip4: 20.0.0.254 is on no link of the container (lan 10.0.0.2/16, wan "
	   "70.0.0.2/31)",
	   "a gateway on no link");
	is(plan("u", "{'interfaces': {}, 'routes': {'ip4': '20.0.0.254'}}"),
	   "network.routes.ip4: 20.0.0.254 is on no link of the container (none)",
	   "a gateway without an interface");
	is(plan("u", "{'interfaces': {" ONE "}, 'routes': {'ip4': '10.0.0.2'}}"),
	   "network.routes.ip4: 10.0.0.2 is the container's own, on lan", "a gateway that is itself");
	is(plan("u", "{'interfaces': {" TWO "}, 'routes': {'ip6': 'fe80::1'}}"),
	   "network.routes.ip6: fe80::1 may be on any link, and there are several (name "
	   "one: fe80::1%lan): lan, wan",
	   "a link-local gateway and several links");
	ok(strstr(plan("u", "{'interfaces': {" ONE "}, 'routes': {'ip6': 'fe80::1'}}"),
		  "container: route default via fe80::1 on lan\n"),
	   "a link-local gateway and one link");
	ok(strstr(plan("u", "{'interfaces': {'a': {'kind': 'veth', 'ip6': ['fe80::2/64'], 'hostIp6':"
			    " ['fe80::1/64']}, 'b': {'kind': 'veth', 'ip6': ['fe80::2/64'],"
			    " 'hostIp6': ['fe80::3/64']}}, 'routes': {'ip6': 'fe80::3'}}"),
		  "container: route default via fe80::3 on b\n"),
	   "a link-local gateway that is the host's declared address");
	ok(strstr(plan("u", "{'interfaces': {'a': {'kind': 'veth', 'ip4': ['51.0.0.9/32']}},"
			    " 'routes': {'ip4': '62.0.0.1'}}"),
		  "container: route default via 62.0.0.1 on a (next hop on the link)\n"),
	   "an interface with a /32 alone: the gateway is taken to be on its link");
	is(plan("u", "{'private': false, 'routes': {'ip4': '10.0.0.1'}}"),
	   "network.routes can't be set: the network is not the container's own (private: false)",
	   "a route for a network that is not its own");
}

static void test_static_routes(void)
{
#define LAN "{'interfaces': {'lan': {'kind': 'bridge', 'hostBridge': 'br0', 'ip4': ['10.0.0.2/16'], " \
	    "'ip6': ['fd00::2/64']}, 'wan': {'kind': 'veth', 'ip4': ['70.0.0.2/32'], 'hostIp4': " \
	    "['70.0.0.1/32']}}, 'routes': {"
	ok(strstr(plan("u", LAN "'ip4': '70.0.0.1', 'static': [{'to': '10.8.0.0/16', 'via': '10.0.0.3'},"
			    " {'to': '10.8.1.1', 'via': '70.0.0.1'}, {'to': 'fd08::/48', 'via': 'fd00::3'},"
			    " {'to': 'fd09::/48', 'via': 'fe80::3', 'interface': 'lan'},"
			    " {'to': '10.9.0.0/16', 'interface': 'wan'},"
			    " {'to': '10.10.0.0/16', 'via': '8.8.8.8', 'interface': 'wan'}]}}"),
		  "container: route default via 70.0.0.1 on wan\n"
		  "container: route 10.8.0.0/16 via 10.0.0.3 on lan\n"
		  "container: route 10.8.1.1/32 via 70.0.0.1 on wan\n"
		  "container: route fd08::/48 via fd00::3 on lan\n"
		  "container: route fd09::/48 via fe80::3 on lan\n"
		  "container: route 10.9.0.0/16 on wan\n"
		  "container: route 10.10.0.0/16 via 8.8.8.8 on wan (next hop on the link)\n"),
	   "static routes, after the default ones");
	static const struct {
		const char *route, *error;
	} cases[] = {
		{ "{'to': '10.8.0.0/16', 'via': '70.0.0.1', 'interface': 'lan'}",
		  "network.routes: 10.8.0.0/16: 70.0.0.1 is on no link of interface lan, but on one of wan" },
		{ "{'to': '10.8.0.0/16', 'via': '10.0.0.3', 'interface': 'dmz'}",
		  "network.routes: 10.8.0.0/16: no interface is called \"dmz\"; there are: lan, wan" },
		{ "{'to': 'fd08::/16', 'via': 'fd01::3'}",
		  "network.routes: fd08::/16: fd01::3 is on no link of the container (lan fd00::2/64)" },
		{ "{'to': 'fd08::/16', 'via': 'fe80::3'}",
		  "network.routes: fd08::/16: fe80::3 may be on any link, and there are several (name "
		  "one: fe80::3%lan): lan, wan" },
		{ "{'to': '10.8.0.0/16', 'via': '10.0.0.2'}",
		  "network.routes: 10.8.0.0/16: 10.0.0.2 is the container's own, on lan" },
		{ "{'to': '10.0.0.0/16', 'via': '10.0.0.3'}",
		  "network.routes: 10.0.0.0/16: it is the network of interface lan" },
		{ "{'to': '70.0.0.1', 'interface': 'lan'}",
		  "network.routes: 70.0.0.1/32: there is another route to it, by interface wan" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofree char *network = xfmt(LAN "'static': [%s]}}", cases[i].route);

		is(plan("u", network), cases[i].error, cases[i].error);
	}
	is(plan("u", LAN "'ip4': '70.0.0.1', 'static': [{'to': '0.0.0.0/0', 'via': '10.0.0.3'}]}}"),
	   "network.routes: 0.0.0.0/0: there is another route to it, by interface wan",
	   "a second default route");
	is(plan("u", "{'private': false, 'routes': {'static': [{'to': '10.8.0.0/16', 'via':"
		     " '10.0.0.1'}]}}"),
	   "network.routes can't be set: the network is not the container's own (private: false)",
	   "static routes for a network that is not its own");
}

static void test_trunk(void)
{
	const char *text = ifaces("'a': {'kind': 'ovs', 'ovs': {'bridge': 'br0', 'trunks': [20, 10]}}");

	ok(strstr(text, "host: port nu-u_a of Open vSwitch bridge br0, trunk of vlans 10,20\n"),
	   "a trunk");
}

static void test_forwards(void)
{
#define WEB "{'interfaces': {'veth': {'kind': 'veth', 'ip4': ['10.0.0.2/31'], 'hostIp4': " \
	    "['10.0.0.3/31']}}, 'forward': ["
	ok(strstr(plan("u", WEB "{'protocol': 'tcp', 'hostPort': 8080, 'port': 80}, {'protocol': 'udp',"
			    " 'address': '192.0.2.1', 'hostPort': 53, 'port': 53}]}"),
		  "container: address 10.0.0.2/31 on veth\n"
		  "host: forward tcp 8080 to 80, udp 192.0.2.1 port 53 to 53\n"),
	   "forwarded ports, last of all");
	is(plan("u", WEB "{'protocol': 'tcp', 'address': 'fd00::9', 'hostPort': 80, 'port': 80}]}"),
	   "network.forward: fd00::9: no veth has IPv6 addresses at both ends", "of an IPv6 address");
	is(plan("u", "{'interfaces': {'lan': {'kind': 'bridge', 'hostBridge': 'br0', 'ip4':"
		     " ['10.0.0.2/31']}}, 'forward': [{'protocol': 'tcp', 'hostPort': 80, 'port': 80}]}"),
	   "network.forward: no veth has addresses at both ends (ip4 and hostIp4, or ip6 and hostIp6)",
	   "without a veth");
	is(plan("u", "{'private': false, 'forward': [{'protocol': 'tcp', 'hostPort': 80, 'port': 80}]}"),
	   "network.forward can't be set: the network is not the container's own (private: false)",
	   "where the network is the host's");
}

static void test_contradictions(void)
{
	static const struct {
		const char *interfaces, *error;
	} cases[] = {
		{ "'a': {'kind': 'veth', 'ip4': ['10.0.0.2/24']}, 'b': {'kind': 'veth', 'ip4': "
		  "['10.0.0.2/31']}",
		  "interface b: ip4 10.0.0.2: also ip4 of interface a" },
		{ "'a': {'kind': 'veth', 'ip4': ['10.0.0.2/24'], 'hostIp4': ['10.0.0.2/24']}",
		  "interface a: hostIp4 10.0.0.2: also ip4 of interface a" },
		{ "'a': {'kind': 'veth', 'ip6': ['fe80::2/64'], 'hostIp6': ['fe80::2/64']}",
		  "interface a: hostIp6 fe80::2: also ip6 of interface a" },
		{ "'a': {'kind': 'veth', 'hostIp4': ['10.0.0.1/24'], 'ip6': ['fd00::1/64']}",
		  "interface a: hostIp4 without ip4" },
		{ "'a': {'kind': 'veth', 'hostIp6': ['fd00::1/64'], 'ip4': ['10.0.0.1/24']}",
		  "interface a: hostIp6 without ip6" },
		{ "'a': {'kind': 'veth', 'hostBridge': 'br0', 'ip4': ['10.0.0.2/24'], 'hostIp4': "
		  "['10.0.0.1/24']}",
		  "interface a: hostIp4 on a port of bridge br0 has no effect: the bridge has the "
		  "host's addresses" },
		{ "'a': {'kind': 'ovs', 'hostBridge': 'x', 'ovs': {'bridge': 'br0'}}",
		  "interface a: hostBridge is for a veth: kind \"ovs\" has no host end" },
		{ "'interface12345': {'kind': 'veth', 'macvlan': {}}",
		  "interface interface12345: its macvlan would be mv-interface12345, which is longer "
		  "than 15 bytes" },
		{ "'a': {'kind': 'veth', 'macvlan': {}}, 'mv-a': {'kind': 'veth'}",
		  "interface a: its macvlan would be mv-a, which is an interface too" },
		{ "'a': {'kind': 'macvlan', 'parent': 'eth0', 'macvlan': {}}",
		  "interface a: a macvlan can't have another on it" },
		{ "'a': {'kind': 'vlan', 'parent': 'eth0'}",
		  "network.interfaces.a: kind \"vlan\" and the field \"vlan\" go together" },
		{ "'a': {'kind': 'vlan', 'vlan': 4095}",
		  "network.interfaces.a.vlan: 4095: expected a whole number from 1 to 4094" },
		{ "'a': {'kind': 'macvlan'}",
		  "network.interfaces.a: kinds \"vlan\" and \"macvlan\" need a \"parent\", the host's "
		  "link they are on; others have none" },
		{ "'a': {'kind': 'bridge', 'ip4': ['10.0.0.2/24']}",
		  "interface a: a bridge interface needs hostBridge" },
		{ "'a': {'kind': 'veth', 'ip4': ['10.0.0.2/24'], 'hostIp4': ['10.0.0.1/24']}, 'b': "
		  "{'kind': 'veth', 'ip4': ['10.0.0.4/24'], 'hostIp4': ['10.0.0.3/24']}",
		  "interface a: 10.0.0.1/24 lies in a network of interface b too" },
		{ "'a': {'kind': 'veth', 'ip4': ['10.0.0.2/24'], 'hostIp4': ['10.0.0.1/24']}, 'b': "
		  "{'kind': 'bridge', 'hostBridge': 'x', 'ip4': ['10.0.0.7/25']}",
		  "interface a: 10.0.0.1/24 lies in a network of interface b too" },
		{ "'a': {'kind': 'veth', 'mac': '02:00:00:00:00:01'}, 'b': {'kind': 'veth', 'mac': "
		  "'02:00:00:00:00:01'}",
		  "interface b: mac 02:00:00:00:00:01: also that of interface a" },
		{ "'a': {'kind': 'vlan', 'parent': 'eth0', 'vlan': 7}, 'b': {'kind': 'vlan', 'parent': "
		  "'eth1', 'vlan': 7}, 'c': {'kind': 'vlan', 'parent': 'eth0', 'vlan': 7}",
		  "interface c: VLAN 7 of eth0, as interface a" },
		{ "'a': {'kind': 'veth', 'mtu': 1000, 'ip6': ['fd00::1/64']}",
		  "interface a: mtu 1000: IPv6 needs at least 1280" },
		{ "'all': {'kind': 'veth'}", "interface all: the kernel keeps this name for itself" },
		{ "'a': {'kind': 'veth', 'ip4': ['10.0.0.0/24']}",
		  "interface a: ip4 10.0.0.0/24: the address of the network itself" },
		{ "'a': {'kind': 'veth', 'ip4': ['10.0.0.255/24']}",
		  "interface a: ip4 10.0.0.255/24: the broadcast address of its network" },
		{ "'a': {'kind': 'veth', 'ip4': ['127.0.0.2/8']}",
		  "interface a: ip4 127.0.0.2/8: a loopback address" },
		{ "'a': {'kind': 'veth', 'ip4': ['224.0.0.1/4']}",
		  "interface a: ip4 224.0.0.1/4: a multicast address" },
		{ "'a': {'kind': 'veth', 'ip4': ['0.0.0.0/0']}",
		  "interface a: ip4 0.0.0.0/0: not the address of an interface" },
		{ "'a': {'kind': 'veth', 'ip6': ['::1/128']}",
		  "interface a: ip6 ::1/128: the loopback address, which every namespace has" },
		{ "'a': {'kind': 'veth', 'ip6': ['ff02::1/64']}",
		  "interface a: ip6 ff02::1/64: a multicast address" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		is(ifaces(cases[i].interfaces), cases[i].error, cases[i].error);

	/* What looks like one and isn't. */
	ok(strstr(ifaces("'a': {'kind': 'veth', 'ip6': ['fe80::2/64'], 'hostIp6': ['fe80::1/64']}, "
			 "'b': {'kind': 'veth', 'ip6': ['fe80::2/64'], 'hostIp6': ['fe80::1/64']}"),
		  "host: address fe80::1/64 on nu-u_b\n"),
	   "the same link-local address on two links is fine");
	ok(strstr(ifaces("'a': {'kind': 'veth', 'ip4': ['10.0.0.2/8'], 'hostIp4': ['10.0.0.1/8']}, "
			 "'b': {'kind': 'veth', 'ip4': ['10.9.0.2/24'], 'hostIp4': ['10.9.0.1/24']}"),
		  "host: address 10.9.0.1/24 on nu-u_b\n"),
	   "a network within a wider one is fine");
}

static void test_names(void)
{
	char name[IF_NAMESIZE], alias[NET_ALIAS], id[65] = "";

	net_host_name("web2", "veth", name);
	is(name, "nu-web2", "the interface called veth");
	net_host_name("web2", "lan", name);
	is(name, "nu-web2_lan", "another one");
	net_host_name("abcdefghijkl", "veth", name);
	is(name, "nu-abcdefghijkl", "15 bytes");
	net_host_name("abcdefghijklm", "veth", name);
	is(name, "nu-6b9c7dd9ab16", "16 bytes: hashed");
	net_host_name("router1", "interface-of-15", name);
	is_int(strlen(name), 15, "a hashed name has 15");
	memset(id, 'a', 64);
	is_int(strlen(net_alias(id, "interface-of-15", alias)), 9 + 64 + 1 + 15,
	       "the longest alias fits");
}

static void test_json(void)
{
	autoplan struct net_plan p = { 0 };
	struct err e;
	autounit struct unit *u = unit_with("web2",
					    "{'interfaces': {'veth': {'kind': 'veth', 'ip4': "
					    "['10.0.0.2/32'], 'mtu': 1400, 'hostIp4': ['10.0.0.1/31']}},"
					    "'routes': {'ip4': '10.0.0.1'}}",
					    &e);

	if (!u || net_plan(u, &p, &e) < 0) {
		ok(false, "%s", e.text);
		return;
	}
	autojson cJSON *j = net_plan_json(&p);
	autofree char *text = cJSON_PrintUnformatted(j);
	is(text,
	   "{\"id\":\"web2\",\"operations\":["
	   "{\"where\":\"host\",\"operation\":\"link-add\",\"link\":\"nu-web2\",\"kind\":\"veth\","
	   "\"peer\":\"veth\",\"mtu\":1400,"
	   "\"text\":\"link nu-web2: veth, the other end is veth in the container, mtu 1400\"},"
	   "{\"where\":\"host\",\"operation\":\"link-set\",\"link\":\"nu-web2\",\"up\":true,"
	   "\"text\":\"link nu-web2: up\"},"
	   "{\"where\":\"host\",\"operation\":\"address-add\",\"link\":\"nu-web2\","
	   "\"address\":\"10.0.0.1/31\",\"text\":\"address 10.0.0.1/31 on nu-web2\"},"
	   "{\"where\":\"host\",\"operation\":\"route-add\",\"link\":\"nu-web2\","
	   "\"destination\":\"10.0.0.2/32\",\"text\":\"route 10.0.0.2/32 on nu-web2\"},"
	   "{\"where\":\"container\",\"operation\":\"link-set\",\"link\":\"lo\",\"up\":true,"
	   "\"text\":\"link lo: up\"},"
	   "{\"where\":\"container\",\"operation\":\"link-set\",\"link\":\"veth\",\"up\":true,"
	   "\"text\":\"link veth: up\"},"
	   "{\"where\":\"container\",\"operation\":\"address-add\",\"link\":\"veth\","
	   "\"address\":\"10.0.0.2/32\",\"text\":\"address 10.0.0.2/32 on veth\"},"
	   "{\"where\":\"container\",\"operation\":\"route-add\",\"link\":\"veth\","
	   "\"destination\":\"10.0.0.1/32\",\"text\":\"route 10.0.0.1/32 on veth\"},"
	   "{\"where\":\"container\",\"operation\":\"route-add\",\"link\":\"veth\","
	   "\"destination\":\"0.0.0.0/0\",\"via\":\"10.0.0.1\","
	   "\"text\":\"route default via 10.0.0.1 on veth\"}]}",
	   "a plan as JSON");
}

int main(void)
{
	test_plans();
	test_gateways();
	test_static_routes();
	test_forwards();
	test_trunk();
	test_contradictions();
	test_names();
	test_json();
	return tap_done();
}
