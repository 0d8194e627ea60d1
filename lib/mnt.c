/* mnt - idmapped mounts and overlays, by file descriptors. */
#include "mnt.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

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
				       "and, from Linux 6.3 on, tmpfs have; overlayfs has not)",
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

int mnt_overlay(const struct overlay *o, struct err *e)
{
	autoclose int fs = syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
	autobuf struct buf lower = { 0 };
	char path[32];

	if (fs < 0)
		return errno == ENODEV ? err_set(e, NU_MISSING, "the kernel has no overlayfs") :
					 err_errno(e, "fsopen overlay");
	/* Layers by /proc/self/fd: short, and free of the ":" and "," of their names. */
	if (sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", "nixunits") < 0)
		return fs_err(fs, e, "overlay", "source");
	for (size_t i = 0; i < o->n_lowers; i++)
		buf_addf(&lower, "%s/proc/self/fd/%d", i ? ":" : "", o->lowers[i]);
	if (sys_fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir", lower.p) < 0)
		return fs_err(fs, e, "overlay", "lowerdir");
	if (o->upper >= 0) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", o->upper);
		if (sys_fsconfig(fs, FSCONFIG_SET_STRING, "upperdir", path) < 0)
			return fs_err(fs, e, "overlay", "upperdir");
		snprintf(path, sizeof(path), "/proc/self/fd/%d", o->work);
		if (sys_fsconfig(fs, FSCONFIG_SET_STRING, "workdir", path) < 0)
			return fs_err(fs, e, "overlay", "workdir");
	}
	if (sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL) < 0)
		return fs_err(fs, e, "overlay", "create");
	int fd = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, o->upper < 0 ? MOUNT_ATTR_RDONLY : 0);
	return fd < 0 ? fs_err(fs, e, "overlay", "fsmount") : fd;
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

/* An idmapped layer must be attached somewhere for overlayfs to take it; the overlay
 * then holds clones of its own. So all layers go onto the target, one over the other,
 * and leave it again: one mount stays, and one umount(2) ends it. */
int mnt_union(const char *const *dirs, size_t n, int userns_fd, const char *target,
	      struct err *e)
{
	int fds[n];
	size_t open_fds = 0, attached = 0;
	int overlay = -1, result = -1;

	for (; open_fds < n; open_fds++) {
		fds[open_fds] = mnt_clone(dirs[open_fds], userns_fd, true, e);
		if (fds[open_fds] < 0)
			goto out;
	}
	if (n == 1) {
		result = mnt_attach(fds[0], target, e);
		goto out;
	}
	for (; attached < n; attached++)
		if (mnt_attach(fds[attached], target, e) < 0)
			goto out;
	struct overlay o = { .lowers = fds, .n_lowers = n, .upper = -1, .work = -1 };
	overlay = mnt_overlay(&o, e);
out:
	while (attached) {
		umount2(target, MNT_DETACH);
		attached--;
	}
	if (overlay >= 0) {
		result = mnt_attach(overlay, target, e);
		close(overlay);
	}
	while (open_fds)
		close(fds[--open_fds]);
	return result;
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
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return err_errno(e, "/: MS_SLAVE");
	return 0;
}
