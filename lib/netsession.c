/* netsession - a unit's plan beside the live state of the two namespaces. */
#include "netsession.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "net.h"
#include "util.h"

void session_free(struct session *s)
{
	for (int i = 0; i < 2; i++) {
		nl_close(&s->nl[i]);
		live_free(&s->live[i]);
	}
	if (s->host_fd >= 0)
		close(s->host_fd);
	net_plan_free(&s->plan);
	net_plan_free(&s->todo);
	net_plan_free(&s->undo);
	strv_free(&s->kept);
	free(s->ports);
	free(s->pairs);
}

uint32_t net_random(void)
{
	uint32_t n = 0;

	if (getrandom(&n, sizeof(n), GRND_NONBLOCK) < 0)
		n = (uint32_t)getpid() * 2654435761u ^ (uint32_t)now_ms();
	return n;
}

bool net_ours(const struct live_link *l, const char *id)
{
	char prefix[NET_ALIAS];

	return starts_with(l->alias, net_alias(id, "", prefix));
}

/* A port that the kernel made for Open vSwitch goes with its entry in the database; what has no
 * kind, such as the loopback, stays. */
bool net_removable(const struct live_link *l)
{
	return l->kind[0] && !l->hardware && !streq(l->kind, "openvswitch");
}

static bool has_kind(const struct unit *u, enum iface_kind kind)
{
	for (size_t i = 0; i < u->net.n_ifaces; i++)
		if (u->net.ifaces[i].kind == kind)
			return true;
	return false;
}

/* Addresses and routes are read only where a link can have any of interest: a host
 * may have a million routes, a container that starts has nothing. */
static int read_host(struct session *s, struct err *e)
{
	struct live *live = &s->live[NET_HOST];
	bool moves = has_kind(s->u, IFACE_HOST);
	size_t i = 0;

	if (live_links(&s->nl[NET_HOST], live, e) < 0)
		return -1;
	while (i < live->n_links && !net_ours(&live->links[i], s->u->id))
		i++;
	if (i == live->n_links && !moves)
		return 0;
	if (live_addrs(&s->nl[NET_HOST], live, e) < 0)
		return -1;
	return live_routes(&s->nl[NET_HOST], moves ? 0 : NET_PROTOCOL, live, e);
}

static int read_container(struct session *s, struct err *e)
{
	struct live *live = &s->live[NET_CONTAINER];

	if (live_links(&s->nl[NET_CONTAINER], live, e) < 0)
		return -1;
	/* In a namespace that has just been made not even the loopback is up. */
	const struct live_link *lo = live_link(live, "lo");
	if (live->n_links <= 1 && !(lo && lo->flags & IFF_UP))
		return 0;
	if (live_addrs(&s->nl[NET_CONTAINER], live, e) < 0)
		return -1;
	return live_routes(&s->nl[NET_CONTAINER], 0, live, e);
}

/* A link in the container that Open vSwitch may have made for an earlier declaration. */
static bool has_leftover_port(const struct session *s)
{
	const struct live *live = &s->live[NET_CONTAINER];

	for (size_t i = 0; i < live->n_links; i++)
		if (net_ours(&live->links[i], s->u->id) &&
		    (streq(live->links[i].kind, "tun") || streq(live->links[i].kind, "openvswitch")))
			return true;
	return false;
}

int session_open(struct session *s, const struct unit *u, int netns_fd, struct err *e)
{
	*s = (struct session){ .u = u,
			       .netns_fd = netns_fd,
			       .host_fd = -1,
			       .nl = { { .fd = -1 }, { .fd = -1 } } };
	if (net_plan(u, &s->plan, e) < 0)
		return -1;
	s->todo.id = s->undo.id = u->id;
	s->pairs = xalloc(u->net.n_ifaces * sizeof(*s->pairs));
	if (s->plan.n == 0)
		return 0;
	s->host_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (s->host_fd < 0)
		return err_errno(e, "/proc/thread-self/ns/net");
	if (nl_open(&s->nl[NET_HOST], -1, e) < 0 || nl_open(&s->nl[NET_CONTAINER], netns_fd, e) < 0)
		return -1;
	if (read_host(s, e) < 0)
		return err_wrap(e, "host: ");
	if (read_container(s, e) < 0)
		return err_wrap(e, "container: ");
	if (has_kind(u, IFACE_OVS) || (has_leftover_port(s) && ovs_present()))
		return ovs_ports(u->id, &s->ports, &s->n_ports, e);
	return 0;
}

struct net_pair *session_pair(const struct session *s, const struct net_op *op)
{
	return op->iface ? &s->pairs[op->iface - s->u->net.ifaces] : NULL;
}

const struct live_link *session_link(const struct session *s, const struct net_op *op)
{
	const struct net_pair *p = session_pair(s, op);

	return p ? p->end[op->end].live : live_link_at(&s->live[op->where], op->index);
}
