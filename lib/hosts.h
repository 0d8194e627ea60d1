/* hosts - the names of the units of this host, for those that ask for them.
 *
 * A unit that declares network.hosts has a directory containers/<id>/hosts with a file
 * `hosts`: its own lines of hosts(5), then the addresses that every unit of the host
 * declares. The directory is what the container sees, not the file: so the file can be
 * replaced at any time, as one, and is always read as it is now.
 *
 * That directory is also the mark: where no unit has one, nothing is read or written.
 */
#ifndef NU_HOSTS_H
#define NU_HOSTS_H

#include "say.h"
#include "unit.h"

/* "DIR/containers/<id>/hosts", the caller's. */
char *hosts_dir(const char *id);
/* Before u starts: its directory is there if it wants the names, and not otherwise; then
 * hosts_update(). 0; or -1 and e. */
int hosts_start(const struct unit *u, struct err *e);
/* What a start or build or deletion of any unit changed is written for those that want
 * it: all of them, each as its current generation says. 0; or -1 and e. */
int hosts_update(struct err *e);
/* The same where it is not the matter itself: a failure is warned of. */
void hosts_refresh(void);
/* Removes the directory of a unit. 0; or -1 and e. */
int hosts_remove(const char *id, struct err *e);

#endif
