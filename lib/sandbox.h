/* sandbox - the direct engine: a unit run without systemd on the host.
 *
 * The caller's process is the supervisor. It clones the container's first process into
 * namespaces of its own, makes its network and its tree of files (lib/rootfs), lets it go, and
 * stays: signals are passed on, its terminal is relayed, its end tidies up. Whatever ends the
 * supervisor ends the container.
 */
#ifndef NU_SANDBOX_H
#define NU_SANDBOX_H

#include <stdbool.h>

#include "machine.h"
#include "rootfs.h"
#include "say.h"
#include "unit.h"

struct sandbox {
	/* What it sees; userns, cgroup, console and notify are set by sandbox_run(). */
	struct rootfs fs;
	char **command;    /* run by a small init of ours; NULL: the unit's own init */
	unsigned int stop_s; /* how long its init may take to shut down, or a command to end where
			      * nu-stop ends it */
	/* Called in a process of its own when the init says that it is ready. Returns its exit
	 * status: a failure stops the container. */
	int (*ready)(const struct unit *u);
	/* The caller's: released as soon as nothing is left of it. */
	int lease; /* of fs.uid; -1: none */
	struct enrolled enrolled; /* NONE: rootless */
	pid_t relaying, extra; /* for sandbox_await() */
};

/* Runs the unit to its end. Returns the exit status of the command, 128+n where signal n
 * ended it; of an init, 0 for its shutdown and 133 for a reboot. -1 and e: it did not come to
 * run (e->code 126 or 127: its program could not be executed), or what it has to have failed;
 * then nothing is left of it. */
int sandbox_run(struct sandbox *s, struct err *e);
/* What it has said last may wait for its reader yet, and so may what its extra says. To be called
 * when nothing is held for it any more: it can take for ever, and end by a signal. */
void sandbox_await(const struct sandbox *s);

#endif
