/* leaf - a cgroup for one container. */
#include "leaf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "util.h"

#define GONE_TRIES 100 /* of 10 ms: processes that were killed take a moment */

static const char *mount_point(void)
{
	static const char *const points[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	struct statfs fs;

	for (size_t i = 0; i < ARRAY_SIZE(points); i++)
		if (statfs(points[i], &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
			return points[i];
	return NULL;
}

/* Directories alone can be removed in a cgroup, and its files go with it. */
static int remove_below(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return errno == ENOENT ? 0 : -1;
	for (struct dirent *d; (d = readdir(dir));)
		if (d->d_type == DT_DIR && !streq(d->d_name, ".") && !streq(d->d_name, ".."))
			remove_below(fd, d->d_name);
	closedir(dir);
	return unlinkat(dirfd, name, AT_REMOVEDIR);
}

static void remove_path(const char *path)
{
	autofree char *kill = xfmt("%s/cgroup.kill", path);
	autoclose int fd = open(kill, O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "1", 1) < 0)
		warn("%s: %s", kill, strerror(errno));
	for (int i = 0; remove_below(AT_FDCWD, path) < 0 && errno == EBUSY && i < GONE_TRIES; i++)
		usleep(10000);
}

int leaf_make(struct leaf *l, const char *id, uint32_t owner, struct err *e)
{
	static const char *const given[] = { ".", "cgroup.procs", "cgroup.threads",
					     "cgroup.subtree_control" };
	const char *mount = mount_point();
	char text[1024];

	if (!mount)
		return err_set(e, NU_MISSING, "cgroup v2 is not mounted on /sys/fs/cgroup");
	if (file_peek("/proc/self/cgroup", text, sizeof(text)) < 0)
		return err_errno(e, "/proc/self/cgroup");
	char *own = strstr(text, "0::");
	if (!own)
		return err_set(e, NU_MISSING, "/proc/self/cgroup: no cgroup v2");
	own += 3;
	own[strcspn(own, "\n")] = '\0';
	l->path = xfmt("%s%s/nixunits-%s", mount, streq(own, "/") ? "" : own, id);
	remove_path(l->path);
	if (mkdir(l->path, 0755) < 0)
		return err_errno(e, "%s", l->path);
	l->fd = open(l->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->fd < 0)
		return err_errno(e, "%s", l->path);
	for (size_t i = 0; i < ARRAY_SIZE(given); i++)
		if (fchownat(l->fd, given[i], owner, owner, 0) < 0)
			return err_errno(e, "%s/%s", l->path, given[i]);
	return 0;
}

void leaf_remove(struct leaf *l)
{
	if (l->path)
		remove_path(l->path);
	cleanup_close(&l->fd);
	cleanup_free(&l->path);
	*l = (struct leaf)LEAF_NONE;
}
