/* inside - do something in namespaces of a running container, as its root. */
#include "inside.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inmate.h"
#include "proc.h"
#include "util.h"

static const struct {
	const char *name;
	int flag;
} namespaces[] = {
	{ "user", CLONE_NEWUSER }, { "mnt", CLONE_NEWNS },     { "pid", CLONE_NEWPID },
	{ "net", CLONE_NEWNET },   { "ipc", CLONE_NEWIPC },    { "uts", CLONE_NEWUTS },
	{ "cgroup", CLONE_NEWCGROUP },
};

int inside_foreign(pid_t leader, int wanted)
{
	int flags = 0;

	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
		autofree char *theirs = xfmt("/proc/%d/ns/%s", leader, namespaces[i].name);
		autofree char *ours = xfmt("/proc/self/ns/%s", namespaces[i].name);
		struct stat a, b;

		if (stat(theirs, &a) == 0 && stat(ours, &b) == 0 && a.st_ino != b.st_ino)
			flags |= namespaces[i].flag & wanted;
	}
	return flags;
}

static int go_inside(pid_t leader, int pidfd, int wanted, struct err *e)
{
	int flags = inside_foreign(leader, wanted);

	if (flags && setns(pidfd, flags) < 0)
		return err_errno(e, "the namespaces of process %d", leader);
	if (flags & CLONE_NEWUSER && inmate_become_root() < 0)
		return err_errno(e, "the root of the user namespace of process %d", leader);
	return 0;
}

int inside_call(pid_t leader, int pidfd, int wanted, int (*act)(void *context, struct err *e),
		void *context, struct err *e)
{
	int report[2];

	if (pipe2(report, O_CLOEXEC) < 0)
		return err_errno(e, "pipe");
	pid_t pid = fork();
	if (pid == 0) {
		struct err mine;

		if (go_inside(leader, pidfd, wanted, &mine) == 0 && act(context, &mine) == 0)
			_exit(NU_OK);
		if (write(report[1], &mine, sizeof(mine)) < 0)
			_exit(NU_FAILED);
		_exit(NU_FAILED);
	}
	close(report[1]);
	if (pid < 0) {
		err_errno(e, "fork");
		close(report[0]);
		return -1;
	}
	struct err theirs;
	ssize_t n = read(report[0], &theirs, sizeof(theirs));
	close(report[0]);
	int status = proc_wait(pid);
	if (n == sizeof(theirs))
		*e = theirs;
	else if (status)
		err_set(e, NU_FAILED, "exit status %d", status);
	return n == sizeof(theirs) ? -1 : status;
}
