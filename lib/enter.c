/* enter - run a command inside a running container. */
#include "enter.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "applet.h"
#include "inside.h"
#include "machine.h"
#include "proc.h"
#include "store.h"
#include "unit.h"
#include "util.h"

/* "CapBnd" of the leader: what no process of the container can exceed. */
static uint64_t bounding_set(pid_t leader)
{
	autofree char *path = xfmt("/proc/%d/status", leader);
	char text[8192];
	unsigned long long set = 0;

	if (file_peek(path, text, sizeof(text)) > 0) {
		const char *line = strstr(text, "\nCapBnd:");
		if (line)
			sscanf(line, "\nCapBnd: %llx", &set);
	}
	return set;
}

static void drop_capabilities(uint64_t keep)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	for (int cap = 0; cap < 64; cap++)
		if (!(keep & 1ull << cap))
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	for (int i = 0; i < 2; i++)
		data[i].effective = data[i].permitted = keep >> 32 * i;
	syscall(SYS_capset, &head, data);
}

/* A cgroup beside the container's, for the child: what we start is accounted to the
 * unit and ends with it. Held by descriptors, since after setns(2) no path leads there;
 * both are -1 where it can't be had. */
struct cgroup {
	int parent, procs;
	char name[32];
};

static void cgroup_make(struct cgroup *c, const struct machine *m)
{
	autofree char *path = xfmt("/sys/fs/cgroup%s", m->cgroup);
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

/* The shell of uid 0 in the container's passwd(5), read without NSS, which would ask
 * the container's libraries. */
static char *login_shell(void)
{
	autobuf struct buf text = { 0 };
	struct err ignored;

	if (file_read(AT_FDCWD, "/etc/passwd", 1 << 20, &text, &ignored) == 0)
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

static _Noreturn void exec_inside(const struct enter *en, uint64_t caps, const char *tty)
{
	const char *term = getenv("TERM");
	autofree char *shell = login_shell();
	struct strv args = { 0 };

	if (tty) {
		setsid();
		int fd = open(tty, O_RDWR);
		if (fd < 0 || ioctl(fd, TIOCSCTTY, 0) < 0)
			_exit(125);
		for (int i = 0; i < 3; i++)
			dup2(fd, i);
		if (fd > 2)
			close(fd);
	}
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		_exit(125);
	drop_capabilities(caps);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);

	autofree char *keep_term = xstrdup(term ? term : "dumb");
	clearenv();
	setenv("TERM", keep_term, 1);
	setenv("HOME", "/root", 1);
	setenv("USER", "root", 1);
	setenv("LOGNAME", "root", 1);
	setenv("SHELL", shell, 1);
	setenv("container", "systemd-nspawn", 1);
	setenv("PATH",
	       "/run/wrappers/bin:/run/current-system/sw/bin:/run/current-system/sw/sbin:"
	       "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	       1);
	if (chdir("/root") < 0 && chdir("/") < 0)
		_exit(125);
	if (en->command) {
		for (char **arg = en->command; *arg; arg++)
			strv_add(&args, *arg);
	} else {
		strv_add(&args, shell);
		strv_add(&args, "-l");
	}
	execvp(args.v[0], args.v);
	int status = errno == ENOENT ? 127 : 126;
	say("%s: %s, in the container", args.v[0], strerror(errno));
	_exit(status);
}

static struct termios saved;
static bool raw;

static void restore_terminal(void)
{
	if (raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
	raw = false;
}

static void copy_size(int pty)
{
	struct winsize size;

	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
		ioctl(pty, TIOCSWINSZ, &size);
}

static volatile sig_atomic_t resized;

static void on_resize(int signal)
{
	resized = signal;
}

static bool pass(int from, int to)
{
	char block[16384];
	ssize_t n = read(from, block, sizeof(block));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	for (ssize_t done = 0; done < n;) {
		ssize_t k = write(to, block + done, n - done);

		if (k < 0 && errno != EINTR)
			return false;
		done += k > 0 ? k : 0;
	}
	return n > 0;
}

/* Carries bytes between our terminal and the container's until its side is closed. */
static void relay(int pty)
{
	struct sigaction act = { .sa_handler = on_resize };
	struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN },
				{ .fd = pty, .events = POLLIN } };
	struct termios mode;

	tcgetattr(STDIN_FILENO, &saved);
	mode = saved;
	cfmakeraw(&mode);
	raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &mode) == 0;
	sigaction(SIGWINCH, &act, NULL);
	copy_size(pty);
	for (;;) {
		int n = poll(fds, 2, -1);

		if (resized) {
			resized = 0;
			copy_size(pty);
		}
		if (n < 0 && errno != EINTR)
			break;
		if (n > 0 && fds[0].revents && !pass(STDIN_FILENO, pty))
			fds[0].fd = -1;
		if (n > 0 && fds[1].revents && !pass(pty, STDOUT_FILENO))
			break;
	}
	restore_terminal();
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

static int enter_all(const struct enter *en, const struct machine *m, struct err *e)
{
	pid_t leader = m->leader;
	uint64_t caps = bounding_set(leader);
	int flags = inside_foreign(leader, ~0), pty = -1;
	char tty[64];

	autofree char *root = xfmt("/proc/%d/root", leader);
	autoclose int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoclose int pidfd = syscall(SYS_pidfd_open, leader, 0);
	if (root_fd < 0 || pidfd < 0)
		return err_errno(e, "the leader, process %d", leader);
	__attribute__((cleanup(cgroup_remove))) struct cgroup cgroup = { -1, -1, "" };
	cgroup_make(&cgroup, m);
	if (setns(pidfd, flags) < 0)
		return err_errno(e, "the namespaces of process %d", leader);
	if (fchdir(root_fd) < 0 || chroot(".") < 0)
		return err_errno(e, "the root directory of process %d", leader);

	bool terminal = isatty(STDIN_FILENO);
	if (terminal) {
		pty = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
		if (pty < 0 || grantpt(pty) < 0 || unlockpt(pty) < 0 ||
		    ptsname_r(pty, tty, sizeof(tty)) != 0)
			return err_errno(e, "a terminal in the container");
	}
	fflush(stdout);
	/* The PID namespace is entered by children only. */
	pid_t child = fork();
	if (child < 0)
		return err_errno(e, "fork");
	if (child == 0) {
		if (cgroup.procs >= 0 && write(cgroup.procs, "0", 1) < 0)
			warn("the unit's cgroup: %s", strerror(errno));
		exec_inside(en, caps, terminal ? tty : NULL);
	}
	if (terminal)
		relay(pty);
	return proc_wait(child);
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
	if (!store_exists(en->id))
		return err_set(e, NU_NO_UNIT, "%s: no such unit", en->id);
	int running = machine_find(en->id, &m, e);
	if (running == 0)
		err_set(e, NU_FAILED, "%s: is not running", en->id);
	if (running <= 0)
		return -1;
	if (en->greet && !en->command && !en->net_only && isatty(STDIN_FILENO))
		say("%s: you are root inside; leave with ^D or exit", en->id);
	int status = en->net_only ? enter_net(en, &m, e) : enter_all(en, &m, e);
	return status < 0 ? err_wrap(e, "%s: ", en->id) : status;
}
