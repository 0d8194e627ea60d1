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

/* What was read on one side and the other has not taken yet. It may never: then nothing more is
 * read of it, and the other direction goes on. */
struct flow {
	char block[16384];
	size_t at, n;
};

/* Written at a time, where poll(2) says that there is room: it may be for no more than this, and
 * the terminal's own descriptor is not ours to make non-blocking. */
#define ROOM 512

void relay_size(int from, int pty)
{
	struct winsize size;

	if (ioctl(from, TIOCGWINSZ, &size) == 0)
		ioctl(pty, TIOCSWINSZ, &size);
}

static bool pending(const struct flow *f)
{
	return f->at < f->n;
}

/* False when nothing more will come. */
static bool fill(int fd, struct flow *f)
{
	ssize_t n = read(fd, f->block, sizeof(f->block));

	f->at = 0;
	f->n = n > 0 ? n : 0;
	return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

static void spill(int fd, struct flow *f, size_t most)
{
	size_t left = f->n - f->at;
	ssize_t n = write(fd, f->block + f->at, left < most ? left : most);

	if (n > 0)
		f->at += n;
	else if (errno != EAGAIN && errno != EINTR)
		f->at = f->n; /* nobody is there to take it, the command may go on */
}

/* All that has come. */
static void drain(int pty, struct flow *shown, int out)
{
	struct pollfd room = { .fd = out, .events = POLLOUT };

	do {
		while (pending(shown)) {
			poll(&room, 1, -1);
			spill(out, shown, sizeof(shown->block));
		}
	} while (fill(pty, shown) && pending(shown));
}

static void carry(int pty, int pidfd, int in, int out)
{
	struct flow typed = { .n = 0 }, shown = { .n = 0 };
	int sized = in >= 0 ? in : out;
	bool open = true;

	for (;;) {
		bool up = pending(&typed), down = pending(&shown);
		struct pollfd fds[] = {
			{ .fd = pidfd, .events = POLLIN },
			{ .fd = open && (up || !down) ? pty : -1,
			  .events = (up ? POLLOUT : 0) | (down ? 0 : POLLIN) },
			{ .fd = up ? -1 : in, .events = POLLIN },
			{ .fd = down ? out : -1, .events = POLLOUT },
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
		if (fds[2].revents && !fill(in, &typed))
			in = -1;
		if (up && fds[1].revents & POLLOUT)
			spill(pty, &typed, sizeof(typed.block));
		if (!down && fds[1].revents & ~POLLOUT)
			open = fill(pty, &shown);
		if (fds[3].revents)
			spill(out, &shown, ROOM);
		if (fds[0].revents) {
			drain(pty, &shown, out);
			return;
		}
	}
}

void relay(int pty, int pidfd, int in, int out)
{
	struct sigaction act = { .sa_handler = on_resize };
	struct termios was, raw;
	bool changed = false;

	/* Else reading fails while nobody else has it open. An init closes its console, and opens it
	 * for each line that it writes. */
	autoclose int other_side = ioctl(pty, TIOCGPTPEER, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	(void)other_side;
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
