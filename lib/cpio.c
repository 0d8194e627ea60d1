/* cpio - writes an archive of the "newc" kind. */
#include "cpio.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* What the format has eight hexadecimal digits for. */
#define SIZE_LIMIT 0xffffffff

static int put(struct cpio *c, const void *data, size_t n, struct err *e)
{
	return fd_write(c->fd, data, n) < 0 ? err_errno(e, "writing the archive") : 0;
}

static int pad(struct cpio *c, size_t n, struct err *e)
{
	return put(c, "\0\0", -n & 3, e);
}

static int parents(struct cpio *c, const char *name, struct err *e)
{
	for (const char *p = name; (p = strchr(p, '/')); p++) {
		autofree char *dir = xstrndup(name, p - name);

		if (cpio_dir(c, dir, 0755, e) < 0)
			return -1;
	}
	return 0;
}

static int head(struct cpio *c, const char *name, mode_t mode, off_t size, dev_t dev,
		struct err *e)
{
	char text[111];
	size_t name_n = strlen(name) + 1;

	if (size > SIZE_LIMIT)
		return err_set(e, NU_FAILED, "%s: over 4 GiB, which an initramfs can't hold", name);
	if (parents(c, name, e) < 0)
		return -1;
	snprintf(text, sizeof(text), "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		 ++c->n, mode, 0, 0, S_ISDIR(mode) ? 2 : 1, 1, (unsigned int)size, 0, 0, major(dev),
		 minor(dev), (unsigned int)name_n, 0);
	if (put(c, text, 110, e) < 0 || put(c, name, name_n, e) < 0)
		return -1;
	return pad(c, 110 + name_n, e);
}

int cpio_dir(struct cpio *c, const char *name, mode_t mode, struct err *e)
{
	if (strv_has(&c->dirs, name))
		return 0;
	if (head(c, name, S_IFDIR | mode, 0, 0, e) < 0)
		return -1;
	strv_add(&c->dirs, name);
	return 0;
}

int cpio_device(struct cpio *c, const char *name, mode_t mode, dev_t dev, struct err *e)
{
	return head(c, name, mode, 0, dev, e);
}

static int entry(struct cpio *c, const char *name, mode_t mode, const void *data, size_t n,
		 struct err *e)
{
	if (head(c, name, mode, n, 0, e) < 0 || put(c, data, n, e) < 0)
		return -1;
	return pad(c, n, e);
}

int cpio_link(struct cpio *c, const char *name, const char *target, struct err *e)
{
	return entry(c, name, S_IFLNK | 0777, target, strlen(target), e);
}

int cpio_data(struct cpio *c, const char *name, mode_t mode, const void *data, size_t n,
	      struct err *e)
{
	return entry(c, name, S_IFREG | mode, data, n, e);
}

int cpio_file(struct cpio *c, const char *name, mode_t mode, int in, struct err *e)
{
	char block[65536];
	struct stat st;

	if (fstat(in, &st) < 0)
		return err_errno(e, "%s", name);
	if (head(c, name, S_IFREG | mode, st.st_size, 0, e) < 0)
		return -1;
	for (off_t at = 0; at < st.st_size;) {
		size_t left = st.st_size - at;
		ssize_t n = pread(in, block, left < sizeof(block) ? left : sizeof(block), at);

		if (n <= 0)
			return n ? err_errno(e, "%s", name) :
				   err_set(e, NU_FAILED, "%s: it shrinks", name);
		if (put(c, block, n, e) < 0)
			return -1;
		at += n;
	}
	return pad(c, st.st_size, e);
}

int cpio_end(struct cpio *c, struct err *e)
{
	int failed = entry(c, "TRAILER!!!", 0, "", 0, e);

	strv_free(&c->dirs);
	return failed;
}
