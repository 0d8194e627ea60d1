/* relay - bytes between our terminal and a pseudo terminal. */
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "util.h"

static volatile sig_atomic_t resized;

static void on_resize(int signal)
{
	resized = signal;
}

/* What was typed and the container has not taken yet. It may never: then nothing more
 * is read, and its output still is. */
struct typed {
	char block[16384];
	size_t at, n;
};

void relay_size(int from, int pty)
{
	struct winsize size;

	if (ioctl(from, TIOCGWINSZ, &size) == 0)
		ioctl(pty, TIOCSWINSZ, &size);
}

/* False at the end of the input. */
static bool read_typed(int in, struct typed *t)
{
	ssize_t n = read(in, t->block, sizeof(t->block));

	t->at = 0;
	t->n = n > 0 ? n : 0;
	return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

static void write_typed(int pty, struct typed *t)
{
	ssize_t n = write(pty, t->block + t->at, t->n - t->at);

	if (n > 0)
		t->at += n;
	else if (errno != EAGAIN && errno != EINTR)
		t->at = t->n; /* nobody is there to take it */
}

/* All that has come. False when nothing more will. */
static bool show(int pty, int out)
{
	char block[16384];

	for (;;) {
		ssize_t n = read(pty, block, sizeof(block));

		if (n <= 0)
			return n < 0 && (errno == EAGAIN || errno == EINTR);
		for (ssize_t done = 0; done < n;) {
			ssize_t k = write(out, block + done, n - done);

			if (k < 0 && errno == EAGAIN)
				poll(&(struct pollfd){ .fd = out, .events = POLLOUT }, 1, -1);
			else if (k < 0 && errno != EINTR)
				return true; /* our terminal is gone, the command may go on */
			done += k > 0 ? k : 0;
		}
	}
}

static void carry(int pty, int pidfd, int in, int out)
{
	struct typed typed = { .n = 0 };
	int sized = in >= 0 ? in : out;
	bool open = true;

	for (;;) {
		bool pending = typed.at < typed.n;
		struct pollfd fds[] = {
			{ .fd = pidfd, .events = POLLIN },
			{ .fd = open ? pty : -1, .events = POLLIN | (pending ? POLLOUT : 0) },
			{ .fd = pending ? -1 : in, .events = POLLIN },
		};
		int n = poll(fds, ARRAY_SIZE(fds), -1);

		if (resized) {
			resized = 0;
			relay_size(sized, pty);
		}
		if (n < 0 && errno != EINTR)
			return;
		if (n <= 0)
			continue;
		if (fds[2].revents && !read_typed(in, &typed))
			in = -1;
		if (pending && fds[1].revents & POLLOUT)
			write_typed(pty, &typed);
		if (fds[1].revents & ~POLLOUT)
			open = show(pty, out);
		if (fds[0].revents) {
			show(pty, out);
			return;
		}
	}
}

void relay(int pty, int pidfd, int in, int out)
{
	struct sigaction act = { .sa_handler = on_resize };
	struct termios was, raw;
	bool changed = false;

	fcntl(pty, F_SETFL, O_NONBLOCK);
	if (in >= 0 && tcgetattr(in, &was) == 0) {
		raw = was;
		cfmakeraw(&raw);
		changed = tcsetattr(in, TCSADRAIN, &raw) == 0;
	}
	sigaction(SIGWINCH, &act, NULL);
	relay_size(in >= 0 ? in : out, pty);
	carry(pty, pidfd, in, out);
	if (changed)
		tcsetattr(in, TCSADRAIN, &was);
}
