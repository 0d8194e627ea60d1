/* nu-wait - wait until the container's network is as declared.
 *
 *   nu-wait [-t SECONDS] [FILE]
 *
 * For use inside: reads the unit document (/run/nixunits/unit.json) and returns when
 * every declared interface is up and running, every declared address there and past
 * duplicate address detection, every route set. The kernel tells of
 * each change; nothing is asked twice without one. Needs no privilege.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../lib/applet.h"
#include "../lib/netlive.h"
#include "../lib/netplan.h"
#include "../lib/proc.h"
#include "../lib/nl.h"
#include "../lib/unit.h"

#define UNIT_JSON "/run/nixunits/unit.json"
#define GROUPS                                                                              \
	(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |          \
	 RTMGRP_IPV6_ROUTE)

/* The carrier itself: IFF_RUNNING follows it up to a second late. Of <linux/if.h>, which can't be
 * included beside <net/if.h>. */
#define IFF_LOWER_UP 0x10000

/* Says in `missing` what an operation of the plan has not brought about yet: nothing
 * where it has. -1 and e: it never will. */
static int look(const struct net_op *op, const struct live *live, struct buf *missing,
		struct err *e)
{
	const struct live_link *l = live_link(live, op->link);
	const struct live_addr *a;
	const struct live_route *r;
	const char *comma = missing->n ? "; " : "";
	char text[ADDR_TEXT], route[NET_OP_TEXT];
	size_t n, i = 0;

	if (!l) {
		/* Once, not again for each of its addresses. */
		if (op->what == NET_LINK_SET)
			buf_addf(missing, "%sno interface %s", comma, op->link);
		return 0;
	}
	switch (op->what) {
	case NET_LINK_SET:
		if (!(l->flags & IFF_UP))
			buf_addf(missing, "%s%s is down", comma, op->link);
		else if (!(l->flags & IFF_RUNNING) || !(l->flags & IFF_LOWER_UP))
			buf_addf(missing, "%s%s has no carrier", comma, op->link);
		break;
	case NET_ADDR_ADD:
		a = live_addr(live, l->index, &op->addr);
		addr_text(&op->addr, true, text);
		if (!a || !addr_same(&a->addr, &op->addr))
			buf_addf(missing, "%sno address %s on %s", comma, text, op->link);
		else if (a->flags & IFA_F_DADFAILED)
			return err_set(e, NU_FAILED, "address %s on %s: another host has it (duplicate "
						     "address detection)",
				       text, op->link);
		else if (a->flags & IFA_F_TENTATIVE)
			buf_addf(missing, "%saddress %s on %s is tentative (duplicate address "
					  "detection has not ended)",
				 comma, text, op->link);
		break;
	case NET_ROUTE_ADD:
		r = live_routes_of(live, l->index, &n);
		while (i < n && !(addr_same(&r[i].to, &op->addr) &&
				  addr_same_host(&r[i].via, &op->via)))
			i++;
		if (i == n)
			buf_addf(missing, "%sno %s", comma, net_op_text(op, route));
		break;
	default:
		break;
	}
	return 0;
}

static int look_all(const struct net_plan *p, struct nl *nl, struct buf *missing, struct err *e)
{
	autolive struct live live = { 0 };

	if (live_links(nl, &live, e) < 0 || live_addrs(nl, &live, e) < 0 ||
	    live_routes(nl, 0, &live, e) < 0)
		return -1;
	missing->n = 0;
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].where == NET_CONTAINER && look(&p->v[i], &live, missing, e) < 0)
			return -1;
	return 0;
}

/* The subscription comes first, then the look: what happens between the two is told. */
static int wait_ready(const struct net_plan *p, int64_t wait_ms, struct err *e)
{
	autonl struct nl events = { .fd = -1 };
	autonl struct nl nl = { .fd = -1 };
	autobuf struct buf missing = { 0 };
	int64_t end = now_ms() + wait_ms;

	if (nl_listen(&events, GROUPS, e) < 0 || nl_open(&nl, -1, e) < 0)
		return -1;
	for (;;) {
		struct pollfd poll_fd = { .fd = events.fd, .events = POLLIN };

		/* Whatever was told, or lost for want of room, the state is read anew. */
		if (nl_drain(&events, e) < 0 || look_all(p, &nl, &missing, e) < 0)
			return -1;
		if (missing.n == 0)
			return 0;
		int64_t left = end - now_ms();
		int n = left > 0 ? poll(&poll_fd, 1, left) : 0;
		if (n < 0 && errno != EINTR)
			return err_errno(e, "poll");
		if (n == 0)
			return err_set(e, NU_FAILED, "not ready after %lld s: %s",
				       (long long)(wait_ms / 1000), missing.p);
	}
}

/* The unit's own idea of ready; how long it may take is the calling service's matter. */
static int ready_check(const char *program, struct err *e)
{
	char *argv[] = { (char *)program, NULL };
	int status = proc_run(argv, e);

	if (status > 0)
		return err_set(e, NU_FAILED, "%s: exit status %d", program, status);
	return status;
}

static int wait_main(int argc, char **argv)
{
	const char *seconds = NULL;
	const struct opt opts[] = {
		{ 't', "timeout", "SECONDS", "give up after this long (30)", .text = &seconds },
		{ 0 },
	};
	autoplan struct net_plan p = { 0 };
	int i = opt_parse(argc, argv, opts);
	int64_t wait_ms = 1000 * (seconds ? opt_number("timeout", seconds, 0, 86400) : 30);
	struct err e;

	if (argc - i > 1)
		usage("expected one FILE at most");
	autounit struct unit *u = unit_load_file(AT_FDCWD, i < argc ? argv[i] : UNIT_JSON, &e);
	if (!u)
		return say_err(&e);
	if (net_plan(u, &p, &e) < 0 || (p.n && wait_ready(&p, wait_ms, &e) < 0) ||
	    (u->ready_check && ready_check(u->ready_check, &e) < 0)) {
		err_wrap(&e, "%s: ", u->id);
		return say_err(&e);
	}
	return NU_OK;
}

APPLET(wait, .name = "wait", .summary = "Inside a container, wait until its network is ready",
       .synopsis = "[-t SECONDS] [FILE]",
       .help = "FILE is the unit document, " UNIT_JSON " by default. Ready is: every\n"
	       "declared interface up and running, every declared address there and past\n"
	       "duplicate address detection, the declared default routes set, and the unit's\n"
	       "readyCheck run without failing. If that is not so in time, what is missing is\n"
	       "said and the exit code is 1.",
       .main = wait_main);
