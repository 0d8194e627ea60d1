/* netplan - what a unit's network takes, as operations in the order they are done.
 *
 * Planning reads the unit document and nothing else: no namespace, no file, no
 * privilege. lib/net compares a plan with what is there and runs the rest.
 */
#ifndef NU_NETPLAN_H
#define NU_NETPLAN_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "say.h"
#include "unit.h"

/* What our routes and addresses bear for their origin (rtm_protocol, IFA_PROTO): by it
 * those that are declared no more are told from those that others made. */
#define NET_PROTOCOL 78

enum net_where {
	NET_HOST,
	NET_CONTAINER,
};

enum net_what {
	NET_PORT_DEL, /* a port of Open vSwitch */
	NET_PORT_ADD,
	NET_LINK_DEL,
	NET_LINK_ADD,
	NET_LINK_MOVE, /* from the namespace `where` to the other one */
	NET_LINK_SET,
	NET_NFT,    /* the ruleset */
	NET_SYSCTL, /* one setting */
	NET_FORWARD, /* the ports of the host, all of them */
	NET_ADDR_DEL,
	NET_ADDR_ADD,
	NET_ROUTE_DEL,
	NET_ROUTE_ADD,
};

/* The links that an interface can have. */
enum net_end {
	NET_END_HOST,	 /* on the host: of a veth the other end */
	NET_END_GUEST,	 /* in the container, under the declared name */
	NET_END_MACVLAN, /* in the container, on that one */
	NET_ENDS,
};

/* What a NET_LINK_SET changes. */
enum {
	NET_SET_UP = 1,
	NET_SET_ALIAS = 2,
	NET_SET_MASTER = 4,
	NET_SET_MTU = 8,
	NET_SET_MAC = 16,
	/* Answer ARP for the link's own addresses only, and ask in the name of no other; take
	 * packets that came in by it though the way back is another: for two links in one
	 * network. */
	NET_SET_ARP = 32,
};

struct net_op {
	enum net_what what;
	enum net_where where; /* whose namespace it is done in */
	const struct iface *iface; /* the one it is for; NULL: none that is declared */
	enum net_end end;	   /* the link of that interface */
	char link[IF_NAMESIZE];

	/* NET_LINK_ADD, NET_LINK_MOVE, NET_LINK_SET, NET_PORT_ADD. A new veth has its MTU
	 * at both ends and its MAC at the container's; 0: the kernel's choice. */
	bool hardware;	    /* it is the host's: see net_give_back() */
	const char *kind;   /* of a new link: "veth", "macvlan", "vlan" */
	const char *parent; /* the link it is on; of a port, the bridge */
	long vlan;	    /* of a vlan link; the tag of a port, 0: none */
	const unsigned char *trunks; /* of a port, the VLANs it is a trunk of; NULL: none */
	const char *mode; /* of a port, undone: its vlan_mode; NULL: none */
	unsigned int set;
	bool up;
	const char *alias; /* NULL: the interface's own (net_alias) */
	long mtu;
	unsigned char mac[6];
	bool has_mac;
	const char *master; /* a bridge; NULL: of none */

	const char *key;  /* of a NET_SYSCTL */
	const char *text; /* its value; the ruleset of a NET_NFT, NULL: none */

	/* NET_FORWARD: whose ports; undone, text is the table that was there and key is
	 * the setting (lib/netforward). */
	const struct unit *unit;

	/* Addresses, and the peer; of a route the destination, and the next hop (family 0: none). */
	struct addr addr, via;
	bool onlink;  /* the next hop is taken to be on the link, by no route */
	bool no_dad;  /* the address is known to be unique */
	bool replace; /* may be there already, perhaps in another form */
	unsigned char protocol; /* who made it: NET_PROTOCOL, but for what others did */
	unsigned char type;	/* of a route: 0 for one that leads somewhere */
	uint32_t metric;	/* of a route; 0: the kernel's choice */

	/* Indexes in their namespaces, known when the plan meets the live state. */
	int index, peer_index, master_index, parent_index;
};

struct net_plan {
	const char *id;
	struct net_op *v;
	size_t n, room;
};

/* Whose the network is: "private", the container's own; "host"; or the path of the
 * namespace that it joins. */
const char *net_whose(const struct unit *u);
/* The operations of u's network from nothing, which is none where the network is
 * not the container's own. A contradiction in the declaration is an error that
 * names the interface (NU_USAGE). p starts as { 0 } and points into u. Return 0, or -1 and e. */
int net_plan(const struct unit *u, struct net_plan *p, struct err *e);
/* Appends a copy of op and returns it. */
struct net_op *net_plan_add(struct net_plan *p, const struct net_op *op);
void net_plan_free(struct net_plan *p);
#define autoplan __attribute__((cleanup(net_plan_free)))

/* "address 10.0.0.2/31 on lan", without the place. */
#define NET_OP_TEXT 256
const char *net_op_text(const struct net_op *op, char dst[NET_OP_TEXT]);
const char *net_where_name(enum net_where where);
/* { "id", "operations": [{ "where", "operation", "link", ... , "text" }] }, owned by the caller. */
cJSON *net_plan_json(const struct net_plan *p);

/* Writes "02:00:00:00:00:01" into dst and returns dst. */
const char *mac_text(const unsigned char mac[6], char dst[18]);

/* The host's end of an interface: "nu-<id>" for the one called veth, else
 * "nu-<id>_<name>"; where that is longer than 15 bytes, "nu-" and 12 hexadecimal
 * digits of sha256("<id>/<name>"). */
void net_host_name(const char *id, const char *name, char dst[IF_NAMESIZE]);
/* The macvlan on an interface: "mv-<name>". */
void net_macvlan_name(const char *name, char dst[IF_NAMESIZE]);
/* Whose it is, written on the link itself: "nixunits:<id>:<name>". */
#define NET_ALIAS 96
const char *net_alias(const char *id, const char *name, char dst[NET_ALIAS]);

#endif
