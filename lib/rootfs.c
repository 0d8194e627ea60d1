/* rootfs - the file tree of a container. */
#include "rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostpath.h"
#include "mnt.h"
#include "proc.h"
#include "resolv.h"
#include "root.h"
#include "util.h"

#define QUIET (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

#define UNIT_JSON "/run/nixunits/unit.json"

/* What of /proc a container must not write: the kernel's own parameters are the host's. The
 * network's are its own, where its network is. */
static const char *const unwritable[] = { "/proc/sys", "/proc/bus", "/proc/fs", "/proc/irq" };
/* What it must not even read: the host's memory, symbols, keys, timers, devices, what it waits for
 * and when somebody types; and the switch that reboots the machine. */
static const char *const masked_proc[] = {
	"/proc/kcore",	     "/proc/kallsyms",	   "/proc/kmsg",	  "/proc/keys",
	"/proc/sysrq-trigger", "/proc/timer_list", "/proc/sched_debug", "/proc/latency_stats",
	"/proc/interrupts",  "/proc/acpi",	   "/proc/asound",	  "/proc/scsi",
};
/* The energy that it takes tells what it computes. */
static const char *const masked_sys[] = { "/sys/firmware", "/sys/devices/virtual/powercap" };

static const struct {
	const char *name;
	int major, minor;
} devices[] = {
	{ "null", 1, 3 },   { "zero", 1, 5 },	 { "full", 1, 7 },
	{ "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
};

static const char *const dev_links[][2] = {
	{ "/proc/self/fd", "fd" },     { "/proc/self/fd/0", "stdin" },
	{ "/proc/self/fd/1", "stdout" }, { "/proc/self/fd/2", "stderr" },
	{ "pts/ptmx", "ptmx" },	       { "/proc/kcore", "core" },
};

/* Whose the files are that we make. */
static void act_as(uint32_t uid)
{
	setfsgid(uid);
	setfsuid(uid);
}

static int make_points(int root, const char *const *dirs, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		autoclose int fd = root_make_dirs(root, dirs[i], e);
		if (fd < 0)
			return -1;
	}
	return 0;
}

static int populate(int root, const struct unit *u, const char *machine_id, bool points,
		    const struct buf *resolv, struct err *e)
{
	static const char *const kernel[] = { "/dev", "/proc", "/run", "/sys", "/tmp" };
	autofree char *journal = xfmt("/var/log/journal/%s", machine_id);
	const char *dirs[] = { "/etc", "/nix/store", "/usr", journal };
	char id_line[40];

	if ((points && make_points(root, kernel, ARRAY_SIZE(kernel), e) < 0) ||
	    make_points(root, dirs, ARRAY_SIZE(dirs), e) < 0)
		return -1;
	snprintf(id_line, sizeof(id_line), "%s\n", machine_id);
	if (root_write(root, "/etc/machine-id", id_line, strlen(id_line), e) < 0)
		return -1;
	if (resolv->n)
		return root_write(root, "/etc/resolv.conf", resolv->p, resolv->n, e);
	/* An earlier declaration's. Where the host has nothing to offer now, it is all there is. */
	return u->net.dns_copy ? 0 : root_forget(root, "/etc/resolv.conf", RESOLV_MARK, e);
}

int rootfs_populate(int root, const struct unit *u, const char *machine_id, uint32_t uid,
		    bool points, struct err *e)
{
	autobuf struct buf resolv = { 0 };

	if (!resolv_conf(u, &resolv))
		resolv.n = 0;
	act_as(uid);
	int ret = populate(root, u, machine_id, points, &resolv, e);
	act_as(0);
	return ret;
}

int rootfs_bind_open(const struct bind *b, int userns, struct err *e)
{
	autoclose int fd = hostpath_open(b->source, e);
	struct stat st;

	if (fd < 0)
		return err_wrap(e, "%s: source ", quoted(b->target));
	if (fstat(fd, &st) < 0)
		return err_errno(e, "%s: source %s", quoted(b->target), quoted(b->source));
	if (S_ISDIR(st.st_mode) && !b->read_only && hostpath_share(fd, e) < 0)
		return err_wrap(e, "%s: source ", quoted(b->target));
	bool device = S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode);
	int mount = mnt_clone_all(fd, "", device ? -1 : userns, b->read_only, e);
	return mount < 0 ? err_wrap(e, "%s: source %s", quoted(b->target), quoted(b->source)) : mount;
}

int rootfs_bind_point(int root, const struct bind *b, int source, uint32_t uid, struct err *e)
{
	struct stat st;

	if (fstat(source, &st) < 0)
		return err_errno(e, "%s: source %s", quoted(b->target), quoted(b->source));
	act_as(uid);
	int ret = S_ISDIR(st.st_mode) ? make_points(root, &b->target, 1, e) :
					root_touch(root, b->target, e);
	act_as(0);
	return ret < 0 ? err_wrap(e, "target ") : 0;
}

/* Attaches a mount at an open place in the container's tree, whose name is for messages. It
 * closes the mount's descriptor. */
static int put_at(int at, const char *target, int mount_fd, struct err *e)
{
	autoclose int fd = mount_fd;

	if (fd < 0)
		return err_wrap(e, "%s: ", target);
	if (at < 0 || mnt_attach_at(fd, at) < 0)
		return err_errno(e, "%s, in the container: mount", target);
	return 0;
}

static int put(int root, const char *target, int mount_fd, struct err *e)
{
	autoclose int at = mount_fd < 0 ? -1 : root_open(root, target, O_PATH);

	return put_at(at, target, mount_fd, e);
}

/* A directory for a mount, made where it is missing. */
static int open_point(const struct rootfs *r, int root, const char *dir, struct err *e)
{
	int fd = root_open(root, dir, O_PATH | O_DIRECTORY);

	if (fd >= 0)
		return fd;
	act_as(r->uid);
	fd = root_make_dirs(root, dir, e);
	act_as(0);
	return fd;
}

/* All that is in memory is of one tmpfs, whose directories are mounted: it is made and torn
 * down at every run, which costs more than all the rest of this. */
struct pool {
	const struct rootfs *r;
	int fd;
};

static int make_pool(const struct rootfs *r, int root, struct pool *pool, struct err *e)
{
	autofree char *uid = xfmt("%u", r->uid);
	const char *options[] = { "mode", "700", "uid", uid, "gid", uid, NULL };

	pool->r = r;
	pool->fd = mnt_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, e);
	/* Only what is attached can be cloned; later /tmp itself covers it. */
	autoclose int at = pool->fd < 0 ? -1 : open_point(r, root, "/tmp", e);
	if (at < 0)
		return -1;
	return mnt_attach_at(pool->fd, at) < 0 ? err_errno(e, "a tmpfs in the container") : 0;
}

/* A directory of the pool's, owned by user uid, at an open place: -1, and e says why not. */
static int put_dir(const struct pool *pool, int at, const char *target, mode_t mode, uint32_t uid,
		   const struct mount_attr *attr, struct err *e)
{
	autofree char *name = xstrdup(target + 1);

	if (at < 0)
		return -1;
	for (char *p = name; *p; p++)
		*p = *p == '/' ? '-' : *p;
	if (mkdirat(pool->fd, name, mode) < 0 || fchownat(pool->fd, name, uid, uid, 0) < 0)
		return err_errno(e, "%s, in the container", target);
	autoclose int fd = mnt_clone_all(pool->fd, name, -1, false, e);
	if (fd >= 0 && attr &&
	    syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, attr, sizeof(*attr)) < 0)
		return err_errno(e, "%s, in the container", target);
	return put_at(at, target, steal_fd(&fd), e);
}

/* One of the directories that there is in every container. */
static int put_point(const struct pool *pool, int root, const char *target, mode_t mode,
		     const struct mount_attr *attr, struct err *e)
{
	autoclose int at = open_point(pool->r, root, target, e);

	return put_dir(pool, at, target, mode, pool->r->uid, attr, e);
}

/* A clone of a tree of the host's, its ids shifted, or as they are if that can't be. */
static int clone_shifted(const struct rootfs *r, const char *path, bool read_only, bool as_is,
			 struct err *e)
{
	int fd = mnt_clone_all(AT_FDCWD, path, r->userns, read_only, e);

	if (fd >= 0 || e->code != NU_MISSING)
		return fd;
	if (!as_is && r->lacks("the owners of its files: all belong to nobody", e) < 0)
		return -1;
	return mnt_clone_all(AT_FDCWD, path, -1, read_only, e);
}

/* The tree under which all else comes, attached above the root of our mount namespace: no
 * directory of the host's is needed for it. */
static int make_top(const struct rootfs *r, struct err *e)
{
	autofree char *uid = xfmt("%u", r->uid);
	const char *options[] = { "mode", "755", "uid", uid, "gid", uid, NULL };
	autoclose int top = -1, scratch = -1;

	if (r->root) {
		top = clone_shifted(r, r->root, false, false, e);
		if (top < 0)
			return err_wrap(e, "the root directory: ");
	}
	if (r->root && !r->ephemeral)
		return mnt_attach(top, "/", e) < 0 ? err_wrap(e, "the root directory: %s: ", r->root) :
						     steal_fd(&top);
	scratch = mnt_new("tmpfs", options, 0, e);
	if (scratch < 0 || mnt_attach(scratch, "/", e) < 0)
		return err_wrap(e, "the root directory: ");
	if (!r->root)
		return steal_fd(&scratch);

	if (mkdirat(scratch, "upper", 0755) < 0 || mkdirat(scratch, "work", 0755) < 0 ||
	    fchownat(scratch, "upper", r->uid, r->uid, 0) < 0)
		return err_errno(e, "an ephemeral root directory");
	autoclose int upper = openat(scratch, "upper", O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoclose int work = openat(scratch, "work", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct overlay o = { .lowers = &top, .n_lowers = 1, .upper = upper, .work = work };
	if (mnt_attach(top, "/", e) < 0)
		return -1;
	autoclose int overlay = mnt_overlay(&o, e);
	if (overlay < 0 || mnt_attach(overlay, "/", e) < 0)
		return err_wrap(e, "an ephemeral root directory: ");
	return steal_fd(&overlay);
}

/* overlayfs takes a layer with shifted ids only where it is attached, and then has a clone
 * of its own. */
static int make_store(const struct rootfs *r, struct err *e)
{
	int layers[r->n_layers], made = -1;
	size_t n = 0;

	for (; n < r->n_layers; n++) {
		layers[n] = clone_shifted(r, r->layers[n], true, r->image, e);
		if (layers[n] < 0 || (r->n_layers > 1 && mnt_attach(layers[n], "/", e) < 0))
			goto out;
	}
	if (n == 1)
		return layers[0];
	made = mnt_overlay(&(struct overlay){ .lowers = layers, .n_lowers = n, .upper = -1,
					      .work = -1 }, e);
out:
	n += n < r->n_layers;
	while (n--)
		cleanup_close(&layers[n]);
	return made;
}

/* The filesystems that show a namespace show that of who mounts them; and /proc that which he
 * was born in. So a child goes into the container's namespaces, and for /proc has a child there.
 * They share our memory and our descriptors, and are waited for. */
struct kernel_mounts {
	int inmate;
	int proc, sys, mqueue;
	struct err e;
};

static pid_t call_in_child(int (*f)(void *), struct kernel_mounts *k, char *stack, size_t size)
{
	pid_t child = clone(f, stack + size, CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, k);

	if (child > 0)
		proc_wait(child);
	return child;
}

static int mount_proc(void *context)
{
	struct kernel_mounts *k = context;

	k->proc = mnt_new("proc", NULL, QUIET, &k->e);
	_exit(0);
}

static int enter_and_mount_proc(void *context)
{
	char stack[16384] __attribute__((aligned(16)));
	struct kernel_mounts *k = context;

	if (setns(k->inmate, CLONE_NEWPID) < 0)
		err_errno(&k->e, "the container's PID namespace");
	else if (call_in_child(mount_proc, k, stack, sizeof(stack)) < 0)
		err_errno(&k->e, "a process in the container's PID namespace");
	_exit(0);
}

static int mount_rest(void *context)
{
	struct kernel_mounts *k = context;
	struct err none; /* no message queues: the caller knows */

	if (setns(k->inmate, CLONE_NEWNET | CLONE_NEWIPC) < 0) {
		err_errno(&k->e, "the container's namespaces");
		_exit(0);
	}
	k->mqueue = mnt_new("mqueue", NULL, QUIET, &none);
	k->sys = mnt_new("sysfs", NULL, QUIET | MOUNT_ATTR_RDONLY, &k->e);
	_exit(0);
}

static int make_proc(const struct rootfs *r, int root, int inmate, struct err *e)
{
	struct kernel_mounts k = { .inmate = inmate, .proc = -1 };
	char stack[65536] __attribute__((aligned(16)));

	if (call_in_child(enter_and_mount_proc, &k, stack, sizeof(stack)) < 0)
		return err_errno(e, "a process in the container's namespaces");
	if (k.proc < 0)
		*e = k.e;
	autoclose int at = k.proc < 0 ? -1 : open_point(r, root, "/proc", e);
	return at < 0 ? -1 : put_at(at, "/proc", k.proc, e);
}

int rootfs_kernel(const struct rootfs *r, int inmate, const struct rootfs_made *made,
		  struct err *e)
{
	struct kernel_mounts k = { .inmate = inmate, .sys = -1, .mqueue = -1 };
	char stack[65536] __attribute__((aligned(16)));
	int root = made->root;

	if (call_in_child(mount_rest, &k, stack, sizeof(stack)) < 0)
		return err_errno(e, "a process in the container's namespaces");
	if (k.sys < 0)
		*e = k.e;
	autoclose int at = k.sys < 0 ? -1 : open_point(r, root, "/sys", e);
	if (at < 0 || put_at(at, "/sys", k.sys, e) < 0)
		return -1;
	if (r->cgroup &&
	    put(root, "/sys/fs/cgroup", mnt_clone_all(AT_FDCWD, r->cgroup, -1, false, e), e) < 0)
		return -1;
	if (k.mqueue < 0) {
		err_set(e, NU_MISSING, "the kernel has no POSIX message queues");
		return r->lacks("/dev/mqueue", e);
	}
	return put(root, "/dev/mqueue", k.mqueue, e);
}

static int make_device(const struct rootfs *r, int dev, size_t i, struct err *e)
{
	const char *name = devices[i].name;

	if (!r->rootless) {
		if (mknodat(dev, name, S_IFCHR | 0666, makedev(devices[i].major, devices[i].minor)) < 0 ||
		    fchownat(dev, name, r->uid, r->uid, 0) < 0)
			return err_errno(e, "/dev/%s", name);
		return 0;
	}
	autofree char *host = xfmt("/dev/%s", name);
	if (mknodat(dev, name, S_IFREG | 0666, 0) < 0)
		return err_errno(e, "/dev/%s", name);
	return put(dev, name, mnt_clone_all(AT_FDCWD, host, -1, false, e), e);
}

static int make_dev(const struct pool *pool, int root, struct err *e)
{
	static const struct mount_attr with_devices = { .attr_clr = MOUNT_ATTR_NODEV };
	const struct rootfs *r = pool->r;
	static const char *const dirs[] = { "pts", "shm", "mqueue" };
	autofree char *tty = xfmt("%u", r->uid + 5);
	const char *pts[] = { "newinstance", NULL, "ptmxmode", "0666", "mode",
			      "620",	     r->rootless ? NULL : "gid", tty, NULL };

	if (put_point(pool, root, "/dev", 0755, &with_devices, e) < 0)
		return -1;
	autoclose int dev = root_open(root, "/dev", O_PATH | O_DIRECTORY);
	if (dev < 0)
		return err_errno(e, "/dev");
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		if (make_device(r, dev, i, e) < 0)
			return -1;
	for (size_t i = 0; i < ARRAY_SIZE(dev_links); i++)
		if (symlinkat(dev_links[i][0], dev, dev_links[i][1]) < 0)
			return err_errno(e, "/dev/%s", dev_links[i][1]);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (mkdirat(dev, dirs[i], 0755) < 0)
			return err_errno(e, "/dev/%s", dirs[i]);
	if (put(root, "/dev/pts", mnt_new("devpts", pts, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, e),
		e) < 0)
		return -1;
	return put_point(pool, root, "/dev/shm", 01777, NULL, e);
}

/* A pseudo terminal of the container's own, whose other side is its /dev/console. */
static int make_console(const struct rootfs *r, int root, int *console, struct err *e)
{
	int off = 0;
	unsigned int number;

	autoclose int ptmx = root_open(root, "/dev/pts/ptmx", O_RDWR | O_NOCTTY);
	autoclose int dev = root_open(root, "/dev", O_PATH | O_DIRECTORY);
	if (ptmx < 0 || dev < 0 || ioctl(ptmx, TIOCSPTLCK, &off) < 0 ||
	    ioctl(ptmx, TIOCGPTN, &number) < 0)
		return err_errno(e, "a pseudo terminal for /dev/console");
	autofree char *name = xfmt("/dev/pts/%u", number);
	autoclose int slave = root_open(root, name, O_PATH | O_NOFOLLOW);
	if (slave < 0 || mknodat(dev, "console", S_IFREG | 0600, 0) < 0 ||
	    (!r->rootless && fchownat(slave, "", r->uid, r->uid + 5, AT_EMPTY_PATH) < 0))
		return err_errno(e, "/dev/console");
	if (put(root, "/dev/console", mnt_clone_all(slave, "", -1, false, e), e) < 0)
		return -1;
	*console = steal_fd(&ptmx);
	return 0;
}

/* A datagram for each word of its init; from whom, the kernel says. */
static int make_notify(int run, int *notify, struct err *e)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int on = 1;

	snprintf(to.sun_path, sizeof(to.sun_path), "/proc/self/fd/%d/nixunits/notify", run);
	autoclose int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return err_errno(e, ROOTFS_NOTIFY);
	*notify = steal_fd(&fd);
	return 0;
}

static int make_run_files(const struct rootfs *r, int run, int *notify, struct err *e)
{
	autofree char *json = cJSON_PrintUnformatted(r->u->json);

	if (mkdirat(run, "nixunits", 0755) < 0 || mkdirat(run, "lock", 0755) < 0 ||
	    (r->hosts && mkdirat(run, "nixunits/hosts", 0755) < 0))
		return err_errno(e, "/run, in the container");
	autoclose int fd = openat(run, "nixunits/unit.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
				  0444);
	if (fd < 0 || !json || write(fd, json, strlen(json)) != (ssize_t)strlen(json))
		return err_errno(e, UNIT_JSON ", in the container");
	return r->notify ? make_notify(run, notify, e) : 0;
}

/* The document is not the container's to write: over it lies the file that holds it, or itself. */
static int protect_document(const struct rootfs *r, int run, struct err *e)
{
	autoclose int at = openat(run, "nixunits/unit.json", O_PATH | O_NOFOLLOW | O_CLOEXEC);

	return put_at(at, UNIT_JSON,
		      r->unit_json ? mnt_clone(r->unit_json, -1, true, e) : mnt_clone_all(at, "", -1, true, e),
		      e);
}

static int make_run(const struct pool *pool, int root, int *notify, struct err *e)
{
	const struct rootfs *r = pool->r;

	if (put_point(pool, root, "/run", 0755, NULL, e) < 0)
		return -1;
	/* Empty as yet, and nobody else's: in it names lead nowhere else. */
	autoclose int run = root_open(root, "/run", O_PATH | O_DIRECTORY);
	act_as(r->uid);
	int ret = make_run_files(r, run, notify, e);
	act_as(0);
	if (ret < 0 || protect_document(r, run, e) < 0)
		return -1;
	/* Debian's systemd mounts this at its start, and gives up where it can't. */
	return put_point(pool, root, "/run/lock", 01777, NULL, e);
}

/* Before the container's tree lies over the host's. An ordinary user has no right that he could
 * be tricked out of. */
static int open_binds(const struct rootfs *r, struct rootfs_made *made, struct err *e)
{
	made->binds = xalloc(r->u->n_binds * sizeof(*made->binds));
	for (; made->n_binds < r->u->n_binds; made->n_binds++) {
		const struct bind *b = &r->u->binds[made->n_binds];
		int fd = r->rootless ? mnt_clone_all(AT_FDCWD, b->source, -1, b->read_only, e) :
				       rootfs_bind_open(b, r->userns, e);

		if (fd < 0)
			return err_wrap(e, "bind ");
		made->binds[made->n_binds] = fd;
	}
	return 0;
}

static int make_binds(const struct rootfs *r, struct rootfs_made *made, struct err *e)
{
	int root = made->root;

	for (size_t i = 0; i < made->n_binds; i++) {
		const struct bind *b = &r->u->binds[i];

		if (rootfs_bind_point(root, b, made->binds[i], r->uid, e) < 0 ||
		    put(root, b->target, steal_fd(&made->binds[i]), e) < 0)
			return err_wrap(e, "bind ");
	}
	if (r->journal) {
		autofree char *target = xfmt("/var/log/journal/%s", r->machine_id);
		if (put(root, target, mnt_clone(r->journal, r->userns, false, e), e) < 0)
			return -1;
	}
	return r->hosts ? put(root, "/run/nixunits/hosts", mnt_clone(r->hosts, -1, true, e), e) : 0;
}

/* What isn't in this kernel needs no mask. */
static int mask(const struct pool *pool, int root, int null, const char *path, struct err *e)
{
	static const struct mount_attr empty = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC };
	struct stat st;

	autoclose int at = root_open(root, path, O_PATH);
	if (at < 0)
		return errno == ENOENT ? 0 : err_errno(e, "%s", path);
	if (fstat(at, &st) < 0)
		return err_errno(e, "%s", path);
	return S_ISDIR(st.st_mode) ? put_dir(pool, at, path, 0555, 0, &empty, e) :
				     put_at(at, path, mnt_clone_all(null, "", -1, true, e), e);
}

static int mask_all(const struct pool *pool, int root, const char *const *paths, size_t n,
		    struct err *e)
{
	/* /dev is where the tree's own symlinks lead, never ours. */
	autoclose int null = root_open(root, "/dev/null", O_PATH | O_NOFOLLOW);

	if (null < 0)
		return err_errno(e, "/dev/null, in the container");
	for (size_t i = 0; i < n; i++)
		if (mask(pool, root, null, paths[i], e) < 0)
			return -1;
	return 0;
}

static int protect_proc(const struct pool *pool, int root, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(unwritable); i++) {
		autoclose int at = root_open(root, unwritable[i], O_PATH | O_NOFOLLOW);

		if (at >= 0 && put_at(at, unwritable[i], mnt_clone_all(at, "", -1, true, e), e) < 0)
			return -1;
	}
	if (pool->r->u->net.private) {
		autoclose int at = root_open(root, "/proc/sys/net", O_PATH | O_NOFOLLOW);
		struct mount_attr attr = { .attr_clr = MOUNT_ATTR_RDONLY };
		autoclose int fd = at < 0 ? -1 : mnt_clone_all(at, "", -1, false, e);

		if (fd < 0 || syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
			return err_errno(e, "/proc/sys/net");
		if (put_at(at, "/proc/sys/net", steal_fd(&fd), e) < 0)
			return -1;
	}
	return mask_all(pool, root, masked_proc, ARRAY_SIZE(masked_proc), e);
}

/* What is mounted below our root directory. The container's tree, above it, is not reached by these
 * names. */
static int detach_all(struct err *e)
{
	autobuf struct buf all = { 0 };

	if (file_read(AT_FDCWD, "/proc/self/mountinfo", 64 << 20, &all, e) < 0)
		return -1;
	for (const char *line = all.p; line; line = next_line(line)) {
		const char *p = line;

		for (int skip = 0; skip < 4; skip++) {
			p += strcspn(p, " \n");
			take_blanks(&p);
		}
		autofree char *path = xstrndup(p, strcspn(p, " \n"));
		mnt_unescape(path);
		while (strlen(path) > 1 && umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
			;
	}
	return 0;
}

/* An initramfs can't be pivoted away from: there the tree stays above it, and chroot(2)
 * does, out of which leads no way but to the same place. What the host has mounted must go all
 * the same: where a mount namespace holds a /proc without masks, the kernel gives another one to
 * whoever makes himself a user namespace in it. */
static int enter_top(int root, struct err *e)
{
	autoclose int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (old < 0 || fchdir(root) < 0)
		return err_errno(e, "the new root directory");
	if (syscall(SYS_pivot_root, ".", ".") == 0) {
		if (fchdir(old) < 0)
			return err_errno(e, "the old root directory");
		/* Whatever was attached above it for a while comes first. It is no mount of
		 * ours any more once it has gone. */
		while (umount2(".", MNT_DETACH) == 0)
			;
		return errno != EINVAL || chdir("/") < 0 ? err_errno(e, "the old root directory") : 0;
	}
	if (errno != EINVAL)
		return err_errno(e, "pivot_root");
	if (detach_all(e) < 0)
		return -1;
	return chroot(".") < 0 ? err_errno(e, "chroot") : 0;
}

/* Whoever laid them there, they are the host's. */
static int forbid_devices(int root, struct err *e)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NODEV };

	int done = syscall(SYS_mount_setattr, root, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr,
			   sizeof(attr));
	return done < 0 ? err_errno(e, "the root directory: nodev") : 0;
}

static int begin(const struct rootfs *r, int inmate, struct rootfs_made *made, struct err *e)
{
	struct pool pool = { .r = r, .fd = -1 };

	if (open_binds(r, made, e) < 0)
		return -1;
	/* The root directory last, above all else that has to be attached for a while. */
	autoclose int store = r->n_layers ? make_store(r, e) : -1;
	if (store < 0 && r->n_layers)
		return err_wrap(e, "/nix/store: ");
	int root = made->root = make_top(r, e);
	if (root >= 0 && r->u->private_users && forbid_devices(root, e) < 0)
		return -1;
	if (root < 0 || rootfs_populate(root, r->u, r->machine_id, r->uid, false, e) < 0)
		return -1;
	if (store >= 0 && put(root, "/nix/store", steal_fd(&store), e) < 0)
		return -1;
	int failed = make_pool(r, root, &pool, e);
	made->pool = pool.fd;
	if (failed || make_dev(&pool, root, e) < 0 || make_run(&pool, root, &made->notify, e) < 0)
		return -1;
	if (put_point(&pool, root, "/tmp", 01777, NULL, e) < 0)
		return -1;
	return make_proc(r, root, inmate, e) < 0 ? -1 : protect_proc(&pool, root, e);
}

int rootfs_begin(const struct rootfs *r, int inmate, struct rootfs_made *made, struct err *e)
{
	/* The modes are those that are said. */
	mode_t was = umask(0);

	*made = (struct rootfs_made)ROOTFS_NONE;
	int done = begin(r, inmate, made, e);
	umask(was);
	return done;
}

int rootfs_finish(const struct rootfs *r, struct rootfs_made *made, struct err *e)
{
	struct pool pool = { .r = r, .fd = made->pool };
	int root = made->root;

	if (make_binds(r, made, e) < 0 ||
	    mask_all(&pool, root, masked_sys, ARRAY_SIZE(masked_sys), e) < 0)
		return -1;
	if (r->console && make_console(r, root, &made->console, e) < 0)
		return -1;
	return enter_top(root, e);
}

void rootfs_close(struct rootfs_made *made)
{
	cleanup_close(&made->root);
	cleanup_close(&made->pool);
	cleanup_close(&made->console);
	cleanup_close(&made->notify);
	for (size_t i = 0; i < made->n_binds; i++)
		cleanup_close(&made->binds[i]);
	free(made->binds);
}
