/* What a program tries that would harm whoever lets it into a container (t/isolation.t):
 * one line for each attempt.
 *
 *   inmate             the attempts
 *   inmate key CMD...  runs CMD with a key called "secret" in its session keyring
 *   inmate steal       waits for a program that is no file of the container's, which a
 *                      "#!/proc/self/exe" brings in, and writes into it
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
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

/* The program of a process, if no name leads to it here; else -1. */
static int foreign_program(int pid)
{
	char path[64], name[4096];
	struct stat there, here;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : readlink(path, name, sizeof(name) - 1);
	if (n > 0) {
		name[n] = '\0';
		if (fstat(fd, &there) == 0 && (stat(name, &here) < 0 || here.st_ino != there.st_ino))
			return fd;
	}
	close(fd);
	return -1;
}

static int steal(void)
{
	char path[64], name[4096];
	int fd = -1, to;

	puts("waiting");
	fflush(stdout);
	/* It comes after us, and is soon gone. */
	for (int pid = getpid() + 1; fd < 0; pid = pid < getpid() + 200 ? pid + 1 : getpid() + 1)
		fd = foreign_program(pid);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(path, name, sizeof(name) - 1);
	name[n > 0 ? n : 0] = '\0';
	printf("held: %s\n", name);
	fflush(stdout);
	/* Nobody can while it runs. */
	for (int i = 0; (to = open(path, O_WRONLY)) < 0 && errno == ETXTBSY && i < 600; i++)
		usleep(10000);
	tell("write", to < 0 ? -1 : write(to, "stolen", 6));
	return 0;
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
	if (argc > 1)
		return steal();
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
