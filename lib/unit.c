/* unit - the unit document: everything about how to run one container. */
#include "unit.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "cap.h"
#include "json.h"
#include "util.h"

static const char *const kinds[] = {
	[IFACE_VETH] = "veth", [IFACE_OVS] = "ovs",	    [IFACE_BRIDGE] = "bridge",
	[IFACE_VLAN] = "vlan", [IFACE_MACVLAN] = "macvlan", [IFACE_HOST] = "host",
};

const char *iface_kind_name(enum iface_kind kind)
{
	return kinds[kind];
}

int id_check(const char *id, struct err *e)
{
	size_t n = strlen(id);

	if (n == 0)
		return err_set(e, NU_USAGE, "the id is empty");
	if (n > ID_MAX)
		return err_set(e, NU_USAGE, "id %s: %zu characters, at most %d are allowed",
			       quoted(id), n, ID_MAX);
	if (strspn(id, ID_CHARACTERS) < n)
		return err_set(e, NU_USAGE,
			       "id %s: only lower case letters, digits and \"-\" are allowed",
			       quoted(id));
	if (id[0] == '-' || id[n - 1] == '-')
		return err_set(e, NU_USAGE, "id %s: begins or ends with \"-\"", quoted(id));
	return 0;
}

/* What the kernel's dev_valid_name() takes, and no more: "%" would be a pattern. */
static int ifname_check(const struct jnode *n, const char *name, struct err *e)
{
	if (strlen(name) > 15)
		return json_err(n, e, "%s: longer than the 15 bytes of an interface name",
				quoted(name));
	if (!*name || streq(name, ".") || streq(name, "..") || strpbrk(name, "/:% \t\n\v\f\r\"\\"))
		return json_err(n, e, "%s: not an interface name", quoted(name));
	for (const char *p = name; *p; p++)
		if (*p < '!' || *p > '~')
			return json_err(n, e, "%s: not an interface name", quoted(name));
	return 0;
}

static int ifname_at(const struct jnode *up, const char *key, const char **dst, struct err *e)
{
	struct jnode n = json_at(up, key);

	if (!n.value)
		return 0;
	return json_str(&n, dst, e) < 0 ? -1 : ifname_check(&n, *dst, e);
}

/* One spelling for one place, in the document itself: "/a//b/./c/" becomes "/a/b/c". What begins
 * with no "/" is left to path_check(). */
static void path_normalize(char *path)
{
	char *to = path;

	for (const char *p = path; *path == '/' && *p;) {
		p += strspn(p, "/");
		size_t n = strcspn(p, "/");
		bool dot = n == 1 && *p == '.';

		if (n && !dot) {
			*to++ = '/';
			memmove(to, p, n);
			to += n;
		}
		p += n;
	}
	if (*path == '/')
		to[to == path] = '\0';
}

/* Absolute, without "..", and nothing that a line of a unit.conf or of a log could not hold. */
static int path_check(const struct jnode *n, const char *path, struct err *e)
{
	if (path[0] != '/')
		return json_err(n, e, "%s: expected an absolute path", quoted(path));
	if (strlen(path) > 4000)
		return json_err(n, e, "%s: longer than 4000 bytes", quoted(path));
	for (const char *p = path; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return json_err(n, e, "%s: a control character in a path", quoted(path));
		if (*p == '/' && p[1] == '.' && p[2] == '.' && (p[3] == '/' || !p[3]))
			return json_err(n, e, "%s: \"..\" in a path", quoted(path));
	}
	return 0;
}

static int path_at(const struct jnode *up, const char *key, bool needed, const char **dst,
		   struct err *e)
{
	struct jnode n = json_at(up, key);

	if (!n.value)
		return needed ? json_need(&n, e) : 0;
	if (json_str(&n, dst, e) < 0)
		return -1;
	path_normalize(n.value->valuestring);
	return path_check(&n, *dst, e);
}

static int store_path_at(const struct jnode *up, const char *key, const char **dst, struct err *e)
{
	struct jnode n = json_at(up, key);

	if (path_at(up, key, true, dst, e) < 0)
		return -1;
	if (!starts_with(*dst, "/nix/store/"))
		return json_err(&n, e, "%s: expected a path in /nix/store", quoted(*dst));
	return 0;
}

static int text_at(const struct jnode *up, const char *key, const char **dst, struct err *e)
{
	struct jnode n = json_at(up, key);

	return json_str(&n, dst, e);
}

static int bool_at(const struct jnode *up, const char *key, bool *dst, struct err *e)
{
	struct jnode n = json_at(up, key);

	return json_bool(&n, dst, e);
}

static int addr_at(const struct jnode *n, int family, bool host, struct addr *a, struct err *e)
{
	const char *text = NULL;

	if (json_str(n, &text, e) < 0)
		return -1;
	if ((host ? addr_parse_host : addr_parse)(text, family, a, e) < 0) {
		char was[sizeof(e->text)];

		memcpy(was, e->text, sizeof(was));
		return json_err(n, e, "%s", was);
	}
	return 0;
}

static int addrs_at(const struct jnode *up, const char *key, int family, bool host,
		    struct addrs *dst, struct err *e)
{
	struct jnode n = json_at(up, key);

	if (json_array(&n, e) < 0)
		return -1;
	for (struct jnode m = { 0 }; json_next(&n, &m);) {
		struct addr a;

		if (addr_at(&m, family, host, &a, e) < 0)
			return -1;
		for (size_t i = 0; i < dst->n; i++)
			if (addr_same_host(&dst->v[i], &a))
				return json_err(&m, e, "%s: given twice",
						quoted(m.value->valuestring));
		dst->v = xrealloc(dst->v, dst->n + 1, sizeof(a));
		dst->v[dst->n++] = a;
	}
	return 0;
}

/* Addresses of interfaces: a prefix length that is left out is forgotten, not meant. */
static int prefixed_at(const struct jnode *up, const char *key, int family, struct addrs *dst,
		       struct err *e)
{
	struct jnode n = json_at(up, key);

	if (addrs_at(up, key, family, false, dst, e) < 0)
		return -1;
	for (struct jnode m = { 0 }; json_next(&n, &m);)
		if (!strchr(m.value->valuestring, '/'))
			return json_err(&m, e, "%s: expected a prefix length, such as /%d",
					quoted(m.value->valuestring), family == AF_INET ? 24 : 64);
	return 0;
}

static int ip_pair(const struct jnode *n, const char *key4, const char *key6, struct addrs *v4,
		   struct addrs *v6, struct err *e)
{
	return prefixed_at(n, key4, AF_INET, v4, e) < 0 || prefixed_at(n, key6, AF_INET6, v6, e) < 0 ?
		       -1 :
		       0;
}

bool vlan_in(const unsigned char *set, long vlan)
{
	return set[vlan / 8] >> (vlan % 8) & 1;
}

static int trunks_parse(const struct jnode *n, struct iface *i, struct err *e)
{
	if (json_array(n, e) < 0)
		return -1;
	for (struct jnode m = { 0 }; json_next(n, &m);) {
		long vlan = 0;

		if (json_need(&m, e) < 0 || json_int(&m, 1, 4094, &vlan, e) < 0)
			return -1;
		if (i->ovs.vlan)
			return json_err(n, e, "a port is of one VLAN (vlan) or a trunk of some, not both");
		if (!i->ovs.trunks)
			i->ovs.trunks = xalloc(VLAN_SET);
		if (vlan_in(i->ovs.trunks, vlan))
			return json_err(&m, e, "%ld: given twice", vlan);
		i->ovs.trunks[vlan / 8] |= 1 << vlan % 8;
	}
	return 0;
}

static int ovs_parse(const struct jnode *n, struct iface *i, struct err *e)
{
	static const char *const keys[] = { "bridge", "vlan", "trunks", NULL };
	struct jnode bridge = json_at(n, "bridge"), vlan = json_at(n, "vlan");
	struct jnode trunks = json_at(n, "trunks");

	if (json_object(n, e) < 0 || json_only(n, keys, e) < 0 || json_need(&bridge, e) < 0 ||
	    ifname_at(n, "bridge", &i->ovs.bridge, e) < 0)
		return -1;
	return json_int(&vlan, 1, 4094, &i->ovs.vlan, e) < 0 ? -1 : trunks_parse(&trunks, i, e);
}

static int macvlan_parse(const struct jnode *n, struct iface *i, struct err *e)
{
	static const char *const keys[] = { "vrid", "ip4", "ip6", NULL };
	struct jnode vrid = json_at(n, "vrid");

	i->macvlan.present = true;
	if (json_object(n, e) < 0 || json_only(n, keys, e) < 0 ||
	    json_int(&vrid, 1, 255, &i->macvlan.vrid, e) < 0)
		return -1;
	return ip_pair(n, "ip4", "ip6", &i->macvlan.ip4, &i->macvlan.ip6, e);
}

static int kind_parse(const struct jnode *n, struct iface *i, struct err *e)
{
	const char *text = NULL;

	if (json_need(n, e) < 0 || json_str(n, &text, e) < 0)
		return -1;
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
		if (streq(text, kinds[k])) {
			i->kind = k;
			return 0;
		}
	return json_err(n, e, "%s: expected veth, ovs, bridge, vlan, macvlan or host",
			quoted(text));
}

static int iface_parse(const struct jnode *n, struct iface *i, struct err *e)
{
	static const char *const keys[] = { "kind",	  "ip4", "ip6", "hostIp4", "hostIp6",
					    "hostBridge", "mtu", "mac", "ovs",	   "macvlan",
					    "parent",	  "vlan", NULL };
	struct jnode kind = json_at(n, "kind"), mtu = json_at(n, "mtu"), mac = json_at(n, "mac");
	struct jnode ovs = json_at(n, "ovs"), macvlan = json_at(n, "macvlan");
	struct jnode vlan = json_at(n, "vlan");

	i->name = n->key;
	if (ifname_check(n, n->key, e) < 0 || json_object(n, e) < 0 || json_only(n, keys, e) < 0 ||
	    kind_parse(&kind, i, e) < 0 || ip_pair(n, "ip4", "ip6", &i->ip4, &i->ip6, e) < 0 ||
	    ip_pair(n, "hostIp4", "hostIp6", &i->host_ip4, &i->host_ip6, e) < 0 ||
	    ifname_at(n, "hostBridge", &i->host_bridge, e) < 0 ||
	    ifname_at(n, "parent", &i->parent, e) < 0 || json_int(&vlan, 1, 4094, &i->vlan, e) < 0 ||
	    json_int(&mtu, 68, 65535, &i->mtu, e) < 0)
		return -1;
	if (streq(i->name, "lo"))
		return json_err(n, e, "\"lo\" is every namespace's own, it can't be declared");
	if (mac.value) {
		const char *text = NULL;
		struct err bad;

		if (json_str(&mac, &text, e) < 0)
			return -1;
		if (mac_parse(text, i->mac, &bad) < 0)
			return json_err(&mac, e, "%s", bad.text);
		i->has_mac = true;
	}
	if (ovs.value && ovs_parse(&ovs, i, e) < 0)
		return -1;
	if (macvlan.value && macvlan_parse(&macvlan, i, e) < 0)
		return -1;
	if ((i->kind == IFACE_OVS) != (ovs.value != NULL))
		return json_err(n, e, "kind \"ovs\" and the field \"ovs\" go together");
	if ((i->kind == IFACE_VLAN) != (i->vlan != 0))
		return json_err(n, e, "kind \"vlan\" and the field \"vlan\" go together");
	if ((i->kind == IFACE_VLAN || i->kind == IFACE_MACVLAN) != (i->parent != NULL))
		return json_err(n, e, "kinds \"vlan\" and \"macvlan\" need a \"parent\", the "
				      "host's link they are on; others have none");
	if (i->kind != IFACE_VETH && (i->host_ip4.n || i->host_ip6.n))
		return json_err(n, e, "hostIp4 and hostIp6 are for a veth: a %s has no host end",
				kinds[i->kind]);
	return 0;
}

static int dns_parse(const struct jnode *net, struct unit *u, struct err *e)
{
	struct jnode n = json_at(net, "dns");
	const char *text = "copy";

	if (cJSON_IsArray(n.value))
		return addrs_at(net, "dns", 0, true, &u->net.dns, e);
	if (json_str(&n, &text, e) < 0)
		return -1;
	if (!streq(text, "copy") && !streq(text, "none"))
		return json_err(&n, e, "%s: expected \"copy\", \"none\" or a list of servers",
				quoted(text));
	u->net.dns_copy = streq(text, "copy");
	return 0;
}

static int route_at(const struct jnode *up, const char *key, int family, struct addr *a,
		    struct err *e)
{
	struct jnode n = json_at(up, key);

	return n.value ? addr_at(&n, family, true, a, e) : 0;
}

/* "2001:db8::1", "fe80::1", or "fe80::1%wan": on the interface wan. */
static int route6_at(const struct jnode *up, struct unit *u, struct err *e)
{
	struct jnode n = json_at(up, "ip6");
	const char *text = NULL, *link;
	struct err bad;

	if (json_str(&n, &text, e) < 0)
		return -1;
	if (!text)
		return 0;
	link = strchr(text, '%');
	autofree char *host = xstrndup(text, link ? (size_t)(link - text) : strlen(text));
	if (addr_parse_host(host, AF_INET6, &u->net.route6, &bad) < 0)
		return json_err(&n, e, "%s", bad.text);
	u->net.route6_link = link ? link + 1 : NULL;
	return 0;
}

static int static_routes_parse(const struct jnode *n, struct unit *u, struct err *e)
{
	static const char *const keys[] = { "to", "via", "interface", NULL };

	if (json_array(n, e) < 0)
		return -1;
	for (struct jnode m = { 0 }; json_next(n, &m);) {
		struct jnode to = json_at(&m, "to"), via = json_at(&m, "via");
		struct route r = { 0 };

		if (json_object(&m, e) < 0 || json_only(&m, keys, e) < 0 ||
		    json_need(&to, e) < 0 || addr_at(&to, 0, false, &r.to, e) < 0 ||
		    (via.value && addr_at(&via, r.to.family, true, &r.via, e) < 0) ||
		    ifname_at(&m, "interface", &r.link, e) < 0)
			return -1;
		if (!addr_is_network(&r.to))
			return json_err(&to, e, "%s: not a network, it has bits beyond its prefix length",
					quoted(to.value->valuestring));
		if (!r.via.family && !r.link)
			return json_err(&m, e, "a route needs a next hop (via), an interface, or both");
		for (size_t i = 0; i < u->net.n_routes; i++)
			if (addr_same(&u->net.routes[i].to, &r.to))
				return json_err(&to, e, "%s: given twice", quoted(to.value->valuestring));
		u->net.routes = xrealloc(u->net.routes, u->net.n_routes + 1, sizeof(r));
		u->net.routes[u->net.n_routes++] = r;
	}
	return 0;
}

static int protocol_at(const struct jnode *up, bool *udp, struct err *e)
{
	struct jnode n = json_at(up, "protocol");
	const char *text = NULL;

	if (json_need(&n, e) < 0 || json_str(&n, &text, e) < 0)
		return -1;
	*udp = streq(text, "udp");
	if (!*udp && !streq(text, "tcp"))
		return json_err(&n, e, "%s: expected \"tcp\" or \"udp\"", quoted(text));
	return 0;
}

static int port_at(const struct jnode *up, const char *key, long *port, struct err *e)
{
	struct jnode n = json_at(up, key);

	return json_need(&n, e) < 0 ? -1 : json_int(&n, 1, 65535, port, e);
}

/* Whether both would take the same connection. */
static bool same_port(const struct forward *a, const struct forward *b)
{
	return a->udp == b->udp && a->host_port == b->host_port &&
	       (!a->address.family || !b->address.family ||
		addr_same_host(&a->address, &b->address));
}

static int forwards_parse(const struct jnode *n, struct unit *u, struct err *e)
{
	static const char *const keys[] = { "protocol", "address", "hostPort", "port", NULL };
	static const unsigned char loopback6[16] = { [15] = 1 };

	if (json_array(n, e) < 0)
		return -1;
	for (struct jnode m = { 0 }; json_next(n, &m);) {
		struct jnode address = json_at(&m, "address");
		struct forward f = { 0 };

		if (json_object(&m, e) < 0 || json_only(&m, keys, e) < 0 ||
		    protocol_at(&m, &f.udp, e) < 0 ||
		    (address.value && addr_at(&address, 0, true, &f.address, e) < 0) ||
		    port_at(&m, "hostPort", &f.host_port, e) < 0 || port_at(&m, "port", &f.port, e) < 0)
			return -1;
		if (f.address.family == AF_INET6 && memcmp(f.address.bytes, loopback6, 16) == 0)
			return json_err(&address, e, "the kernel lets nothing from or to ::1 leave the "
						     "host; 127.0.0.1 can be forwarded");
		for (size_t i = 0; i < u->net.n_forwards; i++)
			if (same_port(&u->net.forwards[i], &f))
				return json_err(&m, e, "%s port %ld: given twice", f.udp ? "udp" : "tcp",
						f.host_port);
		u->net.forwards = xrealloc(u->net.forwards, u->net.n_forwards + 1, sizeof(f));
		u->net.forwards[u->net.n_forwards++] = f;
	}
	return 0;
}

static int net_parse(const struct jnode *n, struct unit *u, struct err *e)
{
	static const char *const keys[] = { "private", "netns", "interfaces", "routes",
					    "forward", "dns",	"hosts",      "nft", NULL };
	static const char *const route_keys[] = { "ip4", "ip6", "static", NULL };
	struct jnode ifaces = json_at(n, "interfaces"), routes = json_at(n, "routes");
	struct jnode more = json_at(&routes, "static"), forward = json_at(n, "forward");

	u->net.private = true;
	if (json_object(n, e) < 0 || json_only(n, keys, e) < 0 ||
	    bool_at(n, "private", &u->net.private, e) < 0 ||
	    path_at(n, "netns", false, &u->net.netns, e) < 0 || dns_parse(n, u, e) < 0 ||
	    text_at(n, "hosts", &u->net.hosts, e) < 0 || text_at(n, "nft", &u->net.nft, e) < 0 ||
	    json_object(&ifaces, e) < 0 || json_object(&routes, e) < 0 || json_only(&routes, route_keys, e) < 0 ||
	    route_at(&routes, "ip4", AF_INET, &u->net.route4, e) < 0 ||
	    route6_at(&routes, u, e) < 0 || static_routes_parse(&more, u, e) < 0 ||
	    forwards_parse(&forward, u, e) < 0)
		return -1;
	for (struct jnode m = { 0 }; json_next(&ifaces, &m);) {
		size_t i = u->net.n_ifaces++;

		u->net.ifaces = xrealloc(u->net.ifaces, i + 1, sizeof(struct iface));
		u->net.ifaces[i] = (struct iface){ 0 };
		if (iface_parse(&m, &u->net.ifaces[i], e) < 0)
			return -1;
	}
	if (u->net.n_ifaces && (u->net.netns || !u->net.private))
		return json_err(&ifaces, e, "interfaces can't be declared for a network that is "
					    "not the container's own (%s)",
				u->net.netns ? "netns" : "private: false");
	return 0;
}

static int binds_parse(const struct jnode *n, struct unit *u, struct err *e)
{
	static const char *const keys[] = { "source", "target", "readOnly", NULL };
	static const char *const whole[] = { "/", "/dev", "/proc", "/sys", NULL };

	if (json_array(n, e) < 0)
		return -1;
	for (struct jnode m = { 0 }; json_next(n, &m);) {
		struct bind b = { 0 };
		struct jnode target = json_at(&m, "target");

		if (json_object(&m, e) < 0 || json_only(&m, keys, e) < 0 ||
		    path_at(&m, "source", true, &b.source, e) < 0 ||
		    path_at(&m, "target", true, &b.target, e) < 0 ||
		    bool_at(&m, "readOnly", &b.read_only, e) < 0)
			return -1;
		for (const char *const *own = whole; *own; own++)
			if (streq(b.target, *own))
				return json_err(&target, e, "%s: the container has its own there; only "
						"what lies below can be bound", quoted(b.target));
		for (size_t i = 0; i < u->n_binds; i++)
			if (streq(u->binds[i].target, b.target))
				return json_err(&target, e, "%s: a bind target given twice",
						quoted(b.target));
		u->binds = xrealloc(u->binds, u->n_binds + 1, sizeof(b));
		u->binds[u->n_binds++] = b;
	}
	return 0;
}

/* Either "a.b.c" or "a/b/c" for /proc/sys/a/b/c, nothing that leaves it. */
static int sysctls_parse(const struct jnode *n, struct unit *u, struct err *e)
{
	if (json_object(n, e) < 0)
		return -1;
	for (struct jnode m = { 0 }; json_next(n, &m);) {
		struct sysctl s = { .key = m.key };

		if (!*m.key || strspn(m.key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					     "0123456789_-./*@") < strlen(m.key) ||
		    strstr(m.key, "..") || strstr(m.key, "//") || strchr("./", m.key[0]))
			return json_err(&m, e, "%s: not the name of a sysctl", quoted(m.key));
		if (json_need(&m, e) < 0 || json_str(&m, &s.value, e) < 0)
			return -1;
		u->sysctls = xrealloc(u->sysctls, u->n_sysctls + 1, sizeof(s));
		u->sysctls[u->n_sysctls++] = s;
	}
	return 0;
}

static int strings_parse(const struct jnode *n, const char ***dst, size_t *count, struct err *e)
{
	size_t i = 0;

	if (json_array(n, e) < 0)
		return -1;
	*dst = xalloc((cJSON_GetArraySize(n->value) + 1) * sizeof(**dst));
	for (struct jnode m = { 0 }; json_next(n, &m); i++)
		if (json_need(&m, e) < 0 || json_str(&m, &(*dst)[i], e) < 0)
			return -1;
	if (count)
		*count = i;
	return 0;
}

static int caps_parse(const struct jnode *n, struct unit *u, struct err *e)
{
	if (strings_parse(n, &u->caps, &u->n_caps, e) < 0)
		return -1;
	for (struct jnode m = { 0 }; json_next(n, &m);) {
		struct err bad;

		if (cap_number(m.value->valuestring, &bad) < 0)
			return json_err(&m, e, "%s", bad.text);
	}
	return 0;
}

static const struct {
	const char *name;
	int resource;
} resources[] = {
	{ "as", RLIMIT_AS },	       { "core", RLIMIT_CORE },
	{ "cpu", RLIMIT_CPU },	       { "data", RLIMIT_DATA },
	{ "fsize", RLIMIT_FSIZE },     { "locks", RLIMIT_LOCKS },
	{ "memlock", RLIMIT_MEMLOCK }, { "msgqueue", RLIMIT_MSGQUEUE },
	{ "nice", RLIMIT_NICE },       { "nofile", RLIMIT_NOFILE },
	{ "nproc", RLIMIT_NPROC },     { "rss", RLIMIT_RSS },
	{ "rtprio", RLIMIT_RTPRIO },   { "rttime", RLIMIT_RTTIME },
	{ "sigpending", RLIMIT_SIGPENDING }, { "stack", RLIMIT_STACK },
};

static int rlimit_parse(const struct jnode *n, struct limits *l, struct err *e)
{
	static const char *const keys[] = { "soft", "hard", NULL };
	struct jnode soft = json_at(n, "soft"), hard = json_at(n, "hard");
	struct rlimits r = { .resource = -1, .name = n->key, .soft = -1, .hard = -1 };

	for (size_t i = 0; i < ARRAY_SIZE(resources); i++)
		if (streq(resources[i].name, n->key))
			r.resource = resources[i].resource;
	if (r.resource < 0)
		return json_err(n, e, "not a resource limit; expected one of getrlimit(2), as "
				      "\"nofile\"");
	if (json_object(n, e) < 0 || json_only(n, keys, e) < 0 || json_need(&soft, e) < 0 ||
	    json_need(&hard, e) < 0 || json_int(&soft, -1, LONG_MAX, &r.soft, e) < 0 ||
	    json_int(&hard, -1, LONG_MAX, &r.hard, e) < 0)
		return -1;
	if (r.hard >= 0 && (r.soft < 0 || r.soft > r.hard))
		return json_err(&soft, e, "above the hard limit");
	l->v = xrealloc(l->v, l->n + 1, sizeof(r));
	l->v[l->n++] = r;
	return 0;
}

static int limits_parse(const struct jnode *n, struct limits *l, struct err *e)
{
	static const char *const keys[] = { "memory", "pids", "cpu", "rlimits", NULL };
	struct jnode memory = json_at(n, "memory"), pids = json_at(n, "pids");
	struct jnode cpu = json_at(n, "cpu"), rlimits = json_at(n, "rlimits");

	if (json_object(n, e) < 0 || json_only(n, keys, e) < 0 ||
	    json_int(&memory, 1 << 20, LONG_MAX, &l->memory, e) < 0 ||
	    json_int(&pids, 1, 1 << 22, &l->pids, e) < 0 ||
	    json_int(&cpu, 1, 1000000, &l->cpu, e) < 0 || json_object(&rlimits, e) < 0)
		return -1;
	for (struct jnode m = { 0 }; json_next(&rlimits, &m);)
		if (rlimit_parse(&m, l, e) < 0)
			return -1;
	return 0;
}

static int unit_fill(struct unit *u, struct err *e)
{
	static const char *const keys[] = {
		"version", "id",	 "system",  "init",   "os",    "caps",	     "privateUsers",
		"autoStart", "bind",	 "network", "sysctl", "extra", "readyCheck", "nspawnArgs",
		"limits", NULL
	};
	static const char *const os_keys[] = { "name", "version", NULL };
	struct jnode root;
	long version = 0;

	if (json_root(u->json, &root, e) < 0)
		return -1;
	/* The version first: what follows may be another version's. */
	struct jnode v = json_at(&root, "version");
	if (json_need(&v, e) < 0 || json_int(&v, 0, 1000000, &version, e) < 0)
		return -1;
	if (version != UNIT_VERSION)
		return json_err(&v, e, "%ld: this nixunits reads version %d; %s", version,
				UNIT_VERSION,
				version > UNIT_VERSION ? "a newer one wrote this document" :
							 "build the unit again");

	struct jnode id = json_at(&root, "id"), os = json_at(&root, "os");
	struct jnode caps = json_at(&root, "caps"), binds = json_at(&root, "bind");
	struct jnode net = json_at(&root, "network"), sysctl = json_at(&root, "sysctl");
	struct jnode args = json_at(&root, "nspawnArgs"), limits = json_at(&root, "limits");
	struct err bad;

	if (json_only(&root, keys, e) < 0 || json_need(&id, e) < 0 || json_str(&id, &u->id, e) < 0)
		return -1;
	if (id_check(u->id, &bad) < 0)
		return json_err(&id, e, "%s", bad.text);

	u->private_users = true;
	if (store_path_at(&root, "system", &u->system, e) < 0 ||
	    store_path_at(&root, "init", &u->init, e) < 0 || json_object(&os, e) < 0 ||
	    json_only(&os, os_keys, e) < 0 || text_at(&os, "name", &u->os_name, e) < 0 ||
	    text_at(&os, "version", &u->os_version, e) < 0 || caps_parse(&caps, u, e) < 0 ||
	    bool_at(&root, "privateUsers", &u->private_users, e) < 0 ||
	    bool_at(&root, "autoStart", &u->auto_start, e) < 0 || binds_parse(&binds, u, e) < 0 ||
	    net_parse(&net, u, e) < 0 || sysctls_parse(&sysctl, u, e) < 0 ||
	    limits_parse(&limits, &u->limits, e) < 0 ||
	    text_at(&root, "extra", &u->extra, e) < 0 ||
	    path_at(&root, "readyCheck", false, &u->ready_check, e) < 0 ||
	    strings_parse(&args, &u->nspawn_args, NULL, e) < 0)
		return -1;
	if (u->net.netns && u->private_users)
		return json_err(&net, e, "a container that joins a network namespace (netns) can't "
					 "have a user namespace (privateUsers)");
	return 0;
}

struct unit *unit_parse(const char *text, size_t n, struct err *e)
{
	struct unit *u = xalloc(sizeof(*u));

	u->json = json_parse(text, n, e);
	if (u->json && unit_fill(u, e) == 0)
		return u;
	unit_free(u);
	return NULL;
}

struct unit *unit_load_file(int dirfd, const char *path, struct err *e)
{
	autobuf struct buf text = { 0 };

	if (file_read(dirfd, path, UNIT_LIMIT, &text, e) < 0)
		return NULL;
	struct unit *u = unit_parse(text.p, text.n, e);
	if (!u)
		err_wrap(e, "%s: ", path);
	return u;
}

void unit_free(struct unit *u)
{
	if (!u)
		return;
	for (size_t i = 0; i < u->net.n_ifaces; i++) {
		struct iface *f = &u->net.ifaces[i];

		free(f->ip4.v);
		free(f->ip6.v);
		free(f->host_ip4.v);
		free(f->host_ip6.v);
		free(f->ovs.trunks);
		free(f->macvlan.ip4.v);
		free(f->macvlan.ip6.v);
	}
	free(u->net.ifaces);
	free(u->net.routes);
	free(u->net.forwards);
	free(u->net.dns.v);
	free(u->binds);
	free(u->sysctls);
	free(u->limits.v);
	free(u->caps);
	free(u->nspawn_args);
	cJSON_Delete(u->json);
	free(u);
}

void cleanup_unit(struct unit **u)
{
	unit_free(*u);
}
