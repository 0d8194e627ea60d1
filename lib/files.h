/* files - what the binary carries with it for nu-install: the nix code, the man
 * pages, the systemd unit, the completion (lib/embed puts them in, compressed).
 */
#ifndef NU_FILES_H
#define NU_FILES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "say.h"

struct file {
	const char *name; /* its path in the source tree: "man/nu-net.1" */
	const char *data; /* not terminated */
	size_t size;
	mode_t mode; /* 0644 or 0755 */
};

/* Unpacks them all, in the order of their names. Returns how many; *list and what it
 * points to stay until the end of the process. -1 and e: the binary is damaged. */
int files_unpack(const struct file **list, struct err *e);

#endif
