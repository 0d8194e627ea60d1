/* netop - an operation of a network plan as text and as JSON. */
#include "netplan.h"

#include <string.h>

#include "netovs.h"
#include "util.h"

const char *net_where_name(enum net_where where)
{
	return where == NET_HOST ? "host" : "container";
}

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

static void new_link_text(const struct net_op *op, struct buf *b)
{
	if (streq(op->kind, "veth"))
		buf_addf(b, "veth, the other end is %s in the container", op->iface->name);
	else if (streq(op->kind, "vlan"))
		buf_addf(b, "vlan %ld on %s, in the container", op->vlan, op->parent);
	else
		buf_addf(b, "macvlan on %s%s", op->parent,
			 op->where == NET_HOST ? ", in the container" : "");
}

static void link_text(const struct net_op *op, struct buf *b)
{
	char mac[18];

	buf_addf(b, "link %s: ", plain(op->link));
	size_t start = b->n;
	if (op->what == NET_LINK_ADD)
		new_link_text(op, b);
	if (op->set & NET_SET_UP)
		buf_addf(b, "%s", op->up ? "up" : "down");
	if (op->set & NET_SET_MASTER)
		buf_addf(b, op->master ? "%sport of %s" : "%sport of no bridge",
			 b->n > start ? ", " : "", op->master);
	if (op->set & NET_SET_ARP)
		buf_addf(b, "%sarp for its own addresses", b->n > start ? ", " : "");
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
	const char *link = plain(op->link); /* that of a leftover the container has chosen */

	switch (op->what) {
	case NET_PORT_DEL:
		buf_addf(&b, "remove port %s", link);
		break;
	case NET_PORT_ADD:
		buf_addf(&b, "port %s of Open vSwitch bridge %s", link, op->parent);
		if (op->vlan)
			buf_addf(&b, ", vlan %ld", op->vlan);
		if (op->trunks)
			buf_addf(&b, ", trunk of vlans ");
		ovs_trunks_text(op->trunks, &b);
		break;
	case NET_LINK_DEL:
		buf_addf(&b, "remove link %s", link);
		break;
	case NET_LINK_MOVE:
		buf_addf(&b, "link %s: moves to the %s", link,
			 net_where_name(op->where == NET_HOST ? NET_CONTAINER : NET_HOST));
		if (op->iface && !streq(op->link, op->iface->name))
			buf_addf(&b, ", as %s", op->iface->name);
		break;
	case NET_LINK_ADD:
	case NET_LINK_SET:
		link_text(op, &b);
		break;
	case NET_NFT:
		buf_addf(&b, op->text ? "nft ruleset" : "no nft ruleset");
		break;
	case NET_SYSCTL:
		buf_addf(&b, "sysctl %s = %s", op->key, op->text);
		break;
	case NET_FORWARD:
		buf_addf(&b, op->unit->net.n_forwards ? "forward" : "forward no ports");
		for (size_t i = 0; i < op->unit->net.n_forwards; i++) {
			const struct forward *f = &op->unit->net.forwards[i];

			buf_addf(&b, "%s %s %s%s%ld to %ld", i ? "," : "", f->udp ? "udp" : "tcp",
				 f->address.family ? addr_text(&f->address, false, text) : "",
				 f->address.family ? " port " : "", f->host_port, f->port);
		}
		break;
	case NET_ADDR_DEL:
		buf_addf(&b, "remove address %s from %s", addr_text(&op->addr, true, text),
			 link);
		break;
	case NET_ADDR_ADD:
		buf_addf(&b, "address %s on %s", addr_text(&op->addr, true, text), link);
		break;
	case NET_ROUTE_DEL:
		buf_addf(&b, "remove route %s on %s", route_to(op, text), link);
		break;
	case NET_ROUTE_ADD:
		buf_addf(&b, "route %s%s%s on %s%s", route_to(op, text), op->via.family ? " via " : "",
			 op->via.family ? addr_text(&op->via, false, via) : "", link,
			 op->onlink ? " (next hop on the link)" : "");
		break;
	}
	snprintf(dst, NET_OP_TEXT, "%s", b.p);
	return dst;
}

static cJSON *net_op_json(const struct net_op *op)
{
	static const char *const names[] = {
		[NET_PORT_DEL] = "port-remove",	  [NET_PORT_ADD] = "port-add",
		[NET_LINK_DEL] = "link-remove",	  [NET_LINK_ADD] = "link-add",
		[NET_LINK_MOVE] = "link-move",	  [NET_LINK_SET] = "link-set",
		[NET_NFT] = "nft",		  [NET_SYSCTL] = "sysctl",
		[NET_FORWARD] = "forward",
		[NET_ADDR_DEL] = "address-remove", [NET_ADDR_ADD] = "address-add",
		[NET_ROUTE_DEL] = "route-remove", [NET_ROUTE_ADD] = "route-add",
	};
	bool is_new = op->what == NET_LINK_ADD;
	cJSON *j = cJSON_CreateObject();
	char text[NET_OP_TEXT];

	cJSON_AddStringToObject(j, "where", net_where_name(op->where));
	cJSON_AddStringToObject(j, "operation", names[op->what]);
	if (op->link[0])
		cJSON_AddStringToObject(j, "link", op->link);
	if (op->key)
		cJSON_AddStringToObject(j, "key", op->key);
	if (op->text)
		cJSON_AddStringToObject(j, op->key ? "value" : "ruleset", op->text);
	if (is_new)
		cJSON_AddStringToObject(j, "kind", op->kind);
	if ((is_new && streq(op->kind, "veth")) || (op->what == NET_LINK_MOVE && op->iface))
		cJSON_AddStringToObject(j, "peer", op->iface->name);
	if (op->parent)
		cJSON_AddStringToObject(j, op->what == NET_PORT_ADD ? "bridge" : "parent", op->parent);
	if (op->vlan)
		cJSON_AddNumberToObject(j, "vlan", op->vlan);
	if (op->trunks) {
		cJSON *v = cJSON_AddArrayToObject(j, "trunks");

		for (long vlan = 1; vlan <= 4094; vlan++)
			if (vlan_in(op->trunks, vlan))
				cJSON_AddItemToArray(v, cJSON_CreateNumber(vlan));
	}
	if (op->set & NET_SET_UP)
		cJSON_AddBoolToObject(j, "up", op->up);
	if (op->set & NET_SET_MASTER)
		cJSON_AddStringToObject(j, "bridge", op->master ? op->master : "");
	if (op->set & NET_SET_ARP)
		cJSON_AddBoolToObject(j, "ownArp", true);
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
