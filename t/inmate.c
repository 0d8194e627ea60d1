/* What a program tries that would harm whoever lets it into a container (t/isolation.t):
 * one line for each attempt.
 *
 *   inmate             the attempts
 *   inmate key CMD...  runs CMD with a key called "secret" in its session keyring
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

static void tell(const char *what, long result)
{
	printf("%s: %s\n", what, result < 0 ? strerror(errno) : "done");
}

/* Types "X" into a terminal, for its shell to read. */
static void type_into(const char *what, int fd)
{
	tell(what, ioctl(fd, TIOCSTI, "X"));
}

int main(int argc, char **argv)
{
	if (argc > 2) {
		syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
		tell("add_key", syscall(SYS_add_key, "user", "secret", "x", 1, -3));
		fflush(stdout);
		execvp(argv[2], argv + 2);
		return 127;
	}
	type_into("standard input", 0);
	type_into("standard output", 1);
	type_into("standard error", 2);
	int tty = open("/dev/tty", O_RDWR);
	if (tty < 0)
		tell("/dev/tty", -1);
	else
		type_into("/dev/tty", tty);
	tell("keyctl", syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, -3, 0));
	tell("ptrace", ptrace(PTRACE_TRACEME, 0, 0, 0));
	for (int fd = 3; fd < 1024; fd++)
		if (fd != tty && fcntl(fd, F_GETFD) >= 0)
			printf("descriptor %d: open\n", fd);
	return 0;
}
