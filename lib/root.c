/* root - work in a container's root directory from outside. */
#include "root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util.h"

#define TRIES 1000

int root_open(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	/* Where it has to go up by "..", anything renamed or mounted meanwhile, anywhere on
	 * the machine, makes the kernel ask for another try. */
	for (int tries = 0;; tries++) {
		int fd = syscall(SYS_openat2, root, path, &how, sizeof(how));

		if (fd >= 0 || errno != EAGAIN || tries == TRIES)
			return fd;
	}
}

/* The directory above path, made where missing, and the last component's name. */
static int open_parent(int root, const char *path, const char **name, struct err *e)
{
	const char *slash = strrchr(path, '/');
	autofree char *dir = slash && slash > path ? xstrndup(path, slash - path) : xstrdup("/");

	*name = slash ? slash + 1 : path;
	return root_make_dirs(root, dir, e);
}

int root_make_dirs(int root, const char *path, struct err *e)
{
	int fd = root_open(root, path, O_PATH | O_DIRECTORY);
	const char *name;

	if (fd >= 0)
		return fd;
	if (errno != ENOENT)
		return err_errno(e, "%s, in the container", path);
	autoclose int parent = open_parent(root, path, &name, e);
	if (parent < 0)
		return -1;
	if (mkdirat(parent, name, 0755) < 0) {
		if (errno == EEXIST)
			return err_set(e, NU_FAILED, "%s, in the container: a symlink to nowhere",
				       path);
		return err_errno(e, "%s, in the container", path);
	}
	fd = root_open(root, path, O_PATH | O_DIRECTORY);
	return fd < 0 ? err_errno(e, "%s, in the container", path) : fd;
}

int root_touch(int root, const char *path, struct err *e)
{
	autoclose int there = root_open(root, path, O_PATH);
	const char *name;

	if (there >= 0)
		return 0;
	autoclose int parent = open_parent(root, path, &name, e);
	if (parent < 0)
		return -1;
	autoclose int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	return fd < 0 ? err_errno(e, "%s, in the container", path) : 0;
}

/* Whether there is a file that begins with data; *size is its size. */
static bool begins_with(int parent, const char *name, const void *data, size_t n, size_t *size)
{
	autoclose int fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	autofree char *there = xalloc(n + 1);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	*size = st.st_size;
	return *size >= n && pread(fd, there, n, 0) == (ssize_t)n && memcmp(there, data, n) == 0;
}

int root_write(int root, const char *path, const void *data, size_t n, struct err *e)
{
	const char *name;
	autoclose int parent = open_parent(root, path, &name, e);
	size_t size;

	if (parent < 0)
		return -1;
	/* What is there already is not written, and synced to the disk, again. */
	if (begins_with(parent, name, data, n, &size) && size == n)
		return 0;
	/* An O_PATH descriptor can't be synced, a plain one of the same directory can. */
	autoclose int dir = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_errno(e, "%s, in the container", path);
	if (file_replace(dir, name, data, n, 0644, e) < 0)
		return err_wrap(e, "in the container's %s: ", path);
	return 0;
}

int root_forget(int root, const char *path, const char *beginning, struct err *e)
{
	const char *name;
	autoclose int parent = open_parent(root, path, &name, e);
	size_t size;

	if (parent < 0)
		return -1;
	if (begins_with(parent, name, beginning, strlen(beginning), &size) &&
	    unlinkat(parent, name, 0) < 0)
		return err_errno(e, "%s, in the container", path);
	return 0;
}
