/* status - the state of a unit, declared side and running side together. */
#include "status.h"

#include "store.h"

const char *state_name(enum state s)
{
	static const char *const names[] = { "initial", "created", "configured", "started" };

	return names[s];
}

int status_get(const char *id, struct status *s, struct err *e)
{
	*s = (struct status){ .in_nixos = store_in_nixos(id) };
	autoclose int dir = store_open(id, false, NULL, e);

	struct err ignored;

	/* The direct engine runs documents and images as well. */
	if (dir < 0 && !s->in_nixos && machine_find(id, &s->machine, &ignored) <= 0)
		return -1;
	if (dir >= 0 && !s->in_nixos) {
		s->generation = store_generation(dir, "current");
		s->pending = store_generation(dir, "next");
	}
	int running = machine_find(id, &s->machine, e);
	if (running < 0)
		return -1;
	s->state = running			   ? STATE_STARTED :
		   s->in_nixos || s->generation	   ? STATE_CONFIGURED :
		   s->pending			   ? STATE_CREATED :
						     STATE_INITIAL;
	return 0;
}
