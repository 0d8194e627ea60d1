/* netnft - the nft(8) ruleset of a container.
 *
 * A ruleset is loaded in one transaction that replaces whatever was there. A table of
 * ours, "inet nixunits", is added with a comment: a hash of the declared text and one of
 * how nft lists the result. By the first we know that it is this declaration's, by the
 * second that nobody has changed it since. It also has an empty chain for each table that
 * there was: by these we know that all are still there where the container may change them.
 */
#ifndef NU_NETNFT_H
#define NU_NETNFT_H

#include "say.h"
#include "util.h"

enum nft_state {
	NFT_NONE,  /* not loaded */
	NFT_OTHER, /* another one, or this one changed */
	NFT_LOADED,
};

/* Runs the host's nft in the namespace (-1: the caller's), as the root of that one's user
 * namespace, with `input` as its standard input. Return 0, or -1 and e: what it says. */
int nft_run(int netns_fd, char *const argv[], const char *input, struct buf *out, struct err *e);
/* Whether nft would take the text once there are links of these names; if not, e has its line
 * and column. */
int nft_check(int netns_fd, const char *text, const struct strv *links, struct err *e);
/* Whether the namespace (-1: the caller's) has a table "inet NAME"; false where we may
 * not look. Starts no process. */
bool nft_has_table(int netns_fd, const char *name);
/* What of it is in the namespace. With `may_change` a change since it was loaded does
 * not count, as long as its tables are there: the container may do that. Of no text (NULL) in
 * particular: whether what an earlier declaration loaded is there, and unchanged. -1 and e. */
int nft_look(int netns_fd, const char *text, bool may_change, enum nft_state *state,
	     struct err *e);
/* The whole ruleset of the namespace as text that nft_load takes, ours included. */
int nft_save(int netns_fd, struct buf *text, struct err *e);
/* Replaces the ruleset; with `mark` adds our table. Return 0, or -1 and e. */
int nft_load(int netns_fd, const char *text, bool mark, struct err *e);

#endif
