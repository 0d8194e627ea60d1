/* netsession - a unit's plan against the live state of the two namespaces. */
#include "netsession.h"

#include <fcntl.h>
#include <linux/if_addr.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "machine.h"
#include "net.h"
#include "netforward.h"
#include "netnft.h"
#include "netsysctl.h"
#include "store.h"
#include "util.h"

void session_free(struct session *s)
{
	for (int i = 0; i < 2; i++) {
		nl_close(&s->nl[i]);
		live_free(&s->live[i]);
	}
	if (s->host_fd >= 0)
		close(s->host_fd);
	net_plan_free(&s->plan);
	net_plan_free(&s->todo);
	net_plan_free(&s->undo);
	strv_free(&s->kept);
	free(s->ports);
	free(s->pairs);
}

uint32_t net_random(void)
{
	uint32_t n = 0;

	if (getrandom(&n, sizeof(n), GRND_NONBLOCK) < 0)
		n = (uint32_t)getpid() * 2654435761u ^ (uint32_t)now_ms();
	return n;
}

/* ---- what is there ---- */

bool net_ours(const struct live_link *l, const char *id)
{
	char prefix[NET_ALIAS];

	return starts_with(l->alias, net_alias(id, "", prefix));
}

static bool has_kind(const struct unit *u, enum iface_kind kind)
{
	for (size_t i = 0; i < u->net.n_ifaces; i++)
		if (u->net.ifaces[i].kind == kind)
			return true;
	return false;
}

/* Addresses and routes are read only where a link can have any of interest: a host
 * may have a million routes, a container that starts has nothing. */
static int read_host(struct session *s, struct err *e)
{
	struct live *live = &s->live[NET_HOST];
	bool moves = has_kind(s->u, IFACE_HOST);
	size_t i = 0;

	if (live_links(&s->nl[NET_HOST], live, e) < 0)
		return -1;
	while (i < live->n_links && !net_ours(&live->links[i], s->u->id))
		i++;
	if (i == live->n_links && !moves)
		return 0;
	if (live_addrs(&s->nl[NET_HOST], live, e) < 0)
		return -1;
	return live_routes(&s->nl[NET_HOST], moves ? 0 : NET_PROTOCOL, live, e);
}

static int read_container(struct session *s, struct err *e)
{
	struct live *live = &s->live[NET_CONTAINER];

	if (live_links(&s->nl[NET_CONTAINER], live, e) < 0)
		return -1;
	if (live->n_links <= 1)
		return 0;
	if (live_addrs(&s->nl[NET_CONTAINER], live, e) < 0)
		return -1;
	return live_routes(&s->nl[NET_CONTAINER], 0, live, e);
}

/* A link in the container that Open vSwitch may have made for an earlier declaration. */
static bool has_leftover_port(const struct session *s)
{
	const struct live *live = &s->live[NET_CONTAINER];

	for (size_t i = 0; i < live->n_links; i++)
		if (net_ours(&live->links[i], s->u->id) &&
		    (streq(live->links[i].kind, "tun") || streq(live->links[i].kind, "openvswitch")))
			return true;
	return false;
}

int session_open(struct session *s, const struct unit *u, int netns_fd, struct err *e)
{
	*s = (struct session){ .u = u,
			       .netns_fd = netns_fd,
			       .host_fd = -1,
			       .nl = { { .fd = -1 }, { .fd = -1 } } };
	if (net_plan(u, &s->plan, e) < 0)
		return -1;
	s->todo.id = s->undo.id = u->id;
	s->pairs = xalloc(u->net.n_ifaces * sizeof(*s->pairs));
	if (s->plan.n == 0)
		return 0;
	s->host_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (s->host_fd < 0)
		return err_errno(e, "/proc/thread-self/ns/net");
	if (nl_open(&s->nl[NET_HOST], -1, e) < 0 || nl_open(&s->nl[NET_CONTAINER], netns_fd, e) < 0)
		return -1;
	if (read_host(s, e) < 0)
		return err_wrap(e, "host: ");
	if (read_container(s, e) < 0)
		return err_wrap(e, "container: ");
	if (has_kind(u, IFACE_OVS) || (has_leftover_port(s) && ovs_present()))
		return ovs_ports(u->id, &s->ports, &s->n_ports, e);
	return 0;
}

struct net_pair *session_pair(const struct session *s, const struct net_op *op)
{
	return op->iface ? &s->pairs[op->iface - s->u->net.ifaces] : NULL;
}

const struct live_link *session_link(const struct session *s, const struct net_op *op)
{
	const struct net_pair *p = session_pair(s, op);

	return p ? p->end[op->end].live : live_link_at(&s->live[op->where], op->index);
}

/* ---- which links are whose ---- */

/* Removals come before all else in the list of what is to do. */
static void remove_link(struct session *s, enum net_where where, const struct live_link *l)
{
	struct net_op op = { .what = NET_LINK_DEL, .where = where, .index = l->index };

	memcpy(op.link, l->name, sizeof(op.link));
	net_plan_add(&s->todo, &op);
}

static void remove_port(struct session *s, const char *name)
{
	struct net_op op = { .what = NET_PORT_DEL, .where = NET_HOST };

	snprintf(op.link, sizeof(op.link), "%s", name);
	net_plan_add(&s->todo, &op);
}

static int foreign(enum net_where where, const struct live_link *l, struct err *e)
{
	return err_set(e, NU_FAILED, "%s: link %s exists already, and is not this unit's%s%s%s",
		       net_where_name(where), l->name, l->alias[0] ? " (alias " : "",
		       l->alias[0] ? quoted(l->alias) : "", l->alias[0] ? ")" : "");
}

static void found(struct net_link *end, const struct live_link *l)
{
	end->live = l;
	end->fresh = !l;
	if (l)
		end->index = l->index;
}

/* Whether the alias says that l is this interface's, or, with `none`, says nothing:
 * what was made a moment before we were killed has none yet. */
static bool marked(const struct session *s, const struct iface *f, const struct live_link *l,
		   bool none)
{
	char alias[NET_ALIAS];

	return (none && !l->alias[0]) || streq(l->alias, net_alias(s->u->id, f->name, alias));
}

static int match_veth(struct session *s, const struct iface *f, struct net_pair *p, struct err *e)
{
	char name[IF_NAMESIZE];

	net_host_name(s->u->id, f->name, name);
	const struct live_link *h = live_link(&s->live[NET_HOST], name);
	const struct live_link *g = live_link(&s->live[NET_CONTAINER], f->name);
	if (h && !marked(s, f, h, false))
		return foreign(NET_HOST, h, e);
	bool pair = h && g && h->peer == g->index && g->peer == h->index;
	found(&p->end[NET_END_HOST], pair ? h : NULL);
	found(&p->end[NET_END_GUEST], pair ? g : NULL);
	if (pair || !g)
		return 0;
	/* It goes with its other end, if that is a link of ours that goes. */
	const struct live_link *end = g->peer ? live_link_at(&s->live[NET_HOST], g->peer) : NULL;
	return end && net_ours(end, s->u->id) ? 0 : foreign(NET_CONTAINER, g, e);
}

static int match_port(struct session *s, const struct iface *f, struct net_pair *p, struct err *e)
{
	const struct live_link *g = live_link(&s->live[NET_CONTAINER], f->name);
	char name[IF_NAMESIZE];

	net_host_name(s->u->id, f->name, name);
	const struct live_link *h = live_link(&s->live[NET_HOST], name);
	for (size_t i = 0; i < s->n_ports; i++)
		if (streq(s->ports[i].name, name))
			p->port = &s->ports[i];
	if (g && !marked(s, f, g, true))
		return foreign(NET_CONTAINER, g, e);
	if (h && !p->port)
		return foreign(NET_HOST, h, e);
	/* A port without a link is what is left when the container ended: the database
	 * remembers it, the kernel does not. */
	if (p->port && (!streq(p->port->bridge, f->ovs.bridge) || (!g && !h))) {
		remove_port(s, name);
		p->port = NULL;
	}
	/* And a link in the container without a port, or with another on the host, is what
	 * is left of a switch that was started again. */
	if (g && (!p->port || h))
		g = NULL;
	p->placed = h && p->port;
	found(&p->end[NET_END_HOST], p->placed ? h : NULL);
	found(&p->end[NET_END_GUEST], g);
	return 0;
}

/* "interface eth0: eth1: no such link on the host", and which running unit it has moved
 * to, as far as the declarations tell. */
static int no_such_link(const struct session *s, const struct iface *f, const char *name,
			struct err *e)
{
	autostrv struct strv ids = { 0 };
	struct machine m;
	struct err ignored;

	err_set(e, NU_FAILED, "interface %s: %s%sno such link on the host", f->name,
		streq(f->name, name) ? "" : name, streq(f->name, name) ? "" : ": ");
	store_ids(&ids);
	for (size_t i = 0; i < ids.n; i++) {
		if (streq(ids.v[i], s->u->id) || machine_find(ids.v[i], &m, &ignored) != 1)
			continue;
		autounit struct unit *u = store_unit(ids.v[i], "current", &ignored);
		for (size_t k = 0; u && k < u->net.n_ifaces; k++)
			if (u->net.ifaces[k].kind == IFACE_HOST && streq(u->net.ifaces[k].name, name))
				return err_set(e, NU_FAILED, "interface %s: unit %s has the host's link %s",
					       f->name, u->id, name);
	}
	return -1;
}

static int match_moved(struct session *s, const struct iface *f, struct net_pair *p, struct err *e)
{
	const struct live_link *g = live_link(&s->live[NET_CONTAINER], f->name);
	const struct live_link *h = live_link(&s->live[NET_HOST], f->name);

	if (g && !marked(s, f, g, true))
		return foreign(NET_CONTAINER, g, e);
	found(&p->end[NET_END_HOST], h);
	found(&p->end[NET_END_GUEST], g);
	if (g)
		return 0;
	if (!h)
		return no_such_link(s, f, f->name, e);
	if (h->alias[0] && starts_with(h->alias, "nixunits:") && !net_ours(h, s->u->id))
		return err_set(e, NU_FAILED, "interface %s: another unit has it (alias %s)", f->name,
			       quoted(h->alias));
	if (h->flags & IFF_LOOPBACK)
		return err_set(e, NU_FAILED, "interface %s: the loopback can't be moved", f->name);
	p->placed = true;
	return 0;
}

/* A vlan or macvlan in the container, on a link of the host; or a macvlan on a link of
 * the container's own. */
static int match_upper(struct session *s, const struct iface *f, const char *name,
		       const char *kind, const struct live_link *parent, struct net_link *end,
		       struct err *e)
{
	const struct live_link *g = live_link(&s->live[NET_CONTAINER], name);

	if (g && (!marked(s, f, g, true) || !streq(g->kind, kind)))
		return foreign(NET_CONTAINER, g, e);
	/* On another link: a leftover then. */
	found(end, g && parent && g->peer == parent->index ? g : NULL);
	return 0;
}

static int match_iface(struct session *s, const struct iface *f, struct net_pair *p, struct err *e)
{
	const struct live_link *parent;

	switch (f->kind) {
	case IFACE_VETH:
	case IFACE_BRIDGE:
		return match_veth(s, f, p, e);
	case IFACE_OVS:
		return match_port(s, f, p, e);
	case IFACE_HOST:
		return match_moved(s, f, p, e);
	case IFACE_VLAN:
	case IFACE_MACVLAN:
		parent = live_link(&s->live[NET_HOST], f->parent);
		if (!parent)
			return no_such_link(s, f, f->parent, e);
		return match_upper(s, f, f->name, f->kind == IFACE_VLAN ? "vlan" : "macvlan", parent,
				   &p->end[NET_END_GUEST], e);
	}
	return 0;
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
	int first = 0, last = 0, n = s->u->net.n_ifaces;
	bool taken = true;

	while (taken) {
		first = (1 << 24) + (int)(net_random() & 0xffffff);
		taken = false;
		for (size_t i = 0; i < host->n_links; i++)
			if (host->links[i].index >= first && host->links[i].index < first + n)
				taken = true;
	}
	for (size_t i = 0; i < guest->n_links; i++)
		if (guest->links[i].index > last)
			last = guest->links[i].index;
	for (int i = 0; i < n; i++) {
		struct net_link *end = s->pairs[i].end;

		if (end[NET_END_HOST].fresh)
			end[NET_END_HOST].index = first++;
		if (end[NET_END_GUEST].fresh)
			end[NET_END_GUEST].index = ++last;
		if (end[NET_END_MACVLAN].fresh)
			end[NET_END_MACVLAN].index = ++last;
	}
}

/* The indexes, in order, of the links of one end that are there and stay. */
static size_t kept_links(const struct session *s, enum net_where where, int *kept)
{
	size_t n = 0;

	for (size_t i = 0; i < s->u->net.n_ifaces; i++)
		for (int end = 0; end < NET_ENDS; end++)
			if ((end == NET_END_HOST) == (where == NET_HOST) &&
			    s->pairs[i].end[end].live)
				kept[n++] = s->pairs[i].end[end].index;
	qsort(kept, n, sizeof(*kept), by_index);
	return n;
}

/* Whether l, in the container, was made by Open vSwitch's process for a port of ours, or
 * for one that we are about to make again. */
static bool is_ports(const struct session *s, const struct live_link *l)
{
	char alias[NET_ALIAS];

	for (size_t i = 0; i < s->n_ports; i++)
		if (streq(l->alias, net_alias(s->u->id, s->ports[i].iface, alias)))
			return true;
	for (size_t i = 0; i < s->u->net.n_ifaces; i++)
		if (s->u->net.ifaces[i].kind == IFACE_OVS &&
		    streq(l->alias, net_alias(s->u->id, s->u->net.ifaces[i].name, alias)))
			return true;
	return false;
}

/* A link of the host's that an earlier declaration took: it goes back. */
static void return_link(struct session *s, const struct live_link *l)
{
	struct net_op op = { .what = NET_LINK_MOVE, .where = NET_CONTAINER, .index = l->index };

	memcpy(op.link, l->name, sizeof(op.link));
	net_plan_add(&s->todo, &op);
}

/* Links of ours that are no interface's, or whose other end isn't where it should be,
 * are what an earlier run or declaration left. */
static void remove_leftovers(struct session *s)
{
	autofree int *kept = xalloc((s->u->net.n_ifaces * NET_ENDS + 1) * sizeof(*kept));

	for (int where = 0; where < 2; where++) {
		const struct live *live = &s->live[where];
		size_t n = kept_links(s, where, kept);

		for (size_t i = 0; i < live->n_links; i++) {
			const struct live_link *l = &live->links[i];
			bool veth = streq(l->kind, "veth");
			bool upper = streq(l->kind, "macvlan") || streq(l->kind, "vlan");
			bool tap = streq(l->kind, "tun") && is_ports(s, l);

			if (!net_ours(l, s->u->id) ||
			    bsearch(&l->index, kept, n, sizeof(*kept), by_index))
				continue;
			if (where == NET_HOST ? veth : upper || tap)
				remove_link(s, where, l);
			else if (where == NET_CONTAINER && !streq(l->kind, "openvswitch"))
				return_link(s, l);
		}
	}
	for (size_t i = 0; i < s->n_ports; i++) {
		size_t k = 0;

		while (k < s->u->net.n_ifaces && !(s->u->net.ifaces[k].kind == IFACE_OVS &&
						   streq(s->u->net.ifaces[k].name, s->ports[i].iface)))
			k++;
		if (k == s->u->net.n_ifaces)
			remove_port(s, s->ports[i].name);
	}
}

/* Ports go before links, the host's before the container's: three batches. */
static int ports_first(const void *pa, const void *pb)
{
	const struct net_op *a = pa, *b = pb;

	return a->what != b->what ? (int)a->what - (int)b->what : (int)a->where - (int)b->where;
}

static int match_links(struct session *s, struct err *e)
{
	for (size_t i = 0; i < s->u->net.n_ifaces; i++) {
		const struct iface *f = &s->u->net.ifaces[i];
		struct net_pair *p = &s->pairs[i];
		char name[IF_NAMESIZE];

		*p = (struct net_pair){ 0 };
		if (match_iface(s, f, p, e) < 0)
			return -1;
		net_macvlan_name(f->name, name);
		if (f->macvlan.present && match_upper(s, f, name, "macvlan", p->end[NET_END_GUEST].live,
						      &p->end[NET_END_MACVLAN], e) < 0)
			return -1;
	}
	remove_leftovers(s);
	if (s->todo.n)
		qsort(s->todo.v, s->todo.n, sizeof(*s->todo.v), ports_first);
	choose_indexes(s);
	return 0;
}

/* ---- what differs ---- */

static bool declared(const struct addrs *v, const struct addr *a)
{
	for (size_t i = 0; i < v->n; i++)
		if (addr_same(&v->v[i], a))
			return true;
	return false;
}

static const struct addrs *wanted(const struct iface *f, enum net_end end, int family)
{
	bool v4 = family == AF_INET;

	if (end == NET_END_HOST)
		return v4 ? &f->host_ip4 : &f->host_ip6;
	if (end == NET_END_MACVLAN)
		return v4 ? &f->macvlan.ip4 : &f->macvlan.ip6;
	return v4 ? &f->ip4 : &f->ip6;
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
 * are but with another prefix length or found to be another's (DAD). What was ours once
 * goes in any case. */
static void compare_addrs(struct session *s, const struct net_op *set)
{
	struct net_pair *p = session_pair(s, set);
	size_t n;
	const struct live_addr *v = live_addrs_of(&s->live[set->where], set->index, &n);

	for (size_t i = 0; i < n; i++) {
		const struct addrs *want = wanted(set->iface, set->end, v[i].addr.family);
		bool known = false;

		if (declared(want, &v[i].addr) && !(v[i].flags & IFA_F_DADFAILED))
			continue;
		for (size_t k = 0; k < want->n; k++)
			known = known || addr_same_host(&want->v[k], &v[i].addr);
		if (!known && v[i].protocol != NET_PROTOCOL &&
		    (v[i].scope == RT_SCOPE_LINK || !(v[i].flags & IFA_F_PERMANENT) ||
		     (set->where == NET_CONTAINER && container_may_add(s->u))))
			continue;
		struct net_op op = *set;
		op.what = NET_ADDR_DEL;
		op.set = 0;
		op.addr = v[i].addr;
		net_plan_add(&s->todo, &op);
		p->end[set->end].again[v[i].addr.family == AF_INET] = true;
	}
}

/* Reduces op->set to what differs; true if anything does. */
static bool link_differs(const struct session *s, struct net_op *op)
{
	const struct live_link *l = session_link(s, op);

	if (!(l->flags & IFF_UP) != op->up)
		op->set &= ~NET_SET_UP;
	if (!op->iface || marked(s, op->iface, l, false))
		op->set &= ~NET_SET_ALIAS;
	op->set &= ~(NET_SET_MASTER | NET_SET_MTU | NET_SET_MAC);
	if (op->where == NET_HOST && l->master != op->master_index)
		op->set |= NET_SET_MASTER;
	if (l->own_arp)
		op->set &= ~NET_SET_ARP;
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
	       r->metric == (op->addr.family == AF_INET ? 0 : NET_METRIC6);
}

bool session_route_differs(const struct session *s, const struct net_op *op)
{
	size_t n;
	const struct live_route *v = live_routes_of(&s->live[op->where], op->index, &n);

	for (size_t i = 0; i < n; i++)
		if (same_route(&v[i], op))
			return false;
	return true;
}

const struct live_route *session_replaced(const struct session *s, const struct net_op *op)
{
	const struct live *live = &s->live[op->where];

	for (size_t i = 0; op->replace && i < live->n_routes; i++)
		if (addr_same(&live->routes[i].to, &op->addr) &&
		    live->routes[i].metric == (op->addr.family == AF_INET ? 0 : NET_METRIC6))
			return &live->routes[i];
	return NULL;
}

/* Whether an operation of the plan is for this route, or will take its place. */
static bool route_declared(const struct session *s, enum net_where where,
			   const struct live_route *r)
{
	for (size_t i = 0; i < s->plan.n; i++) {
		const struct net_op *op = &s->plan.v[i];

		if (op->what != NET_ROUTE_ADD || op->where != where || !addr_same(&op->addr, &r->to) ||
		    r->metric != (r->to.family == AF_INET ? 0 : NET_METRIC6))
			continue;
		if (op->replace ||
		    (same_route(r, op) && session_pair(s, op)->end[op->end].index == r->index))
			return true;
	}
	return false;
}

/* Routes by links of ours that aren't declared: those that we made once, and in a container
 * that can't have made them itself, all but the kernel's. They go before others come. */
static void remove_routes(struct session *s, const struct iface *f, enum net_end end)
{
	enum net_where where = end == NET_END_HOST ? NET_HOST : NET_CONTAINER;
	const struct net_link *l = &s->pairs[f - s->u->net.ifaces].end[end];
	bool others = where == NET_CONTAINER && !container_may_add(s->u);
	size_t n;
	const struct live_route *r = live_routes_of(&s->live[where], l->index, &n);

	for (size_t i = 0; l->live && i < n; i++) {
		bool kernels = r[i].protocol == RTPROT_KERNEL || r[i].protocol == RTPROT_RA ||
			       r[i].protocol == RTPROT_REDIRECT;

		if (r[i].protocol != NET_PROTOCOL && (!others || kernels))
			continue;
		if (route_declared(s, where, &r[i]))
			continue;
		struct net_op op = { .what = NET_ROUTE_DEL,
				     .where = where,
				     .iface = f,
				     .end = end,
				     .index = l->index,
				     .addr = r[i].to,
				     .via = r[i].via,
				     .onlink = r[i].onlink,
				     .protocol = r[i].protocol,
				     .metric = r[i].metric };
		memcpy(op.link, l->live->name, sizeof(op.link));
		net_plan_add(&s->todo, &op);
	}
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

/* The ruleset is tried before anything is done. */
static int nft_missing(struct session *s, const struct net_op *op, struct err *e)
{
	if (nft_look(s->netns_fd, op->text, container_may_add(s->u), &s->nft, e) < 0)
		return -1;
	if (s->nft == NFT_LOADED)
		return 0;
	return nft_check(s->netns_fd, op->text, e) < 0 ? err_wrap(e, "network.nft: ") : 1;
}

/* One that can't be read now may belong to a link that is still to come. */
static bool sysctl_missing(const struct session *s, const struct net_op *op)
{
	struct err ignored;
	autofree char *now = netsysctl_read(s->netns_fd, op->key, &ignored);

	return !now || !netsysctl_same(now, op->text);
}

/* Whether op, completed with its indexes, is still to be done. -1 and e. */
static int is_missing(struct session *s, struct net_op *op, struct err *e)
{
	struct net_pair *p = session_pair(s, op);

	if (op->what == NET_NFT)
		return nft_missing(s, op, e);
	if (op->what == NET_FORWARD)
		return forward_look(s->u, s->host_fd, &s->forward, e) < 0 ? -1 :
									     s->forward != NFT_LOADED;
	if (op->what == NET_SYSCTL)
		return sysctl_missing(s, op);
	if (!p) {
		const struct live_link *lo = live_link(&s->live[op->where], op->link);

		if (!lo)
			return err_set(e, NU_FAILED, "%s: link %s is not there",
				       net_where_name(op->where), op->link);
		op->index = lo->index;
		return link_differs(s, op);
	}
	struct net_link *end = &p->end[op->end];
	op->index = end->index;
	op->peer_index = p->end[NET_END_GUEST].index;
	if (op->what == NET_LINK_SET && find_master(s, op, e) < 0)
		return -1;
	bool again = end->again[op->addr.family == AF_INET];
	switch (op->what) {
	case NET_PORT_ADD:
		op->replace = p->port;
		return !p->port || p->port->vlan != op->vlan || !ovs_same_trunks(p->port, op->trunks);
	case NET_LINK_MOVE:
		return p->end[NET_END_GUEST].fresh;
	case NET_LINK_ADD:
		if (op->end == NET_END_MACVLAN)
			op->parent_index = p->end[NET_END_GUEST].index;
		else if (op->parent)
			op->parent_index = live_link(&s->live[NET_HOST], op->parent)->index;
		return end->fresh;
	case NET_LINK_SET:
		if (end->fresh)
			return 1;
		compare_addrs(s, op);
		return link_differs(s, op);
	case NET_ADDR_ADD: {
		const struct live_addr *a = live_addr(&s->live[op->where], op->index, &op->addr);

		if (end->fresh)
			return 1;
		op->replace = again;
		return again || !a || !addr_same(&a->addr, &op->addr);
	}
	case NET_ROUTE_ADD:
		if (end->fresh)
			return 1;
		op->replace = op->replace || again;
		return again || session_route_differs(s, op);
	default:
		return 1;
	}
}

/* An earlier declaration's ruleset. One that the container has changed since, as it may,
 * is its own now. */
static int compare_leftover_nft(struct session *s, struct err *e)
{
	struct net_op op = { .what = NET_NFT, .where = NET_CONTAINER };

	if (!s->plan.n || s->u->net.nft || !nft_has_table(s->netns_fd, "nixunits"))
		return 0;
	if (nft_look(s->netns_fd, NULL, false, &s->nft, e) < 0)
		return -1;
	if (s->nft == NFT_LOADED || !container_may_add(s->u))
		net_plan_add(&s->todo, &op);
	return 0;
}

int session_compare(struct session *s, struct err *e)
{
	s->todo.n = 0;
	if (match_links(s, e) < 0)
		return -1;
	for (int end = 0; end < NET_ENDS; end++)
		for (size_t i = 0; i < s->u->net.n_ifaces; i++)
			remove_routes(s, &s->u->net.ifaces[i], end);
	for (size_t i = 0; i < s->plan.n; i++) {
		struct net_op op = s->plan.v[i];
		int missing = is_missing(s, &op, e);

		if (missing < 0)
			return -1;
		if (missing)
			net_plan_add(&s->todo, &op);
	}
	/* An earlier declaration's. */
	if (s->plan.n && !s->u->net.n_forwards && forward_exists(s->u->id)) {
		struct net_op op = { .what = NET_FORWARD, .where = NET_HOST, .unit = s->u };

		s->forward = NFT_OTHER;
		net_plan_add(&s->todo, &op);
	}
	return compare_leftover_nft(s, e);
}
