/* files - what the binary carries with it for nu-install: the nix code, the man
 * pages, the systemd unit, the completion (lib/embed puts them in).
 */
#ifndef NU_FILES_H
#define NU_FILES_H

#include <stddef.h>
#include <stdint.h>

struct file {
	const char *name; /* its path in the source tree: "man/nu-net.1" */
	const char *data; /* not terminated */
	size_t size;
	uintptr_t mode; /* 0644 or 0755; as wide as a pointer, like the others */
};

/* In the order of their names. */
size_t files_count(void);
const struct file *files_at(size_t i);
/* NULL: there is none of that name. */
const struct file *files_find(const char *name);

#endif
