/* netgraph - what the networks of units hang on, as a tree, as JSON, as a drawing. */
#include "netgraph.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netplan.h"
#include "proc.h"

static const char *const titles[] = {
	[GRAPH_BRIDGE] = "bridge",
	[GRAPH_OVS] = "Open vSwitch bridge",
	[GRAPH_LINK] = "interface",
	[GRAPH_VETH] = "veth",
	[GRAPH_NETNS] = "network namespace",
	[GRAPH_SHARED] = "the host's network",
	[GRAPH_NONE] = "no interfaces",
};

static const char *const kinds[] = {
	[GRAPH_BRIDGE] = "bridge",     [GRAPH_OVS] = "ovs",	  [GRAPH_LINK] = "link",
	[GRAPH_VETH] = "veth",	       [GRAPH_NETNS] = "netns",	  [GRAPH_SHARED] = "host",
	[GRAPH_NONE] = "none",
};

static struct graph_port *add_port(struct netgraph *g, const struct unit *u,
				   const struct iface *f)
{
	if (g->n == g->room) {
		g->room = g->room ? g->room * 2 : 16;
		g->v = xrealloc(g->v, g->room, sizeof(*g->v));
	}
	g->v[g->n] = (struct graph_port){ .u = u, .f = f };
	return &g->v[g->n++];
}

static void add_iface(struct netgraph *g, const struct unit *u, const struct iface *f)
{
	struct graph_port *p = add_port(g, u, f);

	switch (f->kind) {
	case IFACE_VETH:
	case IFACE_BRIDGE:
		net_host_name(u->id, f->name, p->link);
		p->place = f->host_bridge ? GRAPH_BRIDGE : GRAPH_VETH;
		p->name = f->host_bridge;
		break;
	case IFACE_OVS:
		net_host_name(u->id, f->name, p->link);
		p->place = GRAPH_OVS;
		p->name = f->ovs.bridge;
		p->vlan = f->ovs.vlan;
		break;
	case IFACE_VLAN:
	case IFACE_MACVLAN:
		p->place = GRAPH_LINK;
		p->name = f->parent;
		p->vlan = f->vlan;
		break;
	case IFACE_HOST:
		p->place = GRAPH_LINK;
		p->name = f->name;
		break;
	}
}

/* The routes are taken from the plan, which knows the interface that each leaves by. */
int netgraph_add(struct netgraph *g, const struct unit *u, struct err *e)
{
	autoplan struct net_plan plan = { 0 };
	size_t first = g->n;

	if (net_plan(u, &plan, e) < 0)
		return -1;
	for (size_t i = 0; i < u->net.n_ifaces; i++)
		add_iface(g, u, &u->net.ifaces[i]);
	for (size_t i = 0; i < plan.n; i++) {
		const struct net_op *op = &plan.v[i];

		if (op->what != NET_ROUTE_ADD || op->where != NET_CONTAINER || op->addr.prefix)
			continue;
		for (size_t k = first; k < g->n; k++)
			if (g->v[k].f == op->iface && op->via.family == AF_INET)
				g->v[k].via4 = op->via;
			else if (g->v[k].f == op->iface)
				g->v[k].via6 = op->via;
	}
	if (!u->net.n_ifaces) {
		struct graph_port *p = add_port(g, u, NULL);

		p->place = u->net.netns	    ? GRAPH_NETNS :
			   !u->net.private ? GRAPH_SHARED :
					     GRAPH_NONE;
		p->name = u->net.netns ? u->net.netns : "";
	}
	return 0;
}

static const char *place_name(const struct graph_port *p)
{
	return p->name ? p->name : p->link;
}

static int by_place(const void *pa, const void *pb)
{
	const struct graph_port *a = pa, *b = pb;
	int order = (int)a->place - (int)b->place;

	if (!order)
		order = strcmp(place_name(a), place_name(b));
	if (!order)
		order = a->vlan < b->vlan ? -1 : a->vlan > b->vlan;
	if (!order)
		order = strcmp(a->u->id, b->u->id);
	return order || !a->f || !b->f ? order : strcmp(a->f->name, b->f->name);
}

void netgraph_sort(struct netgraph *g)
{
	/* A vlan or macvlan may be on a bridge that others are ports of. */
	for (size_t i = 0; i < g->n; i++)
		for (size_t k = 0; g->v[i].place == GRAPH_LINK && k < g->n; k++)
			if (g->v[k].place < GRAPH_LINK && streq(g->v[k].name, g->v[i].name))
				g->v[i].place = g->v[k].place;
	if (g->n)
		qsort(g->v, g->n, sizeof(*g->v), by_place);
}

void netgraph_free(struct netgraph *g)
{
	free(g->v);
	*g = (struct netgraph){ 0 };
}

/* Whether port i, of a sorted graph, is the first one in its place; in its VLAN. */
static bool new_place(const struct netgraph *g, size_t i)
{
	return i == 0 || g->v[i].place != g->v[i - 1].place ||
	       !streq(place_name(&g->v[i]), place_name(&g->v[i - 1]));
}

static bool new_vlan(const struct netgraph *g, size_t i)
{
	return g->v[i].vlan && (new_place(g, i) || g->v[i].vlan != g->v[i - 1].vlan);
}

static void add_addrs(struct buf *b, const char *before, const struct addrs *v)
{
	char text[ADDR_TEXT];

	for (size_t i = 0; i < v->n; i++)
		buf_addf(b, "%s%s", before, addr_text(&v->v[i], true, text));
}

static void add_default(struct buf *b, const char *before, const struct addr *via)
{
	char text[ADDR_TEXT];

	if (via->family)
		buf_addf(b, "%sdefault via %s", before, addr_text(via, false, text));
}

static void add_vrid(struct buf *b, const char *before, const struct iface *f)
{
	if (f->macvlan.vrid)
		buf_addf(b, "%sVRRP router %ld", before, f->macvlan.vrid);
}

/* What a port has but its name, each part after `before`. */
static void add_port_parts(struct buf *b, const char *before, const struct graph_port *p)
{
	add_addrs(b, before, &p->f->ip4);
	add_addrs(b, before, &p->f->ip6);
	add_default(b, before, &p->via4);
	add_default(b, before, &p->via6);
}

static void add_macvlan_parts(struct buf *b, const char *before, const struct iface *f)
{
	add_vrid(b, before, f);
	add_addrs(b, before, &f->macvlan.ip4);
	add_addrs(b, before, &f->macvlan.ip6);
}

/* ---- a tree ---- */

struct line {
	int depth;
	char *text;
};

struct lines {
	struct line *v;
	size_t n;
};

static void add_line(struct lines *l, int depth, struct buf *text)
{
	l->v = xrealloc(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = (struct line){ depth, xstrdup(text->p) };
	buf_free(text);
}

/* Whether anything follows line i that hangs on the same stem, at that depth. */
static bool goes_on(const struct lines *l, size_t i, int depth)
{
	while (++i < l->n && l->v[i].depth > depth)
		;
	return i < l->n && l->v[i].depth == depth;
}

static void draw(const struct lines *l, struct buf *b)
{
	for (size_t i = 0; i < l->n; i++) {
		int depth = l->v[i].depth;

		for (int d = 1; d < depth; d++)
			buf_addf(b, "%s", goes_on(l, i, d) ? "│  " : "   ");
		buf_addf(b, "%s%s\n",
			 depth == 0	      ? "" :
			 goes_on(l, i, depth) ? "├─ " :
						"└─ ",
			 l->v[i].text);
	}
}

void netgraph_text(const struct netgraph *g, struct buf *b)
{
	struct lines l = { 0 };
	struct buf text = { 0 };
	char name[IF_NAMESIZE];

	for (size_t i = 0; i < g->n; i++) {
		const struct graph_port *p = &g->v[i];
		int depth = p->vlan ? 2 : 1;

		if (new_place(g, i)) {
			const char *called = place_name(p);

			buf_addf(&text, "%s%s%s", titles[p->place], *called ? " " : "",
				 p->place == GRAPH_NETNS ? quoted(called) : called);
			if (p->place == GRAPH_VETH) {
				add_addrs(&text, "  ", &p->f->host_ip4);
				add_addrs(&text, "  ", &p->f->host_ip6);
			}
			add_line(&l, 0, &text);
		}
		if (new_vlan(g, i)) {
			buf_addf(&text, "VLAN %ld", p->vlan);
			add_line(&l, 1, &text);
		}
		buf_addf(&text, "%s%s%s", p->u->id, p->f ? " " : "", p->f ? p->f->name : "");
		if (p->f && (p->f->kind == IFACE_HOST || p->f->kind == IFACE_MACVLAN))
			buf_addf(&text, "  %s", p->f->kind == IFACE_HOST ? "moved in" : "macvlan");
		if (p->f)
			add_port_parts(&text, "  ", p);
		add_line(&l, depth, &text);
		if (p->f && p->f->macvlan.present) {
			net_macvlan_name(p->f->name, name);
			buf_addf(&text, "%s  macvlan", name);
			add_macvlan_parts(&text, "  ", p->f);
			add_line(&l, depth + 1, &text);
		}
	}
	draw(&l, b);
	for (size_t i = 0; i < l.n; i++)
		free(l.v[i].text);
	free(l.v);
}

/* ---- Graphviz ---- */

/* A string of the DOT language. Within, a backslash begins an escape and an ampersand
 * an entity: the text is to be seen as it is. */
static void add_quoted(struct buf *b, const char *text)
{
	buf_add(b, "\"", 1);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buf_add(b, "\\", 1);
		if (*text == '&')
			buf_addf(b, "&amp;");
		else
			buf_addf(b, "%c", (unsigned char)*text < ' ' ? '?' : *text);
	}
	buf_add(b, "\"", 1);
}

/* A label of several lines: a string for each, put together by dot(1). */
static void add_label(struct buf *b, const char *lines)
{
	const char *end;

	buf_addf(b, "label=");
	for (; (end = strchr(lines, '\n')); lines = end + 1) {
		autofree char *one = xstrndup(lines, end - lines);

		add_quoted(b, one);
		buf_addf(b, "+\"\\n\"+");
	}
	add_quoted(b, lines);
}

/* The node of a place, of a VLAN there, of an interface, of the macvlan on it. */
static void add_place_node(struct buf *b, const struct graph_port *p, long vlan)
{
	autofree char *id = vlan ? xfmt("%s %s %ld", kinds[p->place], place_name(p), vlan) :
				   xfmt("%s %s", kinds[p->place], place_name(p));

	add_quoted(b, id);
}

static void add_iface_node(struct buf *b, const struct graph_port *p, const char *prefix)
{
	autofree char *id = xfmt("%s/%s%s", p->u->id, prefix, p->f ? p->f->name : "");

	add_quoted(b, id);
}

static void dot_place(const struct graph_port *p, struct buf *b)
{
	autobuf struct buf label = { 0 };
	const char *called = place_name(p);

	buf_addf(&label, "%s%s%s", titles[p->place], *called ? "\n" : "", called);
	if (p->place == GRAPH_VETH) {
		add_addrs(&label, "\n", &p->f->host_ip4);
		add_addrs(&label, "\n", &p->f->host_ip6);
	}
	buf_addf(b, "\t\t");
	add_place_node(b, p, 0);
	buf_addf(b, " [");
	add_label(b, label.p);
	buf_addf(b, ", fillcolor=\"#dbe9f6\"];\n");
}

static void dot_vlan(const struct graph_port *p, struct buf *b)
{
	buf_addf(b, "\t\t");
	add_place_node(b, p, p->vlan);
	buf_addf(b, " [label=\"VLAN %ld\", shape=ellipse, fillcolor=\"#fdf3d0\"];\n\t\t", p->vlan);
	add_place_node(b, p, 0);
	buf_addf(b, " -- ");
	add_place_node(b, p, p->vlan);
	buf_addf(b, ";\n");
}

static void dot_iface(const struct graph_port *p, struct buf *b)
{
	autobuf struct buf label = { 0 };
	char name[IF_NAMESIZE];

	buf_addf(&label, "%s", p->f ? p->f->name : titles[p->place]);
	if (p->f)
		add_port_parts(&label, "\n", p);
	buf_addf(b, "\t\t");
	add_iface_node(b, p, "");
	buf_addf(b, " [");
	add_label(b, label.p);
	buf_addf(b, "];\n");
	if (!p->f || !p->f->macvlan.present)
		return;
	buf_free(&label);
	net_macvlan_name(p->f->name, name);
	buf_addf(&label, "%s", name);
	add_macvlan_parts(&label, "\n", p->f);
	buf_addf(b, "\t\t");
	add_iface_node(b, p, "mv-");
	buf_addf(b, " [");
	add_label(b, label.p);
	buf_addf(b, "];\n\t\t");
	add_iface_node(b, p, "");
	buf_addf(b, " -- ");
	add_iface_node(b, p, "mv-");
	buf_addf(b, " [style=dashed];\n");
}

/* From the place, or the VLAN there, to the interface. */
static void dot_edge(const struct graph_port *p, struct buf *b)
{
	const char *how = !p->f			       ? "" :
			  p->f->kind == IFACE_MACVLAN ? "macvlan" :
			  p->f->kind == IFACE_HOST    ? "moved in" :
			  p->name		      ? p->link :
						        "";

	buf_addf(b, "\t");
	add_place_node(b, p, p->vlan);
	buf_addf(b, " -- ");
	add_iface_node(b, p, "");
	buf_addf(b, " [");
	add_label(b, how);
	/* Past the rank of the VLANs: all units stand side by side, clear of the host. */
	buf_addf(b, "%s];\n", p->vlan ? "" : ", minlen=2");
}

/* All of a unit is drawn with the first of its ports. */
static bool new_unit(const struct netgraph *g, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (g->v[k].u == g->v[i].u)
			return false;
	return true;
}

void netgraph_dot(const struct netgraph *g, struct buf *b)
{
	buf_addf(b, "graph nixunits {\n"
		    "\tgraph [rankdir=LR, ranksep=1.2, fontname=\"Helvetica\", fontsize=12];\n"
		    "\tnode [shape=box, style=filled, fillcolor=white, fontname=\"Helvetica\", "
		    "fontsize=10];\n"
		    "\tedge [fontname=\"Helvetica\", fontsize=9, color=\"#555555\"];\n"
		    "\tsubgraph \"cluster host\" {\n"
		    "\t\tlabel=\"host\"; style=rounded; color=\"#999999\";\n");
	for (size_t i = 0; i < g->n; i++) {
		if (g->v[i].place != GRAPH_NONE && new_place(g, i))
			dot_place(&g->v[i], b);
		if (new_vlan(g, i))
			dot_vlan(&g->v[i], b);
	}
	buf_addf(b, "\t}\n");
	for (size_t i = 0; i < g->n; i++) {
		if (!new_unit(g, i))
			continue;
		buf_addf(b, "\tsubgraph \"cluster unit %s\" {\n"
			    "\t\tlabel=\"%s\"; style=\"rounded,filled\"; color=\"#b7d7b0\"; "
			    "fillcolor=\"#eef7ec\";\n",
			 g->v[i].u->id, g->v[i].u->id);
		for (size_t k = i; k < g->n; k++)
			if (g->v[k].u == g->v[i].u)
				dot_iface(&g->v[k], b);
		buf_addf(b, "\t}\n");
	}
	for (size_t i = 0; i < g->n; i++)
		if (g->v[i].place != GRAPH_NONE)
			dot_edge(&g->v[i], b);
	buf_addf(b, "}\n");
}

int netgraph_svg(const struct netgraph *g, struct buf *b, struct err *e)
{
	char *argv[] = { (char *)"dot", (char *)"-Tsvg", NULL };
	autobuf struct buf dot = { 0 };

	netgraph_dot(g, &dot);
	int status = proc_filter(argv, dot.p, dot.n, b, e);
	if (status < 0 && e->code == NU_MISSING)
		return err_set(e, NU_MISSING, "dot: not found: it comes with graphviz");
	if (status > 0)
		return err_set(e, NU_FAILED, "dot: exit status %d", status);
	return status;
}

/* ---- JSON ---- */

static void json_addrs(cJSON *list, const struct addrs *v)
{
	char text[ADDR_TEXT];

	for (size_t i = 0; i < v->n; i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(addr_text(&v->v[i], true, text)));
}

static void json_text(cJSON *j, const char *key, const char *text)
{
	if (text && *text)
		cJSON_AddStringToObject(j, key, text);
	else
		cJSON_AddNullToObject(j, key);
}

static void json_number(cJSON *j, const char *key, long n)
{
	if (n)
		cJSON_AddNumberToObject(j, key, n);
	else
		cJSON_AddNullToObject(j, key);
}

static void json_via(cJSON *list, const struct addr *via)
{
	char text[ADDR_TEXT];

	if (via->family)
		cJSON_AddItemToArray(list, cJSON_CreateString(addr_text(via, false, text)));
}

static cJSON *json_port(const struct graph_port *p)
{
	cJSON *j = cJSON_CreateObject(), *list;
	char name[IF_NAMESIZE];

	cJSON_AddStringToObject(j, "unit", p->u->id);
	if (!p->f)
		return j;
	cJSON_AddStringToObject(j, "interface", p->f->name);
	cJSON_AddStringToObject(j, "kind", iface_kind_name(p->f->kind));
	json_text(j, "hostLink", p->link);
	json_number(j, "vlan", p->vlan);
	list = cJSON_AddArrayToObject(j, "addresses");
	json_addrs(list, &p->f->ip4);
	json_addrs(list, &p->f->ip6);
	list = cJSON_AddArrayToObject(j, "hostAddresses");
	json_addrs(list, &p->f->host_ip4);
	json_addrs(list, &p->f->host_ip6);
	list = cJSON_AddArrayToObject(j, "gateways");
	json_via(list, &p->via4);
	json_via(list, &p->via6);
	if (!p->f->macvlan.present)
		return j;
	cJSON *mv = cJSON_AddObjectToObject(j, "macvlan");
	net_macvlan_name(p->f->name, name);
	cJSON_AddStringToObject(mv, "interface", name);
	json_number(mv, "vrid", p->f->macvlan.vrid);
	list = cJSON_AddArrayToObject(mv, "addresses");
	json_addrs(list, &p->f->macvlan.ip4);
	json_addrs(list, &p->f->macvlan.ip6);
	return j;
}

cJSON *netgraph_json(const struct netgraph *g)
{
	cJSON *j = cJSON_CreateObject(), *places = cJSON_AddArrayToObject(j, "places");
	cJSON *ports = NULL;

	for (size_t i = 0; i < g->n; i++) {
		if (new_place(g, i)) {
			cJSON *place = cJSON_CreateObject();

			cJSON_AddStringToObject(place, "kind", kinds[g->v[i].place]);
			json_text(place, "name", place_name(&g->v[i]));
			ports = cJSON_AddArrayToObject(place, "ports");
			cJSON_AddItemToArray(places, place);
		}
		cJSON_AddItemToArray(ports, json_port(&g->v[i]));
	}
	return j;
}
