/* leaf - a cgroup for one container, in cgroup v2 (Documentation/admin-guide/cgroup-v2.rst). */
#ifndef NU_LEAF_H
#define NU_LEAF_H

#include <stdint.h>

#include "say.h"
#include "unit.h"

struct leaf {
	int fd;	    /* its directory; -1: there is none */
	char *path; /* "/sys/fs/cgroup/.../nixunits-web2" */
};
#define LEAF_NONE { -1, NULL }

/* Makes it below the cgroup that the caller is in, and gives it to user `owner`, to make
 * others in it. What one that was killed has left is replaced. 0, or -1 and e: NU_MISSING
 * where the host has no cgroup v2. */
int leaf_make(struct leaf *l, const char *id, uint32_t owner, struct err *e);
/* The directory of our own cgroup, the caller's. NULL and e: NU_MISSING as above. */
char *leaf_own(struct err *e);
/* Whether there are limits that a cgroup keeps. */
bool leaf_limited(const struct limits *l);
/* Whether the cgroup whose directory is `fd` has the controllers for the limits. 0, or -1 and
 * e: NU_MISSING, by the controller's name, where it lacks one. */
int leaf_check(int fd, const struct limits *l, struct err *e);
/* Writes the limits into that cgroup. 0, or -1 and e. */
int leaf_limit(int fd, const struct limits *l, struct err *e);
/* Turns on, in the cgroup that the leaf is in, the controllers for the limits. 0, or -1 and
 * e, as above. */
int leaf_enable(const struct leaf *l, const struct limits *limits, struct err *e);
/* Removes the one of another process, by its name in /proc/PID/cgroup. */
void leaf_clear(const char *cgroup);
/* Removes it, with what was made in it, and ends what is still there. */
void leaf_remove(struct leaf *l);

#endif
