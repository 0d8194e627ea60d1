/* net - a unit's network: made, compared, unmade.
 *
 * The plan (lib/netplan) is compared with what the two namespaces hold; the rest
 * is run in one batch for each. Where an operation fails, those of the same run
 * are undone, in reverse, and nothing else. "The host" is the network namespace of
 * the caller, who must have CAP_NET_ADMIN and CAP_SYS_ADMIN there.
 *
 * What is ours says so: links by their alias (net_alias), ports of Open vSwitch by
 * their external_ids, routes and addresses by their protocol number, the table of
 * forwarded ports by its name. On the host nothing without is ever changed or removed.
 * In the container it is where it can't be the container's doing, which takes
 * CAP_NET_ADMIN there, and hence must be somebody's from outside.
 *
 *   netplan (netcheck, netop)       the declaration as operations; no namespace needed
 *   netlive, netovs                 what is there
 *   netsession, netmatch, netcompare  the one against the other: what is still to be done
 *   netmsg, net                     doing it, undoing it
 *   netdrift, netshow, netdown      telling the difference, what there is; unmaking it all
 */
#ifndef NU_NET_H
#define NU_NET_H

#include <stddef.h>

#include "netlive.h"
#include "netplan.h"
#include "say.h"
#include "unit.h"
#include "util.h"

struct net_report {
	size_t planned; /* operations of the whole plan, and of what is to go before */
	size_t done;	/* those that were not there yet: each is one message */
	size_t sends;	/* how many sends carried the messages, dumps included */
};

/* Opens a container's network namespace: a path ("/run/netns/x",
 * "/proc/7/ns/net"). The caller's own is refused. Returns the fd, or -1 and e. */
int net_open(const char *path, struct err *e);

/* Makes the unit's network as declared, whatever of it exists. Doing it again does
 * nothing. Return 0, or -1 and e, which names the operation that failed. */
int net_up(const struct unit *u, int netns_fd, struct err *e);
/* The same; tells in *r what it took. `spoil`, for tests: the operation (from 1, of
 * those to do) whose message is sent with a link that can't exist, so that the
 * kernel refuses it; 0: none. */
int net_up_report(const struct unit *u, int netns_fd, size_t spoil, struct net_report *r,
		  struct err *e);
/* What net_up would do now: nothing where all is as declared. todo points into u. */
int net_todo(const struct unit *u, int netns_fd, struct net_plan *todo, struct err *e);
/* The same as differences, a JSON array that is the caller's: { "where", "link",
 * "what", "declared", "live" }; declared or live is null where there is none. */
int net_drift(const struct unit *u, int netns_fd, cJSON **list, struct err *e);
/* What the host would have to do for the network to reach beyond it, and doesn't, one line
 * each. It is said, not changed: the host's routing is its own. */
void net_advice(const struct unit *u, struct strv *lines);
/* Removes the unit's links and Open vSwitch ports from the host, and with them the
 * container's ends and all addresses and routes on both. Needs the id alone. Where the
 * container still runs, its namespace (else -1): links in it that bear our mark are removed,
 * those of the host's hardware go back. *n (may be NULL): how many there were. Return 0; -1
 * and e, which says what failed first: the rest is done nevertheless. */
int net_down(const char *id, int netns_fd, size_t *n, struct err *e);

/* The live state: links, addresses and routes of the namespace (-1: the caller's). */
int net_live(int netns_fd, struct live *live, struct err *e);
/* The container's own addresses, without loopback and link-local ones, as text with
 * prefix: for status. */
int net_addresses(int netns_fd, struct strv *texts, struct err *e);

#endif
