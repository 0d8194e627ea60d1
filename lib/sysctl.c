/* sysctl - the kernel parameters that a container has of its own. */
#include "sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "inside.h"
#include "root.h"
#include "util.h"

char *sysctl_path(const char *key)
{
	char *path = xstrdup(key);

	/* Whichever separator comes first is the separator; the other is part of names. */
	if (key[strcspn(key, "./")] == '.')
		for (char *p = path; *p; p++)
			*p = *p == '.' ? '/' : *p == '/' ? '.' : *p;
	return path;
}

static bool own(const struct unit *u, const char *path)
{
	static const char *const ipc[] = { "kernel/msg", "kernel/shm", "kernel/sem", "fs/mqueue/" };

	if (starts_with(path, "net/"))
		return u->net.private && !u->net.netns;
	for (size_t i = 0; i < ARRAY_SIZE(ipc); i++)
		if (starts_with(path, ipc[i]))
			return true;
	return false;
}

int sysctl_check(const struct unit *u, struct err *e)
{
	for (size_t i = 0; i < u->n_sysctls; i++) {
		autofree char *path = sysctl_path(u->sysctls[i].key);

		if (strchr(path, '*'))
			return err_set(e, NU_USAGE, "sysctl %s: a pattern, where one key is expected",
				       quoted(u->sysctls[i].key));
		if (!own(u, path))
			return err_set(e, NU_USAGE,
				       "sysctl %s: not the container's own, it would be set on the "
				       "host%s",
				       quoted(u->sysctls[i].key),
				       starts_with(path, "net/") ? " (its network is not private)" : "");
		for (size_t k = 0; k < i; k++) {
			autofree char *other = sysctl_path(u->sysctls[k].key);

			if (streq(path, other))
				return err_set(e, NU_USAGE, "sysctl %s: given twice, as %s too",
					       quoted(u->sysctls[i].key), quoted(u->sysctls[k].key));
		}
	}
	return 0;
}

bool sysctl_of_ipc(const char *key)
{
	return !starts_with(key, "net.") && !starts_with(key, "net/");
}

/* In the container's IPC namespace: /proc/sys shows that of whoever looks. */
static int write_all(void *context, struct err *e)
{
	const struct unit *u = context;
	autoclose int root = open("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; i < u->n_sysctls; i++) {
		const struct sysctl *s = &u->sysctls[i];
		autofree char *path = sysctl_path(s->key);
		size_t n = strlen(s->value);

		if (!sysctl_of_ipc(s->key))
			continue;
		autoclose int fd = root_open(root, path, O_WRONLY);
		if (fd < 0 || write(fd, s->value, n) != (ssize_t)n)
			return err_errno(e, "sysctl %s = %s", quoted(s->key), quoted(s->value));
	}
	return 0;
}

int sysctl_apply(const struct unit *u, pid_t leader, int pidfd, struct err *e)
{
	bool any = false;

	for (size_t i = 0; i < u->n_sysctls; i++)
		any = any || sysctl_of_ipc(u->sysctls[i].key);
	if (!any)
		return 0;
	return inside_call(leader, pidfd, CLONE_NEWUSER | CLONE_NEWIPC, write_all, (void *)u, e);
}

char *sysctl_read(int ipc_fd, const char *key, struct err *e)
{
	autofree char *below = sysctl_path(key);
	autofree char *path = xfmt("/proc/sys/%s", below);
	autoclose int home = open("/proc/thread-self/ns/ipc", O_RDONLY | O_CLOEXEC);
	autobuf struct buf b = { 0 };

	if (home < 0 || setns(ipc_fd, CLONE_NEWIPC) < 0) {
		err_errno(e, "the container's IPC namespace");
		return NULL;
	}
	int failed = file_read(AT_FDCWD, path, 4096, &b, e);
	if (setns(home, CLONE_NEWIPC) < 0)
		die(NU_FAILED, "returning to the host's IPC namespace: %s", strerror(errno));
	return failed < 0 ? NULL : xstrndup(b.p, strcspn(b.p, "\n"));
}
