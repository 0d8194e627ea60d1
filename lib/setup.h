/* setup - what a container gets from outside once its namespaces are there: the kernel
 * parameters of its IPC namespace, and its network with firewall and parameters.
 */
#ifndef NU_SETUP_H
#define NU_SETUP_H

#include "machine.h"
#include "say.h"
#include "unit.h"

/* What can be known to fail before anything is started. 0, or -1 and e. */
int setup_check(const struct unit *u, struct err *e);
/* Applies it all in the namespaces of m. 0, or -1 and e: then the container is not as
 * declared, and must not go on. */
int setup_apply(const struct unit *u, const struct machine *m, struct err *e);

#endif
