/* netforward - ports of the host that lead into a container, by nft(8). */
#include "netforward.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>

#include "netcheck.h"
#include "netplan.h"
#include "netsysctl.h"
#include "sha256.h"

#define RUN_DIR "/run/nixunits"
#define LOCK RUN_DIR "/.forward"
#define LOCK_WAIT_MS 30000

static const int families[] = { AF_INET, AF_INET6 };

/* By which a family's connections go in. */
struct way {
	const struct iface *f; /* NULL: by none */
	const struct addr *guest, *host;
	bool back; /* the container answers by this way, whoever asks */
	char link[IF_NAMESIZE];
	char name[IF_NAMESIZE + 1]; /* the same as nft takes it in quotes */
};

static const struct addr *usable(const struct addrs *v)
{
	for (size_t i = 0; i < v->n; i++)
		if (!net_link_local(&v->v[i]))
			return &v->v[i];
	return NULL;
}

static struct way find_way(const struct unit *u, int family)
{
	const struct addr *gateway = family == AF_INET ? &u->net.route4 : &u->net.route6;
	struct way w = { 0 };

	for (size_t i = 0; !w.f && i < u->net.n_ifaces; i++) {
		const struct iface *f = &u->net.ifaces[i];
		const struct addrs *hosts = net_hosts(f, family);

		w.guest = usable(net_own(f, family));
		w.host = usable(hosts);
		if (f->kind != IFACE_VETH || !w.guest || !w.host)
			continue;
		w.f = f;
		for (size_t k = 0; k < hosts->n; k++)
			w.back = w.back || addr_same_host(&hosts->v[k], gateway);
		net_host_name(u->id, f->name, w.link);
		/* A "*" at the end would stand for anything. */
		size_t n = strlen(w.link);
		snprintf(w.name, sizeof(w.name), "%.*s%s", (int)n - ends_with(w.link, "*"), w.link,
			 ends_with(w.link, "*") ? "\\*" : "");
	}
	return w;
}

int forward_check(const struct unit *u, struct err *e)
{
	struct way v4 = find_way(u, AF_INET), v6 = find_way(u, AF_INET6);
	char text[ADDR_TEXT];

	for (size_t i = 0; i < u->net.n_forwards; i++) {
		const struct addr *a = &u->net.forwards[i].address;

		if (!v4.f && !v6.f)
			return err_set(e, NU_USAGE, "network.forward: no veth has addresses at both ends "
						    "(ip4 and hostIp4, or ip6 and hostIp6)");
		if (a->family && !(a->family == AF_INET ? v4 : v6).f)
			return err_set(e, NU_USAGE, "network.forward: %s: no veth has IPv%d addresses at "
						    "both ends",
				       addr_text(a, false, text), a->family == AF_INET ? 4 : 6);
	}
	return 0;
}

bool forward_in(const struct unit *u, int family)
{
	for (size_t i = 0; find_way(u, family).f && i < u->net.n_forwards; i++)
		if (!u->net.forwards[i].address.family || u->net.forwards[i].address.family == family)
			return true;
	return false;
}

static bool is_loopback(const struct addr *a)
{
	return a->family == AF_INET && a->bytes[0] == 127;
}

/* One forward for one family, from the network or from the host itself. */
static void rule(const struct forward *f, const struct way *w, int family, bool from_host,
		 struct buf *b)
{
	const char *ip = family == AF_INET ? "ip" : "ip6";
	char text[ADDR_TEXT];

	buf_addf(b, "\t\t");
	if (!from_host)
		buf_addf(b, "iifname != \"%s\" ", w->name);
	if (f->address.family)
		buf_addf(b, "%s daddr %s ", ip, addr_text(&f->address, false, text));
	else if (family == AF_INET6)
		buf_addf(b, "ip6 daddr != ::1 fib daddr type local ");
	else
		buf_addf(b, "%sfib daddr type local ", from_host ? "" : "ip daddr != 127.0.0.0/8 ");
	addr_text(w->guest, false, text);
	buf_addf(b, family == AF_INET ? "%s dport %ld dnat %s to %s:%ld\n" :
					"%s dport %ld dnat %s to [%s]:%ld\n",
		 f->udp ? "udp" : "tcp", f->host_port, ip, text, f->port);
}

static void rules(const struct unit *u, const struct way *ways, bool from_host, struct buf *b)
{
	for (size_t i = 0; i < u->net.n_forwards; i++)
		for (size_t k = 0; k < ARRAY_SIZE(families); k++) {
			const struct forward *f = &u->net.forwards[i];

			/* What others send to 127.0.0.1 is not for us. */
			if (ways[k].f && (!f->address.family || f->address.family == families[k]) &&
			    (from_host || !is_loopback(&f->address)))
				rule(f, &ways[k], families[k], from_host, b);
		}
}

static void body(const struct unit *u, struct buf *b)
{
	struct way ways[] = { find_way(u, AF_INET), find_way(u, AF_INET6) };
	char text[ADDR_TEXT];

	if (ways[0].f)
		buf_addf(b, "\tchain guard {\n\t\ttype filter hook prerouting priority -300;\n"
			    "\t\tiifname \"%s\" ip daddr 127.0.0.0/8 drop\n"
			    "\t\tiifname \"%s\" ip saddr 127.0.0.0/8 drop\n\t}\n",
			 ways[0].name, ways[0].name);
	buf_addf(b, "\tchain prerouting {\n\t\ttype nat hook prerouting priority -100;\n");
	rules(u, ways, false, b);
	buf_addf(b, "\t}\n\tchain output {\n\t\ttype nat hook output priority -100;\n");
	rules(u, ways, true, b);
	buf_addf(b, "\t}\n\tchain postrouting {\n\t\ttype nat hook postrouting priority 100;\n");
	for (size_t k = 0; k < ARRAY_SIZE(families); k++)
		if (ways[k].f)
			buf_addf(b, "\t\toifname \"%s\" ct status dnat %ssnat %s to %s\n", ways[k].name,
				 ways[k].back ? "fib saddr type local " : "",
				 families[k] == AF_INET ? "ip" : "ip6",
				 addr_text(ways[k].host, false, text));
	buf_addf(b, "\t}\n");
}

static int nft_text(int netns_fd, const char *text, struct err *e)
{
	static char *const argv[] = { (char *)"nft", (char *)"-f", (char *)"-", NULL };
	autobuf struct buf out = { 0 };

	return nft_run(netns_fd, argv, text, &out, e);
}

/* Replaces the table, in one transaction, which no packet sees a part of. */
static int replace(const char *id, int netns_fd, const char *table, struct err *e)
{
	autofree char *text = xfmt("table inet nixunits-%s\ndelete table inet nixunits-%s\n%s", id, id,
				   table);

	return nft_text(netns_fd, text, e);
}

static int list(const char *id, int netns_fd, struct buf *out, struct err *e)
{
	autofree char *name = xfmt("nixunits-%s", id);
	char *argv[] = { (char *)"nft", (char *)"-s", (char *)"list", (char *)"table", (char *)"inet",
			 name, NULL };
	int ret = nft_run(netns_fd, argv, "", out, e);

	buf_addf(out, "%s", "");
	return ret;
}

/* A hash of what is declared and one of how nft lists it, but for the comment itself. */
static void comment(const char *declared, const char *listing, char dst[66])
{
	struct sha256 s;

	sha256_init(&s);
	sha256_add(&s, declared, strlen(declared));
	sha256_end_hex(&s, dst, 32);
	dst[32] = ' ';
	sha256_init(&s);
	for (const char *p = listing, *end; *p; p = end) {
		end = p + strcspn(p, "\n");
		end += *end == '\n';
		if (!starts_with(p, "\tcomment \""))
			sha256_add(&s, p, end - p);
	}
	sha256_end_hex(&s, dst + 33, 32);
}

/* NULL where no IPv4 connection is forwarded. */
static char *localnet_key(const struct unit *u)
{
	struct way w = find_way(u, AF_INET);

	return w.f ? xfmt("net/ipv4/conf/%s/route_localnet", w.link) : NULL;
}

static bool localnet_is(const struct unit *u, int netns_fd, const char *value)
{
	autofree char *key = localnet_key(u);
	struct err ignored;
	autofree char *now = key ? netsysctl_read(netns_fd, key, &ignored) : NULL;

	return !key || (now && streq(now, value));
}

int forward_look(const struct unit *u, int netns_fd, enum nft_state *state, struct err *e)
{
	autobuf struct buf listing = { 0 };
	autobuf struct buf want = { 0 };
	char words[66];

	*state = NFT_NONE;
	if (!forward_exists(u->id))
		return 0;
	if (list(u->id, netns_fd, &listing, e) < 0)
		return -1;
	body(u, &want);
	comment(want.p, listing.p, words);
	*state = strstr(listing.p, words) && localnet_is(u, netns_fd, "1") ? NFT_LOADED : NFT_OTHER;
	return 0;
}

static int load(const struct unit *u, int netns_fd, const char *declared, struct err *e)
{
	autofree char *plain = xfmt("table inet nixunits-%s {\n%s}\n", u->id, declared);
	autobuf struct buf listing = { 0 };
	autofree char *key = localnet_key(u);
	char words[66];

	if (replace(u->id, netns_fd, plain, e) < 0 || list(u->id, netns_fd, &listing, e) < 0)
		return -1;
	comment(declared, listing.p, words);
	autofree char *marked = xfmt("table inet nixunits-%s {\n\tcomment \"%s\"\n%s}\n", u->id, words,
				     declared);
	if (replace(u->id, netns_fd, marked, e) < 0)
		return -1;
	return key ? netsysctl_write(netns_fd, key, "1", e) : 0;
}

/* Whether this line of another unit's table, as nft lists it, takes what f is to have. */
static bool takes(const char *line, size_t n, const struct forward *f, int family)
{
	char text[ADDR_TEXT];
	autofree char *rule = xstrndup(line, n);
	autofree char *port = xfmt(" %s dport %ld dnat %s to ", f->udp ? "udp" : "tcp",
				   f->host_port, family == AF_INET ? "ip" : "ip6");
	autofree char *address = f->address.family ?
					 xfmt(" daddr %s ", addr_text(&f->address, false, text)) :
					 NULL;

	return strstr(rule, port) &&
	       (!address || strstr(rule, " daddr type local ") || strstr(rule, address));
}

/* No port that another unit forwards: one of the two would get all of its connections. */
static int check_free(const struct unit *u, int netns_fd, struct err *e)
{
	static char *const argv[] = { (char *)"nft",	 (char *)"-s",	    (char *)"-t",
				      (char *)"list", (char *)"ruleset", (char *)"inet", NULL };
	static const char table[] = "table inet nixunits-";
	struct way ways[] = { find_way(u, AF_INET), find_way(u, AF_INET6) };
	autobuf struct buf all = { 0 };
	char id[ID_MAX + 1] = "";

	if (nft_run(netns_fd, argv, "", &all, e) < 0)
		return -1;
	for (const char *line = all.p; line && *line; line = next_line(line)) {
		const char *name = line + strlen(table);

		if (starts_with(line, "table "))
			id[0] = '\0';
		if (starts_with(line, table))
			take_word(&name, id, sizeof(id));
		for (size_t i = 0; id[0] && !streq(id, u->id) && i < u->net.n_forwards; i++) {
			const struct forward *f = &u->net.forwards[i];

			for (size_t k = 0; k < ARRAY_SIZE(families); k++)
				if (ways[k].f && (!f->address.family || f->address.family == families[k]) &&
				    takes(line, strcspn(line, "\n"), f, families[k]))
					return err_set(e, NU_FAILED, "unit %s forwards %s port %ld already",
						       id, f->udp ? "udp" : "tcp", f->host_port);
		}
	}
	return 0;
}

/* One unit at a time, on this host: of two that want the same port the second is to see
 * the first. The namespace itself is anybody's to lock. */
static int load_alone(const struct unit *u, int netns_fd, const char *declared, struct err *e)
{
	if (make_dirs(RUN_DIR, 0755, e) < 0)
		return -1;
	autoclose int lock = open(LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (lock < 0 || lock_within(lock, LOCK_EX, LOCK_WAIT_MS) < 0)
		return err_errno(e, LOCK);
	return check_free(u, netns_fd, e) < 0 ? -1 : load(u, netns_fd, declared, e);
}

int forward_load(const struct unit *u, int netns_fd, bool spoil, struct forward_was *was,
		 struct err *e)
{
	autobuf struct buf before = { 0 };
	autobuf struct buf want = { 0 };
	autofree char *key = localnet_key(u);
	struct err bad;

	*was = (struct forward_was){ 0 };
	if (forward_exists(u->id) && list(u->id, netns_fd, &before, e) < 0)
		return -1;
	body(u, &want);
	if (spoil)
		buf_addf(&want, "?");
	was->table = xstrdup(before.n ? before.p : "");
	was->localnet = key ? netsysctl_read(netns_fd, key, &bad) : NULL;
	if ((u->net.n_forwards || spoil ? load_alone(u, netns_fd, want.p, e) :
					  forward_restore(u, netns_fd, "", "0", e)) == 0)
		return 0;
	forward_restore(u, netns_fd, was->table, was->localnet, &bad);
	return -1;
}

int forward_restore(const struct unit *u, int netns_fd, const char *table, const char *localnet,
		    struct err *e)
{
	autofree char *key = localnet_key(u);
	struct err more;
	/* The link may have gone, and its setting with it. */
	int ret = key && localnet ? netsysctl_write(netns_fd, key, localnet, e) : 0;

	return replace(u->id, netns_fd, table, ret < 0 ? &more : e) < 0 ? -1 : ret;
}

bool forward_exists(const char *id)
{
	autofree char *name = xfmt("nixunits-%s", id);

	return nft_has_table(-1, name);
}

int forward_remove(const char *id, struct err *e)
{
	return forward_exists(id) ? replace(id, -1, "", e) : 0;
}
