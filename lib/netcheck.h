/* netcheck - contradictions in the declaration of a network, and what addresses mean. */
#ifndef NU_NETCHECK_H
#define NU_NETCHECK_H

#include <stdbool.h>

#include "addr.h"
#include "say.h"
#include "unit.h"

/* Whether the interfaces of u can all be as declared: an address twice, a peer that is
 * routed elsewhere, a field that its kind has no use for, ... is an error that names
 * the interface. Reads nothing but u. Return 0, or -1 and e (NU_USAGE). */
int net_check(const struct unit *u, struct err *e);

/* fe80::/10 */
bool net_link_local(const struct addr *a);
/* The addresses of that family of the container's end, of the host's. */
const struct addrs *net_own(const struct iface *f, int family);
const struct addrs *net_hosts(const struct iface *f, int family);
/* The longest prefix among v that a lies in, or -1. */
int net_longest_cover(const struct addrs *v, const struct addr *a);
/* A veth, whether or not its end on the host is a bridge's port. */
bool net_is_veth(const struct iface *f);

#endif
