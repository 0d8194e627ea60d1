/* setup - what a container gets from outside once its namespaces are there. */
#include "setup.h"

#include <fcntl.h>
#include <unistd.h>

#include "net.h"
#include "sysctl.h"
#include "util.h"

int setup_check(const struct unit *u, struct err *e)
{
	autoplan struct net_plan p = { 0 };

	return net_plan(u, &p, e);
}

int setup_apply(const struct unit *u, pid_t leader, struct err *e)
{
	autofree char *path = xfmt("/proc/%d/ns/net", leader);
	autoclose int netns = open(path, O_RDONLY | O_CLOEXEC);

	if (netns < 0)
		return err_errno(e, "%s", path);
	if (sysctl_apply(u, leader, e) < 0)
		return -1;
	return u->net.private && !u->net.netns ? net_up(u, netns, e) : 0;
}
