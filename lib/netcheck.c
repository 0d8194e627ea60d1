/* netcheck - contradictions in the declaration of a network, and what addresses mean. */
#include "netcheck.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netplan.h"
#include "sysctl.h"
#include "util.h"

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

bool net_link_local(const struct addr *a)
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
	if (order == 0 && net_link_local(a->a) && a->f != b->f)
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

const struct addrs *net_own(const struct iface *f, int family)
{
	return family == AF_INET ? &f->ip4 : &f->ip6;
}

const struct addrs *net_hosts(const struct iface *f, int family)
{
	return family == AF_INET ? &f->host_ip4 : &f->host_ip6;
}

int net_longest_cover(const struct addrs *v, const struct addr *a)
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
	const struct addrs *peers = from_host ? net_own(f, family) : net_hosts(f, family);
	const struct addrs *mine = from_host ? net_hosts(f, family) : net_own(f, family);
	char text[ADDR_TEXT];

	for (size_t i = 0; i < peers->n; i++) {
		int cover = net_longest_cover(mine, &peers->v[i]);

		if (cover < 0 || net_link_local(&peers->v[i]))
			continue;
		for (size_t k = 0; k < u->net.n_ifaces; k++) {
			const struct iface *o = &u->net.ifaces[k];
			const struct addrs *nets = from_host ? net_hosts(o, family) : net_own(o, family);

			if (o != f && nets->n && net_longest_cover(nets, &peers->v[i]) >= cover)
				return bad(f, e, "%s lies in a network of interface %s too",
					   addr_text(&peers->v[i], true, text), o->name);
		}
	}
	return 0;
}

static int check_names(const struct unit *u, const struct iface *f, struct err *e)
{
	char name[IF_NAMESIZE];

	/* /proc/sys/net has directories of these names that stand for others. */
	if (streq(f->name, "all") || streq(f->name, "default"))
		return bad(f, e, "the kernel keeps this name for itself");
	if (!f->macvlan.present)
		return 0;
	if (strlen(f->name) + strlen("mv-") >= IF_NAMESIZE)
		return bad(f, e, "its macvlan would be mv-%s, which is longer than 15 bytes", f->name);
	net_macvlan_name(f->name, name);
	for (size_t i = 0; i < u->net.n_ifaces; i++)
		if (streq(u->net.ifaces[i].name, name))
			return bad(f, e, "its macvlan would be %s, which is an interface too", name);
	return 0;
}

bool net_is_veth(const struct iface *f)
{
	return f->kind == IFACE_VETH || f->kind == IFACE_BRIDGE;
}

static int check_iface(const struct unit *u, const struct iface *f, struct err *e)
{
	if (check_names(u, f, e) < 0)
		return -1;
	if (f->kind == IFACE_BRIDGE && !f->host_bridge)
		return bad(f, e, "a bridge interface needs hostBridge");
	if (!net_is_veth(f) && f->host_bridge)
		return bad(f, e, "hostBridge is for a veth: kind \"%s\" has no host end",
			   iface_kind_name(f->kind));
	if (f->kind == IFACE_MACVLAN && f->macvlan.present)
		return bad(f, e, "a macvlan can't have another on it");
	if (f->host_bridge && (f->host_ip4.n || f->host_ip6.n))
		return bad(f, e, "hostIp%d on a port of bridge %s has no effect: the bridge has the "
				 "host's addresses",
			   f->host_ip4.n ? 4 : 6, f->host_bridge);
	if (f->host_ip4.n && !f->ip4.n)
		return bad(f, e, "hostIp4 without ip4");
	if (f->host_ip6.n && !f->ip6.n)
		return bad(f, e, "hostIp6 without ip6");
	if (f->mtu && f->mtu < 1280 && (f->ip6.n || f->macvlan.ip6.n))
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
	char text[18];

	for (size_t i = 0; i < u->net.n_ifaces; i++)
		if (u->net.ifaces[i].has_mac)
			v[n++] = &u->net.ifaces[i];
	qsort(v, n, sizeof(*v), mac_order);
	for (size_t i = 1; i < n; i++)
		if (mac_order(&v[i - 1], &v[i]) == 0)
			return bad(v[i], e, "mac %s: also that of interface %s", mac_text(v[i]->mac, text),
				   v[i - 1]->name);
	return 0;
}

static int check_vlans(const struct unit *u, struct err *e)
{
	for (size_t i = 0; i < u->net.n_ifaces; i++)
		for (size_t k = 0; u->net.ifaces[i].vlan && k < i; k++) {
			const struct iface *f = &u->net.ifaces[i], *other = &u->net.ifaces[k];

			if (f->vlan == other->vlan && streq(f->parent, other->parent))
				return bad(f, e, "VLAN %ld of %s, as interface %s", f->vlan,
					   f->parent, other->name);
		}
	return 0;
}

int net_check(const struct unit *u, struct err *e)
{
	if (sysctl_check(u, e) < 0)
		return -1;
	if (check_unique(u, e) < 0)
		return -1;
	for (size_t i = 0; i < u->net.n_ifaces; i++)
		if (check_iface(u, &u->net.ifaces[i], e) < 0)
			return -1;
	return check_host_names(u, e) < 0 || check_macs(u, e) < 0 ? -1 : check_vlans(u, e);
}
