/* cpio - writes an archive of the "newc" kind: what Linux unpacks as its initramfs.
 *
 * Everything belongs to root and has the same time, so that the same content gives
 * the same bytes. Names are relative ("lib/modules"); the directories above a name are
 * made when they are first needed.
 */
#ifndef NU_CPIO_H
#define NU_CPIO_H

#include <stddef.h>
#include <sys/types.h>

#include "say.h"
#include "util.h"

/* Start it as { .fd = FD }, open for writing; end it with cpio_end(). */
struct cpio {
	int fd;
	unsigned int n; /* entries so far */
	struct strv dirs;
};

/* A directory, a symlink, a device; a file from memory, and one of all that in holds from
 * its start. Each returns 0, or -1 and e. */
int cpio_dir(struct cpio *c, const char *name, mode_t mode, struct err *e);
int cpio_link(struct cpio *c, const char *name, const char *target, struct err *e);
int cpio_device(struct cpio *c, const char *name, mode_t mode, dev_t dev, struct err *e);
int cpio_data(struct cpio *c, const char *name, mode_t mode, const void *data, size_t n,
	      struct err *e);
int cpio_file(struct cpio *c, const char *name, mode_t mode, int in, struct err *e);
/* Writes the end of the archive and frees c's memory. 0, or -1 and e. */
int cpio_end(struct cpio *c, struct err *e);

#endif
