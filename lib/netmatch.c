/* netmatch - which of the links that are there are a unit's, and what of them has to go. */
#include "netsession.h"

#include <stdlib.h>
#include <string.h>

#include "machine.h"
#include "store.h"
#include "util.h"

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

bool session_marked(const struct session *s, const struct iface *f, const struct live_link *l,
		    bool none)
{
	char alias[NET_ALIAS];

	return (none && !l->alias[0]) || streq(l->alias, net_alias(s->u->id, f->name, alias));
}

static bool is_upper(const struct live_link *l)
{
	return streq(l->kind, "macvlan") || streq(l->kind, "vlan");
}

static int match_veth(struct session *s, const struct iface *f, struct net_pair *p, struct err *e)
{
	char name[IF_NAMESIZE];

	net_host_name(s->u->id, f->name, name);
	const struct live_link *h = live_link(&s->live[NET_HOST], name);
	const struct live_link *g = live_link(&s->live[NET_CONTAINER], f->name);
	if (h && !session_marked(s, f, h, false))
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
	if (g && !session_marked(s, f, g, true))
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

static bool has_link(const struct unit *u, const char *name, long vlan)
{
	for (size_t i = 0; i < u->net.n_ifaces; i++) {
		const struct iface *f = &u->net.ifaces[i];

		if (vlan ? f->vlan == vlan && streq(f->parent, name) :
			   f->kind == IFACE_HOST && streq(f->name, name))
			return true;
	}
	return false;
}

char *session_holder(const struct session *s, const char *name, long vlan)
{
	autostrv struct strv ids = { 0 };
	struct machine m;
	struct err ignored;

	store_ids(&ids);
	for (size_t i = 0; i < ids.n; i++) {
		if (streq(ids.v[i], s->u->id) || machine_find(ids.v[i], &m, &ignored) != 1)
			continue;
		autounit struct unit *u = store_unit(ids.v[i], "current", &ignored);
		if (u && has_link(u, name, vlan))
			return xstrdup(u->id);
	}
	return NULL;
}

/* "interface eth0: eth1: no such link on the host", or which unit it has moved to. */
static int no_such_link(struct session *s, const struct iface *f, const char *name,
			struct err *e)
{
	autofree char *id = session_holder(s, name, 0);

	if (id)
		return err_set(e, NU_FAILED, "interface %s: unit %s has the host's link %s", f->name, id,
			       name);
	s->may_return = true;
	return err_set(e, NU_FAILED, "interface %s: %s%sno such link on the host", f->name,
		       streq(f->name, name) ? "" : name, streq(f->name, name) ? "" : ": ");
}

static int match_moved(struct session *s, const struct iface *f, struct net_pair *p, struct err *e)
{
	const struct live_link *g = live_link(&s->live[NET_CONTAINER], f->name);
	const struct live_link *h = live_link(&s->live[NET_HOST], f->name);

	if (g && !session_marked(s, f, g, true))
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
static int match_upper(struct session *s, const struct iface *f, const char *name, long vlan,
		       const struct live_link *parent, struct net_link *end, struct err *e)
{
	const struct live_link *g = live_link(&s->live[NET_CONTAINER], name);
	/* Of another kind, on another link or in another VLAN: a leftover then. */
	bool same = g && parent && g->peer == parent->index && g->vlan == vlan &&
		    streq(g->kind, vlan ? "vlan" : "macvlan");

	if (g && !(session_marked(s, f, g, true) && is_upper(g)))
		return foreign(NET_CONTAINER, g, e);
	if (g && !same && !net_ours(g, s->u->id))
		remove_link(s, NET_CONTAINER, g);
	found(end, same ? g : NULL);
	return 0;
}

/* On a link of the host's, whose own VLANs are seen here. */
static int match_on_host(struct session *s, const struct iface *f, struct net_link *end,
			 struct err *e)
{
	const struct live *host = &s->live[NET_HOST];
	const struct live_link *parent = live_link(host, f->parent);

	if (!parent)
		return no_such_link(s, f, f->parent, e);
	for (size_t i = 0; f->vlan && i < host->n_links; i++)
		if (host->links[i].vlan == f->vlan && host->links[i].peer == parent->index)
			return err_set(e, NU_FAILED, "interface %s: VLAN %ld of %s is the host's link %s",
				       f->name, f->vlan, f->parent, host->links[i].name);
	return match_upper(s, f, f->name, f->vlan, parent, end, e);
}

static int match_iface(struct session *s, const struct iface *f, struct net_pair *p, struct err *e)
{
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
		return match_on_host(s, f, &p->end[NET_END_GUEST], e);
	}
	return 0;
}

static int by_index(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static bool any_index(const struct live *live, int first, int n)
{
	for (size_t i = 0; i < live->n_links; i++)
		if (live->links[i].index >= first && live->links[i].index < first + n)
			return true;
	return false;
}

/* Links are made with indexes of our choice, so that the messages which follow in
 * the same send can name them. What the host makes has one of a block of random numbers
 * above what the kernel counts up to: two units that start at once do not meet, and a
 * number is not soon another link's. A VLAN or macvlan has it in the container: before
 * Linux 6.14 the kernel looks for the index of a new link where the request comes from,
 * wherever the link goes, and takes the host's link of that number for it. */
static void choose_indexes(struct session *s)
{
	const struct live *host = &s->live[NET_HOST], *guest = &s->live[NET_CONTAINER];
	int first, last = 0, n = s->u->net.n_ifaces;

	do
		first = (1 << 24) + (int)(net_random() & 0xffffff);
	while (any_index(host, first, n) || any_index(guest, first, n));
	for (size_t i = 0; i < guest->n_links; i++)
		if (guest->links[i].index > last)
			last = guest->links[i].index;
	for (int i = 0; i < n; i++) {
		struct net_link *end = s->pairs[i].end;
		bool upper = s->u->net.ifaces[i].parent;

		if (end[NET_END_HOST].fresh || (upper && end[NET_END_GUEST].fresh))
			end[upper ? NET_END_GUEST : NET_END_HOST].index = first++;
		if (end[NET_END_GUEST].fresh && !upper)
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

/* A link of the host's that an earlier declaration took: it goes back, as "dev0" or the like
 * where its name is another's by now. */
static void return_link(struct session *s, const struct live_link *l)
{
	bool taken = live_link(&s->live[NET_HOST], l->name);
	struct net_op op = { .what = NET_LINK_MOVE, .where = NET_CONTAINER, .index = l->index,
			     .hardware = true };

	memcpy(op.link, taken ? NET_ANY_NAME : l->name, taken ? sizeof(NET_ANY_NAME) : sizeof(op.link));
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

			if (!net_ours(l, s->u->id) ||
			    bsearch(&l->index, kept, n, sizeof(*kept), by_index))
				continue;
			if (where == NET_CONTAINER && l->hardware)
				return_link(s, l);
			else if (where == NET_HOST ? streq(l->kind, "veth") : net_removable(l))
				remove_link(s, where, l);
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

int session_match(struct session *s, struct err *e)
{
	for (size_t i = 0; i < s->u->net.n_ifaces; i++) {
		const struct iface *f = &s->u->net.ifaces[i];
		struct net_pair *p = &s->pairs[i];
		char name[IF_NAMESIZE];

		*p = (struct net_pair){ 0 };
		if (match_iface(s, f, p, e) < 0)
			return -1;
		net_macvlan_name(f->name, name);
		if (f->macvlan.present && match_upper(s, f, name, 0, p->end[NET_END_GUEST].live,
						      &p->end[NET_END_MACVLAN], e) < 0)
			return -1;
	}
	remove_leftovers(s);
	if (s->todo.n)
		qsort(s->todo.v, s->todo.n, sizeof(*s->todo.v), ports_first);
	choose_indexes(s);
	return 0;
}
