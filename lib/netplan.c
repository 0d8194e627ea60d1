/* netplan - what a unit's network takes, as operations in the order they are done. */
#include "netplan.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netcheck.h"
#include "netforward.h"
#include "netsysctl.h"
#include "sha256.h"
#include "sysctl.h"
#include "util.h"

void net_host_name(const char *id, const char *name, char dst[IF_NAMESIZE])
{
	bool only = streq(name, "veth");
	autofree char *plain = xfmt("nu-%s%s%s", id, only ? "" : "_", only ? "" : name);
	autofree char *key = xfmt("%s/%s", id, name);
	struct sha256 s;

	if (strlen(plain) < IF_NAMESIZE) {
		strcpy(dst, plain);
		return;
	}
	sha256_init(&s);
	sha256_add(&s, key, strlen(key));
	memcpy(dst, "nu-", 3);
	sha256_end_hex(&s, dst + 3, 12);
}

void net_macvlan_name(const char *name, char dst[IF_NAMESIZE])
{
	snprintf(dst, IF_NAMESIZE, "mv-%s", name);
}

const char *net_alias(const char *id, const char *name, char dst[NET_ALIAS])
{
	snprintf(dst, NET_ALIAS, "nixunits:%s:%s", id, name);
	return dst;
}

struct net_op *net_plan_add(struct net_plan *p, const struct net_op *op)
{
	if (p->n == p->room) {
		p->room = p->room ? p->room * 2 : 16;
		p->v = xrealloc(p->v, p->room, sizeof(*p->v));
	}
	p->v[p->n] = *op;
	return &p->v[p->n++];
}

void net_plan_free(struct net_plan *p)
{
	free(p->v);
	*p = (struct net_plan){ 0 };
}

/* An operation on one of the links of f, done where that link is. */
static struct net_op *add_op(struct net_plan *p, enum net_end end, enum net_what what,
			     const struct iface *f, const char *link)
{
	struct net_op op = { .what = what,
			     .where = end == NET_END_HOST ? NET_HOST : NET_CONTAINER,
			     .iface = f,
			     .end = end,
			     .protocol = NET_PROTOCOL };

	snprintf(op.link, sizeof(op.link), "%s", link);
	return net_plan_add(p, &op);
}

/* Both ends of a veth that is no bridge's port are ours and nobody else is on the
 * link; the plan has seen that no address is there twice. To look for duplicates
 * (1 to 2 s in which an IPv6 address is of no use) would find nothing. */
static bool alone(const struct iface *f)
{
	return f->kind == IFACE_VETH && !f->host_bridge;
}

static void plan_addrs(struct net_plan *p, enum net_end end, const struct iface *f,
		       const char *link, const struct addrs *addrs)
{
	for (size_t i = 0; i < addrs->n; i++) {
		struct net_op *op = add_op(p, end, NET_ADDR_ADD, f, link);

		op->addr = addrs->v[i];
		op->no_dad = end != NET_END_MACVLAN && alone(f) && op->addr.family == AF_INET6;
	}
}

/* A route to the very address of each peer that lies in no network of this end:
 * the two ends of a link need not be of one network (192.168.20.2/31 and
 * 192.168.20.1/31 aren't). */
static void plan_peer_routes(struct net_plan *p, enum net_end end, const struct iface *f,
			     const char *link, const struct addrs *mine, const struct addrs *peers)
{
	for (size_t i = 0; mine->n && i < peers->n; i++) {
		if (net_longest_cover(mine, &peers->v[i]) >= 0)
			continue;
		struct net_op *op = add_op(p, end, NET_ROUTE_ADD, f, link);
		op->addr = peers->v[i];
		op->addr.prefix = addr_bits(op->addr.family);
	}
}

static void take_mac(struct net_op *op, const struct iface *f)
{
	op->has_mac = f->has_mac;
	memcpy(op->mac, f->mac, sizeof(op->mac));
}

static void plan_veth(const struct iface *f, const char *name, struct net_plan *p)
{
	struct net_op *op = add_op(p, NET_END_HOST, NET_LINK_ADD, f, name);

	op->kind = "veth";
	op->mtu = f->mtu;
	take_mac(op, f);

	op = add_op(p, NET_END_HOST, NET_LINK_SET, f, name);
	op->set = NET_SET_UP | NET_SET_ALIAS | (f->host_bridge ? NET_SET_MASTER : 0);
	op->up = true;
	op->mtu = f->mtu;
	op->master = f->host_bridge;

	plan_addrs(p, NET_END_HOST, f, name, &f->host_ip4);
	plan_addrs(p, NET_END_HOST, f, name, &f->host_ip6);
	plan_peer_routes(p, NET_END_HOST, f, name, &f->host_ip4, &f->ip4);
	plan_peer_routes(p, NET_END_HOST, f, name, &f->host_ip6, &f->ip6);
}

/* The ports of Open vSwitch come first: all of them are one transaction. */
static void plan_host(const struct unit *u, struct net_plan *p)
{
	char name[IF_NAMESIZE];
	struct net_op *op;

	for (size_t i = 0; i < u->net.n_ifaces; i++) {
		const struct iface *f = &u->net.ifaces[i];

		if (f->kind != IFACE_OVS)
			continue;
		net_host_name(u->id, f->name, name);
		op = add_op(p, NET_END_HOST, NET_PORT_ADD, f, name);
		op->parent = f->ovs.bridge;
		op->vlan = f->ovs.vlan;
		op->trunks = f->ovs.trunks;
	}
	for (size_t i = 0; i < u->net.n_ifaces; i++) {
		const struct iface *f = &u->net.ifaces[i];

		net_host_name(u->id, f->name, name);
		switch (f->kind) {
		case IFACE_VETH:
		case IFACE_BRIDGE:
			plan_veth(f, name, p);
			break;
		case IFACE_OVS:
		case IFACE_HOST:
			add_op(p, NET_END_HOST, NET_LINK_MOVE, f, f->kind == IFACE_OVS ? name : f->name);
			break;
		case IFACE_VLAN:
		case IFACE_MACVLAN:
			/* Made by the host, on its link, but in the container. */
			op = add_op(p, NET_END_GUEST, NET_LINK_ADD, f, f->name);
			op->where = NET_HOST;
			op->kind = f->kind == IFACE_VLAN ? "vlan" : "macvlan";
			op->parent = f->parent;
			op->vlan = f->vlan;
			break;
		}
	}
}

/* The MAC of a virtual router (RFC 5798). */
static void vrrp_mac(struct net_op *op, long vrid)
{
	const unsigned char mac[6] = { 0x00, 0x00, 0x5e, 0x00, 0x02, vrid };

	memcpy(op->mac, mac, sizeof(mac));
	op->has_mac = true;
}

static void plan_macvlan(const struct iface *f, struct net_plan *p)
{
	char name[IF_NAMESIZE];
	struct net_op *op;

	net_macvlan_name(f->name, name);
	op = add_op(p, NET_END_MACVLAN, NET_LINK_ADD, f, name);
	op->kind = "macvlan";
	op->parent = f->name;
	if (f->macvlan.vrid)
		vrrp_mac(op, f->macvlan.vrid);
	struct net_op set = *op;
	set.what = NET_LINK_SET;
	set.kind = set.parent = NULL;
	set.set = NET_SET_UP | NET_SET_ALIAS | NET_SET_ARP;
	set.up = true;
	net_plan_add(p, &set);
}

static void plan_guest_links(const struct unit *u, struct net_plan *p)
{
	struct net_op *op = add_op(p, NET_END_GUEST, NET_LINK_SET, NULL, "lo");

	op->set = NET_SET_UP;
	op->up = true;
	for (size_t i = 0; i < u->net.n_ifaces; i++) {
		const struct iface *f = &u->net.ifaces[i];

		op = add_op(p, NET_END_GUEST, NET_LINK_SET, f, f->name);
		op->set = NET_SET_UP | (net_is_veth(f) ? 0 : NET_SET_ALIAS) |
			  (f->macvlan.present ? NET_SET_ARP : 0);
		/* A veth was made with both. */
		if (!net_is_veth(f))
			op->set |= (f->mtu ? NET_SET_MTU : 0) | (f->has_mac ? NET_SET_MAC : 0);
		op->up = true;
		op->mtu = f->mtu;
		take_mac(op, f);
		if (f->macvlan.present)
			plan_macvlan(f, p);
	}
}

static void plan_guest_addrs(const struct unit *u, struct net_plan *p)
{
	for (size_t i = 0; i < u->net.n_ifaces; i++) {
		const struct iface *f = &u->net.ifaces[i];
		char name[IF_NAMESIZE];

		plan_addrs(p, NET_END_GUEST, f, f->name, &f->ip4);
		plan_addrs(p, NET_END_GUEST, f, f->name, &f->ip6);
		plan_peer_routes(p, NET_END_GUEST, f, f->name, &f->ip4, &f->host_ip4);
		plan_peer_routes(p, NET_END_GUEST, f, f->name, &f->ip6, &f->host_ip6);
		if (!f->macvlan.present)
			continue;
		net_macvlan_name(f->name, name);
		plan_addrs(p, NET_END_MACVLAN, f, name, &f->macvlan.ip4);
		plan_addrs(p, NET_END_MACVLAN, f, name, &f->macvlan.ip6);
	}
}

/* Which of the settings is made first: forwarding for all sets others, and what is for all
 * links sets that of each. */
static int sysctl_rank(const char *key)
{
	autofree char *path = sysctl_path(key);

	if (streq(path, "net/ipv4/ip_forward") || ends_with(path, "/conf/all/forwarding"))
		return 0;
	return strstr(path, "/conf/all/") ? 1 : 2;
}

static void plan_sysctls(const struct unit *u, struct net_plan *p)
{
	for (int rank = 0; rank <= 2; rank++)
		for (size_t i = 0; i < u->n_sysctls; i++) {
			const struct sysctl *s = &u->sysctls[i];

			if (!netsysctl_is(s->key) || sysctl_rank(s->key) != rank)
				continue;
			struct net_op *op = add_op(p, NET_END_GUEST, NET_SYSCTL, NULL, "");

			op->key = s->key;
			op->text = s->value;
		}
}

/* The links come first, since rules and settings may name them; the addresses last, so
 * that no packet arrives before the rules. */
static void plan_container(const struct unit *u, struct net_plan *p)
{
	plan_guest_links(u, p);
	if (u->net.nft)
		add_op(p, NET_END_GUEST, NET_NFT, NULL, "")->text = u->net.nft;
	plan_sysctls(u, p);
	plan_guest_addrs(u, p);
}

/* "lan 10.0.0.2/31, wan 70.0.0.2/31" */
static void list_candidates(const struct unit *u, int family, bool with_addr, struct buf *b)
{
	char text[ADDR_TEXT];

	for (size_t i = 0; i < u->net.n_ifaces; i++) {
		const struct iface *f = &u->net.ifaces[i];
		const struct addrs *v = net_own(f, family);

		if (!with_addr)
			buf_addf(b, "%s%s", b->n ? ", " : "", f->name);
		for (size_t k = 0; with_addr && k < v->n; k++)
			buf_addf(b, "%s%s %s", b->n ? ", " : "", f->name,
				 addr_text(&v->v[k], true, text));
	}
	if (!b->n)
		buf_addf(b, "none");
}

static bool has_addr(const struct addrs *v, const struct addr *a)
{
	for (size_t i = 0; i < v->n; i++)
		if (addr_same_host(&v->v[i], a))
			return true;
	return false;
}

/* Every address of that family names a single host: the interface is on no network
 * of its own, as where a provider gives one address and a next hop beside it. */
static bool has_single_hosts(const struct iface *f, int family)
{
	const struct addrs *v = net_own(f, family);
	size_t i = 0;

	while (i < v->n && v->v[i].prefix == addr_bits(family))
		i++;
	return v->n && i == v->n;
}

/* Which interface a next hop is on; *onlink where no route leads to it yet. NULL, e. */
static const struct iface *next_hop(const struct unit *u, const struct addr *via, bool *onlink,
				    struct err *e)
{
	const struct iface *found = NULL, *single = NULL;
	int longest = -1, singles = 0;
	autobuf struct buf b = { 0 };
	char text[ADDR_TEXT];

	addr_text(via, false, text);
	for (size_t i = 0; i < u->net.n_ifaces; i++) {
		const struct iface *f = &u->net.ifaces[i];
		int cover = net_link_local(via) ? -1 : net_longest_cover(net_own(f, via->family), via);

		if (has_addr(net_own(f, via->family), via)) {
			err_set(e, NU_USAGE, "%s is the container's own, on %s", text, f->name);
			return NULL;
		}
		if (has_addr(net_hosts(f, via->family), via))
			cover = addr_bits(via->family);
		if (cover > longest) {
			longest = cover;
			found = f;
		}
		if (has_single_hosts(f, via->family)) {
			single = f;
			singles++;
		}
	}
	if (found)
		return found;
	if (net_link_local(via) && u->net.n_ifaces == 1)
		return &u->net.ifaces[0];
	if (!net_link_local(via) && singles == 1) {
		*onlink = true;
		return single;
	}
	list_candidates(u, via->family, !net_link_local(via), &b);
	if (net_link_local(via))
		err_set(e, NU_USAGE, "%s may be on any link, and there are several (name one: "
				     "%s%%%s): %s",
			text, text, u->net.n_ifaces ? u->net.ifaces[0].name : "lan", b.p);
	else
		err_set(e, NU_USAGE, "%s is on no link of the container (%s)", text, b.p);
	return NULL;
}

static const struct iface *iface_called(const struct unit *u, const char *name, struct err *e)
{
	autobuf struct buf b = { 0 };

	for (size_t i = 0; i < u->net.n_ifaces; i++)
		if (streq(u->net.ifaces[i].name, name))
			return &u->net.ifaces[i];
	list_candidates(u, 0, false, &b);
	err_set(e, NU_USAGE, "no interface is called %s; there are: %s", quoted(name), b.p);
	return NULL;
}

/* The interface that the declaration names for the next hop: "fe80::1%wan". */
static const struct iface *named_hop(const struct unit *u, const struct addr *via,
				     const char *link, struct err *e)
{
	const struct iface *f = iface_called(u, link, e);

	if (!f || net_link_local(via))
		return f;
	err_set(e, NU_USAGE, "only a link-local address takes an interface");
	return NULL;
}

static int plan_default(const struct unit *u, const char *field, const struct addr *via,
			const char *link, struct net_plan *p, struct err *e)
{
	bool onlink = false;

	if (!via->family)
		return 0;
	const struct iface *f = link ? named_hop(u, via, link, e) : next_hop(u, via, &onlink, e);
	if (!f)
		return err_wrap(e, "%s: ", field);
	struct net_op *op = add_op(p, NET_END_GUEST, NET_ROUTE_ADD, f, f->name);
	op->addr = (struct addr){ .family = via->family };
	op->via = *via;
	op->onlink = onlink;
	op->replace = true;
	return 0;
}

/* The interface that a route with both names for its next hop, which must be there. */
static const struct iface *hop_on(const struct unit *u, const struct route *r, bool *onlink,
				  struct err *e)
{
	const struct iface *f = iface_called(u, r->link, e), *other;

	if (!f || !r->via.family || net_link_local(&r->via))
		return f;
	*onlink = has_single_hosts(f, r->via.family) &&
		  !has_addr(net_hosts(f, r->via.family), &r->via) &&
		  !has_addr(net_own(f, r->via.family), &r->via);
	if (*onlink)
		return f;
	other = next_hop(u, &r->via, onlink, e);
	if (!other || other == f)
		return other;
	char text[ADDR_TEXT];
	err_set(e, NU_USAGE, "%s is on no link of interface %s, but on one of %s",
		addr_text(&r->via, false, text), f->name, other->name);
	return NULL;
}

/* A route to what is routed already would take that route's place. */
static int check_static(const struct unit *u, const struct route *r, const struct net_plan *p,
			struct err *e)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].what == NET_ROUTE_ADD && p->v[i].where == NET_CONTAINER &&
		    addr_same(&p->v[i].addr, &r->to))
			return err_set(e, NU_USAGE, "there is another route to it, by interface %s",
				       p->v[i].link);
	for (size_t i = 0; i < u->net.n_ifaces; i++) {
		const struct addrs *own = net_own(&u->net.ifaces[i], r->to.family);

		for (size_t k = 0; k < own->n; k++)
			if (own->v[k].prefix == r->to.prefix && addr_covers(&r->to, &own->v[k]))
				return err_set(e, NU_USAGE, "it is the network of interface %s",
					       u->net.ifaces[i].name);
	}
	return 0;
}

static int plan_static(const struct unit *u, const struct route *r, struct net_plan *p,
		       struct err *e)
{
	bool onlink = false;
	char text[ADDR_TEXT];

	const struct iface *f = r->link ? hop_on(u, r, &onlink, e) : next_hop(u, &r->via, &onlink, e);
	if (!f || check_static(u, r, p, e) < 0)
		return err_wrap(e, "network.routes: %s: ", addr_text(&r->to, true, text));
	struct net_op *op = add_op(p, NET_END_GUEST, NET_ROUTE_ADD, f, f->name);
	op->addr = r->to;
	op->via = r->via;
	op->onlink = onlink;
	op->replace = true;
	return 0;
}

const char *net_whose(const struct unit *u)
{
	return u->net.netns ? u->net.netns : u->net.private ? "private" : "host";
}

/* Where the network is the host's, or a namespace that others made, nothing of it is ours
 * to set. */
static int check_not_own(const struct unit *u, struct err *e)
{
	const char *field = u->net.route4.family || u->net.route6.family || u->net.n_routes ?
				    "network.routes" :
			    u->net.nft						 ? "network.nft" :
			    u->net.n_forwards						 ? "network.forward" :
										   NULL;

	if (field)
		return err_set(e, NU_USAGE, "%s can't be set: the network is not the container's own "
					    "(%s)",
			       field, u->net.netns ? "netns" : "private: false");
	return sysctl_check(u, e);
}

int net_plan(const struct unit *u, struct net_plan *p, struct err *e)
{
	*p = (struct net_plan){ .id = u->id };
	if (!u->net.private || u->net.netns)
		return check_not_own(u, e);
	if (net_check(u, e) < 0 || forward_check(u, e) < 0)
		return -1;
	plan_host(u, p);
	plan_container(u, p);
	if (plan_default(u, "network.routes.ip4", &u->net.route4, NULL, p, e) < 0 ||
	    plan_default(u, "network.routes.ip6", &u->net.route6, u->net.route6_link, p, e) < 0)
		return -1;
	for (size_t i = 0; i < u->net.n_routes; i++)
		if (plan_static(u, &u->net.routes[i], p, e) < 0)
			return -1;
	if (u->net.n_forwards)
		add_op(p, NET_END_HOST, NET_FORWARD, NULL, "")->unit = u;
	return 0;
}
