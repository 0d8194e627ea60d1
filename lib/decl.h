/* decl - a declaration: configuration.nix, parameters.json, and the package set they
 * are evaluated with; from the command line or from the last build.
 */
#ifndef NU_DECL_H
#define NU_DECL_H

#include <stdbool.h>

#include "inputs.h"
#include "say.h"
#include "util.h"

struct nix;

#define DECL_LIMIT (1 << 20) /* bytes of a parameters.json or a fetched configuration */

/* What a generation remembers of its making: its file "build". */
struct record {
	char *nixpkgs;       /* as -p has it */
	char *configuration; /* the path or URL given */
	char *key;           /* of the base it was built on */
	char *system;        /* in a base's record: its store path; "-": it can't be built */
	struct strv shares;  /* there: whose system is the base's, in JSON; mkContainer.nix */
	struct inputs inputs;
};

void record_print(const struct record *r, struct buf *b);
/* 0; 1 when there is no such file; -1 and e. */
int record_load(int dirfd, const char *path, struct record *r, struct err *e);
/* The key alone, of a record at path; NULL: none. Of thousands, to know which bases are
 * in use. The caller's. */
char *record_key(const char *path);
void record_free(struct record *r);
#define autorecord __attribute__((cleanup(record_free)))

struct decl {
	char *id;
	char *configuration;        /* the path or URL given, absolute */
	char *copy;                 /* the directory that holds a copy of it; NULL: read in place */
	struct buf text;            /* its content */
	struct buf parameters;      /* the JSON text */
	char *nixpkgs;              /* a path, a flake reference, "debian" or "debian+PATH" */
	bool given, chosen;         /* -n was given; -p was, now or by an earlier build */
	char key[33];               /* of its base, set by decl_complete() */
};

/* Reads what the command line names: nix and json are files or http(s) URLs, each may
 * be NULL. id NULL: the parameters' .id. Nothing is written. 0, or -1 and e. */
int decl_read(struct decl *d, const char *id, const char *nix, const char *json,
	      const char *nixpkgs, struct err *e);
/* Takes what was not given from the unit's newest generation: to be called under the
 * unit's lock by who is going to build from it. 0, or -1 and e. */
int decl_complete(struct decl *d, struct err *e);
/* Runs nix, as nix_run() does, to evaluate and build nothing: without a store for a package
 * set that is a directory here; where it has to be fetched, or the declaration fetches
 * something, with the base store, or nix's own where we are not root. */
int decl_eval(const struct decl *d, struct nix *nix, struct err *e);
/* With no -p, no earlier build and no NIXUNITS_NIXPKGS: the pinned nixpkgs, unless it
 * can't be had here and this is a Debian host, whose own packages then serve. Says so.
 * 0, or -1 and e. */
int decl_choose_nixpkgs(struct decl *d, struct err *e);
void decl_free(struct decl *d);
#define autodecl __attribute__((cleanup(decl_free)))

/* The number of the unit's newest generation, pending or current; 0: none. */
unsigned int decl_newest(int unit_dir);

/* What a build would have to do. unit_dir -1: the unit has none yet. */
struct need {
	bool store, container;
	char *why; /* owned by the caller; NULL when nothing is needed */
};
int decl_need(const struct decl *d, int unit_dir, struct need *n, struct err *e);

/* Whether the base `key` has been built from what is there now, and if so its record. */
bool decl_base_ready(const struct decl *d, struct record *r, char **why);
/* The file of a base's record, NIXUNITS_DIR/gcroots/<key>. */
char *decl_base_path(const char *key);

/* Puts the files nix is to read into the directory `work`: parameters.json, the
 * index of Debian packages, a fetched configuration. *path: the configuration to
 * evaluate, owned by the caller. */
int decl_stage(struct decl *d, const char *work, char **path, struct err *e);
/* Adds the arguments of nix/default.nix for what decl_stage() prepared; base: those of
 * the shared base, without parameters or id. */
void decl_args(const struct decl *d, const char *work, const char *path, bool base,
	       struct strv *argv);
/* The inputs of every evaluation: our own code, the binary in the guest, dpkg. */
void decl_add_inputs(const struct decl *d, struct inputs *in);
/* The directories whose files are no user's: for struct nix. */
void decl_trees(const struct decl *d, const char *trees[3]);

bool decl_is_debian(const struct decl *d);

#endif
