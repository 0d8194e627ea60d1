/* status - the state of a unit, declared side and running side together. */
#ifndef NU_STATUS_H
#define NU_STATUS_H

#include <stdbool.h>

#include "machine.h"
#include "say.h"

enum state {
	STATE_INITIAL,	  /* nothing built, perhaps data of an earlier life */
	STATE_CREATED,	  /* built, never started */
	STATE_CONFIGURED, /* has a current generation, does not run */
	STATE_STARTED,
};

struct status {
	enum state state;
	bool in_nixos;
	unsigned int generation; /* the current one; 0: none */
	unsigned int pending;    /* what the next start switches to; 0: none */
	struct machine machine;  /* when started */
};

const char *state_name(enum state s);
/* Of a stored unit, or of one that runs without being stored. A few readlinks and one small file. 0; or -1 and e, NU_NO_UNIT for an unknown id. */
int status_get(const char *id, struct status *s, struct err *e);

#endif
