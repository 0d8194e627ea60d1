/* net: each operation of a plan refused in turn, by the kernel, and the state of both
 * namespaces before and after. Root only; works in network namespaces of its own. With an
 * argument, a unit document, that one's plan is tried, this namespace being the host's. */
#include <fcntl.h>
#include <linux/if_addr.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../lib/json.h"
#include "../../lib/net.h"
#include "../../lib/netsession.h"
#include "../../lib/netsysctl.h"
#include "../../lib/proc.h"
#include "tap.h"

static const char declaration[] =
	"{\"version\": 1, \"id\": \"u\", \"system\": \"/nix/store/s\", \"init\": \"/nix/store/i\","
	" \"network\": {\"interfaces\": {"
	"  \"veth\": {\"kind\": \"veth\", \"ip4\": [\"10.0.0.2/31\"], \"hostIp4\": [\"10.0.0.1/31\"],"
	"   \"ip6\": [\"fd00::2/127\"], \"hostIp6\": [\"fd00::1/127\"], \"mtu\": 1400},"
	"  \"lan\": {\"kind\": \"veth\", \"ip4\": [\"10.1.0.2/24\", \"10.1.0.3/24\"],"
	"   \"hostIp4\": [\"10.1.0.1/24\"], \"mac\": \"02:00:00:00:00:07\"}},"
	" \"routes\": {\"ip4\": \"10.1.0.1\", \"ip6\": \"fd00::1\","
	"  \"static\": [{\"to\": \"10.8.0.0/16\", \"via\": \"10.1.0.9\"},"
	"   {\"to\": \"fd08::/48\", \"via\": \"fd00::1\"}]}},"
	" \"sysctl\": {\"net.ipv4.ip_forward\": \"1\", \"net/ipv4/conf/lan/rp_filter\": \"1\"}}";

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Everything of a namespace that could have been changed, one line a fact, sorted. */
static void state(int netns, const char *name, struct strv *sv)
{
	struct live live;
	struct err e;
	char a[ADDR_TEXT], b[ADDR_TEXT];

	if (net_live(netns, &live, &e) < 0)
		strv_addf(sv, "%s: %s", name, e.text);
	for (size_t i = 0; i < live.n_links; i++) {
		const struct live_link *l = &live.links[i];

		strv_addf(sv, "%s: link %s %d up %d mtu %u mac %s alias %s master %d", name, l->name,
			  l->index, !!(l->flags & IFF_UP), l->mtu, mac_text(l->mac, a), l->alias,
			  l->master);
	}
	for (size_t i = 0; i < live.n_addrs; i++) {
		const struct live_link *l = live_link_at(&live, live.addrs[i].index);

		/* (The kernel gives the loopback its own when it goes up for the first time.) */
		if (live.addrs[i].scope < RT_SCOPE_LINK && l)
			strv_addf(sv, "%s: address %s peer %s on %s by %d", name,
				  addr_text(&live.addrs[i].addr, true, a),
				  live.addrs[i].peer.family ? addr_text(&live.addrs[i].peer, false, b) :
							      "-",
				  l->name, live.addrs[i].protocol);
	}
	for (size_t i = 0; i < live.n_routes; i++) {
		const struct live_route *r = &live.routes[i];
		const struct live_link *l = live_link_at(&live, r->index);

		if (r->to.family == AF_INET6 && r->to.bytes[0] == 0xfe)
			continue; /* link-local: comes and goes with the carrier */
		strv_addf(sv, "%s: route %s via %s on %s metric %u type %d by %d", name,
			  addr_text(&r->to, true, a), r->via.family ? addr_text(&r->via, false, b) : "-",
			  l ? l->name : "?", r->metric, r->type, r->protocol);
	}
	live_free(&live);
	if (sv->n)
		qsort(sv->v, sv->n, sizeof(*sv->v), by_text);
}

static void settings(int netns, struct strv *sv)
{
	static const char *const keys[] = { "net.ipv4.ip_forward", "net.ipv4.conf.lan.rp_filter" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct err e;
		autofree char *value = netsysctl_read(netns, keys[i], &e);

		strv_addf(sv, "container: %s = %s", keys[i], value ? value : "-");
	}
}

static void rules(int netns, const char *name, struct strv *sv)
{
	autobuf struct buf b = { 0 };
	struct err e;

	if (nft_save(netns, &b, &e) < 0)
		strv_addf(sv, "%s: %s", name, e.text);
	else
		strv_addf(sv, "%s: rules %s", name, b.p);
}

static void ports(const char *id, struct strv *sv)
{
	autofree struct ovs_port *v = NULL;
	size_t n = 0;
	struct err e;

	if (ovs_present() && ovs_ports(id, &v, &n, &e) < 0)
		strv_addf(sv, "ports: %s", e.text);
	for (size_t i = 0; i < n; i++) {
		autobuf struct buf trunks = { 0 };

		ovs_trunks_text(v[i].trunks, &trunks);
		strv_addf(sv, "port %s of %s for %s: vlan %ld trunks %s mode %s", v[i].name, v[i].bridge,
			  v[i].iface, v[i].vlan, trunks.n ? trunks.p : "", v[i].mode);
	}
}

static char *states(const char *id, int netns)
{
	struct strv sv = { 0 };
	struct buf b = { 0 };

	state(-1, "host", &sv);
	state(netns, "container", &sv);
	settings(netns, &sv);
	rules(-1, "host", &sv);
	rules(netns, "container", &sv);
	ports(id, &sv);
	for (size_t i = 0; i < sv.n; i++)
		buf_addf(&b, "%s\n", sv.v[i]);
	strv_free(&sv);
	return b.p;
}

/* Refuses each operation that net_up would do now. The unit stays as it was. */
static void refuse_each(const struct unit *u, int netns, const char *when)
{
	autoplan struct net_plan todo = { 0 };
	autofree char *before = states(u->id, netns);
	struct net_report r;
	struct err e = { 0 };

	int ret = net_todo(u, netns, &todo, &e);
	ok(ret == 0 && todo.n > 0, "%s: %zu operations to do", when, todo.n);
	for (size_t k = 1; k <= todo.n; k++) {
		autofree char *want = xfmt("operation %zu of %zu: %s: ", k, todo.n,
					   net_where_name(todo.v[k - 1].where));
		autofree char *name = xfmt("%s: refused %zu: nothing is left of the others", when, k);
		char text[NET_OP_TEXT];

		e.text[0] = '\0';
		ret = net_up_report(u, netns, k, &r, &e);
		ok(ret == -1 && strncmp(e.text, want, strlen(want)) == 0 &&
			   strstr(e.text, net_op_text(&todo.v[k - 1], text)) &&
			   !strstr(e.text, "not undone"),
		   "%s: refused %zu: %s", when, k, e.text);
		autofree char *after = states(u->id, netns);
		is(after, before, name);
	}
}

/* Changes the live state by hand, as operations of no plan: through the library's own
 * socket, with what a person would do by ip(8). A new link is a bridge, a route on the
 * loopback a black hole. */
static void by_hand(int netns, uint16_t type, uint16_t flags, const char *link, const char *addr,
		    const char *via, unsigned int mtu)
{
	autonl struct nl nl = { .fd = -1 };
	autolive struct live live = { 0 };
	autobatch struct nl_batch b = { 0 };
	struct nl_result r = { 0 };
	struct err e = { 0 };
	struct addr a = { 0 }, v = { 0 };
	struct nlmsghdr *h;

	if (nl_open(&nl, netns, &e) < 0 || live_links(&nl, &live, &e) < 0)
		ok(false, "%s", e.text);
	const struct live_link *l = live_link(&live, link);
	if ((!l && type != RTM_NEWLINK) || (addr && addr_parse(addr, 0, &a, &e) < 0) ||
	    (via && addr_parse_host(via, 0, &v, &e) < 0)) {
		ok(false, "by hand: %s", e.text);
		return;
	}
	if (type == RTM_NEWLINK || type == RTM_DELLINK) {
		struct ifinfomsg m = { .ifi_index = l ? l->index : 0,
				       .ifi_flags = IFF_UP,
				       .ifi_change = IFF_UP };

		h = nl_add(&b, type, flags, &m, sizeof(m));
		mnl_attr_put_strz(h, IFLA_IFNAME, link);
		struct nlattr *info = mnl_attr_nest_start(h, IFLA_LINKINFO);
		mnl_attr_put_strz(h, IFLA_INFO_KIND, "bridge");
		mnl_attr_nest_end(h, info);
	} else if (type == RTM_SETLINK) {
		struct ifinfomsg m = { .ifi_index = l->index };

		h = nl_add(&b, type, flags, &m, sizeof(m));
		mnl_attr_put_u32(h, IFLA_MTU, mtu);
	} else if (type == RTM_NEWADDR || type == RTM_DELADDR) {
		struct ifaddrmsg m = { .ifa_family = a.family,
				       .ifa_prefixlen = a.prefix,
				       .ifa_index = l->index };

		h = nl_add(&b, type, flags, &m, sizeof(m));
		mnl_attr_put(h, IFA_LOCAL, addr_bits(a.family) / 8, a.bytes);
		mnl_attr_put(h, IFA_ADDRESS, addr_bits(a.family) / 8, via ? v.bytes : a.bytes);
		if (type == RTM_NEWADDR && a.family == AF_INET6)
			mnl_attr_put_u32(h, IFA_FLAGS, IFA_F_NODAD);
	} else {
		struct rtmsg m = { .rtm_family = a.family,
				   .rtm_dst_len = a.prefix,
				   .rtm_table = RT_TABLE_MAIN,
				   .rtm_protocol = RTPROT_BOOT,
				   .rtm_type = l->flags & IFF_LOOPBACK ? RTN_BLACKHOLE :
									 RTN_UNICAST };

		h = nl_add(&b, type, flags, &m, sizeof(m));
		if (a.prefix)
			mnl_attr_put(h, RTA_DST, addr_bits(a.family) / 8, a.bytes);
		if (v.family)
			mnl_attr_put(h, RTA_GATEWAY, addr_bits(v.family) / 8, v.bytes);
		if (m.rtm_type == RTN_UNICAST)
			mnl_attr_put_u32(h, RTA_OIF, l->index);
	}
	ok(nl_run(&nl, &b, &r, &e) == 0 && r.n == 0, "by hand: %s %s %s", link, addr ? addr : "",
	   r.n ? r.v[0].text : e.text);
	free(r.v);
}

/* What there is of ports, rules and settings is changed by hand. */
static void others_at_work(const struct unit *u, int netns)
{
	char port[IF_NAMESIZE];
	char *argv[] = { (char *)"ovs-vsctl", (char *)"--timeout=50", (char *)"set", (char *)"Port", port,
			 (char *)"tag=99", (char *)"trunks=98,99", (char *)"vlan_mode=native-untagged",
			 NULL };
	struct err e = { 0 };

	net_host_name(u->id, "lan", port);
	is_int(proc_run(argv, &e), 0, "by hand: another VLAN");
	ok(nft_load(netns, "table inet other {}", false, &e) == 0, "by hand: other rules");
	ok(netsysctl_write(netns, "net.ipv4.ip_forward", "0", &e) == 0, "by hand: no forwarding");
}

static int other_declaration(const char *path)
{
	struct net_report r;
	struct err e = { 0 };
	autounit struct unit *u = unit_load_file(AT_FDCWD, path, &e);
	autoclose int host = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (!u)
		return ok(false, "%s", e.text), tap_done();
	if (unshare(CLONE_NEWNET) < 0)
		return tap_skip_all("no second network namespace");
	autoclose int netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (netns < 0 || setns(host, CLONE_NEWNET) < 0)
		return tap_skip_all("no way back");
	refuse_each(u, netns, "from nothing");
	is_int(net_up_report(u, netns, 0, &r, &e), 0, "then all of it is done");
	is_int(net_up_report(u, netns, 0, &r, &e), 0, "again");
	is_int(r.done, 0, "no operation");
	others_at_work(u, netns);
	refuse_each(u, netns, "drifted");
	ok(net_down(u->id, netns, NULL, &e) == 0, "down");
	return tap_done();
}

/* A link that is no hardware, in the place of some, does not get to the host. */
static void give_back(const struct unit *u, int netns)
{
	autoclose int host = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	autonl struct nl nl = { .fd = -1 };
	struct live before = { 0 }, after = { 0 };
	struct net_report r;
	struct err e = { 0 };

	ok(net_live(netns, &before, &e) == 0 && nl_open(&nl, netns, &e) == 0, "a container: %s", e.text);
	const struct live_link *l = live_link(&before, "lan");
	is_int(l ? net_give_back(&nl, l->index, host, "card0", 0, &e) : -1, 0, "a veth is not given back");
	live_free(&before);
	ok(net_live(-1, &after, &e) == 0 && !live_link(&after, "card0"), "it is not on the host");
	live_free(&after);
	ok(net_live(netns, &after, &e) == 0 && !live_link(&after, "lan"), "nor inside any more");
	live_free(&after);
	is_int(net_give_back(&nl, 0x7ffffff0, host, "card0", 0, &e), 0, "nor is what isn't there");
	/* The kernel gets to it when it does. */
	for (int i = 0; i < 50; i++) {
		usleep(100000);
		net_live(-1, &after, &e);
		bool gone = !live_link(&after, "nu-u_lan");
		live_free(&after);
		if (gone)
			break;
	}
	is_int(net_up_report(u, netns, 0, &r, &e), 0, "up makes it anew");
}

int main(int argc, char **argv)
{
	struct err e = { 0 };
	struct net_report r;

	if (argc > 1)
		return other_declaration(argv[1]);
	size_t n = 0;
	autounit struct unit *u = unit_parse(declaration, sizeof(declaration) - 1, &e);

	if (!u)
		return ok(false, "%s", e.text), tap_done();
	if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0)
		return tap_skip_all("needs root, for network namespaces");
	autoclose int netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (netns < 0 || unshare(CLONE_NEWNET) < 0)
		return tap_skip_all("no second network namespace");

	autofree char *nothing = states(u->id, netns);
	refuse_each(u, netns, "from nothing");

	is_int(net_up_report(u, netns, 0, &r, &e), 0, "then all of it is done");
	is_int(r.done, r.planned, "every operation");
	is_int(net_up_report(u, netns, 0, &r, &e), 0, "again");
	is_int(r.done, 0, "no operation");
	usleep(300000); /* routes settle with the carrier */

	by_hand(netns, RTM_SETLINK, 0, "veth", NULL, NULL, 1300);
	by_hand(netns, RTM_DELADDR, 0, "lan", "10.1.0.3/24", NULL, 0);
	by_hand(netns, RTM_NEWADDR, NLM_F_CREATE, "lan", "10.1.0.9/24", NULL, 0);
	by_hand(netns, RTM_NEWADDR, NLM_F_CREATE, "lan", "10.55.0.1/32", "10.55.0.2", 0);
	by_hand(-1, RTM_NEWADDR, NLM_F_CREATE, "nu-u", "10.7.0.1/24", NULL, 0);
	by_hand(netns, RTM_DELADDR, 0, "veth", "fd00::2/127", NULL, 0);
	by_hand(netns, RTM_NEWADDR, NLM_F_CREATE, "veth", "fd00::2/64", NULL, 0);
	ok(netsysctl_write(netns, "net.ipv4.ip_forward", "0", &e) == 0, "by hand: no forwarding");
	by_hand(netns, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, "lan", "0.0.0.0/0", "10.1.0.77",
		0);
	by_hand(netns, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, "lan", "10.8.0.0/16", "10.1.0.77",
		0);
	by_hand(netns, RTM_NEWROUTE, NLM_F_CREATE, "lan", "10.66.0.0/16", "10.1.0.7", 0);
	by_hand(netns, RTM_NEWROUTE, NLM_F_CREATE, "veth", "fd66::/48", NULL, 0);
	by_hand(netns, RTM_NEWADDR, NLM_F_CREATE, "lo", "10.9.0.1/32", NULL, 0);
	by_hand(netns, RTM_NEWROUTE, NLM_F_CREATE, "lo", "10.67.0.0/16", NULL, 0);
	by_hand(netns, RTM_NEWROUTE, NLM_F_CREATE, "lo", "fd67::/48", NULL, 0);
	by_hand(netns, RTM_NEWLINK, NLM_F_CREATE, "stranger", NULL, NULL, 0);
	by_hand(netns, RTM_NEWADDR, NLM_F_CREATE, "stranger", "10.68.0.1/24", NULL, 0);
	by_hand(netns, RTM_NEWADDR, NLM_F_CREATE, "stranger", "fd68::1/64", NULL, 0);
	by_hand(netns, RTM_NEWROUTE, NLM_F_CREATE, "stranger", "10.69.0.0/16", "10.68.0.7", 0);
	by_hand(netns, RTM_NEWROUTE, NLM_F_CREATE, "stranger", "fd69::/48", NULL, 0);
	refuse_each(u, netns, "drifted");

	cJSON *drift = NULL;
	is_int(net_drift(u, netns, &drift, &e), 0, "the drift is found");
	autofree char *found = cJSON_PrintUnformatted(drift);
	is(found,
	   "[{\"where\":\"container\",\"link\":\"veth\",\"what\":\"route fd66::/48\","
	   "\"declared\":null,\"live\":\"on veth\"}"
	   ",{\"where\":\"container\",\"link\":\"lan\",\"what\":\"route 10.66.0.0/16\","
	   "\"declared\":null,\"live\":\"via 10.1.0.7 on lan\"}"
	   ",{\"where\":\"container\",\"link\":\"lo\",\"what\":\"route 10.67.0.0/16\","
	   "\"declared\":null,\"live\":\"blackhole\"}"
	   ",{\"where\":\"container\",\"link\":\"lo\",\"what\":\"route fd67::/48\","
	   "\"declared\":null,\"live\":\"blackhole\"}"
	   ",{\"where\":\"container\",\"link\":\"lo\",\"what\":\"address\","
	   "\"declared\":null,\"live\":\"10.9.0.1/32\"}"
	   ",{\"where\":\"container\",\"link\":\"stranger\",\"what\":\"up\","
	   "\"declared\":false,\"live\":true}"
	   ",{\"where\":\"host\",\"link\":\"nu-u\",\"what\":\"address\","
	   "\"declared\":null,\"live\":\"10.7.0.1/24\"}"
	   ",{\"where\":\"container\",\"link\":\"veth\",\"what\":\"address\","
	   "\"declared\":null,\"live\":\"fd00::2/64\"}"
	   ",{\"where\":\"container\",\"link\":\"veth\",\"what\":\"mtu\","
	   "\"declared\":1400,\"live\":1300}"
	   ",{\"where\":\"container\",\"link\":\"lan\",\"what\":\"address\","
	   "\"declared\":null,\"live\":\"10.55.0.1/32\"}"
	   ",{\"where\":\"container\",\"link\":\"lan\",\"what\":\"address\","
	   "\"declared\":null,\"live\":\"10.1.0.9/24\"}"
	   ",{\"where\":\"container\",\"what\":\"sysctl net.ipv4.ip_forward\","
	   "\"declared\":\"1\",\"live\":\"0\"}"
	   ",{\"where\":\"container\",\"link\":\"veth\",\"what\":\"address\","
	   "\"declared\":\"fd00::2/127\",\"live\":null}"
	   ",{\"where\":\"container\",\"link\":\"lan\",\"what\":\"address\","
	   "\"declared\":\"10.1.0.3/24\",\"live\":null}"
	   ",{\"where\":\"container\",\"link\":\"lan\",\"what\":\"route default\","
	   "\"declared\":\"via 10.1.0.1 on lan\",\"live\":\"via 10.1.0.77 on lan\"}"
	   ",{\"where\":\"container\",\"link\":\"lan\",\"what\":\"route 10.8.0.0/16\","
	   "\"declared\":\"via 10.1.0.9 on lan\",\"live\":\"via 10.1.0.77 on lan\"}]",
	   "with what is declared and what is there");
	cJSON_Delete(drift);
	is_int(net_up_report(u, netns, 0, &r, &e), 0, "and repaired");
	is_int(net_drift(u, netns, &drift, &e), 0, "looked at again");
	autofree char *rest = cJSON_PrintUnformatted(drift);
	is(rest, "[]", "nothing differs");
	cJSON_Delete(drift);
	is_int(net_up_report(u, netns, 0, &r, &e), 0, "up again");
	is_int(r.done, 0, "does nothing");
	by_hand(netns, RTM_DELLINK, 0, "stranger", NULL, NULL, 0);

	give_back(u, netns);
	autoclose int none = open("/dev/null", O_RDONLY | O_CLOEXEC);
	is_int(net_down("u", none, &n, &e), -1, "down, where what is inside can't be done");
	is_int(n, 2, "removes both links nevertheless");
	is_int(net_down("u", netns, &n, &e), 0, "down again");
	is_int(n, 0, "finds none");
	autofree char *end = states(u->id, netns);
	/* But what is the namespace's own: its loopback stays up, its settings set. */
	char *lo = strstr(nothing, "link lo 1 up 0");
	if (lo)
		lo[strlen("link lo 1 up ")] = '1';
	char *forward = strstr(nothing, "ip_forward = 0");
	if (forward)
		forward[strlen("ip_forward = ")] = '1';
	is(end, nothing, "nothing is left");
	return tap_done();
}
