/* enter - run a command inside a running container. */
#include "enter.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "applet.h"
#include "cap.h"
#include "inmate.h"
#include "inside.h"
#include "machine.h"
#include "proc.h"
#include "relay.h"
#include "store.h"
#include "unit.h"
#include "util.h"

/* Everything inside is hostile: files may be FIFOs, programs may look at whoever comes.
 * Up to its exec the child acts on nothing but descriptors and on namespaces; what it
 * takes along is what a process of the container could have had anyway. */
struct visit {
	uint64_t caps; /* the container's bounding set */
	int pty;       /* the master's side of a terminal of the container's; -1: none is needed */
	bool tty[3];   /* which of our standard files are terminals, replaced by that one */
};

/* What no process of the container can exceed. The leader has its final capabilities
 * once it has no_new_privs, which nspawn sets after them: before, it is nspawn's. */
static int read_bounding(pid_t leader, uint64_t *caps, struct err *e)
{
	autofree char *path = xfmt("/proc/%d/status", leader);
	struct cap_state state;

	if (cap_state(AT_FDCWD, path, &state) < 0)
		return err_errno(e, "%s", path);
	*caps = state.set[CAP_BND];
	if (!state.no_new_privs)
		return err_set(e, NU_FAILED, "it is just starting");
	return 0;
}

/* Not more of anything than the container's own processes may use. */
static void take_limits(pid_t leader)
{
	for (int what = 0; what < RLIM_NLIMITS; what++) {
		struct rlimit limit;

		if (prlimit(leader, what, NULL, &limit) == 0)
			setrlimit(what, &limit);
	}
}

/* A cgroup in the container's own, for the child: what we start keeps to the unit's limits,
 * is accounted to it and ends with it. Held by descriptors, since after setns(2) no path leads
 * there; both are -1 where it can't be had. */
struct cgroup {
	int parent, procs;
	char name[32];
};

static void cgroup_make(struct cgroup *c, const struct machine *m)
{
	/* systemd-nspawn's is below the service's, the direct engine's is its own. */
	autofree char *path = xfmt("/sys/fs/cgroup%s%s", m->cgroup, m->supervisor ? "" : "/payload");
	autofree char *procs = NULL;

	snprintf(c->name, sizeof(c->name), "enter-%d", getpid());
	procs = xfmt("%s/cgroup.procs", c->name);
	c->procs = -1;
	c->parent = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->parent >= 0 && mkdirat(c->parent, c->name, 0755) == 0)
		c->procs = openat(c->parent, procs, O_WRONLY | O_CLOEXEC);
}

static void cgroup_remove(struct cgroup *c)
{
	cleanup_close(&c->procs);
	if (c->parent >= 0)
		unlinkat(c->parent, c->name, AT_REMOVEDIR);
	cleanup_close(&c->parent);
}

/* A pseudo terminal belongs to who opens it, and we have no uid inside: so a child that
 * shares our descriptors does it as the container's root. The number it got, or -1. */
static int open_pty(void)
{
	pid_t child = syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	struct stat st;
	int off = 0;

	if (child < 0)
		return -1;
	if (child == 0) {
		int fd = inmate_become_root() < 0 ?
				 -1 :
				 open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
		_exit(fd > 2 && fd < 128 ? fd : 0);
	}
	int fd = proc_wait(child);
	if (fd <= 2 || fd >= 128)
		return -1;
	/* Not whatever the container may have put there. */
	if (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(5, 2) &&
	    ioctl(fd, TIOCSPTLCK, &off) == 0)
		return fd;
	close(fd);
	return -1;
}

/* The shell of uid 0 in the container's passwd(5), read without NSS, which would ask
 * the container's libraries. */
static char *login_shell(void)
{
	autoclose int fd = open("/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	autobuf struct buf text = { 0 };
	struct err ignored;
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    fd_read(fd, "/etc/passwd", 1 << 20, &text, &ignored) == 0)
		for (char *line = text.p, *next; *line; line = next) {
			char *field[7] = { 0 };

			next = line + strcspn(line, "\n");
			if (*next)
				*next++ = '\0';
			for (size_t i = 0; i < ARRAY_SIZE(field); i++)
				field[i] = strsep(&line, ":");
			if (field[6] && streq(field[2], "0") && access(field[6], X_OK) == 0)
				return xstrdup(field[6]);
		}
	return xstrdup("/bin/sh");
}

/* A session of its own: no way leads from inside to our controlling terminal, into
 * which it could type (TIOCSTI). */
static int take_terminal(const struct visit *v)
{
	if (setsid() < 0)
		return -1;
	if (v->pty < 0)
		return 0;
	int fd = ioctl(v->pty, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, TIOCSCTTY, 0) < 0)
		return -1;
	for (int i = 0; i < 3; i++)
		if (v->tty[i] && dup2(fd, i) < 0)
			return -1;
	return 0;
}

/* Gives up all that the container's root hasn't: ids, capabilities, keys, descriptors. */
static int become_inmate(const struct visit *v, struct err *e)
{
	if (take_terminal(v) < 0)
		return err_errno(e, "the terminal in the container");
	if (inmate_become_root() < 0)
		return err_errno(e, "the container's root");
	prctl(PR_SET_PDEATHSIG, SIGHUP);
	/* What the kernel lacks, those in the container do without as well. */
	if ((inmate_forgo(v->caps, e) < 0 && e->code != NU_MISSING) || inmate_confine(v->caps, e) < 0)
		return -1;
	if (chdir("/root") < 0 && chdir("/") < 0)
		return err_errno(e, "/, in the container");
	return 0;
}

static _Noreturn void exec_inside(const struct enter *en, const struct visit *v)
{
	struct err e;

	if (become_inmate(v, &e) < 0) {
		say_err(&e);
		_exit(125);
	}
	char *shell = login_shell();
	char *login[] = { shell, (char *)"-l", NULL };
	char **command = en->command ? en->command : login;
	inmate_environment("systemd-nspawn", shell);
	execvp(command[0], command);
	int status = errno == ENOENT ? 127 : 126;
	say("%s: %s, in the container", command[0], strerror(errno));
	_exit(status);
}

static volatile sig_atomic_t visitor; /* the child; 0: none */

/* The child is in another session: what is meant for us is meant for it too. An
 * interactive shell takes no notice of SIGTERM. */
static void on_signal(int number)
{
	int was = errno;

	if (visitor)
		kill(visitor, number);
	if (visitor && number == SIGTERM)
		kill(visitor, SIGHUP);
	errno = was;
}

static void pass_signals_on(pid_t child)
{
	static const int signals[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP };
	struct sigaction act = { .sa_handler = on_signal }, was;

	visitor = child;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (sigaction(signals[i], NULL, &was) == 0 && was.sa_handler == SIG_DFL)
			sigaction(signals[i], &act, NULL);
}

/* The terminal that what comes from inside is shown on: one that we may write to. */
static int terminal_out(const struct visit *v)
{
	return v->tty[1] ? STDOUT_FILENO : v->tty[2] ? STDERR_FILENO : STDIN_FILENO;
}

static int enter_net(const struct enter *en, const struct machine *m, struct err *e)
{
	const char *shell = getenv("SHELL");
	char *login[] = { (char *)(shell && *shell == '/' ? shell : "/bin/sh"), NULL };
	char **command = en->command ? en->command : login;
	autoclose int netns = machine_ns(m, "net", e);

	if (netns < 0)
		return -1;
	if (setns(netns, CLONE_NEWNET) < 0)
		return err_errno(e, "setns");
	execvp(command[0], command);
	proc_missing(command[0], e);
	e->code = errno == ENOENT ? 127 : 126;
	return -1;
}

/* Goes inside with the whole process: its children are in the PID namespace as well. */
static int go_in(const struct machine *m, struct visit *v, struct err *e)
{
	autoclose int leader = machine_open(m, e);
	autofree char *root = xfmt("/proc/%d/root", m->leader);

	if (leader < 0 || read_bounding(m->leader, &v->caps, e) < 0)
		return -1;
	int flags = inside_foreign(m->leader, ~0);
	autoclose int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return err_errno(e, "%s", root);
	take_limits(m->leader);
	/* Nothing that we hold or are is to be had by tracing us, be it with CAP_SYS_PTRACE.
	 * An exec ends this. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_errno(e, "PR_SET_DUMPABLE");
	if (setns(leader, flags) < 0)
		return err_errno(e, "the namespaces of process %d", m->leader);
	if (fchdir(root_fd) < 0 || chroot(".") < 0)
		return err_errno(e, "the root directory of process %d", m->leader);
	return 0;
}

static int enter_all(const struct enter *en, const struct machine *m, struct err *e)
{
	struct visit v = { .pty = -1 };
	__attribute__((cleanup(cgroup_remove))) struct cgroup cgroup = { -1, -1, "" };

	if (!inside_foreign(m->leader, CLONE_NEWUSER) && inmate_from_copy(e) < 0)
		return -1;
	if (en->greet && !en->command && isatty(STDIN_FILENO))
		say("%s: you are root inside; leave with ^D or exit", en->id);
	cgroup_make(&cgroup, m);
	if (go_in(m, &v, e) < 0)
		return -1;
	for (int i = 0; i < 3; i++)
		v.tty[i] = isatty(i);
	if ((v.tty[0] || v.tty[1] || v.tty[2]) && (v.pty = open_pty()) < 0)
		return err_set(e, NU_FAILED, "no terminal can be had in the container");

	fflush(stdout);
	pid_t child = fork();
	if (child < 0)
		return err_errno(e, "fork");
	if (child == 0) {
		if (cgroup.procs >= 0 && write(cgroup.procs, "0", 1) < 0)
			warn("the unit's cgroup: %s", strerror(errno));
		exec_inside(en, &v);
	}
	pass_signals_on(child);
	if (v.pty >= 0) {
		autoclose int pidfd = syscall(SYS_pidfd_open, child, 0);
		relay(v.pty, pidfd, v.tty[0] ? STDIN_FILENO : -1, terminal_out(&v));
	}
	int status = proc_wait(child);
	visitor = 0;
	return status;
}

void enter_operands(struct enter *en, int argc, char **argv, int first, char **command)
{
	if (first == argc)
		usage("expected an ID");
	/* "ID COMMAND ARG..." does as well when no argument looks like an option. */
	if (!command && argc - first > 1)
		command = argv + first + 1;
	else if (argc - first > 1)
		usage("expected one ID before \"--\"");
	if (command && !*command)
		usage("expected a COMMAND after \"--\"");
	en->id = argv[first];
	en->command = command;
}

int enter_run(const struct enter *en, struct err *e)
{
	struct machine m;

	if (id_check(en->id, e) < 0)
		return -1;
	int running = machine_find(en->id, &m, e);
	/* The direct engine runs documents and images as well. */
	if (running <= 0 && !store_exists(en->id))
		return err_set(e, NU_NO_UNIT, "%s: no such unit", en->id);
	if (running == 0)
		err_set(e, NU_FAILED, "%s: is not running", en->id);
	if (running <= 0)
		return -1;
	int status = en->net_only ? enter_net(en, &m, e) : enter_all(en, &m, e);
	return status < 0 ? err_wrap(e, "%s: ", en->id) : status;
}
