/* inputs - what an evaluation read, to know later whether it would read the same.
 *
 * nix is not asked again: each file, directory listing, tree or absence that the last
 * evaluation saw is remembered with its hash, and with the inode data that spare the
 * hash as long as they are unchanged.
 *
 * Some inputs are the user's (configuration.nix and what it imports): these are copied
 * into the generation, under "declaration", by their absolute path, so that the unit
 * can be built again when the originals are gone. Relative imports work in the copy.
 */
#ifndef NU_INPUTS_H
#define NU_INPUTS_H

#include <stdbool.h>
#include <stddef.h>

#include "say.h"
#include "util.h"

enum input_kind {
	INPUT_FILE,   /* content */
	INPUT_DIR,    /* names and types of the entries */
	INPUT_EXISTS, /* whether something is there, and of which type */
	INPUT_TREE,   /* everything below */
};

struct input {
	enum input_kind kind;
	bool users;       /* to be copied into the generation */
	char *path;       /* absolute */
	char hash[65];    /* "-": nothing there */
	long long size, mtime_ns, ctime_ns, ino;
};

struct inputs {
	struct input *v;
	size_t n;
};

/* Remembers path once per kind; it is hashed later. */
void inputs_add(struct inputs *in, enum input_kind kind, bool users, const char *path);
/* Now, by the real-time clock, as inputs_hash() wants it: nanoseconds. */
long long inputs_time(void);
/* Hashes all; what the directory `copy` (or NULL) holds of the user's is looked at
 * there. An input that changed after `since` may not be what was read: error. */
int inputs_hash(struct inputs *in, const char *copy, long long since, struct err *e);
/* True when all are as they were. With skip_users the user's own are not looked at:
 * their copies can't change. *what names the first that differs; the caller's. */
bool inputs_same(const struct inputs *in, bool skip_users, char **what);
/* Copies the user's inputs, or what `copy` holds of them, to dir/<absolute path>. */
int inputs_copy(const struct inputs *in, const char *copy, const char *dir, struct err *e);

/* As lines of text, and back. */
void inputs_print(const struct inputs *in, struct buf *b);
int inputs_parse(struct inputs *in, const char *text, struct err *e);
void inputs_free(struct inputs *in);
#define autoinputs __attribute__((cleanup(inputs_free)))

#endif
