/* netsession - a unit's plan against the live state of the two namespaces.
 *
 * Inside of lib/net, which alone includes this: netsession reads what is there, netmatch
 * tells whose the links are, netcompare what is still to be done.
 */
#ifndef NU_NETSESSION_H
#define NU_NETSESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "netlive.h"
#include "netnft.h"
#include "netovs.h"
#include "netplan.h"
#include "nl.h"
#include "unit.h"

#define NET_ANY_NAME "dev%d" /* the kernel puts a number in it, as for what a namespace leaves */
#define NET_METRIC6 1024 /* the kernel's for an IPv6 route without one */

/* One link of a declared interface. */
struct net_link {
	int index; /* the one it has, or will be made with */
	const struct live_link *live;
	bool fresh;	/* to be made, or moved in: then live is NULL */
	bool again[2];	/* v6, v4: an address goes, and with it perhaps others and routes:
			 * all of that family are set again */
};

struct net_pair {
	struct net_link end[NET_ENDS];
	const struct ovs_port *port; /* of Open vSwitch, as it is; NULL: none yet */
	bool placed;		     /* the port, or link to move, is on the host now */
};

struct session {
	const struct unit *u;
	int netns_fd, host_fd; /* the container's namespace, the caller's */
	struct nl nl[2];
	struct live live[2];
	struct ovs_port *ports;
	size_t n_ports;
	bool ovs_silent;     /* its daemon did not answer */
	enum nft_state nft;  /* the ruleset as it was */
	enum nft_state forward; /* the table of forwarded ports, on the host, as it was */
	bool may_return;     /* a link of the host's is missing, and no running unit has it */
	struct strv kept;    /* texts that undo refers to */
	struct net_pair *pairs; /* one for each declared interface */
	struct net_plan plan, todo, undo;
};

/* Plans u and reads the live state. s is freed in any case. 0, or -1 and e. */
int session_open(struct session *s, const struct unit *u, int netns_fd, struct err *e);
/* Fills s->pairs: finds the links of each interface, or chooses their indexes; and s->todo
 * with the removal of ports and links that are ours and no interface's. A link in the way
 * that isn't ours is an error. 0, or -1 and e. */
int session_match(struct session *s, struct err *e);
/* Fills s->todo: the operations of the plan that are still to be done, and before
 * them the removal of what is in the way and ours. 0, or -1 and e. */
int session_compare(struct session *s, struct err *e);
void session_free(struct session *s);
#define autosession __attribute__((cleanup(session_free)))

/* Whether a link bears the mark of unit id. */
bool net_ours(const struct live_link *l, const char *id);
/* Whether one in the container that bears it can be removed there. What is no hardware's never
 * goes to the host: the mark, and all else about it, may be the container's own work. */
bool net_removable(const struct live_link *l);
/* Brings hardware of the host's home, as `name` and with that index (0: the kernel's choice),
 * without our mark. On the way it is looked at where nobody can change it any more: the container
 * may have made something else of that index since. 1; 0: that was no hardware, which then has
 * gone with its other end, or there was nothing; -1 and e. */
int net_give_back(struct nl *container, int index, int host_fd, const char *name, int host_index,
		  struct err *e);
/* Whether the alias says that l is this interface's, or, with `none`, says nothing:
 * what was made a moment before we were killed has none yet. */
bool session_marked(const struct session *s, const struct iface *f, const struct live_link *l,
		    bool none);
/* Of the interface that op is for; NULL where it is for none. */
struct net_pair *session_pair(const struct session *s, const struct net_op *op);
/* The other unit that runs and whose declaration has that link of the host or, with vlan,
 * that VLAN on it. Its id, the caller's; NULL where none does. */
char *session_holder(const struct session *s, const char *name, long vlan);
/* The link that op changes, if it exists. */
const struct live_link *session_link(const struct session *s, const struct net_op *op);
/* The route that op, which may replace one, takes the place of. */
const struct live_route *session_replaced(const struct session *s, const struct net_op *op);
bool session_route_differs(const struct session *s, const struct net_op *op);
/* Makes op one of that very route, but for its link. */
void session_take_route(struct net_op *op, const struct live_route *r);
/* Not a secret: only with little likelihood another process's. */
uint32_t net_random(void);

#endif
