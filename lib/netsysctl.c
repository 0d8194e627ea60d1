/* netsysctl - settings of a network namespace: /proc/sys/net as it sees it. */
#include "netsysctl.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "nl.h"
#include "sysctl.h"
#include "util.h"

bool netsysctl_is(const char *key)
{
	return !sysctl_of_ipc(key);
}

/* /proc/sys/net is that of the namespace we are in when the file is opened. */
static int open_in(int netns_fd, const char *key, int flags, struct err *e)
{
	autofree char *below = sysctl_path(key);
	autofree char *path = xfmt("/proc/sys/%s", below);
	int home = netns_enter(netns_fd, e);

	if (home < 0)
		return -1;
	int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		err_errno(e, "%s", path);
	netns_leave(home);
	return fd;
}

char *netsysctl_read(int netns_fd, const char *key, struct err *e)
{
	autobuf struct buf b = { 0 };
	autoclose int fd = open_in(netns_fd, key, O_RDONLY, e);

	if (fd < 0 || fd_read(fd, key, 4096, &b, e) < 0)
		return NULL;
	return xstrndup(b.p, strcspn(b.p, "\n"));
}

int netsysctl_write(int netns_fd, const char *key, const char *value, struct err *e)
{
	autoclose int fd = open_in(netns_fd, key, O_WRONLY, e);

	if (fd < 0)
		return -1;
	return write(fd, value, strlen(value)) < 0 ? err_errno(e, "%s", quoted(value)) : 0;
}

bool netsysctl_same(const char *a, const char *b)
{
	static const char blanks[] = " \t\n";

	for (;;) {
		size_t n = strcspn(a += strspn(a, blanks), blanks);
		size_t m = strcspn(b += strspn(b, blanks), blanks);

		if (n != m || strncmp(a, b, n) != 0)
			return false;
		if (n == 0)
			return true;
		a += n;
		b += m;
	}
}
