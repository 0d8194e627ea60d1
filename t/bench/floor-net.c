/* floor-net NETNS N - the messages of a network of N veths, and nothing else: one send
 * in this namespace, one in NETNS, an answer to each. What `nixunits net up` can't be
 * faster than. Each pair has a /31 and a /127, both ends of which are no one network's
 * (so two routes on each side), and the first leads to the default route.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char *p; /* where the next message goes */
static struct nlmsghdr *h;

static void message(int type, int flags, const void *head, size_t n)
{
	h = (struct nlmsghdr *)p;
	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	h->nlmsg_len = NLMSG_LENGTH(n);
	memcpy(NLMSG_DATA(h), head, n);
	p += NLMSG_SPACE(n);
}

static struct rtattr *put(int type, const void *data, size_t n)
{
	struct rtattr *a = (struct rtattr *)p;

	a->rta_type = type;
	a->rta_len = RTA_LENGTH(n);
	if (n)
		memcpy(RTA_DATA(a), data, n);
	p += RTA_SPACE(n);
	h->nlmsg_len = p - (char *)h;
	return a;
}

static void end(struct rtattr *a)
{
	a->rta_len = p - (char *)a;
}

static void text(char *dst, int family, int i, int last)
{
	char s[64];

	if (family == AF_INET)
		snprintf(s, sizeof(s), "10.%d.%d.%d", i / 64, i % 64 * 4, last);
	else
		snprintf(s, sizeof(s), "fd00:%x::%d", i, last);
	inet_pton(family, s, dst);
}

static void address(int family, int i, int last, int index)
{
	int bytes = family == AF_INET ? 4 : 16;
	uint32_t flags = IFA_F_NODAD;
	char a[16];

	message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL,
		&(struct ifaddrmsg){ .ifa_family = family, .ifa_prefixlen = bytes * 8 - 1,
				     .ifa_index = index },
		sizeof(struct ifaddrmsg));
	text(a, family, i, last);
	put(IFA_LOCAL, a, bytes);
	put(IFA_ADDRESS, a, bytes);
	if (family == AF_INET6)
		put(IFA_FLAGS, &flags, 4);
}

static void route(int family, int i, int last, int index, int through)
{
	int bytes = family == AF_INET ? 4 : 16;
	char a[16];

	message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL,
		&(struct rtmsg){ .rtm_family = family, .rtm_dst_len = through ? 0 : bytes * 8,
				 .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_STATIC,
				 .rtm_scope = through ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
				 .rtm_type = RTN_UNICAST },
		sizeof(struct rtmsg));
	text(a, family, i, last);
	put(through ? RTA_GATEWAY : RTA_DST, a, bytes);
	put(RTA_OIF, &index, 4);
}

static void link_up(int index, const char *alias)
{
	message(RTM_SETLINK, 0,
		&(struct ifinfomsg){ .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP },
		sizeof(struct ifinfomsg));
	if (alias)
		put(IFLA_IFALIAS, alias, strlen(alias) + 1);
}

static void veth(int i, int netns)
{
	struct ifinfomsg peer = { .ifi_index = 2 + i };
	char name[32], mac[6] = { 2, 0, 0, 0, i >> 8, i };

	message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
		&(struct ifinfomsg){ .ifi_index = 1000000 + i }, sizeof(struct ifinfomsg));
	snprintf(name, sizeof(name), "nu-b_e%d", i);
	put(IFLA_IFNAME, name, strlen(name) + 1);
	put(IFLA_ADDRESS, mac, 6);
	struct rtattr *info = put(IFLA_LINKINFO | NLA_F_NESTED, NULL, 0);
	put(IFLA_INFO_KIND, "veth", 5);
	struct rtattr *data = put(IFLA_INFO_DATA | NLA_F_NESTED, NULL, 0);
	struct rtattr *other = put(VETH_INFO_PEER | NLA_F_NESTED, &peer, sizeof(peer));
	snprintf(name, sizeof(name), "e%d", i);
	mac[1] = 1;
	put(IFLA_IFNAME, name, strlen(name) + 1);
	put(IFLA_NET_NS_FD, &netns, 4);
	put(IFLA_ADDRESS, mac, 6);
	end(other);
	end(data);
	end(info);
	h->nlmsg_len = p - (char *)h;
}

/* Sends what has been put since `start`; the last message alone is answered. */
static void run(char *start, const char *what)
{
	char answer[8192];
	int size = 4 << 20;
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	h->nlmsg_flags |= NLM_F_ACK;
	if (send(fd, start, p - start, 0) < 0 || recv(fd, answer, sizeof(answer), 0) < 0) {
		perror(what);
		exit(1);
	}
	const struct nlmsgerr *e = NLMSG_DATA((struct nlmsghdr *)answer);
	if (e->error) {
		fprintf(stderr, "%s: %s\n", what, strerror(-e->error));
		exit(1);
	}
}

int main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[2]) : 0;
	int netns = argc > 1 ? open(argv[1], O_RDONLY) : -1;
	char *start = p = calloc(1 + n, 2048);

	if (n < 1 || netns < 0)
		return 2;
	for (int i = 0; i < n; i++) {
		char alias[64];

		snprintf(alias, sizeof(alias), "nixunits:b:e%d", i);
		veth(i, netns);
		link_up(1000000 + i, alias);
		address(AF_INET, i, 1, 1000000 + i);
		address(AF_INET6, i, 1, 1000000 + i);
		route(AF_INET, i, 2, 1000000 + i, 0);
		route(AF_INET6, i, 2, 1000000 + i, 0);
	}
	run(start, "host");
	start = p;
	setns(netns, CLONE_NEWNET);
	link_up(1, NULL);
	for (int i = 0; i < n; i++) {
		link_up(2 + i, NULL);
		address(AF_INET, i, 2, 2 + i);
		address(AF_INET6, i, 2, 2 + i);
		route(AF_INET, i, 1, 2 + i, 0);
		route(AF_INET6, i, 1, 2 + i, 0);
	}
	route(AF_INET, 0, 1, 2, 1);
	run(start, "container");
	return 0;
}
