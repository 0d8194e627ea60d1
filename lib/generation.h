/* generation - making one: base build, container build, and the files around them. */
#ifndef NU_GENERATION_H
#define NU_GENERATION_H

#include <stdbool.h>

#include "decl.h"
#include "say.h"
#include "unit.h"

struct build {
	struct decl *d;
	int unit_dir; /* locked */
	bool trace;   /* show all that nix says */
	bool force;   /* build the base even if nothing changed */
	bool strict;  /* an error, if the base would tell other containers of this one */
	bool same;    /* result: the newest generation has this content already */
	unsigned int number; /* result: the generation */
};

/* Builds the base if it has to be, then the container, and makes the new generation
 * the pending one. 0; or -1 and e: then no generation was added, and what nix said of
 * it is on stderr. The process has a mount namespace of its own afterwards. */
int generation_build(struct build *b, struct err *e);

/* The bases there are, by their keys. 0, or -1 and e. */
int generation_bases(struct strv *keys, struct err *e);
/* Forgets a base. The base store is locked, exclusively. */
int generation_drop_base(const char *key, struct err *e);
/* Forgets the bases that no generation of any unit was built on. Where another build has the
 * base store for longer than wait_ms, it is left to that: each does so at its end. */
int generation_drop_bases(int wait_ms, struct err *e);
/* Locks the base store (store_lock_base) however long it takes, and says so, after `what`,
 * where that is not at once. */
int generation_lock_base(const char *what, int operation, struct err *e);

/* The lines KEY=value of unit.conf, for scripts that don't read JSON. */
void generation_conf(const struct unit *u, struct buf *b);

#endif
