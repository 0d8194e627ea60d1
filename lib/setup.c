/* setup - what a container gets from outside once its namespaces are there. */
#include "setup.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "inside.h"
#include "net.h"
#include "sysctl.h"
#include "util.h"

static bool own_network(const struct unit *u)
{
	return u->net.private && !u->net.netns;
}

int setup_check(const struct unit *u, struct err *e)
{
	if (u->net.nft && !own_network(u))
		return err_set(e, NU_USAGE,
			       "network.nft: the network is not the container's own, the rules would "
			       "be the host's");
	return sysctl_check(u, e);
}

/* By the host's nft(8), as the container's root: the rules are the declaration's, and
 * an "include" in them reads nothing that the container's root could not. */
static int nft(const struct unit *u, pid_t leader, bool check, struct err *e)
{
	char *argv[] = { (char *)"nft", check ? (char *)"-cf" : (char *)"-f", (char *)"-", NULL };
	int status = inside_run(leader, CLONE_NEWUSER | CLONE_NEWNET, argv, u->net.nft,
				strlen(u->net.nft), e);

	if (status > 0)
		return err_set(e, NU_FAILED, "network.nft: nft refused the rules (exit status %d)",
			       status);
	return status;
}

int setup_apply(const struct unit *u, pid_t leader, struct err *e)
{
	autofree char *path = xfmt("/proc/%d/ns/net", leader);
	autoclose int netns = open(path, O_RDONLY | O_CLOEXEC);

	if (netns < 0)
		return err_errno(e, "%s", path);
	/* The rules come before the links: no packet passes that they would have stopped.
	 * Parameters of an interface can be set only when it is there. */
	if (u->net.nft && nft(u, leader, true, e) < 0)
		return -1;
	if (sysctl_apply(u, leader, true, e) < 0 || (u->net.nft && nft(u, leader, false, e) < 0))
		return -1;
	if (own_network(u) && net_up(u, netns, e) < 0)
		return -1;
	return sysctl_apply(u, leader, false, e);
}
