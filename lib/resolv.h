/* resolv - the resolv.conf(5) of a container. */
#ifndef NU_RESOLV_H
#define NU_RESOLV_H

#include <stdbool.h>

#include "unit.h"
#include "util.h"

/* Writes the unit's resolv.conf into b: the servers it declares, or the host's. A
 * resolver on the host's loopback is of no use in another network namespace: then
 * systemd-resolved's own upstream servers are taken. Returns false where the unit
 * wants no file, or the host has nothing to offer. */
bool resolv_conf(const struct unit *u, struct buf *b);

/* The parts, for tests: whether text names a server that is not on the loopback. */
bool resolv_usable(const char *text);

#endif
