/* resolv - the resolv.conf(5) of a container. */
#ifndef NU_RESOLV_H
#define NU_RESOLV_H

#include <stdbool.h>

#include "unit.h"
#include "util.h"

/* What each file of ours begins with. */
#define RESOLV_MARK "# By nixunits (network.dns), anew at each start.\n"

/* Writes the unit's resolv.conf into b: the servers it declares, or the host's. A
 * resolver on the host's loopback is of no use in another network namespace: then
 * the servers behind it are taken, as systemd-resolved or NetworkManager tells them.
 * Returns false where the unit wants no file, or, with a warning where it has a resolver,
 * the host has nothing to offer. */
bool resolv_conf(const struct unit *u, struct buf *b);

/* The parts, for tests: appends text without the servers on the loopback; whether there is
 * another. */
bool resolv_others(const char *text, struct buf *b);

#endif
