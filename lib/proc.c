/* proc - other programs: always an argv, never a shell. */
#include "proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Which Debian package holds a program we call, for the message. */
static const char *package_of(const char *program)
{
	static const char *const known[][2] = {
		{ "systemd-nspawn", "systemd-container" },
		{ "machinectl", "systemd-container" },
		{ "systemctl", "systemd" },
		{ "nix-build", "nix-bin" },
		{ "nix-instantiate", "nix-bin" },
		{ "nix-store", "nix-bin" },
		{ "curl", "curl" },
		{ "ovs-vsctl", "openvswitch-switch" },
		{ "nft", "nftables" },
		{ "mksquashfs", "squashfs-tools" },
		{ "mkfs.erofs", "erofs-utils" },
		{ "xz", "xz-utils" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (streq(known[i][0], program))
			return known[i][1];
	return NULL;
}

int proc_missing(const char *program, struct err *e)
{
	const char *package = package_of(program);

	if (errno != ENOENT)
		return err_errno(e, "%s", program);
	if (strchr(program, '/'))
		return err_set(e, NU_MISSING, "%s: it is not there, or the interpreter it needs isn't",
			       program);
	if (!package)
		return err_set(e, NU_MISSING, "%s: not found in PATH", program);
	return err_set(e, NU_MISSING, "%s: not found in PATH (on Debian: apt-get install %s)",
		       program, package);
}

char *proc_find(const char *program)
{
	const char *p = getenv("PATH");

	for (p = p ? p : ""; *p; p += *p == ':') {
		size_t n = strcspn(p, ":");
		char *path = xfmt("%.*s/%s", (int)n, p, program);

		if (access(path, X_OK) == 0)
			return path;
		free(path);
		p += n;
	}
	return NULL;
}

int proc_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 128;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static pid_t start(char *const argv[], const posix_spawn_file_actions_t *files, struct err *e)
{
	posix_spawnattr_t how;
	sigset_t none;
	pid_t pid;
	int error;

	fflush(stdout); /* what we said comes before what it says */
	/* Signals that wait for us are not blocked for it. */
	sigemptyset(&none);
	posix_spawnattr_init(&how);
	posix_spawnattr_setsigmask(&how, &none);
	posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK);
	error = posix_spawnp(&pid, argv[0], files, &how, argv, environ);
	posix_spawnattr_destroy(&how);
	if (error) {
		errno = error;
		return proc_missing(argv[0], e);
	}
	return pid;
}

int proc_run(char *const argv[], struct err *e)
{
	pid_t pid = start(argv, NULL, e);

	return pid < 0 ? -1 : proc_wait(pid);
}

int proc_pipe(char *const argv[], int in, int out, struct err *e)
{
	posix_spawn_file_actions_t files;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	pid_t pid = start(argv, &files, e);
	posix_spawn_file_actions_destroy(&files);
	return pid < 0 ? -1 : proc_wait(pid);
}

/* Where its standard error goes: an fd, or one of these. */
enum { ERRORS_OURS = -1, ERRORS_NOWHERE = -2 };

/* in -1: ours. */
static int collect(char *const argv[], int in, int errors, struct buf *out, struct err *e)
{
	posix_spawn_file_actions_t files;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(e, "pipe");
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, ends[1], STDOUT_FILENO);
	if (in >= 0)
		posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
	if (errors >= 0)
		posix_spawn_file_actions_adddup2(&files, errors, STDERR_FILENO);
	if (errors == ERRORS_NOWHERE)
		posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	pid_t pid = start(argv, &files, e);
	posix_spawn_file_actions_destroy(&files);
	close(ends[1]);

	int failed = pid < 0 ? -1 : fd_read(ends[0], argv[0], 64 << 20, out, e);
	close(ends[0]);
	if (pid < 0)
		return -1;
	int status = proc_wait(pid);
	return failed ? -1 : status;
}

int proc_output(char *const argv[], bool silent, struct buf *out, struct err *e)
{
	return collect(argv, -1, silent ? ERRORS_NOWHERE : ERRORS_OURS, out, e);
}

int proc_capture(char *const argv[], struct buf *out, struct buf *said, struct err *e)
{
	autoclose int errors = memfd_create(argv[0], MFD_CLOEXEC);

	if (errors < 0)
		return err_errno(e, "memfd_create");
	int status = collect(argv, -1, errors, out, e);
	if (status < 0 || lseek(errors, 0, SEEK_SET) < 0 ||
	    fd_read(errors, argv[0], 64 << 10, said, e) < 0)
		return -1;
	return status;
}

int proc_filter(char *const argv[], const void *data, size_t n, struct buf *out, struct err *e)
{
	autoclose int in = memfd_create(argv[0], MFD_CLOEXEC);

	if (in < 0 || write(in, data, n) != (ssize_t)n || lseek(in, 0, SEEK_SET) < 0)
		return err_errno(e, "input for %s", argv[0]);
	return collect(argv, in, ERRORS_OURS, out, e);
}
