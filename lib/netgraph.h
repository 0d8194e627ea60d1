/* netgraph - what the networks of units hang on, as a tree, as JSON, as a drawing.
 *
 * It is made from unit documents alone: no namespace, no privilege. Every interface of
 * every unit is a port; the ports with one place on the host (a bridge, an interface)
 * are together, and those of one VLAN there.
 */
#ifndef NU_NETGRAPH_H
#define NU_NETGRAPH_H

#include <net/if.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "say.h"
#include "unit.h"
#include "util.h"

enum graph_place {
	GRAPH_BRIDGE, /* a Linux bridge */
	GRAPH_OVS,    /* a bridge of Open vSwitch */
	GRAPH_LINK,   /* an interface of the host: moved in, or under a vlan or macvlan */
	GRAPH_VETH,   /* the host's end of a veth */
	GRAPH_NETNS,  /* a network namespace that the unit joins */
	GRAPH_SHARED, /* the host's own network */
	GRAPH_NONE,   /* nothing: a network without interfaces */
};

struct graph_port {
	const struct unit *u;
	const struct iface *f; /* NULL: the unit as a whole, in the last three places */
	enum graph_place place;
	const char *name;       /* of the place; NULL: it is the port's own link */
	char link[IF_NAMESIZE]; /* the port on the host; "": none */
	long vlan;	        /* 0: untagged */
	struct addr via4, via6; /* default routes by it; family 0: none */
};

/* Start it as { 0 }. */
struct netgraph {
	struct graph_port *v;
	size_t n, room;
};

/* Adds the network of u, which must outlive g. 0; or -1 and e, for a declaration that
 * net_plan refuses. */
int netgraph_add(struct netgraph *g, const struct unit *u, struct err *e);
/* Brings what belongs together to stand together; once, after the last netgraph_add(). */
void netgraph_sort(struct netgraph *g);
void netgraph_free(struct netgraph *g);
#define autonetgraph __attribute__((cleanup(netgraph_free)))

/* These append to b. */
void netgraph_text(const struct netgraph *g, struct buf *b);
void netgraph_dot(const struct netgraph *g, struct buf *b);
/* What dot(1) draws. 0; -1 and e, NU_MISSING where there is no dot(1). */
int netgraph_svg(const struct netgraph *g, struct buf *b, struct err *e);
/* { "places": [{ "kind", "name", "ports": [...] }] }, the caller's. */
cJSON *netgraph_json(const struct netgraph *g);

#endif
