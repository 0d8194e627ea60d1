/* netshow - what there is of a unit's network now, as people and programs read it. */
#ifndef NU_NETSHOW_H
#define NU_NETSHOW_H

#include <stddef.h>

#include <cjson/cJSON.h>

#include "netlive.h"
#include "netovs.h"
#include "netplan.h"
#include "say.h"
#include "util.h"

struct netshow {
	const char *id;
	struct live live[2]; /* by enum net_where; of the host's links the unit's alone are shown */
	struct ovs_port *ports;
	size_t n_ports;
};

/* Reads it: the caller's namespace is the host's. s refers to id, and is freed also after
 * an error. 0, or -1 and e. */
int netshow_read(struct netshow *s, const char *id, int netns_fd, struct err *e);
void netshow_free(struct netshow *s);
#define autonetshow __attribute__((cleanup(netshow_free)))

/* A table. */
void netshow_text(const struct netshow *s, struct buf *b);
/* { "id", "links": [...], "routes": [...], "ports": [...] }, owned by the caller. */
cJSON *netshow_json(const struct netshow *s);

#endif
