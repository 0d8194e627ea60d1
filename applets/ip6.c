/* nu-ip6 - the stable IPv6 address of a container, from its id.
 *
 *   nu-ip6 [-p] ID...
 *
 * A unique local address (RFC 4193), the same on every host and at every start. With
 * h = sha256("nixunits ip6" NUL ID NUL):
 *
 *   byte  0      fd
 *   bytes 1-5    global id: h[0..4]
 *   bytes 6-7    subnet id: 0
 *   bytes 8-15   interface id: h[5..12]
 *
 * Each container so has a /48 to itself, of which it uses the first /64. inet_ntop(3)
 * writes it: the canonical form (RFC 5952), whatever zeros there are.
 */
#include <string.h>
#include <sys/socket.h>

#include "../lib/addr.h"
#include "../lib/applet.h"
#include "../lib/sha256.h"
#include "../lib/unit.h"

static void ula(const char *id, struct addr *a)
{
	unsigned char h[32];
	struct sha256 s;

	sha256_init(&s);
	sha256_add_str(&s, "nixunits ip6");
	sha256_add_str(&s, id);
	sha256_end(&s, h);
	*a = (struct addr){ .family = AF_INET6, .prefix = 64, .bytes = { 0xfd } };
	memcpy(a->bytes + 1, h, 5);
	memcpy(a->bytes + 8, h + 5, 8);
}

static int ip6_main(int argc, char **argv)
{
	bool prefix = false;
	const struct opt opts[] = {
		{ 'p', "prefix", NULL, "print the /64 it is in", .flag = &prefix },
		{ 0 },
	};
	int first = opt_parse(argc, argv, opts);
	char text[ADDR_TEXT];
	struct addr a;
	struct err e;

	if (first == argc)
		usage("expected an ID");
	for (int i = first; i < argc; i++)
		if (id_check(argv[i], &e) < 0)
			return say_err(&e);
	for (int i = first; i < argc; i++) {
		ula(argv[i], &a);
		if (prefix)
			memset(a.bytes + 8, 0, 8);
		puts(addr_text(&a, prefix, text));
	}
	return NU_OK;
}

APPLET(ip6, .name = "ip6", .summary = "Print the stable IPv6 address that follows from an id",
       .synopsis = "[-p] ID...",
       .help = "The address is a unique local one (RFC 4193), made of sha256 of the id. Nothing\n"
	       "assigns it: declare it, in ip6 of an interface, where it is wanted.",
       .main = ip6_main);
