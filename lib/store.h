/* store - where everything is kept, and how it changes.
 *
 *   NIXUNITS_DIR (/var/lib/nixunits)
 *     store.lock uidmap.lock hosts.lock   what is locked besides units, root's alone
 *     store/default/root/          the base store: read-only to containers, shared
 *     gcroots/<key>                a symlink that keeps a base alive
 *     uidmap                       the UID range registry (lib/uid)
 *     shared                       what containers could write to (lib/hostpath)
 *     containers/<id>/
 *       generations/<n>/           whole or not there: it appears by one rename
 *       current -> generations/<n> what runs
 *       next -> generations/<n>    what the next start switches to
 *       unit.conf -> current/unit.conf
 *       root/                      the container's own data
 *       hosts/                     the names of the host's units, where wanted (lib/hosts)
 *       journal/                   its journal, where the host keeps one
 *       merged/                    mount point of the merged store, in nu-run's
 *                                  private mount namespace only
 *
 * Locks are flock(2): a dead holder holds nothing. A unit's is on its directory, which
 * only root can open; the others have files of their own, since every user may open,
 * and thereby lock, what lies above.
 */
#ifndef NU_STORE_H
#define NU_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "say.h"
#include "unit.h"
#include "util.h"

/* The roots, without a final slash. Static storage. */
const char *store_prefix(void);  /* of this binary's installation: /usr/local */
const char *store_dir(void);     /* NIXUNITS_DIR */
const char *store_nix_dir(void); /* NIXUNITS_NIX, where our nix code is */
const char *store_etc_dir(void); /* NIXUNITS_ETC, /etc/nixunits: units of a NixOS host */

/* "DIR/store/default/root" */
char *store_base_root(void);
/* "DIR/containers/<id>", owned by the caller. */
char *store_unit_path(const char *id);

/* Whether the NixOS host's own configuration declares the unit. */
bool store_in_nixos(const char *id);
/* Whether anything at all is known of the unit (a directory, or in_nixos). */
bool store_exists(const char *id);

/* A generation's file "closure" names the store paths that it needs, a line each: its own and
 * those of the base store. */
#define CLOSURE_LIMIT (64 << 20)

/* Opens the unit's directory. It isn't there: NU_NO_UNIT, or with create it is
 * made and *created set. Returns the fd, or -1 and e.
 *
 * The directory is for the host's root alone (0700), and must be: below it the
 * container's root writes files that belong to UID 0 on the disk. A set-user-ID
 * program or one with capabilities among them is one of the host's root for every
 * user who can reach its path. */
int store_open(const char *id, bool create, bool *created, struct err *e);
/* Opens and locks. With wait_ms 0 a held lock is NU_BUSY at once. The fd is the
 * lock: close it to release. */
int store_lock(const char *id, bool create, bool *created, int wait_ms, struct err *e);
/* Locks NIXUNITS_DIR/<name>.lock, by LOCK_EX or LOCK_SH of flock(2); waits for at most wait_ms,
 * or with STORE_WAIT for as long as it takes. The fd is the lock. -1 and e: NU_BUSY when the time
 * is up, 130 for a signal that the caller catches. */
#define STORE_WAIT (-1)
int store_lock_file(const char *name, int operation, int wait_ms, struct err *e);
/* So locks the base store, making its directories. A build has it for minutes. */
int store_lock_base(int operation, int wait_ms, struct err *e);

/* Number behind the link "current" or "next"; 0: none. */
unsigned int store_generation(int unit_dir, const char *link);
/* All generations of a unit, ascending. Returns how many; *list is the caller's. */
size_t store_generations(int unit_dir, unsigned int **list);
/* Makes generation n current and forgets the pending one. */
int store_switch(int unit_dir, unsigned int n, struct err *e);
/* Makes a unit's pending generation current, if there is one. 0, or -1 and e: NU_BUSY while
 * somebody else is at the unit. */
int store_switch_pending(const char *id, struct err *e);
/* All generations beyond the last `keep`, save the current, the pending and the one called
 * `also` (0: none). Returns how many; *list is the caller's. */
size_t store_stale(int unit_dir, unsigned int keep, unsigned int also, unsigned int **list);
/* Removes these, and what a crash left. */
#define GENERATIONS_ALL 1000000000 /* keep: only what a crash left goes */
int store_prune(int unit_dir, unsigned int keep, unsigned int also, struct err *e);

/* The unit document of a unit's link ("current" or "next"), or of the NixOS host.
 * NULL and e: NU_NO_UNIT for an unknown unit, NU_FAILED for one never built. */
struct unit *store_unit(const char *id, const char *link, struct err *e);
/* The same, or for the id "-" the document on standard input. */
struct unit *store_unit_or_stdin(const char *id, const char *link, struct err *e);
/* The file that holds it, owned by the caller. */
char *store_unit_json(const char *id, const char *link);
/* Ids of all units, sorted, those of the NixOS host included. */
void store_ids(struct strv *ids);

#endif
