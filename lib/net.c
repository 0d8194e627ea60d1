/* net - a unit's network: made, compared, unmade. */
#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/nsfs.h>
#include <linux/veth.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sha256.h"
#include "util.h"

#define METRIC6 1024 /* the kernel's for a route without one, IPv6 only */
#define TRIES 3

/* What becomes of one declared interface. */
struct pair {
	int index[2]; /* at the host, in the container: those it has or will get */
	const struct live_link *live[2];
	bool fresh; /* to be made; live is NULL then */
	/* An address of that family is taken from the host's end, the container's:
	 * with it other addresses and routes may go, so all are set again. */
	bool again[2][2];
};

struct session {
	const struct unit *u;
	int netns_fd;
	struct nl nl[2];
	struct live live[2];
	struct pair *pairs;
	struct net_plan plan, todo, undo;
};

static void session_free(struct session *s)
{
	for (int i = 0; i < 2; i++) {
		nl_close(&s->nl[i]);
		live_free(&s->live[i]);
	}
	net_plan_free(&s->plan);
	net_plan_free(&s->todo);
	net_plan_free(&s->undo);
	free(s->pairs);
}

#define autosession __attribute__((cleanup(session_free)))

int net_open(const char *path, struct err *e)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat own, other;

	if (fd < 0)
		return err_errno(e, "%s", path);
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return err_set(e, NU_USAGE, "%s: not a network namespace", path);
	if (stat("/proc/thread-self/ns/net", &own) < 0 || fstat(fd, &other) < 0)
		return err_errno(e, "%s", path);
	if (own.st_dev == other.st_dev && own.st_ino == other.st_ino)
		return err_set(e, NU_USAGE, "%s: this is the host's own network", path);
	return steal_fd(&fd);
}

/* ---- what is there ---- */

static bool ours(const struct live_link *l, const char *id)
{
	char prefix[NET_ALIAS];

	return starts_with(l->alias, net_alias(id, "", prefix));
}

/* Addresses and routes are read only where a link can have any of interest: a host
 * may have a million routes, a container that starts has nothing. */
static int read_host(struct session *s, struct err *e)
{
	struct live *live = &s->live[NET_HOST];
	size_t i = 0;

	if (live_links(&s->nl[NET_HOST], live, e) < 0)
		return -1;
	while (i < live->n_links && !ours(&live->links[i], s->u->id))
		i++;
	if (i == live->n_links)
		return 0;
	return live_addrs(&s->nl[NET_HOST], live, e) < 0 ||
			       live_routes(&s->nl[NET_HOST], NET_PROTOCOL, live, e) < 0 ?
		       -1 :
		       0;
}

static int read_container(struct session *s, struct err *e)
{
	struct live *live = &s->live[NET_CONTAINER];

	if (live_links(&s->nl[NET_CONTAINER], live, e) < 0)
		return -1;
	if (live->n_links <= 1)
		return 0;
	return live_addrs(&s->nl[NET_CONTAINER], live, e) < 0 ||
			       live_routes(&s->nl[NET_CONTAINER], 0, live, e) < 0 ?
		       -1 :
		       0;
}

static int session_open(struct session *s, const struct unit *u, int netns_fd, struct err *e)
{
	*s = (struct session){ .u = u, .netns_fd = netns_fd, .nl = { { .fd = -1 }, { .fd = -1 } } };
	if (net_plan(u, &s->plan, e) < 0)
		return -1;
	s->todo.id = s->undo.id = u->id;
	s->pairs = xalloc(u->net.n_ifaces * sizeof(*s->pairs));
	if (s->plan.n == 0)
		return 0;
	if (nl_open(&s->nl[NET_HOST], -1, e) < 0 ||
	    nl_open(&s->nl[NET_CONTAINER], netns_fd, e) < 0)
		return -1;
	if (read_host(s, e) < 0)
		return err_wrap(e, "host: ");
	if (read_container(s, e) < 0)
		return err_wrap(e, "container: ");
	return 0;
}

/* ---- what is missing ---- */

static void remove_link(struct session *s, const struct live_link *l)
{
	struct net_op op = { .what = NET_LINK_DEL, .where = NET_HOST, .index = l->index };

	memcpy(op.link, l->name, sizeof(op.link));
	net_plan_add(&s->todo, &op);
}

/* Not a secret: only to be another process's with little likelihood. */
static uint32_t random_number(void)
{
	uint32_t n = 0;

	if (getrandom(&n, sizeof(n), GRND_NONBLOCK) < 0)
		n = (uint32_t)getpid() * 2654435761u ^ (uint32_t)now_ms();
	return n;
}

static int by_index(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Links are made with indexes of our choice, so that the messages which follow in
 * the same send can name them. On the host it is a block of random numbers above
 * what the kernel counts up to: two units that start at once do not meet, and a
 * number is not soon another link's. */
static void choose_indexes(struct session *s)
{
	const struct live *host = &s->live[NET_HOST], *guest = &s->live[NET_CONTAINER];
	size_t n = s->u->net.n_ifaces;
	int first = 0, last = 0;
	bool taken = true;

	while (taken) {
		first = (1 << 24) + (int)(random_number() & 0xffffff);
		taken = false;
		for (size_t i = 0; i < host->n_links; i++)
			if (host->links[i].index >= first && host->links[i].index < first + (int)n)
				taken = true;
	}
	for (size_t i = 0; i < guest->n_links; i++)
		if (guest->links[i].index > last)
			last = guest->links[i].index;
	for (size_t i = 0; i < n; i++) {
		struct pair *p = &s->pairs[i];

		if (p->fresh) {
			p->index[NET_HOST] = first++;
			p->index[NET_CONTAINER] = ++last;
		}
	}
}

/* Finds the two ends of each interface. A link of ours that is no end of a pair, or
 * of none that is declared, is what an earlier run or declaration left: removed. */
static int match_links(struct session *s, struct err *e)
{
	const struct live *host = &s->live[NET_HOST], *guest = &s->live[NET_CONTAINER];
	autofree int *kept = xalloc((s->u->net.n_ifaces + 1) * sizeof(*kept));
	size_t n_kept = 0;

	for (size_t i = 0; i < s->u->net.n_ifaces; i++) {
		const struct iface *f = &s->u->net.ifaces[i];
		struct pair *p = &s->pairs[i];
		char name[IF_NAMESIZE], alias[NET_ALIAS];

		net_host_name(s->u->id, f->name, name);
		const struct live_link *h = live_link(host, name), *g = live_link(guest, f->name);
		if (h && !streq(h->alias, net_alias(s->u->id, f->name, alias)))
			return err_set(e, NU_FAILED,
				       "host: link %s exists already, and is not this unit's%s%s%s",
				       name, h->alias[0] ? " (alias " : "",
				       h->alias[0] ? quoted(h->alias) : "", h->alias[0] ? ")" : "");
		p->fresh = !h || !g || h->peer != g->index || g->peer != h->index;
		if (!p->fresh) {
			p->index[NET_HOST] = h->index;
			p->index[NET_CONTAINER] = g->index;
			p->live[NET_HOST] = h;
			p->live[NET_CONTAINER] = g;
			kept[n_kept++] = h->index;
			continue;
		}
		/* It goes with its other end, if that is a link of ours that goes. */
		const struct live_link *end = g && g->peer ? live_link_at(host, g->peer) : NULL;
		if (g && !(end && ours(end, s->u->id)))
			return err_set(e, NU_FAILED,
				       "container: link %s exists already, and is not ours",
				       f->name);
	}
	qsort(kept, n_kept, sizeof(*kept), by_index);
	for (size_t i = 0; i < host->n_links; i++)
		if (ours(&host->links[i], s->u->id) &&
		    !bsearch(&host->links[i].index, kept, n_kept, sizeof(*kept), by_index))
			remove_link(s, &host->links[i]);
	choose_indexes(s);
	return 0;
}

static bool declared(const struct addrs *v, const struct addr *a)
{
	for (size_t i = 0; i < v->n; i++)
		if (addr_same(&v->v[i], a))
			return true;
	return false;
}

/* Whether addresses of the container that the declaration doesn't know may be its
 * own doing: with CAP_NET_ADMIN its software is free to add some (a VRRP daemon). */
static bool container_may_add(const struct unit *u)
{
	for (size_t i = 0; i < u->n_caps; i++)
		if (streq(u->caps[i], "CAP_NET_ADMIN"))
			return true;
	return false;
}

/* Takes from an existing link the addresses that aren't declared, and those that
 * are but with another prefix length or found to be another's (DAD). */
static void compare_addrs(struct session *s, const struct net_op *set)
{
	const struct iface *f = set->iface;
	bool on_host = set->where == NET_HOST;
	size_t n;
	const struct live_addr *v = live_addrs_of(&s->live[set->where], set->index, &n);

	for (size_t i = 0; i < n; i++) {
		bool v4 = v[i].addr.family == AF_INET;
		const struct addrs *want = on_host ? (v4 ? &f->host_ip4 : &f->host_ip6) :
						     (v4 ? &f->ip4 : &f->ip6);
		bool known = false;

		if (declared(want, &v[i].addr) && !(v[i].flags & IFA_F_DADFAILED))
			continue;
		for (size_t k = 0; k < want->n; k++)
			known = known || addr_same_host(&want->v[k], &v[i].addr);
		if (!known && (v[i].scope == RT_SCOPE_LINK || !(v[i].flags & IFA_F_PERMANENT)))
			continue;
		if (!known && !on_host && container_may_add(s->u))
			continue;
		struct net_op op = *set;
		op.what = NET_ADDR_DEL;
		op.set = 0;
		op.addr = v[i].addr;
		net_plan_add(&s->todo, &op);
		s->pairs[f - s->u->net.ifaces].again[set->where][v4] = true;
	}
}

/* The existing link that op changes. */
static const struct live_link *link_of(const struct session *s, const struct net_op *op)
{
	if (op->iface)
		return s->pairs[op->iface - s->u->net.ifaces].live[op->where];
	return live_link_at(&s->live[op->where], op->index);
}

/* Reduces op->set to what differs; true if anything does. */
static bool link_differs(const struct session *s, struct net_op *op)
{
	const struct live_link *l = link_of(s, op);

	if (!(l->flags & IFF_UP) != op->up)
		op->set &= ~NET_SET_UP;
	op->set &= ~(NET_SET_ALIAS | NET_SET_MASTER);
	if (op->where == NET_HOST && l->master != op->master_index)
		op->set |= NET_SET_MASTER;
	if (op->mtu && l->mtu != op->mtu)
		op->set |= NET_SET_MTU;
	if (op->has_mac && memcmp(l->mac, op->mac, sizeof(op->mac)) != 0)
		op->set |= NET_SET_MAC;
	return op->set;
}

static bool same_route(const struct live_route *r, const struct net_op *op)
{
	return addr_same(&r->to, &op->addr) && r->via.family == op->via.family &&
	       (!op->via.family || addr_same_host(&r->via, &op->via)) &&
	       r->metric == (op->addr.family == AF_INET ? 0 : METRIC6);
}

static bool route_differs(const struct session *s, const struct net_op *op)
{
	size_t n;
	const struct live_route *v = live_routes_of(&s->live[op->where], op->index, &n);

	for (size_t i = 0; i < n; i++)
		if (same_route(&v[i], op))
			return false;
	return true;
}

static int find_master(const struct session *s, struct net_op *op, struct err *e)
{
	if (!op->master)
		return 0;
	const struct live_link *l = live_link(&s->live[NET_HOST], op->master);
	if (!l || !streq(l->kind, "bridge"))
		return err_set(e, NU_FAILED, "interface %s: bridge %s: %s", op->iface->name, op->master,
			       l ? "this link is not a bridge" : "no such link on the host");
	op->master_index = l->index;
	return 0;
}

/* Whether op, completed with its indexes, is still to be done. -1 and e. */
static int is_missing(struct session *s, struct net_op *op, struct err *e)
{
	const struct pair *p = op->iface ? &s->pairs[op->iface - s->u->net.ifaces] : NULL;
	const struct live_addr *a;

	if (!p) {
		const struct live_link *lo = live_link(&s->live[op->where], op->link);

		if (!lo)
			return err_set(e, NU_FAILED, "%s: link %s is not there",
				       net_where_name(op->where), op->link);
		op->index = lo->index;
		return link_differs(s, op);
	}
	op->index = p->index[op->where];
	op->peer_index = p->index[NET_CONTAINER];
	if (op->what == NET_LINK_SET && find_master(s, op, e) < 0)
		return -1;
	if (p->fresh)
		return 1;
	bool again = op->what != NET_LINK_SET && p->again[op->where][op->addr.family == AF_INET];
	switch (op->what) {
	case NET_LINK_ADD:
		return 0;
	case NET_LINK_SET:
		compare_addrs(s, op);
		return link_differs(s, op);
	case NET_ADDR_ADD:
		a = live_addr(&s->live[op->where], op->index, &op->addr);
		op->replace = again;
		return again || !a || !addr_same(&a->addr, &op->addr);
	case NET_ROUTE_ADD:
		op->replace = op->replace || again;
		return again || route_differs(s, op);
	default:
		return 1;
	}
}

static int compare(struct session *s, struct err *e)
{
	s->todo.n = 0;
	if (match_links(s, e) < 0)
		return -1;
	for (size_t i = 0; i < s->plan.n; i++) {
		struct net_op op = s->plan.v[i];
		int missing = is_missing(s, &op, e);

		if (missing < 0)
			return -1;
		if (missing)
			net_plan_add(&s->todo, &op);
	}
	return 0;
}

/* ---- messages ---- */

/* A MAC that stays the same from start to start, on this host: other hosts' caches
 * keep true, and udev, which gives a random MAC another, leaves a chosen one. */
static void stable_mac(const char *id, const char *link, unsigned char mac[6])
{
	unsigned char digest[32];
	char machine[64] = "";
	struct sha256 sha;

	file_peek("/etc/machine-id", machine, sizeof(machine));
	sha256_init(&sha);
	sha256_add_str(&sha, "nixunits mac");
	sha256_add_str(&sha, machine);
	sha256_add_str(&sha, id);
	sha256_add_str(&sha, link);
	sha256_end(&sha, digest);
	memcpy(mac, digest, 6);
	mac[0] = (mac[0] & 0xfc) | 0x02; /* one station's, locally administered */
}

static void put_addr(struct nlmsghdr *h, uint16_t type, const struct addr *a)
{
	mnl_attr_put(h, type, addr_bits(a->family) / 8, a->bytes);
}

static void put_veth(const struct session *s, const struct net_op *op, struct nl_batch *b)
{
	struct ifinfomsg m = { .ifi_index = op->index }, *peer;
	struct nlmsghdr *h = nl_add(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof(m));
	unsigned char mac[6];

	mnl_attr_put_strz(h, IFLA_IFNAME, op->link);
	if (op->mtu)
		mnl_attr_put_u32(h, IFLA_MTU, op->mtu);
	stable_mac(s->u->id, op->link, mac);
	mnl_attr_put(h, IFLA_ADDRESS, sizeof(mac), mac);

	struct nlattr *info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, "veth");
	struct nlattr *data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	struct nlattr *end = mnl_attr_nest_start(h, VETH_INFO_PEER);
	peer = mnl_nlmsg_get_payload_tail(h);
	peer->ifi_index = op->peer_index;
	h->nlmsg_len += MNL_ALIGN(sizeof(*peer));
	mnl_attr_put_strz(h, IFLA_IFNAME, op->iface->name);
	mnl_attr_put_u32(h, IFLA_NET_NS_FD, s->netns_fd);
	if (op->mtu)
		mnl_attr_put_u32(h, IFLA_MTU, op->mtu);
	if (op->has_mac)
		memcpy(mac, op->mac, sizeof(mac));
	else
		stable_mac(s->u->id, op->iface->name, mac);
	mnl_attr_put(h, IFLA_ADDRESS, sizeof(mac), mac);
	mnl_attr_nest_end(h, end);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
}

static void put_link_set(const struct session *s, const struct net_op *op, struct nl_batch *b)
{
	struct ifinfomsg m = { .ifi_index = op->index };
	char alias[NET_ALIAS];

	if (op->set & NET_SET_UP) {
		m.ifi_change = IFF_UP;
		m.ifi_flags = op->up ? IFF_UP : 0;
	}
	struct nlmsghdr *h = nl_add(b, RTM_SETLINK, 0, &m, sizeof(m));
	if (op->set & NET_SET_ALIAS)
		mnl_attr_put_strz(h, IFLA_IFALIAS, net_alias(s->u->id, op->iface->name, alias));
	if (op->set & NET_SET_MASTER)
		mnl_attr_put_u32(h, IFLA_MASTER, op->master_index);
	if (op->set & NET_SET_MTU)
		mnl_attr_put_u32(h, IFLA_MTU, op->mtu);
	if (op->set & NET_SET_MAC)
		mnl_attr_put(h, IFLA_ADDRESS, sizeof(op->mac), op->mac);
}

static void put_address(const struct net_op *op, struct nl_batch *b)
{
	bool add = op->what == NET_ADDR_ADD;
	struct ifaddrmsg m = { .ifa_family = op->addr.family,
			       .ifa_prefixlen = op->addr.prefix,
			       .ifa_scope = RT_SCOPE_UNIVERSE,
			       .ifa_index = op->index };
	uint16_t flags = add ? NLM_F_CREATE | (op->replace ? NLM_F_REPLACE : NLM_F_EXCL) : 0;
	struct nlmsghdr *h = nl_add(b, add ? RTM_NEWADDR : RTM_DELADDR, flags, &m, sizeof(m));

	put_addr(h, IFA_LOCAL, &op->addr);
	put_addr(h, IFA_ADDRESS, &op->addr);
	if (add && op->no_dad)
		mnl_attr_put_u32(h, IFA_FLAGS, IFA_F_NODAD);
}

static void put_route(const struct net_op *op, struct nl_batch *b)
{
	bool add = op->what == NET_ROUTE_ADD;
	struct rtmsg m = { .rtm_family = op->addr.family,
			   .rtm_dst_len = op->addr.prefix,
			   .rtm_table = RT_TABLE_MAIN,
			   .rtm_scope = op->via.family ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
			   .rtm_type = RTN_UNICAST,
			   .rtm_flags = op->onlink ? RTNH_F_ONLINK : 0 };
	uint16_t flags = add ? NLM_F_CREATE | (op->replace ? NLM_F_REPLACE : NLM_F_EXCL) : 0;

	m.rtm_protocol = op->where == NET_HOST ? NET_PROTOCOL : RTPROT_STATIC;
	struct nlmsghdr *h = nl_add(b, add ? RTM_NEWROUTE : RTM_DELROUTE, flags, &m, sizeof(m));
	if (op->addr.prefix)
		put_addr(h, RTA_DST, &op->addr);
	if (op->via.family)
		put_addr(h, RTA_GATEWAY, &op->via);
	mnl_attr_put_u32(h, RTA_OIF, op->index);
}

static void put_op(const struct session *s, const struct net_op *op, struct nl_batch *b)
{
	struct ifinfomsg link = { .ifi_index = op->index };

	switch (op->what) {
	case NET_LINK_DEL:
		nl_add(b, RTM_DELLINK, 0, &link, sizeof(link));
		break;
	case NET_LINK_ADD:
		put_veth(s, op, b);
		break;
	case NET_LINK_SET:
		put_link_set(s, op, b);
		break;
	case NET_ADDR_ADD:
	case NET_ADDR_DEL:
		put_address(op, b);
		break;
	case NET_ROUTE_ADD:
	case NET_ROUTE_DEL:
		put_route(op, b);
		break;
	}
}

/* ---- doing and undoing ---- */

static void undo_link_set(struct session *s, const struct net_op *op, struct net_op *back)
{
	const struct live_link *was = link_of(s, op);
	const struct live_link *master = live_link_at(&s->live[op->where], was->master);

	back->up = was->flags & IFF_UP;
	back->mtu = was->mtu;
	memcpy(back->mac, was->mac, sizeof(back->mac));
	back->master_index = was->master;
	back->master = master ? master->name : NULL;
}

/* A route replaces the one of the same destination and metric, on whatever link. */
static const struct live_route *replaced_route(const struct session *s, const struct net_op *op)
{
	const struct live *live = &s->live[op->where];

	for (size_t i = 0; op->replace && i < live->n_routes; i++)
		if (addr_same(&live->routes[i].to, &op->addr) &&
		    live->routes[i].metric == (op->addr.family == AF_INET ? 0 : METRIC6))
			return &live->routes[i];
	return NULL;
}

/* The kernel may have taken more than the one address: the others of its network,
 * the routes of the link. All that was on the link is set again, routes last. */
static void note_undo_addrs(struct session *s, const struct net_op *del)
{
	struct net_op back = *del;
	size_t n;

	back.replace = true;
	const struct live_route *r = live_routes_of(&s->live[del->where], del->index, &n);
	for (size_t i = n; i-- > 0;)
		if (r[i].to.family == del->addr.family && r[i].protocol != RTPROT_KERNEL) {
			back.what = NET_ROUTE_ADD;
			back.addr = r[i].to;
			back.via = r[i].via;
			back.onlink = r[i].onlink;
			net_plan_add(&s->undo, &back);
		}
	back.via = (struct addr){ 0 };
	back.onlink = false;
	const struct live_addr *a = live_addrs_of(&s->live[del->where], del->index, &n);
	for (size_t i = n; i-- > 0;)
		if (a[i].addr.family == del->addr.family && a[i].flags & IFA_F_PERMANENT &&
		    a[i].scope != RT_SCOPE_LINK) {
			back.what = NET_ADDR_ADD;
			back.addr = a[i].addr;
			net_plan_add(&s->undo, &back);
		}
}

/* Notes how to take back op, which has been done. What was done to a link that this
 * run made goes with the link. */
static void note_undo(struct session *s, const struct net_op *op)
{
	bool fresh = op->iface && s->pairs[op->iface - s->u->net.ifaces].fresh;
	struct net_op back = *op;

	switch (op->what) {
	case NET_LINK_DEL:
		return; /* a leftover: nothing that anybody wants again */
	case NET_LINK_ADD:
		back.what = NET_LINK_DEL;
		break;
	case NET_LINK_SET:
		if (fresh)
			return;
		undo_link_set(s, op, &back);
		break;
	case NET_ADDR_ADD: {
		const struct live_addr *a = live_addr(&s->live[op->where], op->index, &op->addr);

		if (fresh || (a && addr_same(&a->addr, &op->addr)))
			return;
		back.what = NET_ADDR_DEL;
		break;
	}
	case NET_ADDR_DEL:
		note_undo_addrs(s, op);
		return;
	case NET_ROUTE_ADD: {
		const struct live_route *was = replaced_route(s, op);
		const struct live_link *l = was ? live_link_at(&s->live[op->where], was->index) : NULL;

		if (!l && fresh)
			return;
		if (!l) {
			back.what = NET_ROUTE_DEL;
			break;
		}
		memcpy(back.link, l->name, sizeof(back.link));
		back.index = was->index;
		back.via = was->via;
		back.onlink = was->onlink;
		break;
	}
	case NET_ROUTE_DEL:
		back.what = NET_ROUTE_ADD;
		break;
	}
	net_plan_add(&s->undo, &back);
}

/* What a person can do about it, where the kernel's word alone does not tell. */
static const char *hint(const struct net_op *op, int error)
{
	if (error == EPERM)
		return " (only root can)";
	if (error == EOPNOTSUPP && op->what == NET_LINK_ADD)
		return " (the kernel has no veth links)";
	if (error == EACCES && op->addr.family == AF_INET6)
		return " (IPv6 is disabled there)";
	if (error == EEXIST && op->what == NET_ROUTE_ADD)
		return " (there is another route to it)";
	return "";
}

static int op_failed(const struct net_plan *p, size_t at, const struct nl_failure *f, struct err *e)
{
	const struct net_op *op = &p->v[at];
	char text[NET_OP_TEXT];
	int code = f->error == EOPNOTSUPP && op->what == NET_LINK_ADD ? NU_MISSING : NU_FAILED;

	return err_set(e, code, "operation %zu of %zu: %s: %s: %s%s%s%s", at + 1, p->n,
		       net_where_name(op->where), net_op_text(op, text), strerror(f->error),
		       f->text[0] ? ": " : "", f->text, hint(op, f->error));
}

/* Runs the operations from..to, which are all of one namespace, as one batch. Where
 * one fails the kernel has gone on to the next: what was done is noted for undo,
 * before and after it. 0; -1 and e; *error is the errno of the failure. */
static int run_batch(struct session *s, size_t from, size_t to, size_t spoil, int *error,
		     struct err *e)
{
	autobatch struct nl_batch b = { 0 };
	struct nl_result r = { 0 };
	size_t failed = 0;

	for (size_t i = from; i < to; i++) {
		struct net_op op = s->todo.v[i];

		if (i + 1 == spoil)
			op.index = -1;
		put_op(s, &op, &b);
	}
	int ret = nl_run(&s->nl[s->todo.v[from].where], &b, &r, e);
	for (size_t i = 0; ret == 0 && i < r.sent; i++) {
		if (failed < r.n && r.v[failed].at == i)
			failed++;
		else
			note_undo(s, &s->todo.v[from + i]);
	}
	if (r.n) {
		*error = r.v[0].error;
		ret = op_failed(&s->todo, from + r.v[0].at, &r.v[0], e);
	}
	free(r.v);
	return ret;
}

/* Takes back what is noted, last first. What has gone meanwhile is as good as taken
 * back; anything else that can't be is added to e. */
static void run_undo(struct session *s, struct err *e)
{
	size_t end = s->undo.n;

	while (end) {
		enum net_where where = s->undo.v[end - 1].where;
		autobatch struct nl_batch b = { 0 };
		struct nl_result r = { 0 };
		size_t from = end;
		struct err bad;

		while (from && s->undo.v[from - 1].where == where)
			put_op(s, &s->undo.v[--from], &b);
		int ret = nl_run(&s->nl[where], &b, &r, &bad);
		for (size_t i = 0; ret == 0 && i < r.n; i++) {
			const struct net_op *op = &s->undo.v[end - 1 - r.v[i].at];
			char text[NET_OP_TEXT];

			if (r.v[i].error == ENODEV || r.v[i].error == ESRCH ||
			    r.v[i].error == EADDRNOTAVAIL || r.v[i].error == ENOENT)
				continue;
			ret = err_set(&bad, NU_FAILED, "%s: %s: %s", net_where_name(where),
				      net_op_text(op, text), strerror(r.v[i].error));
		}
		free(r.v);
		if (ret < 0) {
			char was[sizeof(e->text)];

			memcpy(was, e->text, sizeof(was));
			err_set(e, e->code, "%.480s; not undone: %.480s", was, bad.text);
		}
		end = from;
	}
}

static int run(struct session *s, size_t spoil, int *error, struct err *e)
{
	for (size_t from = 0, to; from < s->todo.n; from = to) {
		for (to = from + 1; to < s->todo.n && s->todo.v[to].where == s->todo.v[from].where;)
			to++;
		if (run_batch(s, from, to, spoil, error, e) < 0) {
			run_undo(s, e);
			return -1;
		}
	}
	return 0;
}

int net_up_report(const struct unit *u, int netns_fd, size_t spoil, struct net_report *r,
		  struct err *e)
{
	for (int i = 0;; i++) {
		autosession struct session s;
		int error = 0, ret;

		*r = (struct net_report){ 0 };
		ret = session_open(&s, u, netns_fd, e);
		if (ret == 0)
			ret = compare(&s, e);
		r->planned = s.plan.n;
		r->done = s.todo.n;
		if (ret == 0)
			ret = run(&s, spoil, &error, e);
		r->sends = s.nl[0].n_sends + s.nl[1].n_sends;
		/* EBUSY: an index that we chose was given away in this very moment. */
		if (ret == 0 || error != EBUSY || i == TRIES)
			return ret;
	}
}

int net_up(const struct unit *u, int netns_fd, struct err *e)
{
	struct net_report r;

	return net_up_report(u, netns_fd, 0, &r, e);
}

int net_todo(const struct unit *u, int netns_fd, struct net_plan *todo, struct err *e)
{
	autosession struct session s;

	*todo = (struct net_plan){ .id = u->id };
	if (session_open(&s, u, netns_fd, e) < 0 || compare(&s, e) < 0)
		return -1;
	*todo = s.todo;
	s.todo = (struct net_plan){ 0 };
	return 0;
}

static void drift_add(cJSON *list, const struct net_op *op, const char *what, cJSON *declared_value,
		      cJSON *live_value)
{
	cJSON *j = cJSON_CreateObject();

	cJSON_AddStringToObject(j, "where", net_where_name(op->where));
	cJSON_AddStringToObject(j, "link", op->link);
	cJSON_AddStringToObject(j, "what", what);
	cJSON_AddItemToObject(j, "declared", declared_value);
	cJSON_AddItemToObject(j, "live", live_value);
	cJSON_AddItemToArray(list, j);
}

static cJSON *mac_json(const unsigned char mac[6])
{
	char text[18];

	return cJSON_CreateString(mac_text(mac, text));
}

static cJSON *name_json(const char *name)
{
	return name ? cJSON_CreateString(name) : cJSON_CreateNull();
}

static void drift_link(const struct session *s, const struct net_op *op, cJSON *list)
{
	const struct live_link *l = link_of(s, op);

	if (!l)
		return; /* to be made: said by its NET_LINK_ADD */
	if (op->set & NET_SET_UP)
		drift_add(list, op, "up", cJSON_CreateBool(op->up), cJSON_CreateBool(!op->up));
	if (op->set & NET_SET_MTU)
		drift_add(list, op, "mtu", cJSON_CreateNumber(op->mtu), cJSON_CreateNumber(l->mtu));
	if (op->set & NET_SET_MAC)
		drift_add(list, op, "mac", mac_json(op->mac), mac_json(l->mac));
	if (op->set & NET_SET_MASTER) {
		const struct live_link *m = live_link_at(&s->live[op->where], l->master);

		drift_add(list, op, "bridge", name_json(op->master), name_json(m ? m->name : NULL));
	}
}

/* What a route is, but for its destination: "via 10.0.0.1 on lan". */
static cJSON *way_json(const struct addr *via, const char *link)
{
	char text[ADDR_TEXT];
	autofree char *way = via->family ? xfmt("via %s on %s", addr_text(via, false, text), link) :
					   xfmt("on %s", link);

	return cJSON_CreateString(way);
}

static void drift_op(const struct session *s, const struct net_op *op, cJSON *list)
{
	char text[ADDR_TEXT];
	const char *addr = op->addr.family ? addr_text(&op->addr, true, text) : NULL;

	switch (op->what) {
	case NET_LINK_DEL:
		drift_add(list, op, "link", cJSON_CreateNull(), cJSON_CreateString(op->link));
		break;
	case NET_LINK_ADD:
		drift_add(list, op, "link", cJSON_CreateString(op->link), cJSON_CreateNull());
		break;
	case NET_LINK_SET:
		drift_link(s, op, list);
		break;
	case NET_ADDR_DEL:
		drift_add(list, op, "address", cJSON_CreateNull(), cJSON_CreateString(addr));
		break;
	case NET_ADDR_ADD: {
		const struct live_addr *a = live_addr(&s->live[op->where], op->index, &op->addr);

		/* Set again only because its neighbour goes: no difference of its own. */
		if (!a || !addr_same(&a->addr, &op->addr))
			drift_add(list, op, "address", cJSON_CreateString(addr), cJSON_CreateNull());
		break;
	}
	case NET_ROUTE_ADD: {
		const struct live_route *r = replaced_route(s, op);
		const struct live_link *l = r ? live_link_at(&s->live[op->where], r->index) : NULL;
		autofree char *what = xfmt("route %s", op->addr.prefix ? addr : "default");

		if (route_differs(s, op))
			drift_add(list, op, what, way_json(&op->via, op->link),
				  l ? way_json(&r->via, l->name) : cJSON_CreateNull());
		break;
	}
	case NET_ROUTE_DEL:
		break; /* only ever undoes */
	}
}

int net_drift(const struct unit *u, int netns_fd, cJSON **list, struct err *e)
{
	autosession struct session s;

	*list = NULL;
	if (session_open(&s, u, netns_fd, e) < 0 || compare(&s, e) < 0)
		return -1;
	*list = cJSON_CreateArray();
	for (size_t i = 0; i < s.todo.n; i++)
		drift_op(&s, &s.todo.v[i], *list);
	return 0;
}

/* A group that no link is in. Group 0 is the one they are all born into. */
static uint32_t free_group(const struct live *live)
{
	uint32_t group = 0;
	size_t i;

	do {
		group = group ? group + 1 : 1 + random_number() % 0x7fffffff;
		for (i = 0; i < live->n_links && live->links[i].group != group;)
			i++;
	} while (i < live->n_links);
	return group;
}

/* The kernel takes some 20 ms to remove a link, in which it waits for all its CPUs to
 * have seen it, and hardly more for a group of a hundred: so ours are put into a group
 * of their own first. */
static void put_removal(const struct live *live, const char *id, struct nl_batch *b, size_t *n)
{
	uint32_t group = free_group(live);

	*n = 0;
	for (size_t i = 0; i < live->n_links; i++)
		if (ours(&live->links[i], id)) {
			struct ifinfomsg m = { .ifi_index = live->links[i].index };

			mnl_attr_put_u32(nl_add(b, RTM_SETLINK, 0, &m, sizeof(m)), IFLA_GROUP, group);
			++*n;
		}
	if (*n)
		mnl_attr_put_u32(nl_add(b, RTM_DELLINK, 0, &(struct ifinfomsg){ 0 },
					sizeof(struct ifinfomsg)),
				 IFLA_GROUP, group);
}

int net_down(const char *id, size_t *n, struct err *e)
{
	autonl struct nl nl = { .fd = -1 };
	autolive struct live live = { 0 };
	autobatch struct nl_batch b = { 0 };
	struct nl_result r = { 0 };
	size_t count;

	if (nl_open(&nl, -1, e) < 0 || live_links(&nl, &live, e) < 0)
		return -1;
	put_removal(&live, id, &b, &count);
	if (n)
		*n = count;
	int ret = nl_run(&nl, &b, &r, e);
	/* Gone already: its other end's namespace was just ended. */
	for (size_t i = 0; ret == 0 && i < r.n; i++)
		if (r.v[i].error != ENODEV)
			ret = err_set(e, NU_FAILED, "host: removing the links of %s: %s%s%s%s", id,
				      strerror(r.v[i].error), r.v[i].text[0] ? ": " : "",
				      r.v[i].text, r.v[i].error == EPERM ? " (only root can)" : "");
	free(r.v);
	return ret;
}

/* ---- looking ---- */

int net_live(int netns_fd, struct live *live, struct err *e)
{
	autonl struct nl nl = { .fd = -1 };

	*live = (struct live){ 0 };
	if (nl_open(&nl, netns_fd, e) < 0 || live_links(&nl, live, e) < 0 ||
	    live_addrs(&nl, live, e) < 0 || live_routes(&nl, 0, live, e) < 0)
		return -1;
	return 0;
}

int net_addresses(int netns_fd, struct strv *texts, struct err *e)
{
	autonl struct nl nl = { .fd = -1 };
	autolive struct live live = { 0 };
	char text[ADDR_TEXT];

	if (nl_open(&nl, netns_fd, e) < 0 || live_addrs(&nl, &live, e) < 0)
		return -1;
	for (size_t i = 0; i < live.n_addrs; i++)
		if (live.addrs[i].scope == RT_SCOPE_UNIVERSE)
			strv_add(texts, addr_text(&live.addrs[i].addr, true, text));
	return 0;
}
