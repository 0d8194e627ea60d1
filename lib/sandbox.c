/* sandbox - the direct engine: a unit run without systemd on the host. */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "inmate.h"
#include "leaf.h"
#include "machine.h"
#include "mnt.h"
#include "net.h"
#include "nspawn.h"
#include "proc.h"
#include "relay.h"
#include "sysctl.h"
#include "uid.h"
#include "util.h"

#define AGAIN_MS 1000
#define REBOOT 133 /* as systemd-nspawn(1) says it */
/* systemd's SIGRTMIN+3, as glibc counts, which is inside: a static nixunits may be of musl, which
 * begins one later. */
#define SIG_HALT (34 + 3)

/* The two ends of a pipe. */
struct pipe_ends {
	int out, in;
};

struct run {
	struct sandbox *s;
	pid_t pid;   /* of the container's first process */
	int pidfd;
	int mnt_ns; /* ours */
	/* A byte when nobody has to look into the child any more, a byte when the tree is there;
	 * its end: we are dead. */
	struct pipe_ends gate;
	/* Of the child's, each a struct err: NU_OK when its namespaces are there; what failed; its
	 * end: the exec was done. */
	struct pipe_ends report;
	bool tty[3];
	struct leaf leaf;
	struct rootfs_made made;
	int joined; /* a network namespace of the host's, the container's as well; else -1 */
	int netns; /* the container's, where its network is our matter; else -1 */
	bool ended; /* it has run, and has been waited for */
};

static void close_ends(struct pipe_ends *p)
{
	cleanup_close(&p->out);
	cleanup_close(&p->in);
	p->out = p->in = -1;
}

/* ---- in the container ---- */

static _Noreturn void give_up(const struct run *r, const struct err *e)
{
	_exit(write(r->report.in, e, sizeof(*e)) == sizeof(*e) ? NU_FAILED : NU_MISSING);
}

/* A session of its own; its terminal is one of the container's. */
static int take_console(const struct run *r)
{
	if (setsid() < 0)
		return -1;
	if (!r->s->fs.console)
		return 0;
	autoclose int tty = open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (tty < 0 || ioctl(tty, TIOCSCTTY, 0) < 0)
		return -1;
	for (int i = 0; i < 3; i++)
		if (r->tty[i] && dup2(tty, i) < 0)
			return -1;
	return 0;
}

static _Noreturn void become(const struct run *r, char **argv)
{
	sigset_t none;
	struct err e;

	if (take_console(r) < 0) {
		err_errno(&e, "the terminal in the container");
		give_up(r, &e);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(argv[0], argv);
	err_set(&e, errno == ENOENT ? 127 : 126, "%s: %s, in the container", plain(argv[0]),
		strerror(errno));
	give_up(r, &e);
}

/* PID 1 of a command: it reaps what is orphaned, passes on what signals come, and ends with
 * the command, and thereby all that is left. The kernel ignores for a PID 1 the signals that
 * it has no handler for: so they are blocked, and fetched. */
static _Noreturn void be_init(struct run *r)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	pid_t child = vfork();
	if (child == 0)
		become(r, r->s->command);
	if (child < 0) {
		struct err e;

		err_errno(&e, "a process for %s, in the container", plain(r->s->command[0]));
		give_up(r, &e);
	}
	/* Nothing of ours stays open in it: not the way home, not a lock. */
	syscall(SYS_close_range, 3, ~0U, 0);
	for (int dead = 0, status;;) {
		int number = sigwaitinfo(&all, NULL);

		if (number > 0 && number != SIGCHLD)
			kill(child, number);
		while (number == SIGCHLD && (dead = waitpid(-1, &status, WNOHANG)) > 0)
			if (dead == child)
				_exit(WIFEXITED(status) ? WEXITSTATUS(status) :
							  128 + WTERMSIG(status));
	}
}

/* Where all that there is to do is to set the loopback up, the container does it. */
static bool only_loopback(const struct unit *u)
{
	return u->net.private && !u->net.netns && !u->net.n_ifaces && !u->net.n_routes &&
	       !u->net.n_forwards && !u->net.nft && !u->n_sysctls;
}

static int loopback_up(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	autoclose int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &lo);
}

/* What errno says of namespaces does not name any. */
static int no_namespaces(const char *what, struct err *e)
{
	static const char *const kinds[] = { "user", "pid", "uts", "ipc", "net", "mnt", "cgroup" };
	int saved = errno;

	for (size_t i = 0; saved == EINVAL && i < ARRAY_SIZE(kinds); i++) {
		autofree char *path = xfmt("/proc/self/ns/%s", kinds[i]);

		if (access(path, F_OK) < 0)
			return err_set(e, NU_MISSING, "the kernel has no %s namespaces", kinds[i]);
	}
	if (saved == ENOSPC || saved == EPERM)
		return err_set(e, NU_FAILED, "%s: %s (%s)", what, strerror(saved),
			       saved == ENOSPC ? "see the sysctls user.max_*_namespaces" :
						 "in a chroot none can be made");
	errno = saved;
	return err_errno(e, "%s", what);
}

/* A network namespace takes the kernel as long as all the rest: it is made here while the
 * supervisor makes the tree. */
static int make_namespaces(const struct run *r, struct err *e)
{
	static const struct err there = { .code = NU_OK };
	const struct unit *u = r->s->fs.u;
	bool own_net = u->net.private && !u->net.netns;

	if (unshare(CLONE_NEWUTS | CLONE_NEWIPC | (own_net ? CLONE_NEWNET : 0)) < 0)
		return no_namespaces("namespaces of its own", e);
	if (r->joined >= 0 && setns(r->joined, CLONE_NEWNET) < 0)
		return err_errno(e, "network.netns %s", quoted(u->net.netns));
	if (write(r->report.in, &there, sizeof(there)) != sizeof(there))
		_exit(NU_FAILED);
	if (sethostname(u->id, strlen(u->id)) < 0)
		return err_errno(e, "the host name");
	if (only_loopback(u) && loopback_up() < 0)
		return err_errno(e, "the loopback interface");
	return 0;
}

/* All that can be given up before the tree is there, while that is finished. */
static int shed(const struct run *r, uint64_t caps, struct err *e)
{
	if (inmate_become_root() < 0 && !r->s->fs.rootless)
		return err_errno(e, "its root");
	/* Our memory, and the program that it is of, are not the container's to look at. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_errno(e, "prctl");
	inmate_environment("nixunits", "/bin/sh");
	if (r->s->fs.notify)
		setenv("NOTIFY_SOCKET", ROOTFS_NOTIFY, 1);
	if (!r->s->command)
		setenv("container_uuid", r->s->fs.machine_id, 1);
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	if (inmate_forgo(caps, e) == 0)
		return 0;
	return e->code == NU_MISSING ? r->s->fs.lacks("the filter of system calls", e) : -1;
}

static int settle(const struct run *r, uint64_t caps, struct err *e)
{
	/* In a copy that is its user namespace's own; see lib/rootfs. "/.." leads to what is
	 * mounted on the root. */
	if (unshare(CLONE_NEWNS | CLONE_NEWCGROUP) < 0 || chdir("/..") < 0 || chroot(".") < 0)
		return err_errno(e, "a mount namespace of its own");
	/* Dead before it could be our death's signal. */
	struct pollfd dead = { .fd = r->gate.out };
	if (poll(&dead, 1, 0) != 0)
		return err_set(e, NU_FAILED, "its supervisor has died");
	return inmate_confine(caps, e);
}

static void await_gate(const struct run *r)
{
	char go;

	if (read(r->gate.out, &go, 1) != 1)
		_exit(NU_FAILED);
}

static _Noreturn void inmate(struct run *r)
{
	char *init[] = { (char *)r->s->fs.u->init, NULL };
	struct err e;

	cleanup_close(&r->gate.in);
	cleanup_close(&r->report.out);
	if (make_namespaces(r, &e) < 0)
		give_up(r, &e);
	uint64_t caps = nspawn_unit_bounding(r->s->fs.u);
	await_gate(r);
	if (shed(r, caps, &e) < 0)
		give_up(r, &e);
	await_gate(r);
	if (settle(r, caps, &e) < 0)
		give_up(r, &e);
	if (r->s->command)
		be_init(r);
	become(r, init);
}

/* ---- on the host ---- */

static int write_map(pid_t pid, const char *name, const char *map, struct err *e)
{
	autofree char *path = xfmt("/proc/%d/%s", pid, name);
	autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, map, strlen(map)) != (ssize_t)strlen(map))
		return err_errno(e, "%s", path);
	return 0;
}

static int open_ns(pid_t pid, const char *kind, struct err *e)
{
	autofree char *path = pid ? xfmt("/proc/%d/ns/%s", pid, kind) :
				    xfmt("/proc/self/ns/%s", kind);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? err_errno(e, "%s", path) : fd;
}

static int make_inmate(struct run *r, struct err *e)
{
	const struct unit *u = r->s->fs.u;
	struct clone_args args = {
		.flags = CLONE_PIDFD | CLONE_NEWPID |
			 (u->private_users ? CLONE_NEWUSER : 0) |
			 (r->leaf.fd >= 0 ? CLONE_INTO_CGROUP : 0),
		.pidfd = (uint64_t)(uintptr_t)&r->pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = r->leaf.fd >= 0 ? r->leaf.fd : 0,
	};
	int ends[4];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(e, "pipe");
	r->gate = (struct pipe_ends){ ends[0], ends[1] };
	if (pipe2(ends + 2, O_CLOEXEC) < 0)
		return err_errno(e, "pipe");
	r->report = (struct pipe_ends){ ends[2], ends[3] };
	r->joined = u->net.netns ? net_open(u->net.netns, e) : -1;
	if (u->net.netns && r->joined < 0)
		return -1;

	r->pid = syscall(SYS_clone3, &args, sizeof(args));
	if (r->pid < 0)
		return no_namespaces("a process in namespaces of its own", e);
	if (r->pid == 0)
		inmate(r);
	cleanup_close(&r->gate.out);
	cleanup_close(&r->report.in);
	r->gate.out = r->report.in = -1;
	if (!u->private_users)
		return 0;
	autofree char *map = xfmt("0 %u %u\n", r->s->fs.uid, r->s->fs.rootless ? 1 : 65536);
	if (write_map(r->pid, "uid_map", map, e) < 0 || write_map(r->pid, "gid_map", map, e) < 0)
		return -1;
	if (!r->s->fs.rootless)
		r->s->fs.userns = open_ns(r->pid, "user", e);
	return r->s->fs.userns < 0 && !r->s->fs.rootless ? -1 : 0;
}

/* From outside: in a user namespace nobody can raise a hard limit. */
static int set_rlimits(const struct run *r, struct err *e)
{
	const struct limits *l = &r->s->fs.u->limits;

	for (size_t i = 0; i < l->n; i++) {
		struct rlimit limit = { .rlim_cur = l->v[i].soft, .rlim_max = l->v[i].hard };

		if (prlimit(r->pid, l->v[i].resource, &limit, NULL) < 0)
			return err_errno(e, "limits: %s", l->v[i].name);
	}
	return 0;
}

static int make_network(struct run *r, struct err *e)
{
	const struct unit *u = r->s->fs.u;

	if (sysctl_apply(u, r->pid, r->pidfd, e) < 0)
		return -1;
	if (!u->net.private || u->net.netns || only_loopback(u))
		return 0;
	r->netns = open_ns(r->pid, "net", e);
	if (r->netns < 0 || net_up(u, r->netns, e) < 0)
		return -1;
	autostrv struct strv advice = { 0 };
	net_advice(u, &advice);
	for (size_t i = 0; i < advice.n; i++)
		warn("%s: %s", u->id, advice.v[i]);
	return 0;
}

/* What the child says next: 1 that its namespaces are there; -1 and e as it said; 0 nothing. */
static int await_report(const struct run *r, struct err *e)
{
	struct err theirs;
	ssize_t n;

	while ((n = read(r->report.out, &theirs, sizeof(theirs))) < 0 && errno == EINTR)
		;
	if (n == sizeof(theirs) && theirs.code == NU_OK)
		return 1;
	if (n != sizeof(theirs))
		return 0;
	*e = theirs;
	return -1;
}

/* Where it has died of an error, a step of ours that needed it failed for that reason. */
static void hear_out(const struct run *r, struct err *e)
{
	struct pollfd said = { .fd = r->report.out, .events = POLLIN };

	while (poll(&said, 1, 0) > 0 && await_report(r, e) > 0)
		;
}

static int await_namespaces(const struct run *r, struct err *e)
{
	int said = await_report(r, e);

	return said ? said : err_set(e, NU_FAILED, "the container's first process has died");
}

/* If it has died, that comes out when it is waited for. */
static void let_go(const struct run *r)
{
	(void)!write(r->gate.in, "", 1);
}

/* Until it has become the container's program. */
static int await_exec(const struct run *r, struct err *e)
{
	let_go(r);
	return await_report(r, e);
}

static int orphan;

static void on_orphaned(int number)
{
	(void)number;
	syscall(SYS_pidfd_send_signal, orphan, SIGKILL, NULL, 0);
}

/* Of all that we hold but our standard files: what outlives us would bar the next start. */
static void keep_only(unsigned int a, unsigned int b)
{
	unsigned int low = a < b ? a : b, high = a < b ? b : a;

	syscall(SYS_close_range, 3, low - 1, 0);
	syscall(SYS_close_range, low + 1, high - 1, 0);
	syscall(SYS_close_range, high + 1, ~0U, 0);
}

/* Where our terminal is, for what is shown there. */
static int terminal(const struct run *r)
{
	return r->tty[1] ? STDOUT_FILENO : r->tty[2] ? STDERR_FILENO : STDIN_FILENO;
}

/* In a process of its own, which ends with the container's console. An init may have done
 * away with its parent's death signal: so the relay, which every init has, ends it. */
static pid_t start_relay(const struct run *r)
{
	pid_t us = getpid();

	fflush(stdout);
	pid_t child = r->made.console < 0 ? -1 : fork();
	if (child == 0) {
		keep_only(r->made.console, r->pidfd);
		orphan = r->pidfd;
		signal(SIGPWR, on_orphaned);
		prctl(PR_SET_PDEATHSIG, SIGPWR);
		if (getppid() != us)
			raise(SIGPWR);
		relay(r->made.console, r->pidfd, isatty(STDIN_FILENO) ? STDIN_FILENO : -1,
		      terminal(r));
		_exit(0);
	}
	return child;
}

/* With the signals that were blocked before us, and none of what is typed. */
static pid_t start_ready(const struct run *r, const sigset_t *mask)
{
	fflush(stdout);
	pid_t child = fork();

	if (child == 0) {
		syscall(SYS_close_range, 3, ~0U, 0);
		autoclose int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

		sigprocmask(SIG_SETMASK, mask, NULL);
		_exit(dup2(null, STDIN_FILENO) < 0 ? NU_FAILED : r->s->ready(r->s->fs.u));
	}
	return child;
}

/* True when the container's init, and nobody else in it, says that it is ready. */
static bool is_ready(const struct run *r)
{
	char text[4096], control[CMSG_SPACE(sizeof(struct ucred))];
	struct iovec io = { .iov_base = text, .iov_len = sizeof(text) - 1 };
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(r->made.notify, &m, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&m);
	struct ucred from = { .pid = 0 };

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS)
		memcpy(&from, CMSG_DATA(c), sizeof(from));
	if (n < 0 || from.pid != r->pid)
		return false;
	text[n] = '\0';
	return starts_with(text, "READY=1") || strstr(text, "\nREADY=1");
}

static void signal_inmate(const struct run *r, int number)
{
	syscall(SYS_pidfd_send_signal, r->pidfd, number, NULL, 0);
}

/* Asks its init to shut down; by when it has to have. */
static int64_t shut_down(const struct run *r)
{
	signal_inmate(r, SIG_HALT);
	return now_ms() + r->s->stop_s * 1000;
}

/* What the kernel makes of reboot(2) in a PID namespace: see pid_namespaces(7). */
static int exit_status(const struct run *r, int status)
{
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	if (!r->s->command && WTERMSIG(status) == SIGHUP)
		return REBOOT;
	if (!r->s->command && WTERMSIG(status) == SIGINT)
		return 0;
	return 128 + WTERMSIG(status);
}

/* The next of our children that has ended; 0: none has. The container's first process leaves the
 * book before its number can be another's. */
static pid_t reap(struct run *r, int *status)
{
	siginfo_t dead = { .si_pid = 0 };

	if (waitid(P_ALL, 0, &dead, WEXITED | WNOHANG | WNOWAIT) < 0 || !dead.si_pid)
		return 0;
	if (dead.si_pid == r->pid)
		machine_ended(&r->s->enrolled);
	return waitpid(dead.si_pid, status, 0);
}

/* Until the container's first process has ended; its exit status. */
static int supervise(struct run *r, int signals, const sigset_t *mask, struct err *e)
{
	struct sandbox *s = r->s;
	int64_t deadline = 0;
	bool ready = false, failed = false, stopping = false;
	int status, result = -1;

	s->relaying = start_relay(r);
	while (result < 0) {
		struct pollfd fds[] = { { .fd = signals, .events = POLLIN },
					{ .fd = r->made.notify, .events = POLLIN } };
		int64_t left = deadline ? deadline - now_ms() : -1;
		struct signalfd_siginfo info;
		pid_t dead;

		if (deadline && left <= 0) {
			warn("%s: did not shut down within %u s: killed", s->fs.u->id, s->stop_s);
			signal_inmate(r, SIGKILL);
			deadline = 0;
			left = -1;
		}
		/* Again and again: an init that has only just started takes no notice. */
		if (poll(fds, 2, left > AGAIN_MS ? AGAIN_MS : left) == 0 && deadline)
			signal_inmate(r, SIG_HALT);
		/* All it says is taken, or its init would once wait for us. */
		if (fds[1].revents && is_ready(r) && !ready) {
			ready = true;
			s->extra = start_ready(r, mask);
			if (s->extra < 0) {
				warn("%s: a process for its extra: %s", s->fs.u->id, strerror(errno));
				failed = stopping = true;
				deadline = shut_down(r);
			}
		}
		if (!fds[0].revents || read(signals, &info, sizeof(info)) != sizeof(info))
			continue;
		if (info.ssi_signo != SIGCHLD && s->command) {
			signal_inmate(r, info.ssi_signo);
		} else if (info.ssi_signo != SIGCHLD) {
			/* A shutdown; the second time there is no patience left. */
			if (deadline)
				signal_inmate(r, SIGKILL);
			stopping = true;
			deadline = shut_down(r);
		}
		while ((dead = reap(r, &status)) > 0) {
			if (dead == r->pid)
				result = exit_status(r, status);
			else if (dead == s->relaying)
				s->relaying = -1;
			else if (dead == s->extra) {
				s->extra = -1;
				/* One that a shutdown cuts short has not failed. */
				if (status == 0 || stopping)
					continue;
				failed = stopping = true;
				deadline = shut_down(r);
			}
		}
	}
	return failed ? err_set(e, NU_FAILED, "extra failed") : result;
}

static int open_signals(sigset_t *was, struct err *e)
{
	static const int numbers[] = { SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		sigaddset(&set, numbers[i]);
	sigprocmask(SIG_BLOCK, &set, was);
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? err_errno(e, "signalfd") : fd;
}

/* What an init needs, and limits, want one; a command without does as well. */
static int make_leaf(struct run *r, struct err *e)
{
	struct sandbox *s = r->s;
	const struct limits *l = &s->fs.u->limits;
	bool limited = leaf_limited(l);

	if ((s->command && !limited) || s->fs.rootless)
		return limited && err_set(e, NU_MISSING, "an ordinary user has no cgroup") < 0 ?
			       s->fs.lacks("the limits", e) :
			       0;
	if (leaf_make(&r->leaf, s->fs.u->id, s->fs.uid, e) < 0)
		return e->code == NU_MISSING ?
			       s->fs.lacks("limits, and an init that needs a cgroup", e) :
			       -1;
	s->fs.cgroup = r->leaf.path;
	if (leaf_enable(&r->leaf, l, e) == 0 && leaf_limit(r->leaf.fd, l, e) == 0)
		return 0;
	return e->code == NU_MISSING ? s->fs.lacks("the limits", e) : -1;
}

/* A mount namespace for the tree to be made in, and the way back. */
static int leave_home(struct run *r, struct err *e)
{
	r->mnt_ns = open_ns(0, "mnt", e);
	return r->mnt_ns < 0 ? -1 : mnt_unshare(e);
}

/* An ordinary user has no right to: and nothing there that he would need. */
static int come_home(struct run *r, struct err *e)
{
	if (r->s->fs.rootless)
		return 0;
	return setns(r->mnt_ns, CLONE_NEWNS) < 0 ? err_errno(e, "our own mount namespace") : 0;
}

static int start(struct run *r, struct err *e)
{
	for (int i = 0; i < 3; i++) {
		r->tty[i] = !r->s->command || isatty(i);
		r->s->fs.console = r->s->fs.console || r->tty[i];
	}
	r->s->fs.notify = !r->s->command;
	if (make_leaf(r, e) < 0 || leave_home(r, e) < 0 || make_inmate(r, e) < 0 ||
	    set_rlimits(r, e) < 0 || rootfs_begin(&r->s->fs, r->pidfd, &r->made, e) < 0 ||
	    await_namespaces(r, e) < 0 || make_network(r, e) < 0 ||
	    rootfs_kernel(&r->s->fs, r->pidfd, &r->made, e) < 0)
		return -1;
	let_go(r);
	if (rootfs_finish(&r->s->fs, &r->made, e) < 0)
		return -1;
	if (r->made.console >= 0)
		relay_size(isatty(STDIN_FILENO) ? STDIN_FILENO : terminal(r), r->made.console);
	if (await_exec(r, e) < 0 ||
	    (!r->s->fs.rootless && machine_leader(&r->s->enrolled, r->pid, r->s->stop_s, e) < 0))
		return -1;
	/* Not before: the last to leave a mount namespace waits until it is taken down, and would
	 * have been the child on its way to a copy of it. */
	return come_home(r, e);
}

/* All that the host holds for it goes; what fails is said, and goes on failing the next
 * start, which repairs it. */
static void tidy(struct run *r)
{
	const struct unit *u = r->s->fs.u;
	struct err e;

	if (r->pid > 0 && !r->ended) {
		signal_inmate(r, SIGKILL);
		proc_wait(r->pid);
	}
	if (r->netns >= 0 && (u->net.n_ifaces || u->net.n_forwards) &&
	    net_down(u->id, r->netns, NULL, &e) < 0)
		warn("%s: %s", u->id, e.text);
	/* From then on another can start, in a cgroup of the same name. */
	leaf_remove(&r->leaf);
	if (r->s->lease >= 0)
		uid_release(r->s->lease, r->s->fs.uid);
	r->s->lease = -1;
	machine_withdraw(&r->s->enrolled);
	close_ends(&r->gate);
	close_ends(&r->report);
	cleanup_close(&r->pidfd);
	cleanup_close(&r->mnt_ns);
	cleanup_close(&r->netns);
	cleanup_close(&r->joined);
	rootfs_close(&r->made);
}

int sandbox_run(struct sandbox *s, struct err *e)
{
	static const struct pipe_ends closed = { -1, -1 };
	struct run r = { .s = s, .pidfd = -1, .mnt_ns = -1, .gate = closed,
			 .report = closed, .leaf = LEAF_NONE, .made = ROOTFS_NONE, .netns = -1,
			 .joined = -1 };
	struct sigaction ignore = { .sa_handler = SIG_IGN }, was_pipe;
	sigset_t was;
	int status = -1;

	s->fs.userns = -1;
	s->relaying = s->extra = -1;
	/* That nobody reads any more what we say is no reason not to tidy up. */
	sigaction(SIGPIPE, &ignore, &was_pipe);
	autoclose int signals = open_signals(&was, e);
	if (signals >= 0 && start(&r, e) == 0) {
		status = supervise(&r, signals, &was, e);
		r.ended = true;
	} else {
		struct err ignored;
		hear_out(&r, e);
		if (r.mnt_ns >= 0)
			come_home(&r, &ignored);
	}
	tidy(&r);
	sigprocmask(SIG_SETMASK, &was, NULL);
	sigaction(SIGPIPE, &was_pipe, NULL);
	return status;
}

void sandbox_await(const struct sandbox *s)
{
	if (s->relaying > 0)
		proc_wait(s->relaying);
	if (s->extra > 0)
		proc_wait(s->extra);
}
