/* netforward - ports of the host that lead into a container, by nft(8).
 *
 * A unit that forwards ports has a table of its own on the host, "inet nixunits-<id>".
 * What is addressed to the host goes to the container by the first veth that has
 * addresses at both ends, for each family. Connections that the host itself begins bear
 * the address of its end, and so do all where the container's default route is another.
 *
 * To send what 127.0.0.1 began, the kernel wants route_localnet on the veth. The table
 * keeps the container from abusing that, so it is there before, and goes after.
 */
#ifndef NU_NETFORWARD_H
#define NU_NETFORWARD_H

#include <stdbool.h>

#include "netnft.h"
#include "unit.h"
#include "util.h"

/* Whether every declared forward has a way into the container. 0, or -1 and e (NU_USAGE). */
int forward_check(const struct unit *u, struct err *e);
/* Whether connections of that family are forwarded. */
bool forward_in(const struct unit *u, int family);
/* The table as it is now in the namespace of netns_fd, the host. */
int forward_look(const struct unit *u, int netns_fd, enum nft_state *state, struct err *e);
/* Makes it as declared, whatever there is; with `spoil`, for tests, as nft can't take it.
 * What was there before is put into *was, for forward_restore. Return 0, or -1 and e. */
struct forward_was {
	char *table;	/* its text; "": there was none */
	char *localnet; /* the setting; NULL: the link had none */
};
int forward_load(const struct unit *u, int netns_fd, bool spoil, struct forward_was *was,
		 struct err *e);
/* Makes the table that text, "": none, and the setting that, NULL: left alone. */
int forward_restore(const struct unit *u, int netns_fd, const char *table, const char *localnet,
		    struct err *e);
/* Whether the caller's namespace has a table of that unit; false where we may not look. */
bool forward_exists(const char *id);
/* Removes it from the caller's namespace, if it is there. */
int forward_remove(const char *id, struct err *e);

#endif
