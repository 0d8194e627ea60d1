/* uid - the registry of UID ranges, one of 65536 for each unit.
 *
 * The file NIXUNITS_DIR/uidmap holds lines "BASE ID", replaced as a whole under
 * a lock of its own. Ranges come from the part of the UID space that
 * systemd-nspawn(1) uses for containers; those that /etc/subuid or /etc/subgid
 * gives to somebody, or that nspawn has picked for a machine, are passed over.
 */
#ifndef NU_UID_H
#define NU_UID_H

#include <stdint.h>

#include "say.h"

#define UID_FIRST 524288u
#define UID_LAST 1878982656u /* base of the last range */
#define UID_COUNT 65536u

struct uid_range {
	uint32_t base;
	char id[65];
};

/* All ranges, ascending by base; *list is the caller's. Returns how many, or -1
 * and e. A file with a line that isn't one is an error, never guessed at. */
int uid_list(struct uid_range **list, struct err *e);
/* The unit's range: 1 and *base, 0 when it has none, -1 and e. */
int uid_get(const char *id, uint32_t *base, struct err *e);
/* The same, allocating one where there is none. */
int uid_alloc(const char *id, uint32_t *base, struct err *e);
/* Until uid_release() no machine of systemd-nspawn(1) gets this range, whose own way of taking
 * ranges this is. Returns a lock, which the kernel releases as well when its holder dies, or -1
 * and e (NU_BUSY: somebody has it). */
int uid_hold(uint32_t base, struct err *e);
/* The same of a range for who isn't kept: no unit has it, or gets it until then. */
int uid_lease(uint32_t *base, struct err *e);
void uid_release(int lock, uint32_t base);
/* Removes the lock's file of a unit that has ended, where its holder could not. */
void uid_clear(const char *id);
/* Forgets the unit's range. 1: it had one, 0: not, -1 and e. */
int uid_free(const char *id, struct err *e);

#endif
