/* netdown - the unmaking of a unit's network, by the marks on what is there. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net.h"
#include "netforward.h"
#include "netovs.h"
#include "netsession.h"
#include "nl.h"
#include "util.h"

/* A group that no link is in. Group 0 is the one they are all born into. */
static uint32_t free_group(const struct live *live)
{
	uint32_t group = 0;
	size_t i;

	do {
		group = group ? group + 1 : 1 + net_random() % 0x7fffffff;
		for (i = 0; i < live->n_links && live->links[i].group != group;)
			i++;
	} while (i < live->n_links);
	return group;
}

/* The kernel takes some 20 ms to remove a link, in which it waits for all its CPUs to
 * have seen it, and hardly more for a group of a hundred: so ours are put into a group
 * of their own first. */
static size_t put_removal(const struct live *live, const char *id, bool inside, struct nl_batch *b)
{
	uint32_t group = free_group(live);
	size_t n = 0;

	for (size_t i = 0; i < live->n_links; i++) {
		const struct live_link *l = &live->links[i];
		struct ifinfomsg m = { .ifi_index = l->index };
		bool goes = inside ? net_removable(l) : streq(l->kind, "veth");

		if (!net_ours(l, id) || (inside && !goes))
			continue;
		struct nlmsghdr *h = nl_add(b, RTM_SETLINK, 0, &m, sizeof(m));
		if (goes)
			mnl_attr_put_u32(h, IFLA_GROUP, group);
		else /* The host's own, back from a container that ended. */
			mnl_attr_put_strz(h, IFLA_IFALIAS, "");
		n += goes;
	}
	if (n)
		mnl_attr_put_u32(nl_add(b, RTM_DELLINK, 0, &(struct ifinfomsg){ 0 },
					sizeof(struct ifinfomsg)),
				 IFLA_GROUP, group);
	return n;
}

static int run_removal(struct nl *nl, struct nl_batch *b, const char *id, struct err *e)
{
	struct nl_result r = { 0 };
	int ret = nl_run(nl, b, &r, e);

	/* Gone already: its other end's namespace was just ended, or its parent went. */
	for (size_t i = 0; ret == 0 && i < r.n; i++)
		if (r.v[i].error != ENODEV)
			ret = err_set(e, NU_FAILED, "removing the links of %s: %s%s%s%s", id,
				      strerror(r.v[i].error), r.v[i].text[0] ? ": " : "",
				      r.v[i].text, r.v[i].error == EPERM ? " (only root can)" : "");
	free(r.v);
	return ret;
}

static int down_links(const char *id, size_t *n, struct err *e)
{
	autonl struct nl nl = { .fd = -1 };
	autolive struct live live = { 0 };
	autobatch struct nl_batch b = { 0 };

	if (nl_open(&nl, -1, e) < 0 || live_links(&nl, &live, e) < 0)
		return -1;
	*n += put_removal(&live, id, false, &b);
	return run_removal(&nl, &b, id, e);
}

static int down_ports(const char *id, size_t *n, struct err *e)
{
	autoplan struct net_plan p = { .id = id };
	autofree struct ovs_port *v = NULL;
	bool silent = false;
	size_t count;

	if (!ovs_present())
		return 0;
	if (ovs_ports(id, &v, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct net_op op = { .what = NET_PORT_DEL };

		memcpy(op.link, v[i].name, sizeof(op.link));
		net_plan_add(&p, &op);
	}
	*n += count;
	return count ? ovs_change(id, p.v, p.n, &silent, e) : 0;
}

/* A namespace of its own: what is in it at the end is removed with it. */
static int new_netns(struct err *e)
{
	int home = netns_enter(-1, e);

	if (home < 0)
		return -1;
	int fd = unshare(CLONE_NEWNET) < 0 ?
			 -1 :
			 open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err_errno(e, "a network namespace");
	netns_leave(home);
	return fd;
}

/* 1; 0: it isn't there; -1 and e. */
static int move_link(struct nl *nl, int index, int to, const char *name, int new_index,
		     struct err *e)
{
	struct ifinfomsg m = { .ifi_index = index };
	autobatch struct nl_batch b = { 0 };
	struct nl_result r = { 0 };
	struct nlmsghdr *h = nl_add(&b, RTM_SETLINK, 0, &m, sizeof(m));

	mnl_attr_put_u32(h, IFLA_NET_NS_FD, to);
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	mnl_attr_put_strz(h, IFLA_IFALIAS, "");
	if (new_index)
		mnl_attr_put_u32(h, IFLA_NEW_IFINDEX, new_index);
	int ret = nl_run(nl, &b, &r, e) < 0 ? -1 : 1;
	if (ret == 1 && r.n)
		ret = r.v[0].error == ENODEV ? 0 :
			err_set(e, NU_FAILED, "link %s: %s", plain(name), strerror(r.v[0].error));
	free(r.v);
	return ret;
}

int net_give_back(struct nl *container, int index, int host_fd, const char *name, int host_index,
		  struct err *e)
{
	autoclose int apart_fd = new_netns(e);
	autonl struct nl apart = { .fd = -1 };
	autolive struct live live = { 0 };

	if (apart_fd < 0)
		return -1;
	int moved = move_link(container, index, apart_fd, NET_ANY_NAME, 0, e);
	if (moved != 1)
		return moved;
	if (nl_open(&apart, apart_fd, e) < 0 || live_links(&apart, &live, e) < 0)
		return -1;
	for (size_t i = 0; i < live.n_links; i++)
		if (live.links[i].hardware)
			return move_link(&apart, live.links[i].index, host_fd, name, host_index, e);
	return 0;
}

static int down_inside(const char *id, int netns_fd, size_t *n, struct err *e)
{
	autoclose int host_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	autonl struct nl host_nl = { .fd = -1 };
	autonl struct nl nl = { .fd = -1 };
	autolive struct live host = { 0 };
	autolive struct live live = { 0 };
	autobatch struct nl_batch gone = { 0 };
	struct err more;

	if (host_fd < 0)
		return err_errno(e, "/proc/thread-self/ns/net");
	if (nl_open(&nl, netns_fd, e) < 0 || live_links(&nl, &live, e) < 0 ||
	    nl_open(&host_nl, -1, e) < 0 || live_links(&host_nl, &host, e) < 0)
		return -1;
	/* (The other end of a veth bears no mark: it goes with the one on the host.) */
	*n += put_removal(&live, id, true, &gone);
	int ret = run_removal(&nl, &gone, id, e);
	for (size_t i = 0; i < live.n_links; i++) {
		const struct live_link *l = &live.links[i];

		if (!net_ours(l, id) || !l->hardware)
			continue;
		int back = net_give_back(&nl, l->index, host_fd,
					 live_link(&host, l->name) ? NET_ANY_NAME : l->name, 0,
					 ret < 0 ? &more : e);
		if (back < 0)
			ret = -1;
		else
			*n += back;
	}
	return ret;
}

/* All of it, whatever fails: what is inside, the container may have laid in our way. */
int net_down(const char *id, int netns_fd, size_t *n, struct err *e)
{
	size_t count = 0;
	struct err more;

	if (!n)
		n = &count;
	*n = 0;
	int ret = netns_fd < 0 ? 0 : down_inside(id, netns_fd, n, e);
	if (down_links(id, n, ret < 0 ? &more : e) < 0)
		ret = -1;
	if (down_ports(id, n, ret < 0 ? &more : e) < 0)
		ret = -1;
	return forward_remove(id, ret < 0 ? &more : e) < 0 ? -1 : ret;
}
