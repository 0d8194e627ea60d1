/* nspawn - the systemd-nspawn(1) command line of a unit: a function of its
 * document and of where things lie, with one look at the system: which binds are devices. */
#ifndef NU_NSPAWN_H
#define NU_NSPAWN_H

#include <stdint.h>

#include "unit.h"
#include "util.h"

struct nspawn {
	const char *root;       /* the container's writable root directory */
	const char *store;      /* the merged /nix/store */
	const char *unit_json;  /* the unit document, for nu-wait in the guest */
	const char *hosts;      /* the directory of its file of names; NULL: not wanted */
	const char *binds;      /* where the sources are called "0", "1"...; NULL: as declared */
	const char *journal;    /* where its journal is kept on the host; NULL: in its root */
	const char *machine_id; /* 32 hexadecimal digits */
	uint32_t uid_base;      /* with private users */
};

/* The machine id of the unit on this host: it follows from the host's and the unit's, the
 * same at every start, so that its journal is one. It is never read from the container,
 * which could name another's. */
void nspawn_machine_id(const char *id, char dst[33]);

/* Fills argv, ending with the unit's init. */
void nspawn_argv(const struct unit *u, const struct nspawn *n, struct strv *argv);

/* The bounding set that such a command line makes, a bit for each capability; the
 * arguments that say so are added to flags. */
unsigned long long nspawn_bounding(const struct strv *argv, struct strv *flags);
/* The same for the ambient set. */
unsigned long long nspawn_ambient(const struct strv *argv, struct strv *flags);

/* The same of the command line of unit u. */
unsigned long long nspawn_unit_bounding(const struct unit *u);

#endif
