/* netcompare - which operations of a plan are still to be done. */
#include "netsession.h"

#include <linux/if_addr.h>
#include <string.h>

#include "cap.h"
#include "net.h"
#include "netforward.h"
#include "netmsg.h"
#include "netsysctl.h"
#include "util.h"

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
	return cap_allowed("CAP_NET_ADMIN", u->caps, u->n_caps);
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

		if (declared(want, &v[i].addr) && !v[i].peer.family && !(v[i].flags & IFA_F_DADFAILED))
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
		op.via = v[i].peer;
		net_plan_add(&s->todo, &op);
		p->end[set->end].again[v[i].addr.family == AF_INET] = true;
	}
}

/* Where none is declared, the one that the link was made with. (A VLAN has its parent's, a link
 * of the host's its own.) */
static void expect_mac(const struct session *s, struct net_op *op)
{
	if (op->has_mac || !op->iface || (op->where == NET_CONTAINER && container_may_add(s->u)))
		return;
	if (op->end != NET_END_MACVLAN &&
	    (op->iface->kind == IFACE_HOST || op->iface->kind == IFACE_VLAN))
		return;
	netmsg_stable_mac(s->u->id, op->link, op->mac);
	op->has_mac = true;
}

/* Reduces op->set to what differs; true if anything does. */
static bool link_differs(const struct session *s, struct net_op *op)
{
	const struct live_link *l = session_link(s, op);

	if (!(l->flags & IFF_UP) != op->up)
		op->set &= ~NET_SET_UP;
	if (!op->iface || session_marked(s, op->iface, l, false))
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

void session_take_route(struct net_op *op, const struct live_route *r)
{
	op->addr = r->to;
	op->via = r->via;
	op->onlink = r->onlink;
	op->protocol = r->protocol;
	op->type = r->type;
	op->metric = r->metric;
}

/* Marks, in `known`, the live routes that op, one of the plan, is for or will replace. */
static void mark_routes(const struct session *s, const struct net_op *op, bool *known)
{
	const struct live *live = &s->live[op->where];
	size_t n;

	for (size_t i = 0; op->replace && i < live->n_routes; i++)
		if (addr_same(&live->routes[i].to, &op->addr) &&
		    live->routes[i].metric == (op->addr.family == AF_INET ? 0 : NET_METRIC6))
			known[i] = true;
	const struct live_route *r =
		live_routes_of(live, session_pair(s, op)->end[op->end].index, &n);
	for (size_t i = 0; i < n; i++)
		if (same_route(&r[i], op))
			known[r - live->routes + i] = true;
}

/* Routes by links of ours that aren't known: those that we made once, and in a container
 * that can't have made them itself, all but the kernel's. */
static void remove_routes(struct session *s, const struct iface *f, enum net_end end,
			  const bool *known)
{
	enum net_where where = end == NET_END_HOST ? NET_HOST : NET_CONTAINER;
	const struct net_link *l = &s->pairs[f - s->u->net.ifaces].end[end];
	bool others = where == NET_CONTAINER && !container_may_add(s->u);
	size_t n;
	const struct live_route *r = live_routes_of(&s->live[where], l->index, &n);

	for (size_t i = 0; l->live && i < n; i++) {
		bool kernels = r[i].protocol == RTPROT_KERNEL || r[i].protocol == RTPROT_RA ||
			       r[i].protocol == RTPROT_REDIRECT;

		if (known[r - s->live[where].routes + i] ||
		    (r[i].protocol != NET_PROTOCOL && (!others || kernels)))
			continue;
		struct net_op op = { .what = NET_ROUTE_DEL,
				     .where = where,
				     .iface = f,
				     .end = end,
				     .index = l->index };
		session_take_route(&op, &r[i]);
		memcpy(op.link, l->live->name, sizeof(op.link));
		net_plan_add(&s->todo, &op);
	}
}

/* What a link without an interface, the loopback or a stranger, is to be. */
static struct net_op on_link(const struct live_link *l, enum net_what what)
{
	struct net_op op = { .what = what,
			     .where = NET_CONTAINER,
			     .end = NET_END_GUEST,
			     .index = l->index };

	memcpy(op.link, l->name, sizeof(op.link));
	return op;
}

static void clear_loopback(struct session *s, const bool *known)
{
	const struct live *live = &s->live[NET_CONTAINER];
	const struct live_link *lo = live_link(live, "lo");
	size_t n;

	if (!lo)
		return;
	const struct live_route *r = live_routes_of(live, lo->index, &n);
	for (size_t i = 0; i < n; i++) {
		struct net_op op = on_link(lo, NET_ROUTE_DEL);

		if (known[r - live->routes + i] || r[i].protocol == RTPROT_KERNEL)
			continue;
		session_take_route(&op, &r[i]);
		net_plan_add(&s->todo, &op);
	}
	const struct live_addr *a = live_addrs_of(live, lo->index, &n);
	for (size_t i = 0; i < n; i++) {
		struct net_op op = on_link(lo, NET_ADDR_DEL);

		op.addr = a[i].addr;
		op.via = a[i].peer;
		if (a[i].scope != RT_SCOPE_HOST)
			net_plan_add(&s->todo, &op);
	}
}

/* By an argument of nspawn's. */
static bool has_other_links(const struct unit *u)
{
	for (const char **arg = u->nspawn_args; arg && *arg; arg++)
		if (starts_with(*arg, "--network-") || starts_with(*arg, "-n"))
			return true;
	return false;
}

/* Whether a link is the other end of one on the host that is ours, and goes with it. */
static bool goes_along(const struct session *s, const struct live_link *l)
{
	const struct live_link *end = l->peer ? live_link_at(&s->live[NET_HOST], l->peer) : NULL;

	return end && net_ours(end, s->u->id);
}

/* What a container that can't have made it has beside what is declared: addresses and routes
 * of its loopback go, links that are up are put down, as the kernel's own are that come with
 * every namespace. */
static void compare_strangers(struct session *s, const bool *known_routes)
{
	const struct live *live = &s->live[NET_CONTAINER];
	autofree bool *known = xalloc(live->n_links + 1);

	if (s->plan.n == 0 || container_may_add(s->u))
		return;
	clear_loopback(s, known_routes);
	for (size_t i = 0; i < s->u->net.n_ifaces; i++)
		for (int end = NET_END_GUEST; end < NET_ENDS; end++)
			if (s->pairs[i].end[end].live)
				known[s->pairs[i].end[end].live - live->links] = true;
	for (size_t i = 0; i < live->n_links && !has_other_links(s->u); i++) {
		const struct live_link *l = &live->links[i];
		struct net_op op = on_link(l, NET_LINK_SET);

		op.set = NET_SET_UP;
		if (!known[i] && l->flags & IFF_UP && !(l->flags & IFF_LOOPBACK) &&
		    !starts_with(l->alias, "nixunits:") && !goes_along(s, l))
			net_plan_add(&s->todo, &op);
	}
}

/* They go before others come. */
static void compare_routes(struct session *s)
{
	autofree bool *host = xalloc(s->live[NET_HOST].n_routes + 1);
	autofree bool *guest = xalloc(s->live[NET_CONTAINER].n_routes + 1);

	for (size_t i = 0; i < s->plan.n; i++)
		if (s->plan.v[i].what == NET_ROUTE_ADD)
			mark_routes(s, &s->plan.v[i], s->plan.v[i].where == NET_HOST ? host : guest);
	for (int end = 0; end < NET_ENDS; end++)
		for (size_t i = 0; i < s->u->net.n_ifaces; i++)
			remove_routes(s, &s->u->net.ifaces[i], end, end == NET_END_HOST ? host : guest);
	compare_strangers(s, guest);
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

/* The ruleset is tried before anything is done. Rules know a link by its number: they are
 * loaded again where one is made anew. */
static int nft_missing(struct session *s, const struct net_op *op, struct err *e)
{
	autostrv struct strv links = { 0 };
	bool fresh = false;

	for (size_t i = 0; i < s->plan.n; i++) {
		const struct net_op *set = &s->plan.v[i];

		if (set->what != NET_LINK_SET || set->where != NET_CONTAINER || !set->iface)
			continue;
		strv_add(&links, set->link);
		fresh = fresh || session_pair(s, set)->end[set->end].fresh;
	}
	if (nft_look(s->netns_fd, op->text, container_may_add(s->u), &s->nft, e) < 0)
		return -1;
	if (s->nft == NFT_LOADED && !fresh)
		return 0;
	return nft_check(s->netns_fd, op->text, &links, e) < 0 ? err_wrap(e, "network.nft: ") : 1;
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
		return !p->port || p->port->vlan != op->vlan || *p->port->mode ||
		       !ovs_same_trunks(p->port, op->trunks);
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
		expect_mac(s, op);
		return link_differs(s, op);
	case NET_ADDR_ADD: {
		const struct live_addr *a = live_addr(&s->live[op->where], op->index, &op->addr);

		if (end->fresh)
			return 1;
		/* One whose time is limited gets all there is. */
		op->replace = again || (a && addr_same(&a->addr, &op->addr));
		return again || !a || !addr_same(&a->addr, &op->addr) || !live_addr_plain(a);
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
	if (session_match(s, e) < 0)
		return -1;
	compare_routes(s);
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
