/* addr - IPv4 and IPv6 addresses with a prefix length, as text and as bytes. */
#include "addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

unsigned int addr_bits(int family)
{
	return family == AF_INET ? 32 : 128;
}

static int addr_bad(const char *text, struct err *e, const char *what)
{
	return err_set(e, NU_USAGE, "%s: %s", quoted(text), what);
}

int addr_parse_host(const char *text, int family, struct addr *a, struct err *e)
{
	*a = (struct addr){ .family = strchr(text, ':') ? AF_INET6 : AF_INET };
	if (strchr(text, '/'))
		return addr_bad(text, e, "expected an address without a prefix length");
	if (family && family != a->family)
		return addr_bad(text, e, family == AF_INET ? "expected an IPv4 address" :
							     "expected an IPv6 address");
	if (inet_pton(a->family, text, a->bytes) != 1)
		return addr_bad(text, e, a->family == AF_INET ? "not an IPv4 address" :
								"not an IPv6 address");
	a->prefix = addr_bits(a->family);
	return 0;
}

int addr_parse(const char *text, int family, struct addr *a, struct err *e)
{
	const char *slash = strchr(text, '/');
	char host[64];
	unsigned int prefix = 0;

	if (!slash)
		return addr_parse_host(text, family, a, e);
	if ((size_t)(slash - text) >= sizeof(host))
		return addr_bad(text, e, "not an address");
	memcpy(host, text, slash - text);
	host[slash - text] = '\0';
	if (addr_parse_host(host, family, a, e) < 0)
		return -1;

	const char *digits = slash + 1;
	size_t n = strspn(digits, "0123456789");
	if (n == 0 || digits[n] || (n > 1 && digits[0] == '0'))
		return addr_bad(text, e, "the prefix length is not a number");
	for (size_t i = 0; i < n && prefix < 1000; i++)
		prefix = prefix * 10 + digits[i] - '0';
	if (prefix > addr_bits(a->family))
		return addr_bad(text, e, a->family == AF_INET ? "prefix length above 32" :
								"prefix length above 128");
	a->prefix = prefix;
	return 0;
}

const char *addr_text(const struct addr *a, bool with_prefix, char dst[ADDR_TEXT])
{
	inet_ntop(a->family, a->bytes, dst, ADDR_TEXT);
	if (with_prefix)
		sprintf(dst + strlen(dst), "/%u", a->prefix);
	return dst;
}

bool addr_same_host(const struct addr *a, const struct addr *b)
{
	return a->family == b->family &&
	       memcmp(a->bytes, b->bytes, addr_bits(a->family) / 8) == 0;
}

bool addr_same(const struct addr *a, const struct addr *b)
{
	return addr_same_host(a, b) && a->prefix == b->prefix;
}

bool addr_is_network(const struct addr *a)
{
	for (unsigned int bit = a->prefix; bit < addr_bits(a->family); bit++)
		if (a->bytes[bit / 8] >> (7 - bit % 8) & 1)
			return false;
	return true;
}

bool addr_covers(const struct addr *a, const struct addr *b)
{
	unsigned int whole = a->prefix / 8, rest = a->prefix % 8;

	if (a->family != b->family || memcmp(a->bytes, b->bytes, whole) != 0)
		return false;
	return rest == 0 || (a->bytes[whole] ^ b->bytes[whole]) >> (8 - rest) == 0;
}

int mac_parse(const char *text, unsigned char mac[6], struct err *e)
{
	static const char hex[] = "0123456789abcdefABCDEF", zero[6];

	/* strtoul alone would take blanks and signs for digits. */
	for (int i = 0; i < 17; i++)
		if (i % 3 == 2 ? text[i] != ':' : !text[i] || !strchr(hex, text[i]))
			return addr_bad(text, e, "not a MAC address such as 02:00:00:00:00:01");
	if (text[17])
		return addr_bad(text, e, "not a MAC address such as 02:00:00:00:00:01");
	for (int i = 0; i < 6; i++)
		mac[i] = strtoul(text + 3 * i, NULL, 16);
	if (mac[0] & 1)
		return addr_bad(text, e, "a multicast MAC address, no interface can have it");
	if (memcmp(mac, zero, 6) == 0)
		return addr_bad(text, e, "no interface can have this MAC address");
	return 0;
}
