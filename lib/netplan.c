/* netplan - what a unit's network takes, as operations in the order they are done. */
#include "netplan.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "sha256.h"
#include "util.h"

/* ---- names ---- */

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

const char *net_alias(const char *id, const char *name, char dst[NET_ALIAS])
{
	snprintf(dst, NET_ALIAS, "nixunits:%s:%s", id, name);
	return dst;
}

const char *net_where_name(enum net_where where)
{
	return where == NET_HOST ? "host" : "container";
}

/* ---- operations ---- */

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

static struct net_op *add_op(struct net_plan *p, enum net_where where, enum net_what what,
			     const struct iface *f, const char *link)
{
	struct net_op op = { .what = what, .where = where, .iface = f };

	snprintf(op.link, sizeof(op.link), "%s", link);
	return net_plan_add(p, &op);
}

/* ---- is it sound? ---- */

static int bad(const struct iface *f, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static int bad(const struct iface *f, struct err *e, const char *fmt, ...)
{
	va_list ap;

	e->code = NU_USAGE;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return err_wrap(e, "interface %s: ", f->name);
}

static bool link_local(const struct addr *a)
{
	return a->family == AF_INET6 && a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

/* What is left of the address's own bits: all zero, all one, or something else. */
static bool host_bits_are(const struct addr *a, bool ones)
{
	for (unsigned int bit = a->prefix; bit < addr_bits(a->family); bit++)
		if (((a->bytes[bit / 8] >> (7 - bit % 8)) & 1) != ones)
			return false;
	return true;
}

static const char *unusable(const struct addr *a)
{
	static const unsigned char zero[16], loopback6[16] = { [15] = 1 };
	const unsigned char *b = a->bytes;

	if (memcmp(b, zero, addr_bits(a->family) / 8) == 0)
		return "not the address of an interface";
	if (a->family == AF_INET6) {
		if (memcmp(b, loopback6, 16) == 0)
			return "the loopback address, which every namespace has";
		return b[0] == 0xff ? "a multicast address" : NULL;
	}
	if (b[0] == 127)
		return "a loopback address";
	if (b[0] >= 224)
		return b[0] < 240 ? "a multicast address" : "a reserved address";
	if (a->prefix < 31 && host_bits_are(a, false))
		return "the address of the network itself";
	if (a->prefix < 31 && host_bits_are(a, true))
		return "the broadcast address of its network";
	return NULL;
}

/* An address and who declares it. */
struct claim {
	const struct addr *a;
	const struct iface *f;
	const char *field;
};

/* A link-local address means something on its own link only. */
static int claim_order(const void *pa, const void *pb)
{
	const struct claim *a = pa, *b = pb;

	if (a->a->family != b->a->family)
		return a->a->family < b->a->family ? -1 : 1;
	int order = memcmp(a->a->bytes, b->a->bytes, addr_bits(a->a->family) / 8);
	if (order == 0 && link_local(a->a) && a->f != b->f)
		return a->f < b->f ? -1 : 1;
	return order;
}

struct claims {
	struct claim *v;
	size_t n;
};

static int claim(struct claims *c, const struct iface *f, const char *field,
		 const struct addrs *addrs, struct err *e)
{
	char text[ADDR_TEXT];

	for (size_t i = 0; i < addrs->n; i++) {
		const char *why = unusable(&addrs->v[i]);

		if (why)
			return bad(f, e, "%s %s: %s", field, addr_text(&addrs->v[i], true, text),
				   why);
		c->v[c->n++] = (struct claim){ &addrs->v[i], f, field };
	}
	return 0;
}

/* No address twice in a unit, on whichever side. */
static int check_unique(const struct unit *u, struct err *e)
{
	size_t room = 1;

	for (size_t i = 0; i < u->net.n_ifaces; i++) {
		const struct iface *f = &u->net.ifaces[i];

		room += f->ip4.n + f->ip6.n + f->host_ip4.n + f->host_ip6.n + f->macvlan.ip4.n +
			f->macvlan.ip6.n;
	}
	autofree struct claim *v = xrealloc(NULL, room, sizeof(*v));
	struct claims c = { .v = v };
	for (size_t i = 0; i < u->net.n_ifaces; i++) {
		const struct iface *f = &u->net.ifaces[i];

		if (claim(&c, f, "ip4", &f->ip4, e) < 0 || claim(&c, f, "ip6", &f->ip6, e) < 0 ||
		    claim(&c, f, "hostIp4", &f->host_ip4, e) < 0 ||
		    claim(&c, f, "hostIp6", &f->host_ip6, e) < 0 ||
		    claim(&c, f, "macvlan.ip4", &f->macvlan.ip4, e) < 0 ||
		    claim(&c, f, "macvlan.ip6", &f->macvlan.ip6, e) < 0)
			return -1;
	}
	qsort(v, c.n, sizeof(*v), claim_order);
	for (size_t i = 1; i < c.n; i++) {
		char text[ADDR_TEXT];

		if (claim_order(&v[i - 1], &v[i]) == 0)
			return bad(v[i].f, e, "%s %s: also %s of interface %s", v[i].field,
				   addr_text(v[i].a, false, text), v[i - 1].field, v[i - 1].f->name);
	}
	return 0;
}

static const struct addrs *own(const struct iface *f, int family)
{
	return family == AF_INET ? &f->ip4 : &f->ip6;
}

static const struct addrs *hosts(const struct iface *f, int family)
{
	return family == AF_INET ? &f->host_ip4 : &f->host_ip6;
}

/* The longest prefix among v that a lies in, or -1. */
static int longest_cover(const struct addrs *v, const struct addr *a)
{
	int longest = -1;

	for (size_t i = 0; i < v->n; i++)
		if (v->v[i].prefix > longest && addr_covers(&v->v[i], a))
			longest = v->v[i].prefix;
	return longest;
}

/* What `f` calls its peers must not be routed to another interface: the peer that
 * lies in no network of f's own gets a route to itself alone and is safe. */
static int check_peers(const struct unit *u, const struct iface *f, int family, bool from_host,
		       struct err *e)
{
	const struct addrs *peers = from_host ? own(f, family) : hosts(f, family);
	const struct addrs *mine = from_host ? hosts(f, family) : own(f, family);
	char text[ADDR_TEXT];

	for (size_t i = 0; i < peers->n; i++) {
		int cover = longest_cover(mine, &peers->v[i]);

		if (cover < 0 || link_local(&peers->v[i]))
			continue;
		for (size_t k = 0; k < u->net.n_ifaces; k++) {
			const struct iface *o = &u->net.ifaces[k];
			const struct addrs *nets = from_host ? hosts(o, family) : own(o, family);

			if (o != f && nets->n && longest_cover(nets, &peers->v[i]) >= cover)
				return bad(f, e, "%s lies in a network of interface %s too",
					   addr_text(&peers->v[i], true, text), o->name);
		}
	}
	return 0;
}

static int check_iface(const struct unit *u, const struct iface *f, struct err *e)
{
	const char *kind = iface_kind_name(f->kind);

	/* /proc/sys/net has directories of these names that stand for others. */
	if (streq(f->name, "all") || streq(f->name, "default"))
		return bad(f, e, "the kernel keeps this name for itself");
	if (f->kind != IFACE_VETH && f->kind != IFACE_BRIDGE)
		return err_set(e, NU_MISSING, "interface %s: this version can't make a %s interface",
			       f->name, kind);
	if (f->macvlan.present)
		return err_set(e, NU_MISSING, "interface %s: this version can't make a macvlan",
			       f->name);
	if (f->kind == IFACE_BRIDGE && !f->host_bridge)
		return bad(f, e, "a bridge interface needs hostBridge");
	if (f->host_bridge && (f->host_ip4.n || f->host_ip6.n))
		return bad(f, e, "hostIp%d on a port of bridge %s has no effect: the bridge has the "
				 "host's addresses",
			   f->host_ip4.n ? 4 : 6, f->host_bridge);
	if (f->host_ip4.n && !f->ip4.n)
		return bad(f, e, "hostIp4 without ip4");
	if (f->host_ip6.n && !f->ip6.n)
		return bad(f, e, "hostIp6 without ip6");
	if (f->mtu && f->mtu < 1280 && f->ip6.n)
		return bad(f, e, "mtu %ld: IPv6 needs at least 1280", f->mtu);
	for (int side = 0; side < 2; side++)
		if (check_peers(u, f, AF_INET, side, e) < 0 ||
		    check_peers(u, f, AF_INET6, side, e) < 0)
			return -1;
	return 0;
}

static int name_order(const void *a, const void *b)
{
	return memcmp(a, b, IF_NAMESIZE);
}

static int mac_order(const void *a, const void *b)
{
	const struct iface *const *fa = a, *const *fb = b;

	return memcmp((*fa)->mac, (*fb)->mac, 6);
}

/* Two names cut to the same host name: as good as impossible, and a riddle then. */
static int check_host_names(const struct unit *u, struct err *e)
{
	autofree char (*names)[IF_NAMESIZE] = xalloc(u->net.n_ifaces * sizeof(*names));

	for (size_t i = 0; i < u->net.n_ifaces; i++)
		net_host_name(u->id, u->net.ifaces[i].name, names[i]);
	qsort(names, u->net.n_ifaces, sizeof(*names), name_order);
	for (size_t i = 1; i < u->net.n_ifaces; i++)
		if (streq(names[i - 1], names[i]))
			return err_set(e, NU_USAGE, "two interfaces would both be %s on the host",
				       names[i]);
	return 0;
}

static int check_macs(const struct unit *u, struct err *e)
{
	autofree const struct iface **v = xalloc(u->net.n_ifaces * sizeof(*v));
	size_t n = 0;

	for (size_t i = 0; i < u->net.n_ifaces; i++)
		if (u->net.ifaces[i].has_mac)
			v[n++] = &u->net.ifaces[i];
	qsort(v, n, sizeof(*v), mac_order);
	for (size_t i = 1; i < n; i++)
		if (mac_order(&v[i - 1], &v[i]) == 0)
			return bad(v[i], e, "the same mac as interface %s", v[i - 1]->name);
	return 0;
}

static int check(const struct unit *u, struct err *e)
{
	if (check_unique(u, e) < 0)
		return -1;
	for (size_t i = 0; i < u->net.n_ifaces; i++)
		if (check_iface(u, &u->net.ifaces[i], e) < 0)
			return -1;
	return check_host_names(u, e) < 0 || check_macs(u, e) < 0 ? -1 : 0;
}

/* ---- the plan ---- */

/* Both ends of a veth that is no bridge's port are ours and nobody else is on the
 * link; the plan has seen that no address is there twice. To look for duplicates
 * (1 to 2 s in which an IPv6 address is of no use) would find nothing. */
static bool alone(const struct iface *f)
{
	return f->kind == IFACE_VETH && !f->host_bridge;
}

static void plan_addrs(struct net_plan *p, enum net_where where, const struct iface *f,
		       const char *link, const struct addrs *addrs)
{
	for (size_t i = 0; i < addrs->n; i++) {
		struct net_op *op = add_op(p, where, NET_ADDR_ADD, f, link);

		op->addr = addrs->v[i];
		op->no_dad = alone(f) && op->addr.family == AF_INET6;
	}
}

/* A route to the very address of each peer that lies in no network of this end:
 * the two ends of a link need not be of one network (192.168.20.2/31 and
 * 192.168.20.1/31 aren't). */
static void plan_peer_routes(struct net_plan *p, enum net_where where, const struct iface *f,
			     const char *link, const struct addrs *mine, const struct addrs *peers)
{
	for (size_t i = 0; mine->n && i < peers->n; i++) {
		if (longest_cover(mine, &peers->v[i]) >= 0)
			continue;
		struct net_op *op = add_op(p, where, NET_ROUTE_ADD, f, link);
		op->addr = peers->v[i];
		op->addr.prefix = addr_bits(op->addr.family);
	}
}

static void plan_host(const struct unit *u, struct net_plan *p)
{
	for (size_t i = 0; i < u->net.n_ifaces; i++) {
		const struct iface *f = &u->net.ifaces[i];
		char name[IF_NAMESIZE];

		net_host_name(u->id, f->name, name);
		struct net_op *op = add_op(p, NET_HOST, NET_LINK_ADD, f, name);
		op->mtu = f->mtu;
		op->has_mac = f->has_mac;
		memcpy(op->mac, f->mac, sizeof(op->mac));

		op = add_op(p, NET_HOST, NET_LINK_SET, f, name);
		op->set = NET_SET_UP | NET_SET_ALIAS | (f->host_bridge ? NET_SET_MASTER : 0);
		op->up = true;
		op->mtu = f->mtu;
		op->master = f->host_bridge;

		plan_addrs(p, NET_HOST, f, name, &f->host_ip4);
		plan_addrs(p, NET_HOST, f, name, &f->host_ip6);
		plan_peer_routes(p, NET_HOST, f, name, &f->host_ip4, &f->ip4);
		plan_peer_routes(p, NET_HOST, f, name, &f->host_ip6, &f->ip6);
	}
}

static void plan_container(const struct unit *u, struct net_plan *p)
{
	struct net_op *op = add_op(p, NET_CONTAINER, NET_LINK_SET, NULL, "lo");

	op->set = NET_SET_UP;
	op->up = true;
	for (size_t i = 0; i < u->net.n_ifaces; i++) {
		const struct iface *f = &u->net.ifaces[i];

		op = add_op(p, NET_CONTAINER, NET_LINK_SET, f, f->name);
		op->set = NET_SET_UP;
		op->up = true;
		op->mtu = f->mtu;
		op->has_mac = f->has_mac;
		memcpy(op->mac, f->mac, sizeof(op->mac));

		plan_addrs(p, NET_CONTAINER, f, f->name, &f->ip4);
		plan_addrs(p, NET_CONTAINER, f, f->name, &f->ip6);
		plan_peer_routes(p, NET_CONTAINER, f, f->name, &f->ip4, &f->host_ip4);
		plan_peer_routes(p, NET_CONTAINER, f, f->name, &f->ip6, &f->host_ip6);
	}
}

/* "lan 10.0.0.2/31, wan 70.0.0.2/31" */
static void list_candidates(const struct unit *u, int family, bool with_addr, struct buf *b)
{
	char text[ADDR_TEXT];

	for (size_t i = 0; i < u->net.n_ifaces; i++) {
		const struct iface *f = &u->net.ifaces[i];
		const struct addrs *v = own(f, family);

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
	const struct addrs *v = own(f, family);
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
		int cover = link_local(via) ? -1 : longest_cover(own(f, via->family), via);

		if (has_addr(own(f, via->family), via)) {
			err_set(e, NU_USAGE, "%s is the container's own, on %s", text, f->name);
			return NULL;
		}
		if (has_addr(hosts(f, via->family), via))
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
	if (link_local(via) && u->net.n_ifaces == 1)
		return &u->net.ifaces[0];
	if (!link_local(via) && singles == 1) {
		*onlink = true;
		return single;
	}
	list_candidates(u, via->family, !link_local(via), &b);
	if (link_local(via))
		err_set(e, NU_USAGE, "%s may be on any link, and there are several: %s", text, b.p);
	else
		err_set(e, NU_USAGE, "%s is on no link of the container (%s)", text, b.p);
	return NULL;
}

static int plan_default(const struct unit *u, const char *field, const struct addr *via,
			struct net_plan *p, struct err *e)
{
	bool onlink = false;

	if (!via->family)
		return 0;
	const struct iface *f = next_hop(u, via, &onlink, e);
	if (!f)
		return err_wrap(e, "%s: ", field);
	struct net_op *op = add_op(p, NET_CONTAINER, NET_ROUTE_ADD, f, f->name);
	op->addr = (struct addr){ .family = via->family };
	op->via = *via;
	op->onlink = onlink;
	op->replace = true;
	return 0;
}

int net_plan(const struct unit *u, struct net_plan *p, struct err *e)
{
	*p = (struct net_plan){ .id = u->id };
	if (!u->net.private || u->net.netns) {
		if (u->net.route4.family || u->net.route6.family)
			return err_set(e, NU_USAGE, "network.routes can't be set: the network is not "
						    "the container's own (%s)",
				       u->net.netns ? "netns" : "private: false");
		return 0;
	}
	if (check(u, e) < 0)
		return -1;
	plan_host(u, p);
	plan_container(u, p);
	if (plan_default(u, "network.routes.ip4", &u->net.route4, p, e) < 0 ||
	    plan_default(u, "network.routes.ip6", &u->net.route6, p, e) < 0)
		return -1;
	return 0;
}

/* ---- as text, as JSON ---- */

const char *mac_text(const unsigned char mac[6], char dst[18])
{
	sprintf(dst, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		mac[5]);
	return dst;
}

static const char *route_to(const struct net_op *op, char dst[ADDR_TEXT])
{
	return op->addr.prefix ? addr_text(&op->addr, true, dst) : "default";
}

static void link_text(const struct net_op *op, struct buf *b)
{
	char mac[18];

	buf_addf(b, "link %s: ", op->link);
	size_t start = b->n;
	if (op->what == NET_LINK_ADD)
		buf_addf(b, "veth, the other end is %s in the container", op->iface->name);
	if (op->set & NET_SET_UP)
		buf_addf(b, "%s", op->up ? "up" : "down");
	if (op->set & NET_SET_MASTER)
		buf_addf(b, op->master ? "%sport of %s" : "%sport of no bridge",
			 b->n > start ? ", " : "", op->master);
	if (op->mtu && (op->what == NET_LINK_ADD || op->set & NET_SET_MTU))
		buf_addf(b, "%smtu %ld", b->n > start ? ", " : "", op->mtu);
	if (op->has_mac && (op->what == NET_LINK_ADD || op->set & NET_SET_MAC))
		buf_addf(b, "%smac %s", b->n > start ? ", " : "", mac_text(op->mac, mac));
	if (b->n == start)
		buf_addf(b, "marked as ours");
}

const char *net_op_text(const struct net_op *op, char dst[NET_OP_TEXT])
{
	autobuf struct buf b = { 0 };
	char text[ADDR_TEXT], via[ADDR_TEXT];

	switch (op->what) {
	case NET_LINK_DEL:
		buf_addf(&b, "remove link %s", op->link);
		break;
	case NET_LINK_ADD:
	case NET_LINK_SET:
		link_text(op, &b);
		break;
	case NET_ADDR_DEL:
		buf_addf(&b, "remove address %s from %s", addr_text(&op->addr, true, text),
			 op->link);
		break;
	case NET_ADDR_ADD:
		buf_addf(&b, "address %s on %s", addr_text(&op->addr, true, text), op->link);
		break;
	case NET_ROUTE_DEL:
		buf_addf(&b, "remove route %s on %s", route_to(op, text), op->link);
		break;
	case NET_ROUTE_ADD:
		buf_addf(&b, "route %s%s%s on %s%s", route_to(op, text), op->via.family ? " via " : "",
			 op->via.family ? addr_text(&op->via, false, via) : "", op->link,
			 op->onlink ? " (next hop on the link)" : "");
		break;
	}
	snprintf(dst, NET_OP_TEXT, "%s", b.p);
	return dst;
}

cJSON *net_op_json(const struct net_op *op)
{
	static const char *const names[] = {
		[NET_LINK_DEL] = "link-remove",	  [NET_LINK_ADD] = "link-add",
		[NET_LINK_SET] = "link-set",	  [NET_ADDR_DEL] = "address-remove",
		[NET_ADDR_ADD] = "address-add",	  [NET_ROUTE_DEL] = "route-remove",
		[NET_ROUTE_ADD] = "route-add",
	};
	bool is_new = op->what == NET_LINK_ADD, is_link = is_new || op->what == NET_LINK_SET;
	cJSON *j = cJSON_CreateObject();
	char text[NET_OP_TEXT];

	cJSON_AddStringToObject(j, "where", net_where_name(op->where));
	cJSON_AddStringToObject(j, "operation", names[op->what]);
	cJSON_AddStringToObject(j, "link", op->link);
	if (is_new) {
		cJSON_AddStringToObject(j, "kind", "veth");
		cJSON_AddStringToObject(j, "peer", op->iface->name);
	}
	if (is_link && op->set & NET_SET_UP)
		cJSON_AddBoolToObject(j, "up", op->up);
	if (is_link && op->set & NET_SET_MASTER)
		cJSON_AddStringToObject(j, "bridge", op->master);
	if (op->mtu && (is_new || op->set & NET_SET_MTU))
		cJSON_AddNumberToObject(j, "mtu", op->mtu);
	if (op->has_mac && (is_new || op->set & NET_SET_MAC))
		cJSON_AddStringToObject(j, "mac", mac_text(op->mac, text));
	if (op->what == NET_ADDR_ADD || op->what == NET_ADDR_DEL)
		cJSON_AddStringToObject(j, "address", addr_text(&op->addr, true, text));
	if (op->what == NET_ROUTE_ADD || op->what == NET_ROUTE_DEL) {
		cJSON_AddStringToObject(j, "destination", addr_text(&op->addr, true, text));
		if (op->via.family)
			cJSON_AddStringToObject(j, "via", addr_text(&op->via, false, text));
		if (op->onlink)
			cJSON_AddBoolToObject(j, "onlink", true);
	}
	cJSON_AddStringToObject(j, "text", net_op_text(op, text));
	return j;
}

cJSON *net_plan_json(const struct net_plan *p)
{
	cJSON *j = cJSON_CreateObject(), *v;

	cJSON_AddStringToObject(j, "id", p->id);
	v = cJSON_AddArrayToObject(j, "operations");
	for (size_t i = 0; i < p->n; i++)
		cJSON_AddItemToArray(v, net_op_json(&p->v[i]));
	return j;
}
