/* nl - rtnetlink in batches: many requests, one send, each failure by its request.
 *
 * The kernel works through every message of one send and goes on after one that
 * fails. It always reports a failure, so only the last message of a send asks
 * for an acknowledgement: when that has come, what has not failed is done.
 */
#ifndef NU_NL_H
#define NU_NL_H

#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "say.h"

struct nl {
	int fd;
	uint32_t seq;	/* of the last message sent */
	size_t n_sends; /* how many sends it took so far */
	char *reply;	/* receive buffer */
};

/* Opens a socket in the network namespace of netns_fd (-1: the caller's own);
 * the caller is back in its own namespace afterwards. Entering another needs
 * CAP_SYS_ADMIN. Return 0, or -1 and e; close nl in both cases. */
int nl_open(struct nl *nl, int netns_fd, struct err *e);
/* The same, subscribed to the RTMGRP_* groups, for nl_drain. Never enters another
 * namespace and needs no privilege. */
int nl_listen(struct nl *nl, uint32_t groups, struct err *e);
void nl_close(struct nl *nl);
#define autonl __attribute__((cleanup(nl_close)))

/* Enters a network namespace (-1: stays); needs CAP_SYS_ADMIN. Returns what netns_leave
 * takes to come back, or -1 and e. Not to come back ends the process: what would follow
 * is meant for another namespace. */
int netns_enter(int netns_fd, struct err *e);
void netns_leave(int home);

/* Requests one after the other. Start it as { 0 }. */
struct nl_batch {
	char *p;
	size_t n, room; /* bytes; n without the last message, which may still grow */
	size_t count;	/* messages */
};

/* No message of ours comes near this. */
#define NL_MESSAGE_MAX 2048

/* Begins a message: `head` (struct ifinfomsg, ...) of `size` bytes after its
 * header, NLM_F_REQUEST added to flags. The attributes are put by mnl_attr_put*
 * until the next nl_add; the pointer is valid until then too. */
struct nlmsghdr *nl_add(struct nl_batch *b, uint16_t type, uint16_t flags, const void *head,
			size_t size);
void nl_batch_free(struct nl_batch *b);
#define autobatch __attribute__((cleanup(nl_batch_free)))

struct nl_failure {
	size_t at; /* which message of the batch, from 0 */
	int error; /* errno */
	char text[120]; /* the kernel's own explanation, or "" */
};

struct nl_result {
	struct nl_failure *v; /* in the order of the messages */
	size_t n;
	size_t sent; /* messages the kernel has seen: all, unless one failed */
};

/* Sends the batch, in as few sends as the socket's buffer allows, and collects
 * the answers. After a send with a failure nothing more is sent. Returns 0 when
 * the socket worked, whether or not a request failed: see r->n. -1 and e if not:
 * then nothing is known of what was done. The caller frees r->v. */
int nl_run(struct nl *nl, struct nl_batch *b, struct nl_result *r, struct err *e);

/* Sends the one request of b (a dump) and calls fn for each answer; fn returns
 * nothing as it can't fail. Return 0; 1 if the kernel says that the state changed
 * meanwhile (start again); -1 and e. */
int nl_dump(struct nl *nl, struct nl_batch *b,
	    void (*fn)(const struct nlmsghdr *h, void *data), void *data, struct err *e);

/* Throws away what has arrived at a listening socket, lost events included. */
int nl_drain(struct nl *nl, struct err *e);

#endif
