/* launch - the nspawn engine: this process becomes systemd-nspawn(1).
 *
 * What that is to find is made ready (UID range, root directory, merged store, journal
 * directory); the merged store is mounted in a mount namespace of this process alone, so
 * whatever ends it, no mount is left. A short-lived process waits until the machine has a
 * leader, configures its network, firewall and kernel parameters, and ends. If it can't, it
 * ends the machine: a container never runs with less than declared.
 */
#ifndef NU_LAUNCH_H
#define NU_LAUNCH_H

#include "say.h"
#include "unit.h"
#include "util.h"

/* The command line, without a change to anything. 0, or -1 and e. */
int launch_argv(const struct unit *u, struct strv *argv, struct err *e);
/* Returns only if it fails: -1 and e. */
int launch(const struct unit *u, struct err *e);
/* Waits until a container that launch() has begun has what comes from outside: its init may be
 * ready before. */
void launch_await(const char *id);

#endif
