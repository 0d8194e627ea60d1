/* nix - one run of nix-build or nix-instantiate, watched.
 *
 * nix reports on its standard error as JSON lines: from them come the progress that a
 * person sees, the files that the evaluation read, and its errors.
 */
#ifndef NU_NIX_H
#define NU_NIX_H

#include <stdbool.h>

#include "inputs.h"
#include "say.h"
#include "util.h"

struct nix {
	const char *what; /* "base" or "web2": before each line of progress */
	struct strv argv; /* the program and its arguments */
	const char *tmp;  /* for its temporary files, which stay where it is killed; or NULL */
	bool trace;       /* show all that nix says, with --show-trace */

	/* What the evaluation read goes into inputs, unless it lies in the store. A path
	 * below `copy` counts as what it is a copy of. One below trees[0], our own code, is
	 * left out; one below another of `trees`, or below a nixpkgs that the declaration names,
	 * is not the user's. NULL: not wanted. */
	struct inputs *inputs;
	const char *copy;
	const char *trees[3];
	struct strv nixpkgs;

	struct strv shares; /* what it learnt of systems that containers share, JSON */
	bool looked;        /* at the parameters, evaluating what has none */
	bool starved;       /* it failed for want of space, memory or a network */
	struct buf out;    /* its standard output, without the final newline */
	struct buf errors; /* what it said of its failure */
	struct strv log;   /* what builders said last: "DERIVATION\tLINE" */
};

/* Runs nix. 0; or -1 and e, the text in nix->errors printed to stderr by nix_errors().
 * An interruption (SIGINT, SIGTERM) ends nix and is e->code 130. */
int nix_run(struct nix *nix, struct err *e);
void nix_errors(const struct nix *nix);
void nix_free(struct nix *nix);

/* From here on SIGINT, SIGTERM, SIGHUP and SIGPIPE are noticed instead of deadly, so that what is half
 * done can be undone. */
void nix_catch_signals(void);
/* And deadly again. */
void nix_release_signals(void);

/* Where the machine's own packages are: what builds from them see of it. */
#define NIX_HOST_PATHS                                                                 \
	"/bin /sbin /lib /lib64? /usr /var/lib/dpkg/info /var/lib/dpkg/alternatives? " \
	"/etc/alternatives?"

/* What makes nix talk to us as nix_run expects, and build where build users, binary
 * caches or a daemon would be in the way. offline: with the machine's own packages. */
void nix_options(struct strv *argv, bool offline);

#endif
