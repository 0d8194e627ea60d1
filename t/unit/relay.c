/* relay: bytes between a terminal and a pseudo terminal, each direction whatever the other does. */
#include "../../lib/relay.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "../../lib/util.h"
#include "tap.h"

#define LOUD 300000 /* bytes; more than a pipe and two pseudo terminals take */

struct pty {
	int master, slave;
};

static struct pty pty_open(void)
{
	struct pty p = { .master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), .slave = -1 };
	struct termios raw;

	if (p.master >= 0 && grantpt(p.master) == 0 && unlockpt(p.master) == 0)
		p.slave = open(ptsname(p.master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (p.slave >= 0 && tcgetattr(p.slave, &raw) == 0) {
		cfmakeraw(&raw);
		tcsetattr(p.slave, TCSANOW, &raw);
	}
	return p;
}

/* Who would be in the container: reads a byte, tells, and ends; or says n bytes first. */
static pid_t start_inmate(const struct pty *inner, int told, size_t n)
{
	pid_t child = fork();
	char byte = 'x';

	if (child)
		return child;
	pid_t loud = n ? 0 : fork();
	if (loud == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (size_t i = 0; !n || i < n; i++)
			if (write(inner->slave, &byte, 1) != 1)
				break;
		_exit(0);
	}
	if (read(inner->slave, &byte, 1) == 1)
		(void)!write(told, &byte, 1);
	_exit(0);
}

static pid_t start_relay(const struct pty *inner, pid_t inmate, int in, int out)
{
	pid_t child = fork();

	if (child)
		return child;
	/* Nobody else holds the master's side, or the slave's. */
	int pidfd = syscall(SYS_pidfd_open, inmate, 0);
	close(inner->slave);
	relay(inner->master, pidfd, in, out);
	_exit(0);
}

static bool readable(int fd, int wait_ms)
{
	return poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, wait_ms) > 0;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* What is typed gets through while it says without end what is read slowly, or not at all. */
static void typed(const char *name, bool terminal, bool slow)
{
	struct pty inner = pty_open(), outer = pty_open();
	int told[2], shown[2];
	bool through = false;
	char block[1000];

	if (pipe2(told, O_CLOEXEC) < 0 || pipe2(shown, O_CLOEXEC) < 0 || outer.slave < 0)
		return ok(false, "%s: terminals", name);
	int read_at = terminal ? outer.master : shown[0];
	pid_t inmate = start_inmate(&inner, told[1], 0);
	pid_t relaying = start_relay(&inner, inmate, outer.slave, terminal ? outer.slave : shown[1]);

	ok(readable(read_at, 5000), "%s: it comes", name);
	usleep(300000);
	ok(write(outer.master, "\003", 1) == 1, "%s: typed", name);
	for (int64_t until = now_ms() + 3000; !through && now_ms() < until;) {
		if (slow)
			(void)!read(read_at, block, sizeof(block));
		through = readable(told[0], 20);
	}
	ok(through && read(told[0], block, 1) == 1 && block[0] == '\003', "%s: what is typed arrives",
	   name);
	end(relaying);
	end(inmate);
	close(inner.master), close(inner.slave), close(outer.master), close(outer.slave);
	for (int i = 0; i < 2; i++)
		close(told[i]), close(shown[i]);
}

/* All that was said before the end is shown. */
static void whole(void)
{
	struct pty inner = pty_open();
	int told[2], shown[2];
	static char block[65536];
	size_t all = 0;
	ssize_t n;

	if (pipe2(told, O_CLOEXEC) < 0 || pipe2(shown, O_CLOEXEC) < 0 || inner.slave < 0)
		return ok(false, "a terminal");
	pid_t inmate = start_inmate(&inner, told[1], LOUD);
	pid_t relaying = start_relay(&inner, inmate, -1, shown[1]);
	close(shown[1]);
	while ((n = read(shown[0], block, sizeof(block))) > 0) {
		all += n;
		usleep(1000);
	}
	is_int(all, LOUD, "all that was said before the end is shown");
	waitpid(inmate, NULL, 0);
	ok(waitpid(relaying, NULL, 0) == relaying, "and the relay ends with it");
}

/* An inmate that closes its terminal, as an init does, and opens it again. */
static void reopened(void)
{
	struct pty inner = pty_open();
	char name[64], block[8] = "";
	int shown[2];

	if (pipe2(shown, O_CLOEXEC) < 0 || inner.slave < 0)
		return ok(false, "a terminal");
	snprintf(name, sizeof(name), "%s", ptsname(inner.master));
	pid_t inmate = fork();
	if (inmate == 0) {
		close(inner.master), close(inner.slave);
		for (;;) {
			int fd = open(name, O_WRONLY | O_NOCTTY);
			(void)!write(fd, "x", 1);
			close(fd);
			usleep(100000);
		}
	}
	pid_t relaying = start_relay(&inner, inmate, -1, shown[1]);
	close(inner.master), close(inner.slave);
	for (int i = 0; i < 3; i++)
		ok(readable(shown[0], 3000) && read(shown[0], block, 1) == 1,
		   "what it opens anew for a word is shown: %d", i + 1);
	end(inmate);
	ok(waitpid(relaying, NULL, 0) == relaying, "and the relay ends with it");
	close(shown[0]), close(shown[1]);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	typed("a terminal that is read slowly", true, true);
	typed("a pipe that is read slowly", false, true);
	typed("a pipe that nobody reads", false, false);
	whole();
	reopened();
	return tap_done();
}
