/* resolv - the resolv.conf(5) of a container. */
#include "resolv.h"

#include <fcntl.h>
#include <string.h>

#define LIMIT 65536

bool resolv_usable(const char *text)
{
	for (const char *p = text; p; p = next_line(p)) {
		p += strspn(p, " \t");
		if (!starts_with(p, "nameserver"))
			continue;
		const char *server = p + 10;
		server += strspn(server, " \t");
		if (server > p + 10 && !starts_with(server, "127.") &&
		    !(starts_with(server, "::1") && strchr(" \t\n", server[3])))
			return true;
	}
	return false;
}

bool resolv_conf(const struct unit *u, struct buf *b)
{
	static const char *const sources[] = { "/etc/resolv.conf",
					       "/run/systemd/resolve/resolv.conf" };
	char text[ADDR_TEXT];
	struct err ignored; /* a host without resolvers is no failure of ours */

	for (size_t i = 0; i < u->net.dns.n; i++)
		buf_addf(b, "nameserver %s\n", addr_text(&u->net.dns.v[i], false, text));
	if (b->n || !u->net.dns_copy)
		return b->n;
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		buf_free(b);
		if (file_read(AT_FDCWD, sources[i], LIMIT, b, &ignored) == 0 &&
		    (resolv_usable(b->p) || !u->net.private))
			return true;
	}
	return false;
}
