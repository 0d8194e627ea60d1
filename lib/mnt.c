/* mnt - idmapped mounts and overlays, by file descriptors. */
#include "mnt.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mntid.h"
#include "util.h"

/* glibc has wrappers from 2.36 on, musl has none: the numbers are the same on all
 * architectures. */
static int sys_open_tree(int dirfd, const char *path, unsigned int flags)
{
	return syscall(SYS_open_tree, dirfd, path, flags);
}

static int sys_move_mount(int from, const char *from_path, int to, const char *to_path,
			  unsigned int flags)
{
	return syscall(SYS_move_mount, from, from_path, to, to_path, flags);
}

static int sys_fsconfig(int fs, unsigned int command, const char *key, const char *value)
{
	return syscall(SYS_fsconfig, fs, command, key, value, 0);
}

static int write_file(const char *path, const char *text)
{
	autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
}

int mnt_userns(uint32_t base, uint32_t count, struct err *e)
{
	autofree char *map = xfmt("0 %u %u\n", base, count);
	int gate[2];

	/* The namespace needs a process for as long as it takes to write its maps. */
	if (pipe2(gate, O_CLOEXEC) < 0)
		return err_errno(e, "pipe");
	pid_t child = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
	if (child == 0) {
		char c;

		close(gate[1]);
		if (read(gate[0], &c, 1) < 0)
			_exit(1);
		_exit(0);
	}
	close(gate[0]);
	if (child < 0) {
		err_errno(e, "a user namespace");
		close(gate[1]);
		return -1;
	}

	autofree char *uid_map = xfmt("/proc/%d/uid_map", child);
	autofree char *gid_map = xfmt("/proc/%d/gid_map", child);
	autofree char *ns = xfmt("/proc/%d/ns/user", child);
	int fd = -1;
	if (write_file(uid_map, map) == 0 && write_file(gid_map, map) == 0)
		fd = open(ns, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err_errno(e, "a user namespace for the ids from %u", base);
	close(gate[1]);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return fd;
}

static int clone_tree(int dirfd, const char *path, unsigned int flags, int userns_fd,
		      bool read_only, struct err *e)
{
	struct mount_attr attr = {
		.attr_set = (userns_fd >= 0 ? MOUNT_ATTR_IDMAP : 0) |
			    (read_only ? MOUNT_ATTR_RDONLY : 0),
		.userns_fd = userns_fd >= 0 ? userns_fd : 0,
	};

	flags |= AT_EMPTY_PATH;
	autoclose int fd = sys_open_tree(dirfd, path, flags | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fd < 0)
		return err_errno(e, "%s: open_tree", path);
	if (attr.attr_set && syscall(SYS_mount_setattr, fd, "", flags, &attr, sizeof(attr)) < 0) {
		if (errno == EINVAL && userns_fd >= 0)
			return err_set(e, NU_MISSING,
				       "%s: its filesystem has no idmapped mounts (ext4, xfs, btrfs "
				       "and, from Linux 6.3 on, tmpfs have; overlayfs, devtmpfs and proc "
				       "have not)",
				       path);
		return err_errno(e, "%s: mount_setattr", path);
	}
	return steal_fd(&fd);
}

int mnt_clone(const char *path, int userns_fd, bool read_only, struct err *e)
{
	return clone_tree(AT_FDCWD, path, 0, userns_fd, read_only, e);
}

int mnt_clone_all(int dirfd, const char *path, int userns_fd, bool read_only, struct err *e)
{
	return clone_tree(dirfd, path, AT_RECURSIVE, userns_fd, read_only, e);
}

int mnt_attach(int mount_fd, const char *target, struct err *e)
{
	if (sys_move_mount(mount_fd, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_errno(e, "%s: move_mount", target);
	return 0;
}

int mnt_attach_at(int mount_fd, int target)
{
	return sys_move_mount(mount_fd, "", target, "",
			      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

/* The kernel may write why it refused into the fs context; "e overlay: text\n". */
static int fs_err(int fs, struct err *e, const char *type, const char *step)
{
	int saved = errno;
	char log[256];
	ssize_t n = read(fs, log, sizeof(log) - 1);

	errno = saved;
	if (n <= 2)
		return err_errno(e, "%s: %s", type, step);
	log[n] = '\0';
	log[strcspn(log, "\n")] = '\0';
	return err_errno(e, "%s", log + 2);
}

int mnt_new(const char *type, const char *const *options, unsigned int attr, struct err *e)
{
	autoclose int fs = syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);

	if (fs < 0)
		return errno == ENODEV ? err_set(e, NU_MISSING, "the kernel has no %s", type) :
					 err_errno(e, "fsopen %s", type);
	for (; options && *options; options += 2)
		if (sys_fsconfig(fs, options[1] ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG,
				 options[0], options[1]) < 0)
			return fs_err(fs, e, type, options[0]);
	if (sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL) < 0)
		return fs_err(fs, e, type, "create");
	int fd = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attr);
	return fd < 0 ? fs_err(fs, e, type, "fsmount") : fd;
}

int mnt_image(const char *type, const char *source, struct err *e)
{
	const char *options[] = { "ro", NULL, "source", source, NULL };

	return mnt_new(type, options, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID, e);
}

/* fsconfig(2) takes no longer string. */
#define STRING_MAX 255
/* Before Linux 6.8 all lowers are one such string: so many fit into it. */
#define LOWERS_MAX 10

/* Whether the kernel is of this version or a later one. */
static bool kernel_is(uint64_t major, uint64_t minor)
{
	struct utsname uts;
	uint64_t a = 0, b = 0;

	uname(&uts);
	const char *p = uts.release;
	return take_number(&p, &a) && take_char(&p, '.') && take_number(&p, &b) &&
	       (a > major || (a == major && b >= minor));
}

/* Whether the kernel takes lowers one by one ("lowerdir+"). */
static bool appends_lowers(void)
{
	return kernel_is(6, 8);
}

/* A layer by its name, or where that won't do by /proc/self/fd. */
static int set_layer(int fs, const char *key, const char *name, int fd, struct err *e)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!name || strlen(name) > STRING_MAX)
		name = path;
	return sys_fsconfig(fs, FSCONFIG_SET_STRING, key, name) < 0 ? fs_err(fs, e, "overlay", key) : 0;
}

/* Of these two the kernel takes a backslash for the beginning of an escape. */
static int set_single(int fs, const char *key, const char *name, int fd, struct err *e)
{
	autobuf struct buf escaped = { 0 };

	for (const char *p = name; p && *p; p++)
		buf_addf(&escaped, *p == '\\' ? "\\%c" : "%c", *p);
	return set_layer(fs, key, escaped.p, fd, e);
}

static int set_lowers(int fs, const struct overlay *o, bool appends, struct err *e)
{
	autobuf struct buf all = { 0 };

	for (size_t i = 0; i < o->n_lowers && appends; i++)
		if (set_layer(fs, "lowerdir+", o->names ? o->names[i] : NULL, o->lowers[i], e) < 0)
			return -1;
	if (appends)
		return 0;
	for (size_t i = 0; i < o->n_lowers; i++)
		buf_addf(&all, "%s/proc/self/fd/%d", i ? ":" : "", o->lowers[i]);
	return set_layer(fs, "lowerdir", all.p, -1, e);
}

/* Where it can't work in the work directory, the kernel makes do with a read-only mount. */
static int writable_or_not(const struct overlay *o, int mount, struct err *e)
{
	struct statvfs st;

	if (o->upper >= 0 && fstatvfs(mount, &st) == 0 && st.f_flag & ST_RDONLY)
		return err_set(e, NU_FAILED, "can't be an upper layer: it came out read-only");
	return 0;
}

int mnt_overlay(const struct overlay *o, struct err *e)
{
	/* Older kernels take no comma in a name. */
	bool named = appends_lowers();
	autoclose int fs = syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);

	if (fs < 0)
		return errno == ENODEV ? err_set(e, NU_MISSING, "the kernel has no overlayfs") :
					 err_errno(e, "fsopen overlay");
	if (sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", "nixunits") < 0)
		return fs_err(fs, e, "overlay", "source");
	if (set_lowers(fs, o, named, e) < 0)
		return -1;
	if (o->upper >= 0 &&
	    (set_single(fs, "upperdir", named ? o->upper_name : NULL, o->upper, e) < 0 ||
	     set_single(fs, "workdir", named ? o->work_name : NULL, o->work, e) < 0))
		return -1;
	if (sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL) < 0) {
		if (errno == EINVAL && !kernel_is(5, 19))
			return err_set(e, NU_MISSING, "overlay: the kernel takes no layers with shifted "
						      "ids (Linux 5.19 and later do)");
		return errno == ELOOP ? err_set(e, NU_FAILED, "overlay: a layer lies in another one") :
					fs_err(fs, e, "overlay", "create");
	}
	autoclose int fd = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
				   o->upper < 0 ? MOUNT_ATTR_RDONLY : 0);
	if (fd < 0)
		return fs_err(fs, e, "overlay", "fsmount");
	return writable_or_not(o, fd, e) < 0 ? -1 : steal_fd(&fd);
}

/* The old mount(2) has a page for its options: 500 numbers fit, as names in /proc/self/fd. */
static int overlay_by_numbers(const struct overlay *o, const char *target, struct err *e)
{
	autoclose int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	autobuf struct buf options = { 0 };

	for (size_t i = 0; i < o->n_lowers; i++)
		buf_addf(&options, "%s%d", i ? ":" : "lowerdir=", o->lowers[i]);
	if (o->upper >= 0)
		buf_addf(&options, ",upperdir=%d,workdir=%d", o->upper, o->work);
	if (here < 0 || chdir("/proc/self/fd") < 0)
		return err_errno(e, "/proc/self/fd");
	int failed = mount("nixunits", target, "overlay", o->upper < 0 ? MS_RDONLY : 0, options.p);
	if (failed)
		err_errno(e, "overlay");
	if (fchdir(here) < 0)
		die(NU_FAILED, "the working directory: %s", strerror(errno));
	return failed;
}

/* A detached overlay, of however many lowers; the target is where it may have to be for a
 * moment. */
static int overlay_detached(const struct overlay *o, const char *target, struct err *e)
{
	char path[4096];

	if (o->n_lowers <= LOWERS_MAX || appends_lowers())
		return mnt_overlay(o, e);
	if (!realpath(target, path))
		return err_errno(e, "%s", target);
	if (overlay_by_numbers(o, path, e) < 0)
		return -1;
	int fd = mnt_clone(path, -1, false, e);
	umount2(path, MNT_DETACH);
	return fd;
}

static int open_dir(const char *path, struct err *e)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_errno(e, "%s", path) : fd;
}

/* How much of two absolute paths is the directory that both are in. */
static size_t common_dir(const char *a, const char *b)
{
	size_t n = 0, slash = 0;

	for (; a[n] && a[n] == b[n]; n++)
		slash = a[n] == '/' ? n : slash;
	return slash;
}

/* What a merge takes while it is made. */
struct making {
	int *fds;	 /* of the lowers */
	size_t open, attached; /* how many descriptors; mounts on the target */
	int upper, work, parent;
};

/* The upper layer and its work directory must be in one mount: shifted, in one of the
 * directory above both. */
static int open_upper(const struct merge *m, const char *target, struct making *k, struct err *e)
{
	char *const at[] = { (char *)m->upper, (char *)m->work };
	int *const fds[] = { &k->upper, &k->work };

	if (m->userns >= 0) {
		size_t n = common_dir(m->upper, m->work);
		autofree char *dir = n ? xstrndup(m->upper, n) : xstrdup("/");

		k->parent = mnt_clone(dir, m->userns, false, e);
		if (k->parent < 0 || mnt_attach(k->parent, target, e) < 0)
			return -1;
		k->attached++;
		for (int i = 0; i < 2; i++) {
			*fds[i] = openat(k->parent, at[i] + n + 1, O_PATH | O_DIRECTORY | O_CLOEXEC);
			if (*fds[i] < 0)
				return err_errno(e, "%s", at[i]);
		}
		return 0;
	}
	for (int i = 0; i < 2; i++)
		if ((*fds[i] = open_dir(at[i], e)) < 0)
			return -1;
	return 0;
}

static int open_layers(const struct merge *m, const char *target, struct making *k, struct err *e)
{
	for (; k->open < m->n; k->open++) {
		int *fd = &k->fds[k->open];

		*fd = m->userns < 0 ? open_dir(m->dirs[k->open], e) :
				      mnt_clone(m->dirs[k->open], m->userns, true, e);
		if (*fd < 0)
			return -1;
	}
	/* An idmapped layer must be attached somewhere for overlayfs to take it; the overlay
	 * then holds clones of its own. So all go onto the target, one over the other, and
	 * leave it again: one mount stays, and one umount(2) ends it. */
	for (; m->userns >= 0 && k->attached < m->n; k->attached++)
		if (mnt_attach(k->fds[k->attached], target, e) < 0)
			return -1;
	return m->upper ? open_upper(m, target, k, e) : 0;
}

/* An overlay of one lower alone is none to the kernel. */
static int merge_one(const struct merge *m, const char *target, struct err *e)
{
	autoclose int fd = mnt_clone(m->dirs[0], m->userns, true, e);

	return fd < 0 ? -1 : mnt_attach(fd, target, e);
}

/* What overlayfs does in the upper layer for itself it does as who mounted it. Shifted,
 * the host's root is nobody there: it has to be the container's, with all its rights. */
static int overlay_as(const struct merge *m, const struct overlay *o, const char *target,
		      struct err *e)
{
	if (m->userns < 0 || !m->upper)
		return overlay_detached(o, target, e);
	int bits = prctl(PR_GET_SECUREBITS);
	prctl(PR_SET_SECUREBITS, bits | SECBIT_NO_SETUID_FIXUP);
	int uid = setfsuid(m->base), gid = setfsgid(m->base);
	int fd = overlay_detached(o, target, e);
	setfsuid(uid);
	setfsgid(gid);
	prctl(PR_SET_SECUREBITS, bits);
	return fd;
}

int mnt_merge(const struct merge *m, const char *target, struct err *e)
{
	autofree int *fds = xrealloc(NULL, m->n, sizeof(*fds));
	struct making k = { .fds = fds, .upper = -1, .work = -1, .parent = -1 };
	bool shifted = m->userns >= 0;
	int overlay = -1, result = -1;

	if (m->n == 1 && !m->upper)
		return merge_one(m, target, e);
	if (open_layers(m, target, &k, e) == 0) {
		/* Shifted, they are not what their names lead to. */
		struct overlay o = {
			.lowers = fds, .n_lowers = m->n, .upper = k.upper, .work = k.work,
			.names = shifted ? NULL : m->dirs,
			.upper_name = shifted ? NULL : m->upper,
			.work_name = shifted ? NULL : m->work,
		};

		overlay = overlay_as(m, &o, target, e);
	}
	for (; k.attached; k.attached--)
		umount2(target, MNT_DETACH);
	if (overlay >= 0)
		result = mnt_attach(overlay, target, e);
	cleanup_close(&overlay);
	cleanup_close(&k.upper);
	cleanup_close(&k.work);
	cleanup_close(&k.parent);
	while (k.open)
		close(fds[--k.open]);
	return result;
}

int mnt_union(const char *const *dirs, size_t n, int userns_fd, const char *target,
	      struct err *e)
{
	struct merge m = { .dirs = dirs, .n = n, .userns = userns_fd };

	return mnt_merge(&m, target, e);
}

void mnt_unescape(char *s)
{
	char *to = s;

	for (; *s; s++)
		if (*s == '\\' && strspn(s + 1, "01234567") >= 3) {
			*to++ = (s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0');
			s += 3;
		} else {
			*to++ = *s;
		}
	*to = '\0';
}

static bool says_ro(const char *options)
{
	return starts_with(options, "ro") && strchr(", \n", options[2]);
}

/* "36 35 98:0 /root /point rw,noatime master:1 - ext3 /dev/root rw,errors=continue" */
static void read_info(const char *line, struct mnt_info *i)
{
	const char *options = line, *type = strstr(line, " - ");

	for (int skip = 0; skip < 5; skip++) {
		options += strcspn(options, " \n");
		take_blanks(&options);
	}
	type = type ? type + 3 : "";
	snprintf(i->type, sizeof(i->type), "%.*s", (int)strcspn(type, " \n"), type);
	type += strcspn(type, " \n");
	take_blanks(&type);
	type += strcspn(type, " \n");
	take_blanks(&type);
	i->options = xstrndup(type, strcspn(type, "\n"));
	i->read_only = says_ro(options) || says_ro(type);
}

int mnt_info(const char *path, struct mnt_info *i, struct err *e)
{
	autobuf struct buf all = { 0 };
	struct mntid m;

	*i = (struct mnt_info){ 0 };
	if (mntid(AT_FDCWD, path, &m) < 0)
		return err_errno(e, "%s", path);
	i->id = m.id;
	i->root = m.root;
	if (file_read(AT_FDCWD, "/proc/self/mountinfo", 64 << 20, &all, e) < 0)
		return access("/proc/self", F_OK) < 0 ?
			       err_set(e, NU_MISSING, "/proc is not mounted") : -1;
	for (const char *line = all.p; line; line = next_line(line)) {
		const char *p = line;
		uint64_t id;

		if (!take_number(&p, &id) || id != i->id)
			continue;
		read_info(line, i);
		return 0;
	}
	return err_set(e, NU_FAILED, "%s: its mount is none of /proc/self/mountinfo", path);
}

int mnt_read_only(const char *path, struct err *e)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	autoclose int fd = sys_open_tree(AT_FDCWD, path,
					 OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

	if (fd < 0)
		return err_errno(e, "%s: open_tree", path);
	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		return err_errno(e, "%s: mount_setattr", path);
	return mnt_attach(fd, path, e);
}

int mnt_unshare(struct err *e)
{
	if (unshare(CLONE_NEWNS) < 0)
		return err_errno(e, "a mount namespace");
	if (mount(NULL, "/", "", MS_REC | MS_SLAVE, NULL) < 0)
		return errno == EINVAL ? err_set(e, NU_FAILED, "/ is not a mount point: this can't be done "
							       "in a chroot") :
					 err_errno(e, "/: MS_SLAVE");
	return 0;
}
