/* root - work in a container's root directory from outside.
 *
 * The container owns what is there: any component of a path may have become a
 * symlink to anywhere. All lookups are openat2(2) with RESOLVE_IN_ROOT, so that an
 * absolute link or a ".." stays below the root. (Linux 5.6.)
 */
#ifndef NU_ROOT_H
#define NU_ROOT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "say.h"

/* Opens path below root with the flags of open(2). -1 with errno. */
int root_open(int root, const char *path, int flags);
/* mkdir -p below root. Returns an O_PATH fd of the directory, or -1 and e. */
int root_make_dirs(int root, const char *path, struct err *e);
/* Makes an empty file at path, and the directories above it, unless something is
 * there. 0, or -1 and e. */
int root_touch(int root, const char *path, struct err *e);
/* Replaces path (whatever it was, a symlink not followed) by a file of this content,
 * 0644. 0, or -1 and e. */
int root_write(int root, const char *path, const void *data, size_t n, struct err *e);
/* Removes path if it is a file that begins with this text. 0, or -1 and e. */
int root_forget(int root, const char *path, const char *beginning, struct err *e);

#endif
