/* direct - the direct engine: from a unit, a document or an image to a sandbox. */
#ifndef NU_DIRECT_H
#define NU_DIRECT_H

#include <stdbool.h>
#include <sys/types.h>

#include "say.h"
#include "unit.h"
#include "util.h"

struct direct {
	const char *what;    /* an id, "-" for a document on standard input, or the path of a
			      * document or an image */
	char **command;      /* instead of the unit's init; NULL: none */
	const char *root;    /* its root directory; NULL: the unit's own, a tmpfs where it has none */
	struct strv layers;  /* of its /nix/store, the topmost first; none: the unit's own */
	bool ephemeral;      /* what it writes is thrown away */
	bool rootless;       /* by an ordinary user */
	bool degrade;        /* what the kernel lacks is done without */
	unsigned int stop_s; /* how long its init may take to shut down */
	int (*ready)(const struct unit *u); /* see lib/sandbox */
};

/* Whether `what` is a path: no id has a "/" or a ".". */
bool direct_is_path(const char *what);
/* Runs it to its end; as sandbox_run(). The message names the unit. */
int direct_run(const struct direct *d, struct err *e);

#endif
