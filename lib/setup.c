/* setup - what a container gets from outside once its namespaces are there. */
#include "setup.h"

#include "net.h"
#include "sysctl.h"
#include "util.h"

int setup_check(const struct unit *u, struct err *e)
{
	autoplan struct net_plan p = { 0 };

	return net_plan(u, &p, e);
}

int setup_apply(const struct unit *u, const struct machine *m, struct err *e)
{
	autoclose int netns = machine_ns(m, "net", e);
	autoclose int leader = netns < 0 ? -1 : machine_open(m, e);

	if (leader < 0 || sysctl_apply(u, m->leader, leader, e) < 0)
		return -1;
	return u->net.private && !u->net.netns ? net_up(u, netns, e) : 0;
}
