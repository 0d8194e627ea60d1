/* netovs - a unit's ports of Open vSwitch, through ovs-vsctl(8).
 *
 * A port of ours bears its unit's id and its interface's name in the database
 * (external_ids), and is found by them.
 */
#ifndef NU_NETOVS_H
#define NU_NETOVS_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "netplan.h"
#include "say.h"
#include "unit.h"
#include "util.h"

struct ovs_port {
	char name[IF_NAMESIZE];	  /* on the host */
	char iface[IF_NAMESIZE];  /* of the unit */
	char bridge[IF_NAMESIZE]; /* "": of none */
	long vlan;		  /* 0: untagged */
	unsigned char trunks[VLAN_SET];
	char mode[16]; /* "native-untagged", ...; "": what follows from the two */
};

/* Appends "10,20"; nothing for NULL. */
void ovs_trunks_text(const unsigned char *trunks, struct buf *b);
/* Whether a port is a trunk of these VLANs (NULL: of none in particular). */
bool ovs_same_trunks(const struct ovs_port *port, const unsigned char *trunks);
/* Whether there is an Open vSwitch here: its database listens. */
bool ovs_present(void);
/* The ports of a unit. The caller frees *v. Return 0, or -1 and e: NU_MISSING where
 * ovs-vsctl is not installed. It answers within 10 s, or that is the failure. */
int ovs_ports(const char *id, struct ovs_port **v, size_t *n, struct err *e);
/* Does n operations, NET_PORT_ADD and NET_PORT_DEL, in one transaction: all or none.
 * With `replace`, an add sets the VLANs of a port that exists. Names must not repeat:
 * the daemon sees only the end of a transaction. *silent false: waits until the switch
 * has done it; set to true when the switch did not answer, though the database has it.
 * Return 0, or -1 and e. */
int ovs_change(const char *id, const struct net_op *v, size_t n, bool *silent, struct err *e);

#endif
