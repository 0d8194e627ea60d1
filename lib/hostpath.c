/* hostpath - a path of the host's, opened for a container. */
#include "hostpath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "store.h"
#include "util.h"

#define LINKS_MAX 40 /* the kernel's own patience */
#define LIST_LIMIT (16 << 20)

/* NULL and errno. */
static char *path_of(int fd)
{
	autofree char *link = xfmt("/proc/self/fd/%d", fd);
	char path[PATH_MAX];
	ssize_t n = readlink(link, path, sizeof(path));

	return n < 0 ? NULL : xstrndup(path, n);
}

/* Whether path is the directory, of n bytes, or lies below. */
static bool within(const char *path, const char *dir, size_t n)
{
	if (n == 1)
		n = 0; /* "/" */
	return strncmp(path, dir, n) == 0 && (path[n] == '/' || !path[n]);
}

/* What can't be known counts as shared. */
static bool is_shared(const char *path)
{
	autofree char *containers = xfmt("%s/containers", store_dir());
	autofree char *list = xfmt("%s/shared", store_dir());
	autobuf struct buf b = { 0 };
	char real[PATH_MAX];
	struct err ignored;

	if (realpath(containers, real) && within(path, real, strlen(real)))
		return true;
	if (file_read(AT_FDCWD, list, LIST_LIMIT, &b, &ignored) < 0)
		return access(list, F_OK) == 0 || errno != ENOENT;
	for (const char *p = b.p; p && *p; p = next_line(p))
		if (*p == '/' && within(path, p, strcspn(p, "\n")))
			return true;
	return false;
}

int hostpath_share(int fd, struct err *e)
{
	autofree char *list = xfmt("%s/shared", store_dir());
	autofree char *path = path_of(fd);

	if (!path)
		return err_errno(e, "/proc/self/fd");
	if (strchr(path, '\n'))
		return err_set(e, NU_FAILED, "%s: a line feed in its path", quoted(path));
	if (is_shared(path))
		return 0;
	if (make_dirs(store_dir(), 0755, e) < 0)
		return -1;
	autofree char *line = xfmt("%s\n", path);
	ssize_t n = strlen(line);
	autoclose int to = open(list, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	return to < 0 || write(to, line, n) != n ? err_errno(e, "%s", list) : 0;
}

/* Of the host's users only root can take away what is root's in it. (/nix/store is sticky.) */
static bool is_roots(int dir)
{
	struct stat st;

	return fstat(dir, &st) == 0 && st.st_uid == 0 &&
	       (!(st.st_mode & 022) || st.st_mode & S_ISVTX);
}

/* Where the symlink `name` leads: its text, the caller's. NULL and e, where it may not be
 * followed, too. */
static char *read_link(int dir, bool trusted, int link, const char *name, struct err *e)
{
	autofree char *at = path_of(dir);
	char target[PATH_MAX];
	struct stat st;
	ssize_t n = readlinkat(link, "", target, sizeof(target));

	if (n < 0 || !at || fstat(link, &st) < 0) {
		err_errno(e, "a symlink");
		return NULL;
	}
	if (trusted && st.st_uid == 0 && !is_shared(at))
		return xstrndup(target, n);
	autofree char *whole = xfmt("%s/%s", streq(at, "/") ? "" : at, name);
	err_set(e, NU_FAILED, "the symlink %s can be a container's or a user's work: name what it "
		"should lead to", quoted(whole));
	return NULL;
}

int hostpath_open(const char *path, struct err *e)
{
	autofree char *rest = xstrdup(path);
	autoclose int dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool trusted = true;
	int links = 0;

	for (const char *p = rest; dir >= 0;) {
		struct stat st;

		p += strspn(p, "/");
		if (!*p)
			return steal_fd(&dir);
		autofree char *name = xstrndup(p, strcspn(p, "/"));
		p += strlen(name);
		trusted = trusted && is_roots(dir);
		/* Unlike open(2) with O_PATH it has an automount done. */
		autoclose int fd = syscall(SYS_open_tree, dir, name,
					   AT_SYMLINK_NOFOLLOW | OPEN_TREE_CLOEXEC);
		if (fd < 0 || fstat(fd, &st) < 0)
			return err_errno(e, "%s", quoted(path));
		if (!S_ISLNK(st.st_mode)) {
			close(dir);
			dir = steal_fd(&fd);
			continue;
		}
		autofree char *target = links++ < LINKS_MAX ? read_link(dir, trusted, fd, name, e) : NULL;
		if (!target)
			return links > LINKS_MAX ? err_set(e, NU_FAILED, "%s: too many symlinks", quoted(path)) :
						   err_wrap(e, "%s: ", quoted(path));
		char *more = xfmt("%s%s", target, p);
		free(rest);
		p = rest = more;
		if (*p == '/') {
			close(dir);
			dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
			trusted = true;
		}
	}
	return err_errno(e, "/");
}
