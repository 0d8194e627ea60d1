/* netdrift - what of a network differs from its declaration, and what it counts on. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "drift.h"
#include "net.h"
#include "netcheck.h"
#include "netforward.h"
#include "netsession.h"
#include "netsysctl.h"
#include "util.h"

/* Whether the default route leads to the host's end of an interface. */
static bool routed_by_host(const struct unit *u, int family)
{
	const struct addr *via = family == AF_INET ? &u->net.route4 : &u->net.route6;

	for (size_t i = 0; i < u->net.n_ifaces; i++) {
		const struct addrs *hosts = net_hosts(&u->net.ifaces[i], family);

		for (size_t k = 0; k < hosts->n; k++)
			if (addr_same_host(&hosts->v[k], via))
				return true;
	}
	return false;
}

void net_advice(const struct unit *u, struct strv *lines)
{
	static const struct {
		int family;
		const char *key;
	} settings[] = {
		{ AF_INET, "net.ipv4.ip_forward" },
		{ AF_INET6, "net.ipv6.conf.all.forwarding" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		struct err ignored;
		autofree char *now = netsysctl_read(-1, settings[i].key, &ignored);

		if (!now || !streq(now, "0"))
			continue;
		if (routed_by_host(u, settings[i].family))
			strv_addf(lines, "the default route ends at the host, which forwards no packets "
					 "(%s is 0)", settings[i].key);
		if (forward_in(u, settings[i].family))
			strv_addf(lines, "the forwarded ports are reached from the host alone, which "
					 "forwards no packets (%s is 0)", settings[i].key);
	}
}

int net_todo(const struct unit *u, int netns_fd, struct net_plan *todo, struct err *e)
{
	autosession struct session s;

	*todo = (struct net_plan){ .id = u->id };
	if (session_open(&s, u, netns_fd, e) < 0 || session_compare(&s, e) < 0)
		return -1;
	*todo = s.todo;
	s.todo = (struct net_plan){ 0 };
	return 0;
}

static void differs(cJSON *list, const struct net_op *op, const char *what, cJSON *declared,
		    cJSON *live)
{
	drift_add(list, net_where_name(op->where), op->link, what, declared, live);
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
	const struct live_link *l = session_link(s, op);

	if (!l)
		return; /* to be made: said by its NET_LINK_ADD */
	if (op->set & NET_SET_UP)
		differs(list, op, "up", cJSON_CreateBool(op->up), cJSON_CreateBool(!op->up));
	if (op->set & NET_SET_ARP)
		differs(list, op, "ownArp", cJSON_CreateTrue(), cJSON_CreateFalse());
	if (op->set & NET_SET_MTU)
		differs(list, op, "mtu", cJSON_CreateNumber(op->mtu), cJSON_CreateNumber(l->mtu));
	if (op->set & NET_SET_MAC)
		differs(list, op, "mac", mac_json(op->mac), mac_json(l->mac));
	if (op->set & NET_SET_MASTER) {
		const struct live_link *m = live_link_at(&s->live[op->where], l->master);

		differs(list, op, "bridge", name_json(op->master), name_json(m ? m->name : NULL));
	}
}

/* What a route is, but for its destination: "via 10.0.0.1 on lan", "blackhole". */
static cJSON *way_json(const struct addr *via, const char *link, unsigned char type)
{
	const char *nowhere = live_route_type(type);
	char text[ADDR_TEXT];
	autofree char *way =
		nowhere	    ? xstrdup(nowhere) :
		via->family ? xfmt("via %s on %s", addr_text(via, false, text), link) :
			      xfmt("on %s", link);

	return cJSON_CreateString(way);
}

static cJSON *port_json(const char *bridge, long vlan, const unsigned char *trunks,
			const char *mode)
{
	autobuf struct buf vlans = { 0 };
	ovs_trunks_text(trunks, &vlans);
	autofree char *text = vlan    ? xfmt("%s vlan %ld", bridge, vlan) :
			      vlans.n ? xfmt("%s vlans %s", bridge, vlans.p) :
					xstrdup(bridge);
	autofree char *all = xfmt("%s%s%s", text, *mode ? ", " : "", mode);

	return cJSON_CreateString(all);
}

static void drift_port(const struct session *s, const struct net_op *op, cJSON *list)
{
	const struct ovs_port *port = session_pair(s, op)->port;

	differs(list, op, "port", port_json(op->parent, op->vlan, op->trunks, ""),
		port ? port_json(port->bridge, port->vlan, port->trunks, port->mode) :
		       cJSON_CreateNull());
}

/* "vlan 7 on eth0" */
static char *upper_text(const char *kind, long vlan, const char *parent)
{
	return vlan ? xfmt("%s %ld on %s", kind, vlan, parent) : xfmt("%s on %s", kind, parent);
}

/* A VLAN or macvlan of the name is there already, but another. One that is the same goes
 * with the link that it is on, of which that is said. */
static bool drift_upper(const struct session *s, const struct net_op *op, cJSON *list)
{
	const struct live_link *g = live_link(&s->live[NET_CONTAINER], op->link), *parent;

	if (!op->parent || !g)
		return false;
	parent = live_link_at(&s->live[op->where], g->peer);
	autofree char *want = upper_text(op->kind, op->vlan, op->parent);
	autofree char *live = upper_text(g->kind, g->vlan, parent ? parent->name : "another link");
	if (!streq(want, live))
		drift_add(list, net_where_name(NET_CONTAINER), op->link, "link", name_json(want),
			  name_json(live));
	return true;
}

/* One that is to be made, to move in, or to go back: said of where it is or should be,
 * whosever namespace it is done from. */
static void drift_new_link(const struct session *s, const struct net_op *op, cJSON *list)
{
	if (op->what == NET_LINK_ADD && drift_upper(s, op, list))
		return;
	bool in = op->what == NET_LINK_MOVE && op->iface;
	const char *link = in ? op->iface->name : op->link;
	bool host = op->what == NET_LINK_ADD && op->end == NET_END_HOST;

	drift_add(list, net_where_name(host ? NET_HOST : NET_CONTAINER), link, "link",
		  name_json(op->iface ? link : NULL), name_json(op->iface ? NULL : link));
}

/* Whether a link that goes makes room for one of its name: then that one is the difference. */
static bool made_anew(const struct session *s, const struct net_op *op)
{
	for (size_t i = 0; i < s->todo.n; i++) {
		const struct net_op *add = &s->todo.v[i];

		if (add->what == NET_LINK_ADD && add->parent && op->where == NET_CONTAINER &&
		    streq(add->link, op->link))
			return true;
	}
	return false;
}

static void drift_op(const struct session *s, const struct net_op *op, cJSON *list)
{
	char text[ADDR_TEXT];
	const char *addr = op->addr.family ? addr_text(&op->addr, true, text) : NULL;

	switch (op->what) {
	case NET_PORT_DEL:
		differs(list, op, "port", cJSON_CreateNull(), cJSON_CreateString(op->link));
		break;
	case NET_PORT_ADD:
		drift_port(s, op, list);
		break;
	case NET_LINK_DEL:
		if (made_anew(s, op))
			break;
		differs(list, op, "link", cJSON_CreateNull(), cJSON_CreateString(op->link));
		break;
	case NET_LINK_MOVE:
	case NET_LINK_ADD:
		drift_new_link(s, op, list);
		break;
	case NET_LINK_SET:
		drift_link(s, op, list);
		break;
	case NET_NFT:
		if (op->text && s->nft == NFT_LOADED)
			break; /* loaded again only because a link is made anew */
		differs(list, op, "nft", name_json(op->text ? "loaded" : NULL),
			name_json(s->nft == NFT_NONE   ? NULL :
				  s->nft == NFT_LOADED ? "loaded" :
							 "changed"));
		break;
	case NET_FORWARD:
		differs(list, op, "forward",
			s->u->net.n_forwards ? cJSON_CreateString("loaded") : cJSON_CreateNull(),
			s->forward == NFT_NONE ? cJSON_CreateNull() : cJSON_CreateString("changed"));
		break;
	case NET_SYSCTL: {
		struct err ignored;
		autofree char *now = netsysctl_read(s->netns_fd, op->key, &ignored);
		autofree char *what = xfmt("sysctl %s", op->key);

		differs(list, op, what, cJSON_CreateString(op->text), name_json(now));
		break;
	}
	case NET_ADDR_DEL:
		differs(list, op, "address", cJSON_CreateNull(), cJSON_CreateString(addr));
		break;
	case NET_ADDR_ADD: {
		const struct live_addr *a = live_addr(&s->live[op->where], op->index, &op->addr);

		/* Set again only because its neighbour goes: no difference of its own. */
		if (!a || !addr_same(&a->addr, &op->addr) || a->peer.family)
			differs(list, op, "address", cJSON_CreateString(addr), cJSON_CreateNull());
		else if (!live_addr_plain(a))
			differs(list, op, "address", cJSON_CreateString(addr),
				cJSON_CreateString("for a limited time"));
		break;
	}
	case NET_ROUTE_ADD: {
		const struct live_route *r = session_replaced(s, op);
		const struct live_link *l = r ? live_link_at(&s->live[op->where], r->index) : NULL;
		autofree char *what = xfmt("route %s", op->addr.prefix ? addr : "default");

		if (session_route_differs(s, op))
			differs(list, op, what, way_json(&op->via, op->link, op->type),
				l ? way_json(&r->via, l->name, r->type) : cJSON_CreateNull());
		break;
	}
	case NET_ROUTE_DEL: {
		autofree char *what = xfmt("route %s", op->addr.prefix ? addr : "default");

		differs(list, op, what, cJSON_CreateNull(), way_json(&op->via, op->link, op->type));
		break;
	}
	}
}

int net_drift(const struct unit *u, int netns_fd, cJSON **list, struct err *e)
{
	autosession struct session s;

	*list = NULL;
	if (session_open(&s, u, netns_fd, e) < 0 || session_compare(&s, e) < 0)
		return -1;
	*list = cJSON_CreateArray();
	for (size_t i = 0; i < s.todo.n; i++)
		drift_op(&s, &s.todo.v[i], *list);
	return 0;
}
