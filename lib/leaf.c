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

static int open_dir(int at, const char *name)
{
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* A directory in this one, the caller's; NULL: there is none. */
static char *first_below(int at)
{
	int fd = open_dir(at, ".");
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	char *name = NULL;

	for (struct dirent *d; dir && !name && (d = readdir(dir));)
		if (d->d_type == DT_DIR && !streq(d->d_name, ".") && !streq(d->d_name, ".."))
			name = xstrdup(d->d_name);
	if (dir)
		closedir(dir);
	return name;
}

/* Directories alone can be removed in a cgroup, and its files go with it. A container can nest
 * them deeper than we can hold descriptors: one is, that of where we are. */
static int remove_tree(const char *path)
{
	autostrv struct strv names = { 0 };
	autoclose int at = open_dir(AT_FDCWD, path);

	if (at < 0)
		return errno == ENOENT ? 0 : -1;
	for (;;) {
		autofree char *below = first_below(at);

		if (!below && !names.n)
			return rmdir(path);
		autofree char *done = below ? NULL : names.v[--names.n];
		int next = open_dir(at, below ? below : "..");

		cleanup_close(&at);
		at = next;
		if (at < 0 || (done && unlinkat(at, done, AT_REMOVEDIR) < 0))
			return -1;
		if (below)
			strv_add(&names, below);
	}
}

static void remove_path(const char *path)
{
	autofree char *kill = xfmt("%s/cgroup.kill", path);
	autoclose int fd = open(kill, O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "1", 1) < 0)
		warn("%s: %s", kill, strerror(errno));
	int failed;
	for (int i = 0; (failed = remove_tree(path)) < 0 && errno == EBUSY && i < GONE_TRIES; i++)
		usleep(10000);
	if (failed)
		warn("%s: %s", path, strerror(errno));
}

char *leaf_own(struct err *e)
{
	const char *mount = mount_point();
	char text[1024];

	if (!mount)
		return err_set(e, NU_MISSING, "cgroup v2 is not mounted on /sys/fs/cgroup"), NULL;
	if (file_peek("/proc/self/cgroup", text, sizeof(text)) < 0)
		return err_errno(e, "/proc/self/cgroup"), NULL;
	char *own = strstr(text, "0::");
	if (!own)
		return err_set(e, NU_MISSING, "/proc/self/cgroup: no cgroup v2"), NULL;
	own += 3;
	own[strcspn(own, "\n")] = '\0';
	return xfmt("%s%s", mount, streq(own, "/") ? "" : own);
}

int leaf_make(struct leaf *l, const char *id, uint32_t owner, struct err *e)
{
	static const char *const given[] = { ".", "cgroup.procs", "cgroup.threads",
					     "cgroup.subtree_control" };
	autofree char *own = leaf_own(e);

	if (!own)
		return -1;
	l->path = xfmt("%s/nixunits-%s", own, id);
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

#define CONTROLLERS 3

/* The names of the controllers that the limits need; how many. */
static size_t needed(const struct limits *l, const char *names[CONTROLLERS])
{
	size_t n = 0;

	if (l->memory)
		names[n++] = "memory";
	if (l->pids)
		names[n++] = "pids";
	if (l->cpu)
		names[n++] = "cpu";
	return n;
}

bool leaf_limited(const struct limits *l)
{
	const char *names[CONTROLLERS];

	return needed(l, names) > 0;
}

int leaf_check(int fd, const struct limits *l, struct err *e)
{
	const char *names[CONTROLLERS];
	autostrv struct strv there = { 0 };
	char text[1024];

	if (file_peek_at(fd, "cgroup.controllers", text, sizeof(text)) < 0)
		return err_errno(e, "limits: cgroup.controllers");
	for (char *word = strtok(text, " \n"); word; word = strtok(NULL, " \n"))
		strv_add(&there, word);
	size_t n = needed(l, names);
	for (size_t i = 0; i < n; i++)
		if (!strv_has(&there, names[i]))
			return err_set(e, NU_MISSING, "limits: no cgroup controller %s here",
				       names[i]);
	return 0;
}

int leaf_enable(const struct leaf *l, const struct limits *limits, struct err *e)
{
	const char *names[CONTROLLERS];
	autofree char *above = xstrndup(l->path, strrchr(l->path, '/') - l->path);
	autofree char *path = xfmt("%s/cgroup.subtree_control", above);
	autoclose int dir = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_errno(e, "%s", above);
	if (leaf_check(dir, limits, e) < 0)
		return -1;
	size_t n = needed(limits, names);
	for (size_t i = 0; i < n; i++) {
		autofree char *word = xfmt("+%s", names[i]);
		autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);

		if (fd >= 0 && write(fd, word, strlen(word)) >= 0)
			continue;
		if (errno == EBUSY)
			return err_set(e, NU_FAILED, "limits: %s has processes of its own; a cgroup "
				       "that has none but ours is needed (systemd-run --scope -p "
				       "Delegate=yes)", above);
		return err_errno(e, "%s: %s", path, word);
	}
	return 0;
}

static int write_limit(int dir, const char *file, const char *text, struct err *e)
{
	autoclose int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return err_errno(e, "limits: %s: %s", file, text);
	return 0;
}

int leaf_limit(int fd, const struct limits *l, struct err *e)
{
	autofree char *memory = xfmt("%ld", l->memory), *pids = xfmt("%ld", l->pids);
	autofree char *cpu = xfmt("%ld 100000", l->cpu * 1000);

	if (l->memory && write_limit(fd, "memory.max", memory, e) < 0)
		return -1;
	/* Not every kernel accounts swap; without, there is none to be limited. */
	struct err ignored;
	if (l->memory)
		write_limit(fd, "memory.swap.max", "0", &ignored);
	if (l->pids && write_limit(fd, "pids.max", pids, e) < 0)
		return -1;
	return l->cpu ? write_limit(fd, "cpu.max", cpu, e) : 0;
}

void leaf_clear(const char *cgroup)
{
	const char *mount = mount_point();
	autofree char *path = mount ? xfmt("%s%s", mount, cgroup) : NULL;

	if (path)
		remove_path(path);
}

void leaf_remove(struct leaf *l)
{
	if (l->path)
		remove_path(l->path);
	cleanup_close(&l->fd);
	cleanup_free(&l->path);
	*l = (struct leaf)LEAF_NONE;
}
