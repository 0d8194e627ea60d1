/* inside - do something in namespaces of a running container, as its root. */
#ifndef NU_INSIDE_H
#define NU_INSIDE_H

#include <sys/types.h>

#include "say.h"

/* Namespaces of process `leader` among `wanted` (CLONE_NEW* of clone(2)) that are not
 * ours already: setns(2) refuses to enter the user namespace one is in. */
int inside_foreign(pid_t leader, int wanted);

/* Calls act(context) in a child that has entered the wanted namespaces of leader, of which
 * pidfd is one (lib/machine tells how to get one that is surely its), and, with a user namespace among them, has become its root: then it can do there what
 * the container's root can, and nothing to the host. 0, or -1 and e as act said; where
 * act became another program, its exit status and e "exit status N". */
int inside_call(pid_t leader, int pidfd, int wanted, int (*act)(void *context, struct err *e),
		void *context, struct err *e);

#endif
