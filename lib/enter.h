/* enter - run a command inside a running container. */
#ifndef NU_ENTER_H
#define NU_ENTER_H

#include <stdbool.h>

#include "say.h"

struct enter {
	const char *id;
	char **command; /* NULL: root's login shell there */
	bool net_only;	/* the network namespace alone, with the host's files */
	bool greet;	/* say where one is before a shell on a terminal */
};

/* Reads "ID [COMMAND ARG...]" from what the options left of argv, and the command after
 * a "--" (opt_command) if there was one. A mistake is usage(). */
void enter_operands(struct enter *en, int argc, char **argv, int first, char **command);

/* Runs the command as the container's root, in all of its namespaces, with no more
 * capabilities, system calls and resources than its own processes can have, in the unit's
 * cgroup and in a session of its own. Of ours it gets the standard files, but for those
 * that are terminals: in their place stands a terminal of the container's.
 * Returns its exit status (128+n for signal n; 126, 127 as env(1)), or -1 and e. */
int enter_run(const struct enter *en, struct err *e);

#endif
