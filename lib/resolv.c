/* resolv - the resolv.conf(5) of a container. */
#include "resolv.h"

#include <fcntl.h>
#include <string.h>

#define LIMIT 65536

bool resolv_others(const char *text, struct buf *b)
{
	bool any = false;

	for (const char *line = text, *end; *line; line = end) {
		const char *p = line + strspn(line, " \t");
		const char *server = p + strlen("nameserver");

		end = line + strcspn(line, "\n");
		end += *end == '\n';
		if (starts_with(p, "nameserver") && strspn(server, " \t")) {
			server += strspn(server, " \t");
			if (starts_with(server, "127.") ||
			    (starts_with(server, "::1") && strchr(" \t\r\n", server[3])))
				continue;
			any = true;
		}
		buf_add(b, line, end - line);
	}
	return any;
}

bool resolv_conf(const struct unit *u, struct buf *b)
{
	static const char *const sources[] = { "/etc/resolv.conf",
					       "/run/systemd/resolve/resolv.conf",
					       "/run/NetworkManager/no-stub-resolv.conf" };
	char text[ADDR_TEXT];
	struct err ignored; /* a host without resolvers is no failure of ours */
	bool own = false;

	buf_addf(b, RESOLV_MARK);
	for (size_t i = 0; i < u->net.dns.n; i++)
		buf_addf(b, "nameserver %s\n", addr_text(&u->net.dns.v[i], false, text));
	if (u->net.dns.n || !u->net.dns_copy)
		return u->net.dns.n;
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		autobuf struct buf source = { 0 };

		if (file_read(AT_FDCWD, sources[i], LIMIT, &source, &ignored) < 0)
			continue;
		b->n = strlen(RESOLV_MARK);
		if (!u->net.private) {
			buf_add(b, source.p, source.n);
			return true;
		}
		if (resolv_others(source.p, b))
			return true;
		own = own || strstr(source.p, "nameserver");
	}
	if (own)
		warn("%s: network.dns: the host's name server is on its loopback, out of the "
		     "container's reach, and those behind it are not known",
		     u->id);
	return false;
}
