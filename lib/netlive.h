/* netlive - what a network namespace holds now: its links, addresses and routes. */
#ifndef NU_NETLIVE_H
#define NU_NETLIVE_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "addr.h"
#include "nl.h"
#include "say.h"

struct live_link {
	int index;
	char name[IF_NAMESIZE];
	char kind[16];	 /* "veth", "bridge"; "" where the kernel names none */
	char alias[128]; /* "" for none; one longer than ours is cut */
	unsigned int flags; /* IFF_UP, IFF_RUNNING, ... */
	unsigned int mtu;
	unsigned char mac[6];
	int peer;   /* index of the other end, in whatever namespace; 0: none */
	int master; /* index of the bridge it is a port of; 0: none */
	int vlan;   /* 802.1q id of a link of kind vlan; 0: another kind */
	bool hardware; /* of a device on a bus of this machine: by rtnetlink nobody makes one */
	unsigned int group;
	bool own_arp; /* answers ARP for its own addresses only (NET_SET_ARP) */
};

struct live_addr {
	int index; /* of its link */
	struct addr addr;
	struct addr peer; /* of a point-to-point address; family 0: it is none */
	uint32_t flags; /* IFA_F_TENTATIVE, IFA_F_DADFAILED, IFA_F_PERMANENT, ... */
	unsigned char scope;
	unsigned char protocol; /* IFA_PROTO: who made it; 0: it isn't said */
};

struct live_route {
	int index;
	struct addr to;	 /* 0.0.0.0/0, ::/0: the default route */
	struct addr via; /* family 0: on-link */
	uint32_t metric;
	unsigned char protocol;
	unsigned char type; /* of one that leads nowhere: RTN_BLACKHOLE, ...; else 0 */
	bool onlink;
};

struct live {
	struct live_link *links; /* by name */
	size_t n_links, room_links;
	struct live_addr *addrs; /* by link */
	size_t n_addrs, room_addrs;
	struct live_route *routes; /* of the main table; by link, those to nowhere by the loopback */
	size_t n_routes, room_routes;
};

/* Each reads one of the three anew; routes only of `protocol` (0: all). live starts
 * as { 0 } and is freed by live_free, also after an error. Return 0, or -1 and e. */
int live_links(struct nl *nl, struct live *live, struct err *e);
int live_addrs(struct nl *nl, struct live *live, struct err *e);
int live_routes(struct nl *nl, unsigned char protocol, struct live *live, struct err *e);
void live_free(struct live *live);
#define autolive __attribute__((cleanup(live_free)))

/* "blackhole" and the like; NULL for a route that leads somewhere. */
const char *live_route_type(unsigned char type);
/* NULL where there is none. */
const struct live_link *live_link(const struct live *live, const char *name);
const struct live_link *live_link_at(const struct live *live, int index);
/* The address on that link, whatever its prefix length. */
const struct live_addr *live_addr(const struct live *live, int index, const struct addr *a);
/* Whether it is one that stays and is used: no point-to-point address, of no limited time, not
 * deprecated. */
bool live_addr_plain(const struct live_addr *a);
/* The addresses, or routes, of a link: the first, and how many. */
const struct live_addr *live_addrs_of(const struct live *live, int index, size_t *n);
const struct live_route *live_routes_of(const struct live *live, int index, size_t *n);

#endif
