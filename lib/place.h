/* place - where the things of a unit lie, made ready for a start. */
#ifndef NU_PLACE_H
#define NU_PLACE_H

#include <stdbool.h>

#include "say.h"
#include "unit.h"
#include "util.h"

struct place {
	char *dir, *root, *merged; /* of the unit; see lib/store */
	char *unit_json;           /* the document, in its generation */
	char *journal, *hosts;     /* NULL: not wanted */
	char machine_id[33];
	bool in_nixos;             /* the host's configuration declares it */
	struct strv layers;        /* of its /nix/store, the topmost first */
};

/* Where things are; nothing is changed. 0, or -1 and e. */
int place_find(const struct unit *u, struct place *p, struct err *e);
/* Makes the directories, the file of names and the journal's. 0, or -1 and e. */
int place_make(const struct unit *u, struct place *p, struct err *e);
void place_free(struct place *p);

#endif
