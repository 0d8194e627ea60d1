/* user - users and groups by name, from /etc/passwd and /etc/group alone.
 *
 * libc's own look-up loads modules, which a static program can't count on, and asks
 * daemons, which an initramfs hasn't got.
 */
#ifndef NU_USER_H
#define NU_USER_H

#include <stddef.h>
#include <sys/types.h>

#include "say.h"

struct user {
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* supplementary ones */
	size_t n_groups;
};

/* "USER", "UID", "USER:GROUP" or "UID:GID". Without a group it is the user's own, with all
 * that /etc/group has the user in; a UID that /etc/passwd does not know has the GID of that
 * number and no other. With a group it is that one alone. Numbers need no files.
 * 0, or -1 and e. */
int user_parse(const char *text, struct user *u, struct err *e);
void user_free(struct user *u);
#define autouser __attribute__((cleanup(user_free)))

#endif
