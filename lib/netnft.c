/* netnft - the nft(8) ruleset of a container. */
#include "netnft.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/nsfs.h>
#include <linux/veth.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inmate.h"
#include "nl.h"
#include "proc.h"
#include "sha256.h"

#define MARK "table inet nixunits {"

/* What we put before a text, on a line of its own. */
#define FLUSH "flush ruleset\n"

/* "/dev/stdin:3:9-13: Error: syntax error, ..." and the line itself: the first line of it,
 * with the line as the declaration counts. */
static int complaint(const char *said, struct err *e)
{
	const char *place = starts_with(said, "/dev/stdin:") ? said + strlen("/dev/stdin:") : NULL;
	uint64_t line;

	if (place && take_number(&place, &line) && take_char(&place, ':') && line > 1)
		return err_set(e, NU_FAILED, "nft: line %d, column %.*s", (int)line - 1,
			       (int)strcspn(place, "\n"), place);
	return err_set(e, NU_FAILED, "nft: %.*s", (int)strcspn(said, "\n"), said);
}

/* A file in memory, with this text at the start. */
static int memory(const char *text, struct err *e)
{
	autoclose int fd = memfd_create("nft", MFD_CLOEXEC);
	size_t n = strlen(text);

	if (fd < 0 || write(fd, text, n) != (ssize_t)n || lseek(fd, 0, SEEK_SET) < 0)
		return err_errno(e, "memfd");
	return steal_fd(&fd);
}

/* In the child: becomes the root of the namespace, which is the container's root where it
 * has a user namespace: an "include" in the rules reads nothing that one could not. */
static int go_inside(int netns_fd)
{
	autoclose int userns = ioctl(netns_fd, NS_GET_USERNS);
	struct stat ours, theirs;

	if (userns < 0 || fstat(userns, &theirs) < 0 || stat("/proc/self/ns/user", &ours) < 0)
		return -1;
	if (ours.st_ino == theirs.st_ino)
		return setns(netns_fd, CLONE_NEWNET);
	if (setns(userns, CLONE_NEWUSER) < 0 || setns(netns_fd, CLONE_NEWNET) < 0)
		return -1;
	return inmate_become_root();
}

/* In the child: goes to a namespace that has links of these names, two ends of a veth each, and
 * nothing else. Where that fails, the rules that name them are refused. The last one is a peer, too:
 * only once it is there does the kernel choose a name for the link itself. */
static void go_apart(const struct strv *links)
{
	autonl struct nl nl = { .fd = -1 };
	autobatch struct nl_batch b = { 0 };
	struct ifinfomsg m = { 0 };
	struct nl_result r = { 0 };
	struct err ignored;

	if (unshare(CLONE_NEWNET) < 0 || nl_open(&nl, -1, &ignored) < 0)
		return;
	for (size_t i = 0; i < links->n; i += 2) {
		struct nlmsghdr *h =
			nl_add(&b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof(m));

		if (i + 1 < links->n)
			mnl_attr_put_strz(h, IFLA_IFNAME, links->v[i + 1]);
		struct nlattr *info = mnl_attr_nest_start(h, IFLA_LINKINFO);
		mnl_attr_put_strz(h, IFLA_INFO_KIND, "veth");
		struct nlattr *data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
		struct nlattr *peer = mnl_attr_nest_start(h, VETH_INFO_PEER);
		mnl_nlmsg_put_extra_header(h, sizeof(m));
		mnl_attr_put_strz(h, IFLA_IFNAME, links->v[i]);
		mnl_attr_nest_end(h, peer);
		mnl_attr_nest_end(h, data);
		mnl_attr_nest_end(h, info);
	}
	nl_run(&nl, &b, &r, &ignored);
	free(r.v);
}

/* As nft_run; with `links`, apart from the namespace (go_apart). */
static int run(int netns_fd, const struct strv *links, char *const argv[], const char *input,
	       struct buf *out, struct err *e)
{
	autobuf struct buf said = { 0 };
	autoclose int in = memory(input, e);
	autoclose int answer = memory("", e);
	autoclose int errors = memory("", e);

	if (in < 0 || answer < 0 || errors < 0)
		return -1;
	pid_t pid = fork();
	if (pid < 0)
		return err_errno(e, "fork");
	if (pid == 0) {
		if (netns_fd >= 0 && go_inside(netns_fd) < 0)
			_exit(126);
		if (links)
			go_apart(links);
		if (dup2(in, 0) == 0 && dup2(answer, 1) == 1 && dup2(errors, 2) == 2)
			execvp(argv[0], argv);
		_exit(127);
	}
	int status = proc_wait(pid);
	if (status == 126)
		return err_set(e, NU_FAILED, "entering the network namespace failed");
	if (status == 127) {
		errno = ENOENT;
		return proc_missing(argv[0], e);
	}
	if (lseek(answer, 0, SEEK_SET) < 0 || lseek(errors, 0, SEEK_SET) < 0 ||
	    fd_read(answer, argv[0], 64 << 20, out, e) < 0 ||
	    fd_read(errors, argv[0], 64 << 10, &said, e) < 0)
		return -1;
	return status ? complaint(said.n ? said.p : "failed", e) : 0;
}

int nft_run(int netns_fd, char *const argv[], const char *input, struct buf *out, struct err *e)
{
	return run(netns_fd, NULL, argv, input, out, e);
}

int nft_check(int netns_fd, const char *text, const struct strv *links, struct err *e)
{
	static char *const argv[] = { (char *)"nft", (char *)"-c", (char *)"-f",
				      (char *)"-", NULL };
	autofree char *all = xfmt(FLUSH "%s\n", text);
	autobuf struct buf out = { 0 };

	if (run(netns_fd, NULL, argv, all, &out, e) == 0)
		return 0;
	/* "iif" and the like take the number of a link, which may be none yet. */
	return links->n ? run(netns_fd, links, argv, all, &out, e) : -1;
}

/* Without counters and contents of sets, which change by themselves. */
static int list(int netns_fd, struct buf *out, struct err *e)
{
	static char *const argv[] = { (char *)"nft", (char *)"-s", (char *)"-t", (char *)"list",
				      (char *)"ruleset", NULL };

	if (nft_run(netns_fd, argv, "", out, e) < 0)
		return -1;
	buf_addf(out, "%s", "");
	return 0;
}

/* Writes the comment for this text and this listing, from which our own table is left
 * out: two hashes. */
static void comment(const char *text, const struct buf *listing, char dst[66])
{
	const char *mark = strstr(listing->p, MARK);
	const char *end = mark ? strstr(mark, "\n}\n") : NULL;
	struct sha256 s;

	sha256_init(&s);
	sha256_add(&s, text, strlen(text));
	sha256_end_hex(&s, dst, 32);
	dst[32] = ' ';
	sha256_init(&s);
	sha256_add(&s, listing->p, mark ? (size_t)(mark - listing->p) : listing->n);
	if (end)
		sha256_add(&s, end + 3, strlen(end + 3));
	sha256_end_hex(&s, dst + 33, 32);
}

/* Calls fn with "inet-filter" and the like for each table of a listing but our own. */
static void each_table(const char *listing, void (*fn)(const char *name, void *data), void *data)
{
	for (const char *line = listing; line && *line; line = next_line(line)) {
		char family[16], table[256];
		const char *p = line + strlen("table ");

		if (!starts_with(line, "table ") || starts_with(line, MARK) ||
		    !take_word(&p, family, sizeof(family)) || !take_blanks(&p) ||
		    !take_word(&p, table, sizeof(table)))
			continue;
		autofree char *name = xfmt("%s-%s", family, table);
		fn(name, data);
	}
}

static void add_name(const char *name, void *data)
{
	strv_add(data, name);
}

/* Whether each table that was there when our own was made, and is a chain in that, still is. */
static bool has_tables(const char *listing, const char *mark)
{
	autostrv struct strv names = { 0 };
	static const char chain[] = "\tchain ";

	each_table(listing, add_name, &names);
	for (const char *line = mark; line && !starts_with(line, "}\n"); line = next_line(line)) {
		const char *p = line + strlen(chain);
		char name[300];

		if (starts_with(line, chain) && take_word(&p, name, sizeof(name)) &&
		    !strv_has(&names, name))
			return false;
	}
	return true;
}

int nft_look(int netns_fd, const char *text, bool may_change, enum nft_state *state, struct err *e)
{
	autobuf struct buf listing = { 0 };
	char want[66];

	if (list(netns_fd, &listing, e) < 0)
		return -1;
	comment(text ? text : "", &listing, want);
	if (may_change)
		want[32] = '\0';
	const char *mark = strstr(listing.p, MARK);
	*state = !mark ? NFT_NONE :
		 strstr(mark, text ? want : want + 32) && has_tables(listing.p, mark) ? NFT_LOADED :
											NFT_OTHER;
	return 0;
}

/* The answer to a question about a table: the table, or an error. */
static bool ask_table(const char *name)
{
	char b[4096] __attribute__((aligned(8)));
	struct mnl_socket *s = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	bool there = false;

	if (!s)
		return false;
	struct nlmsghdr *h = mnl_nlmsg_put_header(b);
	h->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE;
	h->nlmsg_flags = NLM_F_REQUEST;
	struct nfgenmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	*m = (struct nfgenmsg){ .nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0 };
	mnl_attr_put_strz(h, NFTA_TABLE_NAME, name);
	if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) == 0 &&
	    mnl_socket_sendto(s, h, h->nlmsg_len) >= 0) {
		ssize_t n = mnl_socket_recvfrom(s, b, sizeof(b));

		h = (struct nlmsghdr *)b;
		there = n >= (ssize_t)sizeof(*h) &&
			h->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE);
	}
	mnl_socket_close(s);
	return there;
}

bool nft_has_table(int netns_fd, const char *name)
{
	struct err ignored;
	int home = netns_enter(netns_fd, &ignored);
	bool there = home >= 0 && ask_table(name);

	if (home >= 0)
		netns_leave(home);
	return there;
}

int nft_save(int netns_fd, struct buf *text, struct err *e)
{
	static char *const argv[] = { (char *)"nft", (char *)"list", (char *)"ruleset", NULL };

	if (nft_run(netns_fd, argv, "", text, e) < 0)
		return -1;
	buf_addf(text, "%s", "");
	return 0;
}

static void add_chain(const char *name, void *data)
{
	buf_addf(data, "chain %s { }\n", name);
}

int nft_load(int netns_fd, const char *text, bool mark, struct err *e)
{
	static char *const argv[] = { (char *)"nft", (char *)"-f", (char *)"-", NULL };
	autobuf struct buf out = { 0 };
	autobuf struct buf listing = { 0 };
	autobuf struct buf ours = { 0 };
	autofree char *all = xfmt(FLUSH "%s\n", text);
	char words[66];

	if (nft_run(netns_fd, argv, all, &out, e) < 0)
		return -1;
	if (!mark)
		return 0;
	if (list(netns_fd, &listing, e) < 0)
		return -1;
	if (strstr(listing.p, MARK))
		return err_set(e, NU_FAILED, "nft: a table called inet nixunits, which is where we "
					     "keep what was declared");
	comment(text, &listing, words);
	buf_addf(&ours, MARK "\ncomment \"%s\"\n", words);
	each_table(listing.p, add_chain, &ours);
	buf_addf(&ours, "}\n");
	return nft_run(netns_fd, argv, ours.p, &out, e);
}
