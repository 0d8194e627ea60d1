/* unit: the unit document, whole, and one case for each way to be wrong. */
#include "../../lib/unit.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "../../lib/json.h"
#include "tap.h"

static const char whole[] =
	"{'version': 1, 'id': 'router1', 'system': '/nix/store/s', 'init': '/nix/store/s/init',"
	" 'os': {'name': 'NixOS', 'version': '25.11'},"
	" 'caps': ['CAP_NET_ADMIN'], 'privateUsers': true, 'autoStart': true,"
	" 'bind': [{'source': '/srv/logs', 'target': '/var/log/service', 'readOnly': true}],"
	" 'network': {'private': true, 'netns': null,"
	"  'interfaces': {"
	"   'lan': {'kind': 'ovs', 'ip4': ['10.0.0.2/16'], 'ip6': ['a:b:c:d::e/64'],"
	"    'ovs': {'bridge': 'br0', 'vlan': 356},"
	"    'macvlan': {'vrid': 7, 'ip4': ['10.0.0.9/16'], 'ip6': []}},"
	"   'veth': {'kind': 'veth', 'ip4': ['192.168.20.2/31'], 'hostIp4': ['192.168.20.1/31'],"
	"    'mtu': 1400, 'mac': '02:00:00:00:00:07'}},"
	"  'routes': {'ip4': '10.0.0.254', 'ip6': null}, 'dns': ['9.9.9.9', '2620:fe::fe'],"
	"  'hosts': '::1 localhost',"
	"  'nft': 'table inet filter {}'},"
	" 'sysctl': {'net.ipv4.ip_forward': '1'}, 'extra': 'true', 'readyCheck': null,"
	" 'limits': {'memory': 536870912, 'pids': 100, 'cpu': null,"
	"  'rlimits': {'nofile': {'soft': 1024, 'hard': -1}}},"
	" 'nspawnArgs': ['--setenv=A=B']}";

/* Parses text, in which ' stands for ". */
static struct unit *parse(const char *text, struct err *e)
{
	autofree char *json = xstrdup(text);

	for (char *p = json; *p; p++)
		if (*p == '\'')
			*p = '"';
	return unit_parse(json, strlen(json), e);
}

static void test_whole(void)
{
	struct err e = { 0 };
	autounit struct unit *u = parse(whole, &e);
	char text[ADDR_TEXT];

	is(u ? "parsed" : e.text, "parsed", "a whole document");
	if (!u)
		return;
	is(u->id, "router1", "id");
	is(u->os_version, "25.11", "os.version");
	is(u->caps[0], "CAP_NET_ADMIN", "caps");
	ok(u->n_caps == 1 && !u->caps[1], "caps ends with NULL");
	ok(u->private_users && u->auto_start, "flags");
	ok(u->n_binds == 1 && u->binds[0].read_only, "bind");
	is(u->binds[0].target, "/var/log/service", "bind.target");
	is_int(u->net.n_ifaces, 2, "interfaces");
	struct iface *lan = &u->net.ifaces[0], *veth = &u->net.ifaces[1];
	ok(lan->kind == IFACE_OVS && lan->ovs.vlan == 356, "an ovs port and its VLAN");
	is(lan->ovs.bridge, "br0", "its bridge");
	is(addr_text(&lan->ip6.v[0], true, text), "a:b:c:d::e/64", "its address");
	ok(lan->macvlan.present && lan->macvlan.vrid == 7 && lan->macvlan.ip4.n == 1, "its macvlan");
	ok(veth->kind == IFACE_VETH && veth->mtu == 1400, "a veth and its MTU");
	ok(veth->has_mac && veth->mac[5] == 7 && !lan->has_mac, "its MAC");
	is(addr_text(&veth->host_ip4.v[0], true, text), "192.168.20.1/31", "the host's address");
	is(addr_text(&u->net.route4, false, text), "10.0.0.254", "the v4 default route");
	is_int(u->net.route6.family, 0, "no v6 default route");
	ok(!u->net.dns_copy && u->net.dns.n == 2 && u->net.dns.v[1].family == AF_INET6, "resolvers");
	ok(u->net.hosts && streq(u->net.hosts, "::1 localhost"), "lines of /etc/hosts");
	is(u->sysctls[0].key, "net.ipv4.ip_forward", "sysctl");
	ok(u->limits.memory == 512 << 20 && u->limits.pids == 100 && !u->limits.cpu, "limits");
	ok(u->limits.n == 1 && u->limits.v[0].soft == 1024 && u->limits.v[0].hard == -1,
	   "limits.rlimits");
	ok(streq(u->nspawn_args[0], "--setenv=A=B") && !u->nspawn_args[1], "nspawnArgs");
}

static void test_defaults(void)
{
	struct err e = { 0 };
	autounit struct unit *u = parse("{'version': 1, 'id': 'a', 'system': '/nix/store/s',"
					" 'init': '/nix/store/s/init'}",
					&e);

	is(u ? "parsed" : e.text, "parsed", "the least document");
	if (!u)
		return;
	ok(u->net.private, "a network of its own is the default");
	ok(u->private_users, "a user namespace too");
	ok(u->net.dns_copy, "and the host's resolvers");
	ok(!u->net.hosts, "but not the names of its units");
	ok(u->n_caps == 0 && u->net.n_ifaces == 0 && !u->auto_start, "nothing else");
}

/* Documents made wrong in one place, by putting `with` for the first `what`. */
static void test_errors(void)
{
	static const struct {
		const char *what, *with, *error;
	} cases[] = {
		{ "'version': 1, ", "", "version: missing" },
		{ "'version': 1", "'version': 2",
		  "version: 2: this nixunits reads version 1; a newer one wrote this document" },
		{ "'version': 1", "'version': 0",
		  "version: 0: this nixunits reads version 1; build the unit again" },
		{ "'id': 'router1', ", "", "id: missing" },
		{ "'router1'", "7", "id: expected a string, got a number" },
		{ "'router1'", "'Router1'",
		  "id: id \"Router1\": only lower case letters, digits and \"-\" are allowed" },
		{ "'extra'", "'extras'", "extras: unknown field" },
		{ "'/nix/store/s'", "'/tmp/s'", "system: \"/tmp/s\": expected a path in /nix/store" },
		{ "'/nix/store/s/init'", "'/nix/store/../init'",
		  "init: \"/nix/store/../init\": \"..\" in a path" },
		{ "'NixOS'", "['NixOS']", "os.name: expected a string, got a list" },
		{ "['CAP_NET_ADMIN']", "['CAP_NOTHING']",
		  "caps[0]: \"CAP_NOTHING\": not a capability; did you mean CAP_SETGID" },
		{ "['CAP_NET_ADMIN']", "'CAP_NET_ADMIN'", "caps: expected a list, got a string" },
		{ "'privateUsers': true", "'privateUsers': 'yes'",
		  "privateUsers: expected true or false, got a string" },
		{ "'/srv/logs'", "'srv/logs'",
		  "bind[0].source: \"srv/logs\": expected an absolute path" },
		{ "'/var/log/service'", "'/'",
		  "bind[0].target: \"/\": the container has its own there; only what lies below can "
		  "be bound" },
		{ "'readOnly': true}", "'readOnly': true}, {'source': '/a', 'target': "
				       "'/var/log/service'}",
		  "bind[1].target: \"/var/log/service\": a bind target given twice" },
		{ "'/var/log/service'", "'/proc/'",
		  "bind[0].target: \"/proc\": the container has its own there; only what lies below "
		  "can be bound" },
		{ "'/var/log/service'", "'/.//'",
		  "bind[0].target: \"/\": the container has its own there; only what lies below can "
		  "be bound" },
		{ "'/var/log/service'", "'/./..'", "bind[0].target: \"/..\": \"..\" in a path" },
		{ "'readOnly': true}", "'readOnly': true}, {'source': '/a', 'target': "
				       "'//var/./log/service/'}",
		  "bind[1].target: \"/var/log/service\": a bind target given twice" },
		{ "'readOnly'", "'ro'", "bind[0].ro: unknown field" },
		{ "'lan': {", "'interface-of-16b': {",
		  "network.interfaces.interface-of-16b: \"interface-of-16b\": longer than the 15 bytes "
		  "of an interface name" },
		{ "'lan': {", "'a b': {", "network.interfaces.\"a b\": \"a b\": not an interface name" },
		{ "'lan': {", "'a/b': {", "network.interfaces.a/b: \"a/b\": not an interface name" },
		{ "'lan': {", "'': {", "network.interfaces.: \"\": not an interface name" },
		{ "'lan': {", "'veth': {", "network.interfaces.veth: given twice" },
		{ "'lan': {", "'lo': {",
		  "network.interfaces.lo: \"lo\" is every namespace's own, it can't be declared" },
		{ "'kind': 'ovs'", "'kind': 'tun'",
		  "network.interfaces.lan.kind: \"tun\": expected veth, ovs, bridge, vlan, macvlan or "
		  "host" },
		{ "'kind': 'ovs', ", "", "network.interfaces.lan.kind: missing" },
		{ "'kind': 'ovs'", "'kind': 'veth'",
		  "network.interfaces.lan: kind \"ovs\" and the field \"ovs\" go together" },
		{ "'10.0.0.2/16'", "'10.0.0.2/33'",
		  "network.interfaces.lan.ip4[0]: \"10.0.0.2/33\": prefix length above 32" },
		{ "'10.0.0.2/16'", "'a::1/64'",
		  "network.interfaces.lan.ip4[0]: \"a::1\": expected an IPv4 address" },
		{ "['10.0.0.2/16']", "['10.0.0.2/16', '10.0.0.2/24']",
		  "network.interfaces.lan.ip4[1]: \"10.0.0.2/24\": given twice" },
		{ "['10.0.0.2/16']", "'10.0.0.2/16'",
		  "network.interfaces.lan.ip4: expected a list, got a string" },
		{ "'vlan': 356", "'vlan': 4356",
		  "network.interfaces.lan.ovs.vlan: 4356: expected a whole number from 1 to 4094" },
		{ "'vlan': 356", "'vlan': 0",
		  "network.interfaces.lan.ovs.vlan: 0: expected a whole number from 1 to 4094" },
		{ "'vlan': 356", "'vlan': -1",
		  "network.interfaces.lan.ovs.vlan: -1: expected a whole number from 1 to 4094" },
		{ "'10.0.0.2/16'", "'10.0.0.2'",
		  "network.interfaces.lan.ip4[0]: \"10.0.0.2\": expected a prefix length, such as /24" },
		{ "'a:b:c:d::e/64'", "'a:b:c:d::e'",
		  "network.interfaces.lan.ip6[0]: \"a:b:c:d::e\": expected a prefix length, such as /64" },
		{ "'192.168.20.1/31'", "'192.168.20.1'",
		  "network.interfaces.veth.hostIp4[0]: \"192.168.20.1\": expected a prefix length, such as "
		  "/24" },
		{ "'vlan': 356", "'trunks': [10, 4095]",
		  "network.interfaces.lan.ovs.trunks[1]: 4095: expected a whole number from 1 to 4094" },
		{ "'vlan': 356", "'trunks': [10, 10]",
		  "network.interfaces.lan.ovs.trunks[1]: 10: given twice" },
		{ "'vlan': 356", "'vlan': 356, 'trunks': [10]",
		  "network.interfaces.lan.ovs.trunks: a port is of one VLAN (vlan) or a trunk of some, not "
		  "both" },
		{ "'bridge': 'br0', ", "", "network.interfaces.lan.ovs.bridge: missing" },
		{ "'vrid': 7", "'vrid': 256",
		  "network.interfaces.lan.macvlan.vrid: 256: expected a whole number from 1 to 255" },
		{ "'mtu': 1400", "'mtu': 67",
		  "network.interfaces.veth.mtu: 67: expected a whole number from 68 to 65535" },
		{ "'02:00:00:00:00:07'", "'02:00:00:00:00'",
		  "network.interfaces.veth.mac: \"02:00:00:00:00\": not a MAC address such as "
		  "02:00:00:00:00:01" },
		{ "'10.0.0.254'", "'10.0.0.254/16'",
		  "network.routes.ip4: \"10.0.0.254/16\": expected an address without a prefix length" },
		{ "'ip6': null", "'static': [{'to': '10.8.0.1/16', 'via': '10.0.0.3'}]",
		  "network.routes.static[0].to: \"10.8.0.1/16\": not a network, it has bits beyond its "
		  "prefix length" },
		{ "'ip6': null", "'static': [{'to': '10.8.0.0/16', 'via': 'fd00::1'}]",
		  "network.routes.static[0].via: \"fd00::1\": expected an IPv4 address" },
		{ "'ip6': null", "'static': [{'to': '10.8.0.0/16'}]",
		  "network.routes.static[0]: a route needs a next hop (via), an interface, or both" },
		{ "'ip6': null", "'static': [{'to': 'fd::/16', 'via': 'fd00::1'}, {'to': 'fd::/16', "
				 "'interface': 'a'}]",
		  "network.routes.static[1].to: \"fd::/16\": given twice" },
		{ "'nft':", "'forward': [{'protocol': 'sctp', 'hostPort': 80, 'port': 80}], 'nft':",
		  "network.forward[0].protocol: \"sctp\": expected \"tcp\" or \"udp\"" },
		{ "'nft':", "'forward': [{'protocol': 'tcp', 'hostPort': 70000, 'port': 80}], 'nft':",
		  "network.forward[0].hostPort: 70000: expected a whole number from 1 to 65535" },
		{ "'nft':", "'forward': [{'protocol': 'tcp', 'hostPort': 80}], 'nft':",
		  "network.forward[0].port: missing" },
		{ "'nft':", "'forward': [{'protocol': 'tcp', 'hostPort': 80, 'port': 80}, {'protocol': "
			    "'tcp', 'address': '192.0.2.1', 'hostPort': 80, 'port': 81}], 'nft':",
		  "network.forward[1]: tcp port 80: given twice" },
		{ "'nft':", "'forward': [{'protocol': 'tcp', 'address': '::1', 'hostPort': 80, 'port': "
			    "80}], 'nft':",
		  "network.forward[0].address: the kernel lets nothing from or to ::1 leave the host; "
		  "127.0.0.1 can be forwarded" },
		{ "'9.9.9.9'", "'dns.example'",
		  "network.dns[0]: \"dns.example\": not an IPv4 address" },
		{ "['9.9.9.9', '2620:fe::fe']", "'auto'",
		  "network.dns: \"auto\": expected \"copy\", \"none\" or a list of servers" },
		{ "'private': true", "'private': false",
		  "network.interfaces: interfaces can't be declared for a network that is not the "
		  "container's own (private: false)" },
		{ "'netns': null", "'netns': '/run/netns/x'",
		  "network.interfaces: interfaces can't be declared for a network that is not the "
		  "container's own (netns)" },
		{ "'net.ipv4.ip_forward'", "'../kernel/core_pattern'",
		  "sysctl.\"../kernel/core_pattern\": \"../kernel/core_pattern\": not the name of a "
		  "sysctl" },
		{ "{'net.ipv4.ip_forward': '1'}", "{'a': 1}",
		  "sysctl.a: expected a string, got a number" },
		{ "536870912", "1",
		  "limits.memory: 1: expected a whole number from 1048576 to 9007199254740991" },
		/* 2^63, and the smallest that a double can't tell from its neighbour. */
		{ "536870912", "9223372036854775808",
		  "limits.memory: 9.2233720368547758e+18: expected a whole number from 1048576 to "
		  "9007199254740991" },
		{ "536870912", "9007199254740993",
		  "limits.memory: 9007199254740992: expected a whole number from 1048576 to "
		  "9007199254740991" },
		{ "536870912", "'1G'", "limits.memory: expected a number, got a string" },
		{ "'memory'", "'swap'", "limits.swap: unknown field" },
		{ "'pids': 100", "'pids': 0",
		  "limits.pids: 0: expected a whole number from 1 to 4194304" },
		{ "'nofile'", "'files'",
		  "limits.rlimits.files: not a resource limit; expected one of getrlimit(2), as "
		  "\"nofile\"" },
		{ "'hard': -1", "'hard': 1", "limits.rlimits.nofile.soft: above the hard limit" },
		{ "'readyCheck': null", "'readyCheck': 'true'",
		  "readyCheck: \"true\": expected an absolute path" },
		{ "['--setenv=A=B']", "[null]", "nspawnArgs[0]: expected a string, got null" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *at = strstr(whole, cases[i].what);
		struct err e = { 0 };

		if (!at) {
			ok(false, "%s is in the document", cases[i].what);
			continue;
		}
		autofree char *text = xfmt("%.*s%s%s", (int)(at - whole), whole, cases[i].with,
					   at + strlen(cases[i].what));
		autounit struct unit *u = parse(text, &e);
		is(u ? "parsed" : e.text, cases[i].error, cases[i].error);
		if (!u && e.code != 2)
			ok(false, "as a usage error");
	}
}

/* One place has one spelling. */
static void test_paths(void)
{
	static const char *const cases[][2] = {
		{ "/srv/x/", "/srv/x" }, { "//srv///x", "/srv/x" }, { "/./srv/./x/.", "/srv/x" },
		{ "/.x/y./...", "/.x/y./..." }, { "/a", "/a" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = { 0 };
		autofree char *text = xfmt("{'version': 1, 'id': 'a', 'system': '/nix/store//s/', 'init': "
					   "'/nix/store/s/init', 'bind': [{'source': '%s', 'target': '%s'}]}",
					   cases[i][0], cases[i][0]);
		autounit struct unit *u = parse(text, &e);

		is(u ? u->binds[0].source : e.text, cases[i][1], cases[i][0]);
		is(u ? u->binds[0].target : e.text, cases[i][1], "as a target too");
		is(u ? u->system : e.text, "/nix/store/s", "a store path");
	}
}

static void test_netns(void)
{
	static const char joins[] = "{'version': 1, 'id': 'a', 'system': '/nix/store/s', 'init': "
				    "'/nix/store/s/init', 'privateUsers': %s,"
				    " 'network': {'netns': '/run/netns/x'}}";
	autofree char *with = xfmt(joins, "true"), *without = xfmt(joins, "false");
	struct err e = { 0 };
	autounit struct unit *u = parse(without, &e);
	autounit struct unit *bad = parse(with, &e);

	ok(u != NULL, "netns without a user namespace");
	is(bad ? "parsed" : e.text,
	   "network: a container that joins a network namespace (netns) can't have a user namespace "
	   "(privateUsers)",
	   "not with one");
}

static const char *id(const char *text)
{
	static struct err e;

	return id_check(text, &e) == 0 ? "good" : e.text;
}

static void test_ids(void)
{
	char longest[66];

	memset(longest, 'a', sizeof(longest));
	longest[65] = '\0';
	ok(strstr(id(longest), "65 characters, at most 64 are allowed"), "65 characters");
	longest[64] = '\0';
	is(id(longest), "good", "64 characters");
	is(id("web-2"), "good", "web-2");
	is(id("0"), "good", "one digit");
	is(id(""), "the id is empty", "none");
	is(id("a/b"), "id \"a/b\": only lower case letters, digits and \"-\" are allowed", "a slash");
	is(id(".."), "id \"..\": only lower case letters, digits and \"-\" are allowed", "dots");
	is(id("a_b"), "id \"a_b\": only lower case letters, digits and \"-\" are allowed", "a _");
	is(id("A"), "id \"A\": only lower case letters, digits and \"-\" are allowed", "upper case");
	is(id("-a"), "id \"-a\": begins or ends with \"-\"", "a dash before");
	is(id("a-"), "id \"a-\": begins or ends with \"-\"", "a dash after");
	is(id("a\nb"), "id \"a\\x0ab\": only lower case letters, digits and \"-\" are allowed",
	   "a newline, shown");
}

static void names_of_others(void)
{
	autofree char *long_one = xalloc(400);

	is(plain("br0.7"), "br0.7", "a plain name is shown as it is");
	is(plain("x\033[31m"), "\"x\\x1b[31m\"", "one with an escape is not");
	is(plain("x\302\2331m"), "\"x\\xc2\\x9b1m\"", "nor is one with UTF-8's");
	is(plain("gr\303\274n"), "gr\303\274n", "other letters are");
	for (int i = 0; i < 399; i++)
		long_one[i] = i % 2 ? '\233' : '\302';
	ok(strlen(quoted(long_one)) < 120 && ends_with(quoted(long_one), "...\""), "a long one is cut");
}

int main(void)
{
	names_of_others();
	test_whole();
	test_defaults();
	test_errors();
	test_paths();
	test_netns();
	test_ids();
	return tap_done();
}
