/* nl - rtnetlink in batches: many requests, one send, each failure by its request. */
#include "nl.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util.h"

/* A send may not be larger than the socket's send buffer (212,992 bytes by
 * default), and answers that find the receive buffer full are lost. Both are
 * raised above the system's limit where we may. One refusal takes about 1 kB of
 * the receive buffer: 2,000 requests in one send can all fail and be heard. */
#define SEND_BYTES (1 << 20)
#define SEND_MESSAGES 2000
#define RECEIVE_BYTES (4 << 20)
/* What the kernel fills at most for one read of a dump. */
#define REPLY_BYTES (32 << 10)

static void buffer_size(int fd, int force, int plain, int bytes)
{
	if (setsockopt(fd, SOL_SOCKET, force, &bytes, sizeof(bytes)) < 0)
		setsockopt(fd, SOL_SOCKET, plain, &bytes, sizeof(bytes));
}

static int nl_socket(struct nl *nl, uint32_t groups, struct err *e)
{
	struct sockaddr_nl local = { .nl_family = AF_NETLINK, .nl_groups = groups };
	int on = 1;

	nl->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (nl->fd < 0 || bind(nl->fd, (struct sockaddr *)&local, sizeof(local)) < 0)
		return err_errno(e, "rtnetlink socket");
	buffer_size(nl->fd, SO_SNDBUFFORCE, SO_SNDBUF, SEND_BYTES);
	buffer_size(nl->fd, SO_RCVBUFFORCE, SO_RCVBUF, RECEIVE_BYTES);
	/* Explanations with errors, errors without the request repeated, and dumps
	 * that are filtered as asked for instead of by what the kernel happens to look
	 * at. All there since Linux 4.20; without them messages are only poorer. */
	setsockopt(nl->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(nl->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	setsockopt(nl->fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	nl->reply = xalloc(REPLY_BYTES);
	return 0;
}

int nl_listen(struct nl *nl, uint32_t groups, struct err *e)
{
	*nl = (struct nl){ .fd = -1 };
	return nl_socket(nl, groups, e);
}

int netns_enter(int netns_fd, struct err *e)
{
	autoclose int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	if (home < 0)
		return err_errno(e, "/proc/thread-self/ns/net");
	if (netns_fd >= 0 && setns(netns_fd, CLONE_NEWNET) < 0)
		return err_errno(e, "entering the network namespace");
	return steal_fd(&home);
}

void netns_leave(int home)
{
	if (setns(home, CLONE_NEWNET) < 0)
		die(NU_FAILED, "returning to the host's network namespace: %s", strerror(errno));
	close(home);
}

int nl_open(struct nl *nl, int netns_fd, struct err *e)
{
	*nl = (struct nl){ .fd = -1 };
	if (netns_fd < 0)
		return nl_socket(nl, 0, e);
	int home = netns_enter(netns_fd, e);
	if (home < 0)
		return -1;
	int ret = nl_socket(nl, 0, e);
	netns_leave(home);
	return ret;
}

void nl_close(struct nl *nl)
{
	if (nl->fd >= 0)
		close(nl->fd);
	free(nl->reply);
	*nl = (struct nl){ .fd = -1 };
}

static struct nlmsghdr *last_message(const struct nl_batch *b)
{
	return (struct nlmsghdr *)(b->p + b->n);
}

struct nlmsghdr *nl_add(struct nl_batch *b, uint16_t type, uint16_t flags, const void *head,
			size_t size)
{
	if (b->count)
		b->n += MNL_ALIGN(last_message(b)->nlmsg_len);
	if (b->n + NL_MESSAGE_MAX > b->room) {
		b->room = (b->n + NL_MESSAGE_MAX) * 2;
		b->p = xrealloc(b->p, b->room, 1);
	}
	b->count++;
	memset(b->p + b->n, 0, NL_MESSAGE_MAX);
	struct nlmsghdr *h = mnl_nlmsg_put_header(b->p + b->n);
	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	memcpy(mnl_nlmsg_put_extra_header(h, size), head, size);
	return h;
}

void nl_batch_free(struct nl_batch *b)
{
	free(b->p);
	*b = (struct nl_batch){ 0 };
}

static int nl_send(struct nl *nl, const void *p, size_t n, struct err *e)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	ssize_t sent;

	do
		sent = sendto(nl->fd, p, n, 0, (struct sockaddr *)&kernel, sizeof(kernel));
	while (sent < 0 && errno == EINTR);
	nl->n_sends++;
	return sent < 0 ? err_errno(e, "rtnetlink: send") : 0;
}

/* Returns the length, or -1 and e. What another process sent is passed over. */
static ssize_t nl_receive(struct nl *nl, struct err *e)
{
	for (;;) {
		struct sockaddr_nl from = { 0 };
		socklen_t size = sizeof(from);
		ssize_t n = recvfrom(nl->fd, nl->reply, REPLY_BYTES, MSG_TRUNC,
				     (struct sockaddr *)&from, &size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, "rtnetlink: receive");
		if (n > REPLY_BYTES)
			return err_set(e, NU_FAILED, "rtnetlink: an answer of %zd bytes", n);
		if (from.nl_pid == 0)
			return n;
	}
}

/* The text of an extended acknowledgement, which follows the error; between them
 * stands the request's payload where the kernel did not leave it out. */
static void failure_text(const struct nlmsghdr *h, char *dst, size_t size)
{
	const struct nlmsgerr *fault = mnl_nlmsg_get_payload(h);
	size_t offset = sizeof(*fault);
	const struct nlattr *a;

	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(h->nlmsg_flags & NLM_F_CAPPED))
		offset += MNL_ALIGN(fault->msg.nlmsg_len) - MNL_NLMSG_HDRLEN;
	mnl_attr_for_each(a, h, offset)
		if (mnl_attr_get_type(a) == NLMSGERR_ATTR_MSG)
			snprintf(dst, size, "%.*s", (int)mnl_attr_get_payload_len(a),
				 mnl_attr_get_str(a));
}

static void failure_add(struct nl_result *r, size_t at, const struct nlmsghdr *h)
{
	const struct nlmsgerr *fault = mnl_nlmsg_get_payload(h);

	r->v = xrealloc(r->v, r->n + 1, sizeof(*r->v));
	r->v[r->n] = (struct nl_failure){ .at = at, .error = -fault->error };
	failure_text(h, r->v[r->n].text, sizeof(r->v->text));
	r->n++;
}

/* Reads answers until the one to message `last` (a sequence number) is there.
 * `first` is the sequence number of the batch's first message. */
static int nl_answers(struct nl *nl, uint32_t first, uint32_t last, struct nl_result *r,
		      struct err *e)
{
	for (;;) {
		ssize_t got = nl_receive(nl, e);
		int n = got;

		if (got < 0)
			return -1;
		for (struct nlmsghdr *h = (struct nlmsghdr *)nl->reply; mnl_nlmsg_ok(h, n);
		     h = mnl_nlmsg_next(h, &n)) {
			const struct nlmsgerr *fault = mnl_nlmsg_get_payload(h);

			if (h->nlmsg_type != NLMSG_ERROR ||
			    mnl_nlmsg_get_payload_len(h) < sizeof(*fault))
				continue;
			if (h->nlmsg_seq - first > last - first)
				continue; /* not of this batch */
			if (fault->error)
				failure_add(r, h->nlmsg_seq - first, h);
			if (h->nlmsg_seq == last)
				return 0;
		}
	}
}

int nl_run(struct nl *nl, struct nl_batch *b, struct nl_result *r, struct err *e)
{
	uint32_t first = nl->seq + 1;
	size_t total = b->count ? b->n + last_message(b)->nlmsg_len : 0;
	size_t at = 0;

	*r = (struct nl_result){ 0 };
	while (at < total && r->n == 0) {
		struct nlmsghdr *h = NULL;
		size_t start = at, end = at;

		for (size_t n = 0; at < total && n < SEND_MESSAGES; n++) {
			struct nlmsghdr *next = (struct nlmsghdr *)(b->p + at);

			if (at + next->nlmsg_len - start > SEND_BYTES / 2)
				break;
			h = next;
			h->nlmsg_seq = ++nl->seq;
			end = at + h->nlmsg_len;
			at += MNL_ALIGN(h->nlmsg_len);
			r->sent++;
		}
		h->nlmsg_flags |= NLM_F_ACK;
		if (nl_send(nl, b->p + start, end - start, e) < 0 ||
		    nl_answers(nl, first, h->nlmsg_seq, r, e) < 0)
			return -1;
	}
	return 0;
}

int nl_dump(struct nl *nl, struct nl_batch *b,
	    void (*fn)(const struct nlmsghdr *h, void *data), void *data, struct err *e)
{
	struct nlmsghdr *request = last_message(b);
	bool changed = false;

	request->nlmsg_flags |= NLM_F_DUMP;
	request->nlmsg_seq = ++nl->seq;
	if (nl_send(nl, request, request->nlmsg_len, e) < 0)
		return -1;
	for (;;) {
		ssize_t got = nl_receive(nl, e);
		int n = got;

		if (got < 0)
			return -1;
		for (struct nlmsghdr *h = (struct nlmsghdr *)nl->reply; mnl_nlmsg_ok(h, n);
		     h = mnl_nlmsg_next(h, &n)) {
			const struct nlmsgerr *fault = mnl_nlmsg_get_payload(h);

			if (h->nlmsg_seq != nl->seq)
				continue;
			if (h->nlmsg_flags & NLM_F_DUMP_INTR)
				changed = true;
			/* The end may bear an error too, at the same place. */
			if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR) {
				errno = mnl_nlmsg_get_payload_len(h) >= sizeof(int) ? -fault->error : 0;
				/* No such routing table yet: then it is empty. */
				if (errno == 0 || errno == ENOENT)
					return changed;
				return err_errno(e, "rtnetlink: dump");
			}
			fn(h, data);
		}
	}
}

int nl_drain(struct nl *nl, struct err *e)
{
	for (;;) {
		ssize_t n = recv(nl->fd, nl->reply, REPLY_BYTES, MSG_DONTWAIT);

		if (n >= 0 || errno == EINTR || errno == ENOBUFS)
			continue;
		return errno == EAGAIN ? 0 : err_errno(e, "rtnetlink: receive");
	}
}
