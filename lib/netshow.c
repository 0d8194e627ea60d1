/* netshow - what there is of a unit's network now, as people and programs read it. */
#include "netshow.h"

#include <linux/if_addr.h>
#include <stdlib.h>

#include "net.h"

int netshow_read(struct netshow *s, const char *id, int netns_fd, struct err *e)
{
	*s = (struct netshow){ .id = id };
	if (net_live(-1, &s->live[NET_HOST], e) < 0 ||
	    net_live(netns_fd, &s->live[NET_CONTAINER], e) < 0)
		return -1;
	return ovs_present() ? ovs_ports(id, &s->ports, &s->n_ports, e) : 0;
}

void netshow_free(struct netshow *s)
{
	live_free(&s->live[NET_HOST]);
	live_free(&s->live[NET_CONTAINER]);
	free(s->ports);
}

/* Of the host's links the unit's alone. */
static bool shown(const struct netshow *s, enum net_where where, const struct live_link *l)
{
	char alias[NET_ALIAS];

	return where == NET_CONTAINER || starts_with(l->alias, net_alias(s->id, "", alias));
}

static const char *addr_state(const struct live_addr *a)
{
	if (a->flags & IFA_F_DADFAILED)
		return "duplicate";
	return a->flags & IFA_F_TENTATIVE ? "tentative" : "ready";
}

static void link_json(const struct live *live, const struct live_link *l, enum net_where where,
		      cJSON *links, cJSON *routes)
{
	cJSON *j = cJSON_CreateObject(), *addrs;
	char text[ADDR_TEXT];
	size_t n;

	cJSON_AddStringToObject(j, "where", net_where_name(where));
	cJSON_AddStringToObject(j, "name", l->name);
	cJSON_AddNumberToObject(j, "index", l->index);
	cJSON_AddStringToObject(j, "kind", l->kind);
	cJSON_AddBoolToObject(j, "up", l->flags & IFF_UP);
	cJSON_AddBoolToObject(j, "running", l->flags & IFF_RUNNING);
	cJSON_AddNumberToObject(j, "mtu", l->mtu);
	cJSON_AddStringToObject(j, "mac", mac_text(l->mac, text));
	addrs = cJSON_AddArrayToObject(j, "addresses");
	const struct live_addr *a = live_addrs_of(live, l->index, &n);
	for (size_t i = 0; i < n; i++) {
		cJSON *one = cJSON_CreateObject();

		cJSON_AddStringToObject(one, "address", addr_text(&a[i].addr, true, text));
		cJSON_AddStringToObject(one, "state", addr_state(&a[i]));
		cJSON_AddItemToArray(addrs, one);
	}
	cJSON_AddItemToArray(links, j);

	const struct live_route *r = live_routes_of(live, l->index, &n);
	for (size_t i = 0; i < n; i++) {
		cJSON *one = cJSON_CreateObject();

		cJSON_AddStringToObject(one, "where", net_where_name(where));
		cJSON_AddStringToObject(one, "destination", addr_text(&r[i].to, true, text));
		if (r[i].via.family)
			cJSON_AddStringToObject(one, "via", addr_text(&r[i].via, false, text));
		cJSON_AddStringToObject(one, "link", l->name);
		cJSON_AddNumberToObject(one, "metric", r[i].metric);
		if (live_route_type(r[i].type))
			cJSON_AddStringToObject(one, "type", live_route_type(r[i].type));
		cJSON_AddItemToArray(routes, one);
	}
}

static cJSON *port_json(const struct ovs_port *p)
{
	cJSON *j = cJSON_CreateObject(), *trunks;

	cJSON_AddStringToObject(j, "name", p->name);
	cJSON_AddStringToObject(j, "interface", p->iface);
	cJSON_AddStringToObject(j, "bridge", p->bridge);
	if (p->vlan)
		cJSON_AddNumberToObject(j, "vlan", p->vlan);
	if (*p->mode)
		cJSON_AddStringToObject(j, "mode", p->mode);
	trunks = cJSON_AddArrayToObject(j, "trunks");
	for (long vlan = 0; vlan < VLAN_SET * 8; vlan++)
		if (vlan_in(p->trunks, vlan))
			cJSON_AddItemToArray(trunks, cJSON_CreateNumber(vlan));
	return j;
}

cJSON *netshow_json(const struct netshow *s)
{
	cJSON *j = cJSON_CreateObject();

	cJSON_AddStringToObject(j, "id", s->id);
	cJSON *links = cJSON_AddArrayToObject(j, "links");
	cJSON *routes = cJSON_AddArrayToObject(j, "routes");
	cJSON *ports = cJSON_AddArrayToObject(j, "ports");
	for (int where = NET_CONTAINER; where >= NET_HOST; where--)
		for (size_t i = 0; i < s->live[where].n_links; i++)
			if (shown(s, where, &s->live[where].links[i]))
				link_json(&s->live[where], &s->live[where].links[i], where, links, routes);
	for (size_t i = 0; i < s->n_ports; i++)
		cJSON_AddItemToArray(ports, port_json(&s->ports[i]));
	return j;
}

static void link_text(const struct live *live, const struct live_link *l, enum net_where where,
		      struct buf *b)
{
	bool loopback = l->flags & IFF_LOOPBACK;
	char text[ADDR_TEXT], via[ADDR_TEXT];
	size_t n;

	buf_addf(b, "%-9s  %-15s  %-7s  mtu %u%s%s\n", net_where_name(where), plain(l->name),
		 !(l->flags & IFF_UP) ? "down" : l->flags & IFF_RUNNING ? "up" : "waiting", l->mtu,
		 loopback ? "" : "  ", loopback ? "" : mac_text(l->mac, text));
	const struct live_addr *a = live_addrs_of(live, l->index, &n);
	for (size_t i = 0; i < n; i++) {
		const char *state = addr_state(&a[i]);
		bool ready = streq(state, "ready");

		buf_addf(b, "%-28s %s%s%s\n", "", addr_text(&a[i].addr, true, text), ready ? "" : "  ",
			 ready ? "" : state);
	}
	const struct live_route *r = live_routes_of(live, l->index, &n);
	for (size_t i = 0; i < n; i++) {
		const char *nowhere = live_route_type(r[i].type);

		buf_addf(b, "%-28s %s%s%s\n", "",
			 r[i].to.prefix ? addr_text(&r[i].to, true, text) : "default",
			 nowhere ? " " : r[i].via.family ? " via " : " on the link",
			 nowhere ? nowhere : r[i].via.family ? addr_text(&r[i].via, false, via) : "");
	}
}

static void port_text(const struct ovs_port *p, struct buf *b)
{
	autobuf struct buf trunks = { 0 };

	ovs_trunks_text(p->trunks, &trunks);
	buf_addf(b, "%-9s  %-15s  port of %s", net_where_name(NET_HOST), p->name, p->bridge);
	if (p->vlan)
		buf_addf(b, ", vlan %ld", p->vlan);
	buf_addf(b, "%s%s%s%s\n", trunks.n ? ", vlans " : "", trunks.n ? trunks.p : "",
		 *p->mode ? ", " : "", p->mode);
}

void netshow_text(const struct netshow *s, struct buf *b)
{
	for (int where = NET_CONTAINER; where >= NET_HOST; where--)
		for (size_t i = 0; i < s->live[where].n_links; i++)
			if (shown(s, where, &s->live[where].links[i]))
				link_text(&s->live[where], &s->live[where].links[i], where, b);
	for (size_t i = 0; i < s->n_ports; i++)
		port_text(&s->ports[i], b);
}
