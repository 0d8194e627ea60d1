/* launch - the nspawn engine: this process becomes systemd-nspawn(1). */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "leaf.h"
#include "machine.h"
#include "mnt.h"
#include "net.h"
#include "nspawn.h"
#include "place.h"
#include "proc.h"
#include "rootfs.h"
#include "setup.h"
#include "uid.h"

/* Where the binds' sources are, in the mount namespace that nspawn is started in. */
#define BINDS_DIR "/run/nixunits/.binds"
#define LEADER_WAIT_MS 60000
#define PAYLOAD_WAIT_MS 10000

struct run {
	const struct unit *u;
	struct place at;
	uint32_t uid_base;
	int lease; /* of that range, for systemd-nspawn to hold; -1: none */
	/* Held until the container has all that it gets: against the direct engine, and for
	 * launch_await(). */
	struct enrolled enrolled;
};

/* The mount points are made here, owned by the container's root: the ones nspawn
 * makes itself would, before systemd 257, belong to nobody inside. */
static int make_root(const struct run *r, struct err *e)
{
	autoclose int root = open(r->at.root, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (root < 0)
		return err_errno(e, "%s", r->at.root);
	return rootfs_populate(root, r->u, r->at.machine_id, 0, true, e);
}

static int make_bind(const struct bind *b, int root, int dir, const char *name, struct err *e)
{
	autoclose int fd = rootfs_bind_open(b, -1, e);
	struct stat st;

	if (fd < 0 || rootfs_bind_point(root, b, fd, 0, e) < 0)
		return err_wrap(e, "bind ");
	if (fstat(fd, &st) < 0 || (S_ISDIR(st.st_mode) ? mkdirat(dir, name, 0700) :
							  mknodat(dir, name, S_IFREG | 0600, 0)) < 0)
		return err_errno(e, "%s/%s", BINDS_DIR, name);
	autoclose int at = openat(dir, name, O_PATH | O_CLOEXEC);
	return at < 0 || mnt_attach_at(fd, at) < 0 ? err_errno(e, "%s/%s", BINDS_DIR, name) : 0;
}

/* nspawn opens a source by a path, whatever that has become by then: so it has paths of our own,
 * on which lies what we have opened. */
static int make_binds(const struct run *r, struct err *e)
{
	const char *options[] = { "mode", "700", NULL };

	if (!r->u->n_binds)
		return 0;
	autoclose int root = open(r->at.root, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (root < 0)
		return err_errno(e, "%s", r->at.root);
	autoclose int dir = make_dirs(BINDS_DIR, 0700, e) < 0 ? -1 : mnt_new("tmpfs", options, 0, e);
	if (dir < 0 || mnt_attach(dir, BINDS_DIR, e) < 0)
		return -1;
	for (size_t i = 0; i < r->u->n_binds; i++) {
		autofree char *name = xfmt("%zu", i);

		if (make_bind(&r->u->binds[i], root, dir, name, e) < 0)
			return -1;
	}
	return 0;
}

/* nspawn gives its container the cgroup "payload" of the service's, which is ours to use: it
 * makes it after it has registered the machine, and gives it the controllers after that. */
static int limit(const struct unit *u, const struct machine *m, int nspawn, struct err *e)
{
	if (!leaf_limited(&u->limits))
		return 0;
	autofree char *service = xfmt("/sys/fs/cgroup%s", m->cgroup);
	autofree char *path = xfmt("%s/payload", service);
	autoclose int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	int64_t end = now_ms() + PAYLOAD_WAIT_MS;

	if (watch < 0 || inotify_add_watch(watch, service, IN_CREATE | IN_MODIFY) < 0)
		return err_errno(e, "inotify: %s", service);
	do {
		autoclose int payload = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (payload < 0)
			err_errno(e, "%s", path);
		else if (leaf_check(payload, &u->limits, e) == 0)
			return leaf_limit(payload, &u->limits, e);
	} while (await_change(watch, nspawn, end));
	return -1;
}

/* The container's cgroup is that of its service, by which all the rest knows it; to which systemd
 * has delegated the controllers that the limits need. */
static int check_service(const struct unit *u, struct err *e)
{
	autofree char *own = leaf_own(e);
	autofree char *service = xfmt("/nixunits@%s.service", u->id);

	if (!own || !ends_with(own, service))
		return err_set(e, NU_FAILED, "systemd runs it by this engine (nixunits start %s); by "
			       "hand it is run by --engine direct", u->id);
	if (!leaf_limited(&u->limits))
		return 0;
	autoclose int fd = open(own, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_errno(e, "limits: %s", own) : leaf_check(fd, &u->limits, e);
}

static int prepare(struct run *r, struct err *e)
{
	autoclose int userns = -1;

	if (check_service(r->u, e) < 0 || setup_check(r->u, e) < 0 ||
	    machine_enroll(&r->enrolled, r->u->id, e) < 0 || place_find(r->u, &r->at, e) < 0)
		return -1;
	if (r->u->private_users) {
		if (uid_alloc(r->u->id, &r->uid_base, e) < 0)
			return -1;
		r->lease = uid_hold(r->uid_base, e);
		if (r->lease < 0)
			return -1;
		userns = mnt_userns(r->uid_base, UID_COUNT, e);
		if (userns < 0)
			return -1;
	}
	machine_forget(r->u->id);
	if (place_make(r->u, &r->at, e) < 0 || make_root(r, e) < 0 || mnt_unshare(e) < 0 ||
	    make_binds(r, e) < 0)
		return -1;
	return mnt_union((const char *const *)r->at.layers.v, r->at.layers.n, userns, r->at.merged, e);
}

/* Out of the service's own cgroup, which must hold no process when nspawn turns on
 * the controllers for its children; "supervisor" is where nspawn puts itself. */
static void leave_cgroup(void)
{
	struct err ignored; /* check_service() has found it */
	autofree char *own = leaf_own(&ignored);
	if (!own)
		return;
	autofree char *dir = xfmt("%s/supervisor", own);
	autofree char *procs = xfmt("%s/cgroup.procs", dir);

	mkdir(dir, 0755);
	autoclose int fd = open(procs, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "0", 1) < 0)
		warn("%s: %s", procs, strerror(errno));
}

/* Waits for the machine, gives it what comes from outside. nspawn: a pidfd of it. */
static _Noreturn void set_up(struct run *r, int nspawn)
{
	const struct unit *u = r->u;
	struct machine m;
	struct err e;

	cleanup_close(&r->lease);
	int found = machine_await(u->id, nspawn, LEADER_WAIT_MS, &m, &e);
	if (found == 1 && limit(u, &m, nspawn, &e) == 0 && setup_apply(u, &m, &e) == 0) {
		struct strv advice = { 0 };

		net_advice(u, &advice);
		for (size_t i = 0; i < advice.n; i++)
			warn("%s: %s", u->id, advice.v[i]);
		machine_withdraw(&r->enrolled);
		_exit(NU_OK);
	}
	struct pollfd ended = { .fd = nspawn, .events = POLLIN };
	if (found == 0 && poll(&ended, 1, 0) > 0) {
		machine_withdraw(&r->enrolled);
		_exit(NU_FAILED);
	}
	if (found == 0)
		err_set(&e, NU_FAILED, "the machine did not appear within %d s",
			LEADER_WAIT_MS / 1000);
	err_wrap(&e, "%s: ", u->id);
	say_err(&e);
	/* Not a shutdown: there is no init yet that would understand one. */
	autoclose int leader = found == 1 ? machine_open(&m, &e) : -1;
	syscall(SYS_pidfd_send_signal, leader < 0 ? nspawn : leader, SIGKILL, NULL, 0);
	machine_withdraw(&r->enrolled);
	_exit(NU_FAILED);
}

/* A grandchild, that the end of it be no SIGCHLD to nspawn: systemd's calls to machined
 * fail when a signal interrupts them. */
static int start_set_up(struct run *r, struct err *e)
{
	autoclose int self = syscall(SYS_pidfd_open, getpid(), 0);

	if (self < 0)
		return err_errno(e, "pidfd_open");
	pid_t child = fork();
	if (child < 0)
		return err_errno(e, "fork");
	if (child == 0) {
		/* Here and not in the grandchild, which may come to run after nspawn. */
		leave_cgroup();
		pid_t grandchild = fork();
		if (grandchild == 0)
			set_up(r, self);
		_exit(grandchild < 0 ? errno : 0);
	}
	errno = proc_wait(child);
	return errno ? err_errno(e, "fork") : 0;
}

static void make_argv(const struct run *r, const char *binds, struct strv *argv)
{
	struct nspawn n = {
		.root = r->at.root,
		.store = r->at.merged,
		.unit_json = r->at.unit_json,
		.hosts = r->at.hosts,
		.journal = r->at.journal,
		.binds = binds,
		.machine_id = r->at.machine_id,
		.uid_base = r->uid_base,
	};

	nspawn_argv(r->u, &n, argv);
}

void launch_await(const char *id)
{
	for (int64_t end = now_ms() + LEADER_WAIT_MS; machine_enrolled(id) && now_ms() < end;)
		poll(NULL, 0, 10);
}

int launch_argv(const struct unit *u, struct strv *argv, struct err *e)
{
	struct run r = { .u = u };

	if (place_find(u, &r.at, e) < 0)
		return -1;
	/* What a start would allocate can't be known yet. */
	if (uid_get(u->id, &r.uid_base, e) <= 0)
		r.uid_base = UID_FIRST;
	r.at.journal = xfmt("%s/journal", r.at.dir);
	make_argv(&r, NULL, argv);
	return 0;
}

int launch(const struct unit *u, struct err *e)
{
	struct run r = { .u = u, .lease = -1, .enrolled = ENROLLED_NONE };
	struct strv argv = { 0 };

	if (prepare(&r, e) < 0) {
		machine_withdraw(&r.enrolled);
		return -1;
	}
	make_argv(&r, BINDS_DIR, &argv);
	if (start_set_up(&r, e) < 0) {
		machine_withdraw(&r.enrolled);
		return -1;
	}
	/* It holds what it isn't told of as long as it lives, and keeps it from the container. */
	if (r.lease >= 0)
		fcntl(r.lease, F_SETFD, 0);
	/* nspawn judges by the libraries in the root directory which cgroup hierarchy its
	 * init understands; ours come with the store. */
	setenv("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1", 1);
	execvp(argv.v[0], argv.v);
	return proc_missing(argv.v[0], e);
}
