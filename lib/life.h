/* life - starting, stopping and deleting a unit, over systemctl and machinectl. */
#ifndef NU_LIFE_H
#define NU_LIFE_H

#include <stdbool.h>

#include "say.h"

/* How long another command on the same unit is waited for. */
#define LIFE_LOCK_MS 10000

/* act() on each of n ids, checked first; a failure is said and does not keep the others
 * from their turn. Returns the highest exit code. */
int life_each(int n, char **ids, int (*act)(const char *id, void *context, struct err *e),
	      void *context);

/* Each of these takes the unit's lock, and says what it did. Return 0, or -1 and e. */

/* Switches to the pending generation and starts. A running unit is left alone. */
int life_start(const char *id, struct err *e);
/* Ends the processes that came in from outside, powers off, then terminates, then
 * kills: each within a bounded time. A unit that doesn't run is no error. */
int life_stop(const char *id, struct err *e);
/* life_stop and life_start in one lock. Refused (NU_BUSY) while somebody is inside,
 * unless forced. */
int life_restart(const char *id, bool force, struct err *e);
/* Stops, disables and removes it. With data: its root directory and its journal too;
 * else these stay. */
int life_delete(const char *id, bool data, struct err *e);
/* Whether a link for the boot would be gone with the next boot or switch: on NixOS the host's
 * configuration says what starts. */
bool life_boot_is_declared(void);
/* systemctl enable or disable. On a NixOS host its configuration decides: error. */
int life_enable(const char *id, bool on, struct err *e);
/* Whether systemd starts it at boot. */
bool life_enabled(const char *id);

#endif
