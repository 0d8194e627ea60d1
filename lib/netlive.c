/* netlive - what a network namespace holds now: its links, addresses and routes. */
#include "netlive.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "util.h"

/* A dump that the kernel calls inconsistent is begun again, this many times. */
#define TRIES 20

/* The index of the loopback, in every namespace: IPv6's routes to nowhere have it, IPv4's none. */
#define LOOPBACK 1

static void *grow(void *p, size_t n, size_t *room, size_t size)
{
	if (n < *room)
		return p;
	*room = *room ? *room * 2 : 16;
	return xrealloc(p, *room, size);
}

/* What an attribute must have to be read as such: the kernel's own, yet unread
 * memory is never the price of a surprise. */
static bool has(const struct nlattr *a, size_t size)
{
	return mnl_attr_get_payload_len(a) >= size;
}

static void text_of(const struct nlattr *a, char *dst, size_t size)
{
	snprintf(dst, size, "%.*s", (int)mnl_attr_get_payload_len(a), mnl_attr_get_str(a));
}

static void addr_of(const struct nlattr *a, int family, unsigned char prefix, struct addr *dst)
{
	if (!has(a, addr_bits(family) / 8))
		return;
	*dst = (struct addr){ .family = family, .prefix = prefix };
	memcpy(dst->bytes, mnl_attr_get_payload(a), addr_bits(family) / 8);
}

/* The IPv4 settings of a link, one number each, the first being number 1. */
static bool own_arp(const struct nlattr *spec)
{
	const struct nlattr *family, *conf;

	mnl_attr_for_each_nested(family, spec)
		if (mnl_attr_get_type(family) == AF_INET)
			mnl_attr_for_each_nested(conf, family) {
				const uint32_t *v = mnl_attr_get_payload(conf);

				if (mnl_attr_get_type(conf) == IFLA_INET_CONF &&
				    has(conf, IPV4_DEVCONF_ARP_IGNORE * sizeof(*v)))
					return v[IPV4_DEVCONF_ARP_IGNORE - 1] == 1 &&
					       v[IPV4_DEVCONF_ARP_ANNOUNCE - 1] == 2 &&
					       v[IPV4_DEVCONF_RP_FILTER - 1] == 2;
			}
	return false;
}

static int vlan_id(const struct nlattr *data)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, data)
		if (mnl_attr_get_type(a) == IFLA_VLAN_ID && has(a, 2))
			return mnl_attr_get_u16(a);
	return 0;
}

/* The kind comes before its data. */
static void link_info(const struct nlattr *info, struct live_link *l)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, info) {
		if (mnl_attr_get_type(a) == IFLA_INFO_KIND)
			text_of(a, l->kind, sizeof(l->kind));
		if (mnl_attr_get_type(a) == IFLA_INFO_DATA && streq(l->kind, "vlan"))
			l->vlan = vlan_id(a);
	}
}

static void on_link(const struct nlmsghdr *h, void *data)
{
	const struct ifinfomsg *m = mnl_nlmsg_get_payload(h);
	struct live *live = data;
	struct live_link l = { .index = m->ifi_index, .flags = m->ifi_flags };
	const struct nlattr *a;

	if (h->nlmsg_type != RTM_NEWLINK)
		return;
	mnl_attr_for_each(a, h, sizeof(*m)) {
		switch (mnl_attr_get_type(a)) {
		case IFLA_IFNAME:
			text_of(a, l.name, sizeof(l.name));
			break;
		case IFLA_IFALIAS:
			text_of(a, l.alias, sizeof(l.alias));
			break;
		case IFLA_MTU:
			l.mtu = has(a, 4) ? mnl_attr_get_u32(a) : 0;
			break;
		case IFLA_GROUP:
			l.group = has(a, 4) ? mnl_attr_get_u32(a) : 0;
			break;
		case IFLA_LINK:
			l.peer = has(a, 4) ? (int)mnl_attr_get_u32(a) : 0;
			break;
		case IFLA_MASTER:
			l.master = has(a, 4) ? (int)mnl_attr_get_u32(a) : 0;
			break;
		case IFLA_ADDRESS:
			if (mnl_attr_get_payload_len(a) == sizeof(l.mac))
				memcpy(l.mac, mnl_attr_get_payload(a), sizeof(l.mac));
			break;
		case IFLA_AF_SPEC:
			l.own_arp = own_arp(a);
			break;
		case IFLA_PARENT_DEV_BUS_NAME:
			l.hardware = true;
			break;
		case IFLA_LINKINFO:
			link_info(a, &l);
			break;
		}
	}
	live->links = grow(live->links, live->n_links, &live->room_links, sizeof(l));
	live->links[live->n_links++] = l;
}

static void on_addr(const struct nlmsghdr *h, void *data)
{
	const struct ifaddrmsg *m = mnl_nlmsg_get_payload(h);
	struct live *live = data;
	struct live_addr found = { .index = m->ifa_index,
				   .flags = m->ifa_flags,
				   .scope = m->ifa_scope };
	struct addr local = { 0 };
	const struct nlattr *a;

	if (h->nlmsg_type != RTM_NEWADDR ||
	    (m->ifa_family != AF_INET && m->ifa_family != AF_INET6))
		return;
	mnl_attr_for_each(a, h, sizeof(*m)) {
		/* With a point-to-point peer IFA_ADDRESS is the peer's. */
		if (mnl_attr_get_type(a) == IFA_LOCAL)
			addr_of(a, m->ifa_family, m->ifa_prefixlen, &local);
		if (mnl_attr_get_type(a) == IFA_ADDRESS)
			addr_of(a, m->ifa_family, m->ifa_prefixlen, &found.addr);
		if (mnl_attr_get_type(a) == IFA_FLAGS && has(a, 4))
			found.flags = mnl_attr_get_u32(a);
		if (mnl_attr_get_type(a) == IFA_PROTO && has(a, 1))
			found.protocol = mnl_attr_get_u8(a);
	}
	if (local.family && !addr_same_host(&local, &found.addr))
		found.peer = found.addr;
	if (local.family)
		found.addr = local;
	live->addrs = grow(live->addrs, live->n_addrs, &live->room_addrs, sizeof(found));
	live->addrs[live->n_addrs++] = found;
}

const char *live_route_type(unsigned char type)
{
	switch (type) {
	case RTN_BLACKHOLE:
		return "blackhole";
	case RTN_UNREACHABLE:
		return "unreachable";
	case RTN_PROHIBIT:
		return "prohibit";
	case RTN_THROW:
		return "throw";
	default:
		return NULL;
	}
}

static void on_route(const struct nlmsghdr *h, void *data)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	struct live *live = data;
	const char *nowhere = live_route_type(m->rtm_type);
	struct live_route r = { .protocol = m->rtm_protocol,
				.type = nowhere ? m->rtm_type : 0,
				.onlink = m->rtm_flags & RTNH_F_ONLINK,
				.index = nowhere ? LOOPBACK : 0 };
	uint32_t table = m->rtm_table;
	const struct nlattr *a;

	if (h->nlmsg_type != RTM_NEWROUTE || (m->rtm_type != RTN_UNICAST && !nowhere) ||
	    (m->rtm_family != AF_INET && m->rtm_family != AF_INET6))
		return;
	r.to = (struct addr){ .family = m->rtm_family, .prefix = m->rtm_dst_len };
	mnl_attr_for_each(a, h, sizeof(*m)) {
		if (mnl_attr_get_type(a) == RTA_TABLE && has(a, 4))
			table = mnl_attr_get_u32(a);
		if (mnl_attr_get_type(a) == RTA_OIF && has(a, 4))
			r.index = (int)mnl_attr_get_u32(a);
		if (mnl_attr_get_type(a) == RTA_PRIORITY && has(a, 4))
			r.metric = mnl_attr_get_u32(a);
		if (mnl_attr_get_type(a) == RTA_DST)
			addr_of(a, m->rtm_family, m->rtm_dst_len, &r.to);
		if (mnl_attr_get_type(a) == RTA_GATEWAY)
			addr_of(a, m->rtm_family, addr_bits(m->rtm_family), &r.via);
	}
	if (table != RT_TABLE_MAIN)
		return;
	live->routes = grow(live->routes, live->n_routes, &live->room_routes, sizeof(r));
	live->routes[live->n_routes++] = r;
}

static int dump(struct nl *nl, struct nl_batch *request,
		void (*fn)(const struct nlmsghdr *h, void *data), struct live *live, size_t *n,
		struct err *e)
{
	size_t before = *n;
	int ret = 1;

	for (int i = 0; ret == 1 && i < TRIES; i++) {
		*n = before;
		ret = nl_dump(nl, request, fn, live, e);
	}
	if (ret == 1)
		return err_set(e, NU_FAILED, "the network changes faster than it can be read");
	return ret;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct live_link *)a)->name, ((const struct live_link *)b)->name);
}

static int by_number(int a, int b)
{
	return (a > b) - (a < b);
}

static int addr_by_link(const void *a, const void *b)
{
	return by_number(((const struct live_addr *)a)->index, ((const struct live_addr *)b)->index);
}

static int route_by_link(const void *a, const void *b)
{
	return by_number(((const struct live_route *)a)->index,
			 ((const struct live_route *)b)->index);
}

static void sort(void *p, size_t n, size_t size, int (*order)(const void *, const void *))
{
	if (n)
		qsort(p, n, size, order);
}

int live_links(struct nl *nl, struct live *live, struct err *e)
{
	autobatch struct nl_batch b = { 0 };
	struct nlmsghdr *h = nl_add(&b, RTM_GETLINK, 0, &(struct ifinfomsg){ 0 },
				    sizeof(struct ifinfomsg));

	/* Two hundred bytes of counters a link that nobody here reads. */
	mnl_attr_put_u32(h, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	live->n_links = 0;
	if (dump(nl, &b, on_link, live, &live->n_links, e) < 0)
		return -1;
	sort(live->links, live->n_links, sizeof(*live->links), by_name);
	return 0;
}

int live_addrs(struct nl *nl, struct live *live, struct err *e)
{
	autobatch struct nl_batch b = { 0 };

	live->n_addrs = 0;
	nl_add(&b, RTM_GETADDR, 0, &(struct ifaddrmsg){ 0 }, sizeof(struct ifaddrmsg));
	if (dump(nl, &b, on_addr, live, &live->n_addrs, e) < 0)
		return -1;
	sort(live->addrs, live->n_addrs, sizeof(*live->addrs), addr_by_link);
	return 0;
}

int live_routes(struct nl *nl, unsigned char protocol, struct live *live, struct err *e)
{
	static const unsigned char families[] = { AF_INET, AF_INET6 };

	live->n_routes = 0;
	/* One family at a time: a dump of all does not filter by table. */
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		autobatch struct nl_batch b = { 0 };
		struct rtmsg m = { .rtm_family = families[i],
				   .rtm_table = RT_TABLE_MAIN,
				   .rtm_protocol = protocol };

		nl_add(&b, RTM_GETROUTE, 0, &m, sizeof(m));
		if (dump(nl, &b, on_route, live, &live->n_routes, e) < 0)
			return -1;
	}
	sort(live->routes, live->n_routes, sizeof(*live->routes), route_by_link);
	return 0;
}

void live_free(struct live *live)
{
	free(live->links);
	free(live->addrs);
	free(live->routes);
	*live = (struct live){ 0 };
}

const struct live_link *live_link(const struct live *live, const char *name)
{
	struct live_link key = { 0 };

	snprintf(key.name, sizeof(key.name), "%s", name);
	return live->n_links ? bsearch(&key, live->links, live->n_links, sizeof(key), by_name) :
			       NULL;
}

const struct live_link *live_link_at(const struct live *live, int index)
{
	for (size_t i = 0; i < live->n_links; i++)
		if (live->links[i].index == index)
			return &live->links[i];
	return NULL;
}

/* The first of n elements, ordered by the int they begin with, that has this one. */
static size_t first_of(const void *p, size_t n, size_t size, int index)
{
	size_t low = 0;

	while (n > low) {
		size_t middle = low + (n - low) / 2;

		if (*(const int *)((const char *)p + middle * size) < index)
			low = middle + 1;
		else
			n = middle;
	}
	return low;
}

const struct live_addr *live_addrs_of(const struct live *live, int index, size_t *n)
{
	size_t i = first_of(live->addrs, live->n_addrs, sizeof(*live->addrs), index);

	*n = 0;
	while (i + *n < live->n_addrs && live->addrs[i + *n].index == index)
		++*n;
	return live->addrs + i;
}

const struct live_route *live_routes_of(const struct live *live, int index, size_t *n)
{
	size_t i = first_of(live->routes, live->n_routes, sizeof(*live->routes), index);

	*n = 0;
	while (i + *n < live->n_routes && live->routes[i + *n].index == index)
		++*n;
	return live->routes + i;
}

const struct live_addr *live_addr(const struct live *live, int index, const struct addr *a)
{
	size_t n;
	const struct live_addr *v = live_addrs_of(live, index, &n);

	for (size_t i = 0; i < n; i++)
		if (addr_same_host(&v[i].addr, a))
			return &v[i];
	return NULL;
}

bool live_addr_plain(const struct live_addr *a)
{
	return !a->peer.family && a->flags & IFA_F_PERMANENT && !(a->flags & IFA_F_DEPRECATED);
}
