/* machine - the running side of a unit: what systemd and the kernel know of it. */
#include "machine.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "proc.h"

#define MACHINES "/run/systemd/machines"
#define BOOK "/run/nixunits"

/* The value of KEY=value in a state file of systemd's; NULL: none. */
static char *state_value(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *p = text; p && *p; p = next_line(p))
		if (strncmp(p, key, n) == 0 && p[n] == '=')
			return xstrndup(p + n + 1, strcspn(p + n + 1, "\n"));
	return NULL;
}

/* "0::/machine.slice/nixunits@web2.service/payload/init.scope": cut after the
 * unit's name. False where the process runs in no such unit. */
static bool unit_cgroup(pid_t pid, const char *unit, char *dst, size_t size)
{
	char path[64], text[1024];

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	if (file_peek(path, text, sizeof(text)) < 0)
		return false;
	char *line = strstr(text, "0::");
	char *at = line ? strstr(line, unit) : NULL;
	if (!at || at[-1] != '/')
		return false;
	char *end = at + strlen(unit);
	if (*end && *end != '/' && *end != '\n')
		return false;
	*end = '\0';
	snprintf(dst, size, "%s", line + 3);
	return true;
}

/* The direct engine's. Its supervisor lives as long as the lock is held, and takes the leader
 * out of the book before it lets its number go. */
static int find_enrolled(const char *id, struct machine *m, struct err *e)
{
	autofree char *path = xfmt(BOOK "/%s", id);
	autoclose int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char text[256] = "";

	*m = (struct machine){ .leader = 0 };
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : err_errno(e, "%s", path);
	if (!lock_whole(fd, F_OFD_GETLK))
		return 0;
	if (pread(fd, text, sizeof(text) - 1, 0) < 0)
		return err_errno(e, "%s", path);
	autofree char *leader = state_value(text, "LEADER");
	autofree char *supervisor = state_value(text, "SUPERVISOR");
	autofree char *time = state_value(text, "REALTIME");
	autofree char *timeout = state_value(text, "TIMEOUT");
	if (!leader || !supervisor || !time || !timeout)
		return 0;
	m->leader = atoi(leader);
	m->supervisor = atoi(supervisor);
	m->since = atoll(time);
	m->timeout = atoi(timeout);
	autofree char *name = xfmt("nixunits-%s", id);
	unit_cgroup(m->leader, name, m->cgroup, sizeof(m->cgroup));
	return m->leader > 1;
}

int machine_enroll(struct enrolled *m, const char *id, struct err *e)
{
	struct stat st = { .st_nlink = 0 };
	autoclose int lock = -1;
	struct machine other;

	m->path = xfmt(BOOK "/%s", id);
	if (make_dirs(BOOK, 0755, e) < 0)
		return -1;
	/* Its last holder may have removed it since it was opened. */
	while (st.st_nlink == 0) {
		cleanup_close(&lock);
		/* Who could open it could lock it. */
		lock = open(m->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (lock < 0)
			return err_errno(e, "%s", m->path);
		if (!lock_whole(lock, F_OFD_SETLK))
			return err_set(e, NU_BUSY, "is running already");
		if (fstat(lock, &st) < 0)
			return err_errno(e, "%s", m->path);
	}
	/* From here on machine_withdraw() removes it. */
	m->lock = steal_fd(&lock);
	if (ftruncate(m->lock, 0) < 0)
		return err_errno(e, "%s", m->path);
	/* The nspawn engine lets go once systemd-machined has it: so it is looked for there now
	 * that nobody can begin any more. */
	int running = machine_find(id, &other, e);
	return running > 0 ? err_set(e, NU_BUSY, "is running already") : running;
}

void machine_ids(struct strv *ids)
{
	DIR *dir = opendir(BOOK);

	for (struct dirent *d; dir && (d = readdir(dir));)
		if (d->d_name[0] != '.')
			strv_add(ids, d->d_name);
	if (dir)
		closedir(dir);
}

bool machine_enrolled(const char *id)
{
	autofree char *path = xfmt(BOOK "/%s", id);
	autoclose int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && lock_whole(fd, F_OFD_GETLK);
}

int machine_leader(struct enrolled *m, pid_t leader, int timeout, struct err *e)
{
	autofree char *text = xfmt("LEADER=%d\nSUPERVISOR=%d\nREALTIME=%lld\nTIMEOUT=%d\n", leader,
				   getpid(), (long long)time(NULL), timeout);

	if (pwrite(m->lock, text, strlen(text), 0) != (ssize_t)strlen(text))
		return err_errno(e, "%s", m->path);
	return 0;
}

void machine_ended(struct enrolled *m)
{
	/* Where that fails the leader's parent gives it away: see machine_open(). */
	if (m->lock >= 0 && ftruncate(m->lock, 0) < 0)
		warn("%s: %s", m->path, strerror(errno));
}

void machine_withdraw(struct enrolled *m)
{
	if (m->lock >= 0)
		unlink(m->path);
	cleanup_close(&m->lock);
	cleanup_free(&m->path);
	*m = (struct enrolled)ENROLLED_NONE;
}

int machine_find(const char *id, struct machine *m, struct err *e)
{
	autofree char *path = xfmt(MACHINES "/%s", id);
	char text[4096];

	if (file_peek(path, text, sizeof(text)) < 0)
		return errno == ENOENT ? find_enrolled(id, m, e) : err_errno(e, "%s", path);
	autofree char *leader = state_value(text, "LEADER");
	autofree char *scope = state_value(text, "SCOPE");
	autofree char *time = state_value(text, "REALTIME");

	*m = (struct machine){ .leader = leader ? atoi(leader) : 0,
			       .since = time ? atoll(time) / 1000000 : 0 };
	if (m->leader <= 1 || !scope)
		return 0;
	snprintf(m->unit, sizeof(m->unit), "%s", scope);
	autofree char *ours = xfmt("nixunits@%s.service", id);
	if (!streq(scope, ours))
		return err_set(e, NU_FAILED, "%s: a machine of that name runs in %s, not in %s", id,
			       scope, ours);
	/* The file can outlive the machine for a moment, and a PID be used again. */
	if (unit_cgroup(m->leader, scope, m->cgroup, sizeof(m->cgroup)))
		return 1;
	if (access("/proc/self", F_OK) < 0)
		return err_set(e, NU_MISSING, "/proc is not mounted");
	return 0;
}

void machine_forget(const char *id)
{
	char *unregister[] = { (char *)"busctl",
			       (char *)"call",
			       (char *)"org.freedesktop.machine1",
			       (char *)"/org/freedesktop/machine1",
			       (char *)"org.freedesktop.machine1.Manager",
			       (char *)"UnregisterMachine",
			       (char *)"s",
			       (char *)id,
			       NULL };
	autofree char *path = xfmt(MACHINES "/%s", id);
	autobuf struct buf out = { 0 };
	struct machine m;
	struct err ignored; /* nspawn will say that the name is taken */

	if (access(path, F_OK) == 0 && machine_find(id, &m, &ignored) == 0)
		proc_output(unregister, true, &out, &ignored);
}

int machine_await(const char *id, int awaited, int wait_ms, struct machine *m, struct err *e)
{
	int64_t end = now_ms() + wait_ms;
	autoclose int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd < 0)
		return err_errno(e, "inotify");
	/* machined writes a temporary file and renames it. Its directory may not be
	 * there yet on a host that has never run a machine. */
	if (inotify_add_watch(fd, MACHINES, IN_MOVED_TO | IN_CLOSE_WRITE) < 0 &&
	    (errno != ENOENT || inotify_add_watch(fd, "/run/systemd", IN_CREATE) < 0))
		return err_errno(e, MACHINES);
	for (;;) {
		if (inotify_add_watch(fd, MACHINES, IN_MOVED_TO | IN_CLOSE_WRITE) < 0 &&
		    errno != ENOENT)
			return err_errno(e, MACHINES);
		int found = machine_find(id, m, e);
		if (found != 0 || !await_change(fd, awaited, end))
			return found;
	}
}

int64_t machine_number(const struct machine *m, const char *file)
{
	autofree char *path = xfmt("/sys/fs/cgroup%s/%s", m->cgroup, file);
	char text[32];

	return *m->cgroup && file_peek(path, text, sizeof(text)) > 0 ? atoll(text) : -1;
}

static pid_t parent_of(pid_t pid)
{
	char path[64], text[512];
	uint64_t parent;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (file_peek(path, text, sizeof(text)) < 0)
		return 0;
	/* The command between parentheses may hold anything; the last ")" ends it. */
	const char *after = strrchr(text, ')');
	if (!after || strlen(after) < 4)
		return 0;
	after += strlen(") S ");
	return take_number(&after, &parent) ? (pid_t)parent : 0;
}

/* -1, with errno. The kernel says EACCES of a process that has ended since its link was found:
 * that it has, a look at another file of it says. */
static int not_followed(int proc)
{
	if (errno == EACCES)
		faccessat(proc, "status", F_OK, 0);
	return -1;
}

static bool ns_of(pid_t pid, const char *name, struct stat *st)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d", pid);
	autoclose int proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return proc >= 0 && (fstatat(proc, name, st, 0) == 0 || not_followed(proc) == 0);
}

static bool pid_ns_of(pid_t pid, struct stat *st)
{
	return ns_of(pid, "ns/pid", st);
}

int machine_intruders(const struct machine *m, pid_t **pids, struct err *e)
{
	struct stat inside, st;
	DIR *dir;
	int n = 0;

	*pids = NULL;
	/* It may have ended since it was found, and all in it with it. */
	if (!pid_ns_of(m->leader, &inside))
		return errno == ENOENT || errno == ESRCH ? 0 : err_errno(e, "/proc/%d/ns/pid", m->leader);
	dir = opendir("/proc");
	if (!dir)
		return err_errno(e, "/proc");
	for (struct dirent *d; (d = readdir(dir));) {
		pid_t pid = isdigit((unsigned char)d->d_name[0]) ? atoi(d->d_name) : 0;

		if (!pid || pid == m->leader || !pid_ns_of(pid, &st) || st.st_ino != inside.st_ino)
			continue;
		pid_t parent = parent_of(pid);
		if (!parent || (pid_ns_of(parent, &st) && st.st_ino == inside.st_ino))
			continue;
		*pids = xrealloc(*pids, n + 1, sizeof(**pids));
		(*pids)[n++] = pid;
	}
	closedir(dir);
	return n;
}

/* Whether namespace `kind` of a process is the wanted one, or one below it. */
static int ns_relation(int proc, const char *kind, ino_t wanted)
{
	autofree char *name = xfmt("ns/%s", kind);
	struct stat st;

	if (fstatat(proc, name, &st, 0) < 0)
		return not_followed(proc);
	if (st.st_ino == wanted)
		return NS_SAME;
	/* The kernel shows parents up to our own namespace only. */
	autoclose int fd = openat(proc, name, O_RDONLY | O_CLOEXEC);
	while (fd >= 0) {
		int up = ioctl(fd, NS_GET_PARENT);

		close(fd);
		fd = up;
		if (fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == wanted)
			return NS_BELOW;
	}
	return errno == EPERM ? NS_OUTSIDE : not_followed(proc);
}

int machine_userns(const struct machine *m, int proc)
{
	struct stat st;

	return ns_of(m->leader, "ns/user", &st) ? ns_relation(proc, "user", st.st_ino) : -1;
}

/* systemd-nspawn's machine is in cgroups below the unit's own: of these "supervisor" is
 * nspawn's, and in ".control" systemd runs what stands in ExecStartPost= and the like. The
 * direct engine's has one of its own, if any. */
static bool in_cgroup(const struct machine *m, int proc)
{
	char text[4096];

	if (file_peek_at(proc, "cgroup", text, sizeof(text)) < 0)
		return false;
	const char *below = strstr(text, "0::");
	size_t n = strlen(m->cgroup);
	if (!below || n == 0 || strncmp(below + 3, m->cgroup, n) != 0)
		return false;
	below += 3 + n;
	if (m->supervisor)
		return *below == '\0' || *below == '/' || *below == '\n';
	return *below == '/' && !starts_with(below, "/supervisor") &&
	       !starts_with(below, "/.control");
}

int machine_each(const struct machine *m,
		 int (*visit)(pid_t pid, int proc, void *context, struct err *e), void *context,
		 struct err *e)
{
	struct stat inside;
	int failed = 0;

	if (!pid_ns_of(m->leader, &inside))
		return err_errno(e, "/proc/%d/ns/pid", m->leader);
	DIR *dir = opendir("/proc");
	if (!dir)
		return err_errno(e, "/proc");
	for (struct dirent *d; !failed && (d = readdir(dir));) {
		autoclose int proc = isdigit((unsigned char)d->d_name[0]) ?
					     openat(dirfd(dir), d->d_name, O_PATH | O_CLOEXEC) :
					     -1;

		if (proc < 0)
			continue;
		int pid_ns = ns_relation(proc, "pid", inside.st_ino);
		if (pid_ns == NS_SAME || pid_ns == NS_BELOW || in_cgroup(m, proc))
			failed = visit(atoi(d->d_name), proc, context, e);
	}
	closedir(dir);
	return failed;
}

int machine_inmate(const struct machine *m, pid_t pid)
{
	autoclose int fd = syscall(SYS_pidfd_open, pid, 0);
	struct stat inside, st;

	/* Looked at when it can't become another process any more. */
	if (fd < 0 || !pid_ns_of(m->leader, &inside) || !pid_ns_of(pid, &st) ||
	    st.st_ino != inside.st_ino)
		return -1;
	return steal_fd(&fd);
}

bool process_gone(int pidfd, int wait_ms)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int64_t end = now_ms() + wait_ms;

	for (;;) {
		int64_t left = end - now_ms();
		int n = poll(&p, 1, left > 0 ? left : 0);

		if (n > 0)
			return true;
		if (n == 0 && left <= 0)
			return false;
	}
}

int machine_open(const struct machine *m, struct err *e)
{
	autoclose int fd = syscall(SYS_pidfd_open, m->leader, 0);
	char cgroup[sizeof(m->cgroup)];

	if (fd < 0)
		return err_errno(e, "the leader, process %d", m->leader);
	/* As long as the pidfd's process lives, that number is its own. */
	bool there = m->supervisor ?
			     parent_of(m->leader) == m->supervisor :
			     unit_cgroup(m->leader, m->unit, cgroup, sizeof(cgroup));
	bool alive = syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0) == 0;
	if (!alive && errno != ESRCH)
		return err_errno(e, "the leader, process %d", m->leader);
	if (!there || !alive)
		return err_set(e, NU_FAILED, "the leader, process %d, has gone", m->leader);
	return steal_fd(&fd);
}

int machine_ns(const struct machine *m, const char *kind, struct err *e)
{
	autofree char *path = xfmt("/proc/%d/ns/%s", m->leader, kind);
	autoclose int leader = machine_open(m, e);

	if (leader < 0)
		return -1;
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, "%s", path);
	/* The leader lives yet, so the path was its own. */
	if (syscall(SYS_pidfd_send_signal, leader, 0, NULL, 0) < 0)
		return err_set(e, NU_FAILED, "the leader, process %d, has gone", m->leader);
	return steal_fd(&fd);
}
