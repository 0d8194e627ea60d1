/* netmsg - an operation as the rtnetlink message that does it. */
#ifndef NU_NETMSG_H
#define NU_NETMSG_H

#include "netsession.h"
#include "nl.h"

/* Appends the message for op, which has its indexes, to b. Ports, rulesets
 * and settings are done without. */
void netmsg_put(const struct session *s, const struct net_op *op, struct nl_batch *b);
/* The MAC of a link for which none is declared. It stays the same from start to start, on
 * this host: other hosts' caches keep true, and udev, which gives a random MAC another,
 * leaves a chosen one. */
void netmsg_stable_mac(const char *id, const char *link, unsigned char mac[6]);

#endif
