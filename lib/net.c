/* net - a unit's network: made, compared, unmade. */
#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netforward.h"
#include "netmsg.h"
#include "netnft.h"
#include "netsession.h"
#include "netsysctl.h"
#include "util.h"

#define TRIES 3
#define PORT_WAIT_MS 10000
#define RELEASE_MS 2000
#define RETRY_MS 100
#define LOCK_WAIT_MS 30000 /* twice what the other one may wait for a switch, and more */

int net_open(const char *path, struct err *e)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat own, other;

	if (fd < 0)
		return err_errno(e, "%s", path);
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return err_set(e, NU_USAGE, "%s: not a network namespace", path);
	if (stat("/proc/thread-self/ns/net", &own) < 0 || fstat(fd, &other) < 0)
		return err_errno(e, "%s", path);
	if (own.st_dev == other.st_dev && own.st_ino == other.st_ino)
		return err_set(e, NU_USAGE, "%s: this is the host's own network", path);
	return steal_fd(&fd);
}

/* By which means an operation is done. */
enum means {
	BY_RTNETLINK,
	BY_OVS_REMOVING, /* a switch must not see a port removed and added at once */
	BY_OVS,
	BY_ITSELF, /* a ruleset, a setting, hardware that comes home */
};

static enum means means(const struct net_op *op)
{
	switch (op->what) {
	case NET_PORT_DEL:
		return BY_OVS_REMOVING;
	case NET_PORT_ADD:
		return BY_OVS;
	case NET_NFT:
	case NET_SYSCTL:
	case NET_FORWARD:
		return BY_ITSELF;
	case NET_LINK_MOVE:
		return op->hardware ? BY_ITSELF : BY_RTNETLINK;
	default:
		return BY_RTNETLINK;
	}
}

static bool same_batch(const struct net_op *a, const struct net_op *b)
{
	return a->where == b->where && means(a) == means(b) && means(a) != BY_ITSELF;
}

static void undo_link_set(struct session *s, const struct net_op *op,
			  const struct live_link *was, struct net_op *back)
{
	const struct live_link *master = live_link_at(&s->live[op->where], was->master);

	back->up = was->flags & IFF_UP;
	back->mtu = was->mtu;
	back->alias = was->alias;
	memcpy(back->mac, was->mac, sizeof(back->mac));
	back->has_mac = true;
	back->master_index = was->master;
	back->master = master ? master->name : NULL;
}

/* Notes that all addresses and routes the link of op had, of `family` (0: any), are set
 * again: routes last. The kernel may take more than was asked for, the addresses of one
 * network with the first of them, routes with an address. */
static void note_undo_addrs(struct session *s, const struct net_op *op, int family)
{
	struct net_op back = *op;
	size_t n;

	back.replace = true;
	back.set = 0;
	const struct live_route *r = live_routes_of(&s->live[op->where], op->index, &n);
	for (size_t i = n; i-- > 0;)
		if ((!family || r[i].to.family == family) && r[i].protocol != RTPROT_KERNEL) {
			back.what = NET_ROUTE_ADD;
			session_take_route(&back, &r[i]);
			net_plan_add(&s->undo, &back);
		}
	back.via = (struct addr){ 0 };
	back.onlink = false;
	back.type = 0;
	back.metric = 0;
	const struct live_addr *a = live_addrs_of(&s->live[op->where], op->index, &n);
	for (size_t i = n; i-- > 0;)
		if ((!family || a[i].addr.family == family) && a[i].flags & IFA_F_PERMANENT &&
		    a[i].scope < RT_SCOPE_LINK) {
			back.what = NET_ADDR_ADD;
			back.addr = a[i].addr;
			back.via = a[i].peer;
			back.protocol = a[i].protocol;
			net_plan_add(&s->undo, &back);
		}
}

/* A link of the host's that was moved in comes back as it was. Undone last first: it is
 * moved, then set, then gets its addresses. */
static void note_undo_move(struct session *s, const struct net_op *op)
{
	const struct net_pair *p = session_pair(s, op);
	struct net_op back = *op;

	if (op->iface->kind == IFACE_HOST) {
		struct net_op set = *op;

		note_undo_addrs(s, op, 0);
		set.what = NET_LINK_SET;
		set.set = NET_SET_UP | NET_SET_MTU | NET_SET_MAC | NET_SET_ALIAS;
		undo_link_set(s, op, p->end[NET_END_HOST].live, &set);
		net_plan_add(&s->undo, &set);
	}
	back.where = NET_CONTAINER;
	back.index = p->end[NET_END_GUEST].index;
	back.peer_index = op->index;
	back.hardware = op->iface->kind == IFACE_HOST && p->end[NET_END_HOST].live->hardware;
	net_plan_add(&s->undo, &back);
}

/* Notes how to take back op, which has been done. What was done to a link that this
 * run made goes with the link. */
static void note_undo(struct session *s, const struct net_op *op)
{
	const struct net_pair *p = session_pair(s, op);
	bool fresh = p && p->end[op->end].fresh;
	struct net_op back = *op;

	switch (op->what) {
	case NET_PORT_DEL:
	case NET_LINK_DEL:
		return; /* a leftover: nothing that anybody wants again */
	case NET_PORT_ADD:
		if (p->port) {
			back.vlan = p->port->vlan;
			back.trunks = p->port->trunks;
			if (ovs_same_trunks(p->port, NULL))
				back.trunks = NULL;
			back.mode = *p->port->mode ? p->port->mode : NULL;
		} else {
			back.what = NET_PORT_DEL;
		}
		break;
	case NET_LINK_ADD:
		back.what = NET_LINK_DEL;
		back.where = op->end == NET_END_HOST ? NET_HOST : NET_CONTAINER;
		break;
	case NET_LINK_MOVE:
		if (p)
			note_undo_move(s, op);
		return;
	case NET_LINK_SET:
		if (fresh)
			return;
		/* Down, a link loses its routes and its addresses of IPv6. */
		if (op->set & NET_SET_UP && !op->up)
			note_undo_addrs(s, op, 0);
		undo_link_set(s, op, session_link(s, op), &back);
		break;
	case NET_ADDR_ADD: {
		const struct live_addr *a = live_addr(&s->live[op->where], op->index, &op->addr);

		if (fresh || (a && addr_same(&a->addr, &op->addr)))
			return;
		back.what = NET_ADDR_DEL;
		break;
	}
	case NET_ADDR_DEL:
		note_undo_addrs(s, op, op->addr.family);
		return;
	case NET_ROUTE_ADD: {
		const struct live_route *was = session_replaced(s, op);
		const struct live_link *l = was ? live_link_at(&s->live[op->where], was->index) : NULL;

		if (!l && fresh)
			return;
		if (!l) {
			back.what = NET_ROUTE_DEL;
			break;
		}
		memcpy(back.link, l->name, sizeof(back.link));
		back.index = was->index;
		session_take_route(&back, was);
		break;
	}
	case NET_ROUTE_DEL:
		/* With the addresses of its link it may be back before. */
		back.what = NET_ROUTE_ADD;
		back.replace = true;
		break;
	case NET_NFT:
	case NET_SYSCTL:
	case NET_FORWARD:
		return; /* noted by run_single, which knows what was there */
	}
	net_plan_add(&s->undo, &back);
}

/* What a person can do about it, where the kernel's word alone does not tell. */
static const char *hint(const struct net_op *op, int error)
{
	if (error == EPERM)
		return " (only root can)";
	if (error == EACCES && op->addr.family == AF_INET6)
		return " (IPv6 is disabled there)";
	if (error == ENETDOWN && op->what == NET_LINK_SET)
		return " (the link that it is on is down)";
	if (error == EADDRINUSE)
		return " (another macvlan on that link has this MAC)";
	return "";
}

/* " (there is another route to it, on br0)", which may be another unit's. */
static void add_other_route(const struct session *s, const struct net_op *op, struct err *e)
{
	autolive struct live now = { 0 };
	struct err ignored;
	const struct live_link *l = NULL;

	net_live(op->where == NET_HOST ? -1 : s->netns_fd, &now, &ignored);
	for (size_t i = 0; i < now.n_routes && !l; i++)
		if (addr_same(&now.routes[i].to, &op->addr))
			l = live_link_at(&now, now.routes[i].index);
	size_t n = strlen(e->text);
	snprintf(e->text + n, sizeof(e->text) - n, " (there is another route to it%s%s)",
		 l ? ", on " : "", l ? plain(l->name) : "");
}

/* "operation 4 of 9: container: address 10.0.0.2/31 on lan: " before what e says. */
static int op_failed(const struct net_plan *p, size_t at, struct err *e)
{
	const struct net_op *op = &p->v[at];
	char text[NET_OP_TEXT];

	return err_wrap(e, "operation %zu of %zu: %s: %s: ", at + 1, p->n,
			net_where_name(op->where), net_op_text(op, text));
}

/* *error becomes EADDRINUSE where what is taken may soon be free (await_release). */
static int link_failed(const struct session *s, size_t at, const struct nl_failure *f, int *error,
		       struct err *e)
{
	const struct net_op *op = &s->todo.v[at];
	bool taken = f->error == EEXIST && op->what == NET_LINK_ADD && op->vlan;
	autofree char *id = taken ? session_holder(s, op->parent, op->vlan) : NULL;

	*error = taken && !id ? EADDRINUSE : f->error;
	if (taken)
		err_set(e, NU_FAILED, "%s%s has VLAN %ld of %s", id ? "unit " : "another container",
			id ? id : "", op->vlan, op->parent);
	else if (f->error == EOPNOTSUPP && op->what == NET_LINK_ADD)
		err_set(e, NU_MISSING, "this kernel has no %s links", op->kind);
	else
		err_set(e, NU_FAILED, "%s%s%s%s", strerror(f->error), f->text[0] ? ": " : "", f->text,
			hint(op, f->error));
	if (f->error == EEXIST && op->what == NET_ROUTE_ADD)
		add_other_route(s, op, e);
	return op_failed(&s->todo, at, e);
}

/* Runs the operations from..to as one batch of messages. Where one fails the kernel has
 * gone on to the next: what was done is noted for undo, before and after it. 0; -1 and
 * e; *error is the errno of the failure. */
static int run_messages(struct session *s, size_t from, size_t to, size_t spoil, int *error,
			struct err *e)
{
	autobatch struct nl_batch b = { 0 };
	struct nl_result r = { 0 };
	size_t failed = 0;

	for (size_t i = from; i < to; i++) {
		struct net_op op = s->todo.v[i];

		if (i + 1 == spoil) {
			op.index = op.metric = 0x7ffffff0;
			if (op.what == NET_LINK_ADD)
				strcpy(op.link, ".");
		}
		netmsg_put(s, &op, &b);
	}
	int ret = nl_run(&s->nl[s->todo.v[from].where], &b, &r, e);
	const struct nl_failure *first = NULL;
	for (size_t i = 0; ret == 0 && i < r.sent; i++) {
		const struct net_op *op = &s->todo.v[from + i];
		const struct nl_failure *f = failed < r.n && r.v[failed].at == i ? &r.v[failed++] : NULL;

		/* What was to be removed has gone by itself, with its port. */
		if (!f || (op->what == NET_LINK_DEL && f->error == ENODEV))
			note_undo(s, op);
		else if (!first)
			first = f;
	}
	if (first)
		ret = link_failed(s, from + first->at, first, error, e);
	free(r.v);
	return ret;
}

/* Fills in the indexes of the ports' links, which the switch makes; waits for the last
 * of them to appear. -1 and e; *missing is the operation whose link did not. */
static int await_ports(struct session *s, size_t *missing, struct err *e)
{
	autonl struct nl events = { .fd = -1 };
	int64_t end = now_ms() + PORT_WAIT_MS;

	if (nl_listen(&events, RTMGRP_LINK, e) < 0)
		return -1;
	for (;;) {
		struct pollfd poll_fd = { .fd = events.fd, .events = POLLIN };
		autolive struct live now = { 0 };
		bool all = true;

		if (nl_drain(&events, e) < 0 || live_links(&s->nl[NET_HOST], &now, e) < 0)
			return -1;
		for (size_t i = 0; i < s->todo.n; i++) {
			struct net_op *op = &s->todo.v[i];

			if (op->what != NET_LINK_MOVE || op->iface->kind != IFACE_OVS)
				continue;
			const struct live_link *l = live_link(&now, op->link);
			if (l) {
				op->index = l->index;
			} else {
				all = false;
				*missing = i;
			}
		}
		if (all)
			return 0;
		int64_t left = end - now_ms();
		if (left <= 0 || poll(&poll_fd, 1, left) == 0)
			return err_set(e, NU_FAILED, "Open vSwitch made no link for the port (its log "
						     "says why)");
	}
}

/* The operation that the message of ovs-vsctl is about: the first one whose port or
 * bridge it names. */
static size_t blamed(const struct session *s, size_t from, size_t to, const struct err *e)
{
	for (size_t i = from; i < to; i++)
		if (strstr(e->text, s->todo.v[i].link) ||
		    (s->todo.v[i].parent && strstr(e->text, s->todo.v[i].parent)))
			return i;
	return from;
}

static int run_ports(struct session *s, size_t from, size_t to, size_t spoil, struct err *e)
{
	const struct net_op *first = &s->todo.v[from];
	bool spoilt = spoil > from && spoil <= to && first->what == NET_PORT_ADD;
	struct net_op *bad = &s->todo.v[spoilt ? spoil - 1 : from], meant = *bad;
	size_t failed = from;

	if (spoilt) {
		bad->parent = "no-such-bridge";
		if (bad->replace)
			strcpy(bad->link, "no-such-port");
	}
	int ret = ovs_change(s->u->id, first, to - from, &s->ovs_silent, e);
	if (ret < 0)
		failed = blamed(s, from, to, e);
	*bad = meant;
	for (size_t i = from; (ret == 0 || s->ovs_silent) && i < to; i++)
		note_undo(s, &s->todo.v[i]);
	if (ret == 0 && first->what == NET_PORT_ADD)
		ret = await_ports(s, &failed, e);
	return ret < 0 ? op_failed(&s->todo, failed, e) : 0;
}

static int give_back(struct session *s, const struct net_op *op, int index, struct err *e)
{
	int back = net_give_back(&s->nl[NET_CONTAINER], index, s->host_fd, op->link, op->peer_index, e);

	return back == 0 ? err_set(e, NU_FAILED, "it isn't the host's hardware any more") : back;
}

/* A ruleset or a setting: what was there is kept for undo. */
static int do_single(struct session *s, const struct net_op *op, struct err *e)
{
	if (op->what == NET_SYSCTL)
		return netsysctl_write(s->netns_fd, op->key, op->text, e);
	if (op->what == NET_FORWARD)
		return forward_restore(s->u, s->host_fd, op->text, op->key, e);
	if (op->what == NET_LINK_MOVE)
		return give_back(s, op, op->index, e);
	return nft_load(s->netns_fd, op->text ? op->text : "", false, e);
}

static const char *keep(struct session *s, char *text)
{
	autofree char *was = text;

	if (!was)
		return NULL;
	strv_add(&s->kept, was);
	return s->kept.v[s->kept.n - 1];
}

static int run_forward(struct session *s, size_t at, bool spoil, struct err *e)
{
	struct net_op back = s->todo.v[at];
	struct forward_was was;

	int ret = forward_load(s->u, s->host_fd, spoil, &was, e);
	back.text = keep(s, was.table);
	back.key = keep(s, was.localnet);
	if (ret < 0)
		return op_failed(&s->todo, at, e);
	net_plan_add(&s->undo, &back);
	return 0;
}

static int run_single(struct session *s, size_t at, size_t spoil, struct err *e)
{
	const struct net_op *op = &s->todo.v[at];
	autobuf struct buf rules = { 0 };
	struct net_op back = *op;
	struct err ignored;
	int ret;

	if (op->what == NET_FORWARD)
		return run_forward(s, at, spoil == at + 1, e);
	if (op->what == NET_LINK_MOVE)
		return give_back(s, op, spoil == at + 1 ? 0x7ffffff0 : op->index, e) < 0 ?
			       op_failed(&s->todo, at, e) :
			       0;
	if (op->what == NET_SYSCTL) {
		autofree char *was = netsysctl_read(s->netns_fd, op->key, e);

		if (!was)
			return op_failed(&s->todo, at, e);
		strv_add(&s->kept, was);
		ret = netsysctl_write(s->netns_fd, op->key, spoil == at + 1 ? "?" : op->text, e);
	} else {
		if (nft_save(s->netns_fd, &rules, e) < 0)
			return op_failed(&s->todo, at, e);
		strv_add(&s->kept, rules.p);
		const char *text = spoil == at + 1 ? "?" : op->text ? op->text : "";

		ret = nft_load(s->netns_fd, text, op->text, e);
		/* It may have been loaded, and not marked. */
		if (ret < 0)
			nft_load(s->netns_fd, rules.p, false, &ignored);
	}
	if (ret < 0)
		return op_failed(&s->todo, at, e);
	back.text = s->kept.v[s->kept.n - 1];
	net_plan_add(&s->undo, &back);
	return 0;
}

static void not_undone(const struct err *why, struct err *e)
{
	char was[sizeof(e->text)];

	memcpy(was, e->text, sizeof(was));
	err_set(e, e->code, "%.480s; not undone: %.480s", was, why->text);
}

static int undo_messages(struct session *s, size_t from, size_t to, struct err *e)
{
	autobatch struct nl_batch b = { 0 };
	struct nl_result r = { 0 };

	for (size_t i = to; i-- > from;)
		netmsg_put(s, &s->undo.v[i], &b);
	int ret = nl_run(&s->nl[s->undo.v[from].where], &b, &r, e);
	for (size_t i = 0; ret == 0 && i < r.n; i++) {
		const struct net_op *op = &s->undo.v[to - 1 - r.v[i].at];
		char text[NET_OP_TEXT];

		/* What has gone meanwhile is as good as taken back. */
		if (r.v[i].error == ENODEV || r.v[i].error == ESRCH ||
		    r.v[i].error == EADDRNOTAVAIL || r.v[i].error == ENOENT)
			continue;
		ret = err_set(e, NU_FAILED, "%s: %s: %s", net_where_name(op->where),
			      net_op_text(op, text), strerror(r.v[i].error));
	}
	free(r.v);
	return ret;
}

/* Takes back what is noted, last first. What can't be is added to e. */
static void run_undo(struct session *s, struct err *e)
{
	for (size_t to = s->undo.n, from; to; to = from) {
		const struct net_op *last = &s->undo.v[to - 1];
		struct err bad;

		for (from = to - 1; from && same_batch(&s->undo.v[from - 1], last);)
			from--;
		int ret = means(last) == BY_RTNETLINK ? undo_messages(s, from, to, &bad) :
			  means(last) == BY_ITSELF    ? do_single(s, last, &bad) :
							ovs_change(s->u->id, &s->undo.v[from], to - from,
								   &s->ovs_silent, &bad);
		if (ret < 0)
			not_undone(&bad, e);
	}
}

static int run(struct session *s, size_t spoil, int *error, struct err *e)
{
	for (size_t from = 0, to; from < s->todo.n; from = to) {
		for (to = from + 1; to < s->todo.n && same_batch(&s->todo.v[to], &s->todo.v[from]);)
			to++;
		enum means by = means(&s->todo.v[from]);
		int ret = by == BY_RTNETLINK ? run_messages(s, from, to, spoil, error, e) :
			  by == BY_ITSELF    ? run_single(s, from, spoil, e) :
					       run_ports(s, from, to, spoil, e);
		if (ret < 0) {
			run_undo(s, e);
			return -1;
		}
	}
	return 0;
}

/* Whether op takes away what is none of the plan's. */
static bool removes(const struct net_op *op)
{
	switch (op->what) {
	case NET_PORT_DEL:
	case NET_LINK_DEL:
	case NET_ADDR_DEL:
	case NET_ROUTE_DEL:
		return true;
	case NET_LINK_MOVE:
		return op->where == NET_CONTAINER;
	case NET_LINK_SET:
		return !op->iface && !op->up;
	case NET_NFT:
		return !op->text;
	case NET_FORWARD:
		return !op->unit->net.n_forwards;
	default:
		return false;
	}
}

static int up_once(const struct unit *u, int netns_fd, size_t spoil, struct net_report *r,
		   int *error, struct err *e)
{
	autosession struct session s;
	int ret = session_open(&s, u, netns_fd, e);

	if (ret == 0)
		ret = session_compare(&s, e);
	if (ret < 0 && s.may_return)
		*error = EADDRINUSE;
	if (ret == 0)
		ret = run(&s, spoil, error, e);
	*r = (struct net_report){ .planned = s.plan.n,
				  .done = s.todo.n,
				  .sends = s.nl[0].n_sends + s.nl[1].n_sends };
	for (size_t i = 0; i < s.todo.n; i++)
		r->planned += removes(&s.todo.v[i]);
	return ret;
}

/* What a container had of the host, a link, or on one a VLAN or a MAC, it keeps until the kernel
 * has taken its namespace apart. The links tell; after RETRY_MS it is tried again anyway, for
 * what was told before we listened. False: it is not tried again. */
static bool await_release(struct nl *events, int64_t end)
{
	struct pollfd p = { .events = POLLIN };
	int64_t left = end - now_ms();
	struct err ignored;

	if (left <= 0)
		return false;
	if (events->fd < 0)
		return nl_listen(events, RTMGRP_LINK, &ignored) == 0;
	p.fd = events->fd;
	nl_drain(events, &ignored); /* our own doing */
	poll(&p, 1, left < RETRY_MS ? left : RETRY_MS);
	return true;
}

/* One at a time for a container: of two that start together, the one that comes too
 * late for an operation would undo what the other has built on. The namespace itself
 * is locked; whoever dies lets go. The container can lock it too: it does without its
 * network then, and must not hold us up for ever. */
int net_up_report(const struct unit *u, int netns_fd, size_t spoil, struct net_report *r,
		  struct err *e)
{
	autonl struct nl events = { .fd = -1 };
	int error, ret, tries = 0;

	*r = (struct net_report){ 0 };
	if (lock_within(netns_fd, LOCK_EX, LOCK_WAIT_MS) < 0)
		return errno == EWOULDBLOCK ? err_set(e, NU_BUSY, "its network namespace is locked, by "
						      "another nu-net or by the container itself") :
					      err_errno(e, "locking the network namespace");
	int64_t end = now_ms() + RELEASE_MS;
	do {
		error = 0;
		ret = up_once(u, netns_fd, spoil, r, &error, e);
		/* EBUSY: an index that we chose was given away in this very moment. */
	} while (ret < 0 && ((error == EBUSY && ++tries < TRIES) ||
			     (error == EADDRINUSE && await_release(&events, end))));
	flock(netns_fd, LOCK_UN);
	return ret;
}

int net_up(const struct unit *u, int netns_fd, struct err *e)
{
	struct net_report r;

	return net_up_report(u, netns_fd, 0, &r, e);
}

int net_live(int netns_fd, struct live *live, struct err *e)
{
	autonl struct nl nl = { .fd = -1 };

	*live = (struct live){ 0 };
	if (nl_open(&nl, netns_fd, e) < 0 || live_links(&nl, live, e) < 0 ||
	    live_addrs(&nl, live, e) < 0 || live_routes(&nl, 0, live, e) < 0)
		return -1;
	return 0;
}

int net_addresses(int netns_fd, struct strv *texts, struct err *e)
{
	autonl struct nl nl = { .fd = -1 };
	autolive struct live live = { 0 };
	char text[ADDR_TEXT];

	if (nl_open(&nl, netns_fd, e) < 0 || live_addrs(&nl, &live, e) < 0)
		return -1;
	for (size_t i = 0; i < live.n_addrs; i++)
		if (live.addrs[i].scope == RT_SCOPE_UNIVERSE)
			strv_add(texts, addr_text(&live.addrs[i].addr, true, text));
	return 0;
}
