/* addr: addresses as text and bytes, what covers what, MAC addresses. */
#include "../../lib/addr.h"

#include <sys/socket.h>

#include "tap.h"

static const char *round_trip(const char *in, int family)
{
	static char text[2000];
	struct addr a;
	struct err e;

	if (addr_parse(in, family, &a, &e) < 0)
		return strcpy(text, e.text);
	return addr_text(&a, true, text);
}

static bool covers(const char *net, const char *host)
{
	struct addr a, b;
	struct err e;

	return addr_parse(net, 0, &a, &e) == 0 && addr_parse(host, 0, &b, &e) == 0 &&
	       addr_covers(&a, &b);
}

static const char *mac(const char *in)
{
	static char text[1200];
	unsigned char m[6];
	struct err e;

	if (mac_parse(in, m, &e) < 0)
		return strcpy(text, e.text);
	sprintf(text, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	return text;
}

int main(void)
{
	static const struct {
		const char *in;
		int family;
		const char *out;
	} cases[] = {
		{ "10.0.0.2/31", 0, "10.0.0.2/31" },
		{ "0.0.0.0/0", AF_INET, "0.0.0.0/0" },
		{ "255.255.255.255/32", 0, "255.255.255.255/32" },
		{ "2001:db8:0:0:0:0:0:1/64", 0, "2001:db8::1/64" },
		{ "A:B:C:D::E/64", AF_INET6, "a:b:c:d::e/64" },
		{ "::/0", 0, "::/0" },
		{ "::ffff:1.2.3.4/128", 0, "::ffff:1.2.3.4/128" },
		{ "10.0.0.2/33", 0, "\"10.0.0.2/33\": prefix length above 32" },
		{ "fd00::1/129", 0, "\"fd00::1/129\": prefix length above 128" },
		{ "10.0.0.2/4294967298", 0, "\"10.0.0.2/4294967298\": prefix length above 32" },
		{ "10.0.0.2/", 0, "\"10.0.0.2/\": the prefix length is not a number" },
		{ "10.0.0.2/ 8", 0, "\"10.0.0.2/ 8\": the prefix length is not a number" },
		{ "10.0.0.2/08", 0, "\"10.0.0.2/08\": the prefix length is not a number" },
		{ "10.0.0.2/-1", 0, "\"10.0.0.2/-1\": the prefix length is not a number" },
		{ "10.0.0.2/8/8", 0, "\"10.0.0.2/8/8\": the prefix length is not a number" },
		{ "10.0.0/8", 0, "\"10.0.0\": not an IPv4 address" },
		{ "10.0.0.256/8", 0, "\"10.0.0.256\": not an IPv4 address" },
		{ "010.0.0.1/8", 0, "\"010.0.0.1\": not an IPv4 address" },
		{ "fd00:::1/64", 0, "\"fd00:::1\": not an IPv6 address" },
		{ "fe80::1%eth0/64", 0, "\"fe80::1%eth0\": not an IPv6 address" },
		{ "$(reboot)/8", 0, "\"$(reboot)\": not an IPv4 address" },
		{ "/8", 0, "\"\": not an IPv4 address" },
		{ "fd00::1/64", AF_INET, "\"fd00::1\": expected an IPv4 address" },
		{ "10.0.0.1/8", AF_INET6, "\"10.0.0.1\": expected an IPv6 address" },
		{ "1111111111111111111111111111111111111111111111111111111111111111/8", 0,
		  "\"1111111111111111111111111111111111111111111111111111111111111111/8\": "
		  "not an address" },
	};
	struct addr a, b;
	struct err e;
	char text[ADDR_TEXT];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		is(round_trip(cases[i].in, cases[i].family), cases[i].out, cases[i].in);

	is_int(addr_parse_host("10.0.0.1/8", 0, &a, &e), -1, "a host with a prefix length fails");
	is(e.text, "\"10.0.0.1/8\": expected an address without a prefix length", "and says why");
	is_int(e.code, 2, "as a usage error");
	is_int(addr_parse_host("fe80::1", 0, &a, &e), 0, "a host without one");
	is(addr_text(&a, false, text), "fe80::1", "is printed without one");
	is(addr_text(&a, true, text), "fe80::1/128", "or with all its bits");

	ok(covers("10.0.0.2/31", "10.0.0.3/32"), "10.0.0.2/31 covers .3");
	ok(!covers("10.0.0.2/31", "10.0.0.1/32"), "but not .1");
	ok(covers("10.0.0.9/24", "10.0.0.200/8"), "host bits do not matter");
	ok(!covers("10.0.0.9/32", "10.0.0.8/32"), "a /32 covers itself alone");
	ok(covers("10.0.0.9/32", "10.0.0.9/8"), "a /32 covers itself");
	ok(covers("0.0.0.0/0", "192.0.2.1/32"), "/0 covers all of its family");
	ok(!covers("0.0.0.0/0", "::1/128"), "and none of the other");
	ok(covers("fd00::2/127", "fd00::3/128") && !covers("fd00::2/127", "fd00::1/128"), "/127");
	ok(covers("2001:bc8::a/64", "2001:bc8::ffff:ffff:ffff:fffe"), "the last hosts of a /64");
	ok(!covers("2001:bc8::a/64", "2001:bc8:0:1::1"), "not those of the next");

	addr_parse("10.0.0.1/8", 0, &a, &e);
	addr_parse("10.0.0.1/24", 0, &b, &e);
	ok(addr_same_host(&a, &b) && !addr_same(&a, &b), "the same host, another prefix length");

	is(mac("00:00:5e:00:01:2A"), "00:00:5e:00:01:2a", "a MAC address");
	is(mac("01:00:5e:00:00:01"),
	   "\"01:00:5e:00:00:01\": a multicast MAC address, no interface can have it", "multicast");
	is(mac("00:00:5e:00:01"),
	   "\"00:00:5e:00:01\": not a MAC address such as 02:00:00:00:00:01", "one byte short");
	is(mac("0:00:5e:00:01:2a9"),
	   "\"0:00:5e:00:01:2a9\": not a MAC address such as 02:00:00:00:00:01", "17 wrong ones");
	is(mac("02-00-00-00-00-01"),
	   "\"02-00-00-00-00-01\": not a MAC address such as 02:00:00:00:00:01", "with dashes");
	is(mac(" 2: 0: 0: 0: 0: 1"),
	   "\" 2: 0: 0: 0: 0: 1\": not a MAC address such as 02:00:00:00:00:01", "with blanks");
	is(mac("+2:+0:+0:+0:+0:+1"),
	   "\"+2:+0:+0:+0:+0:+1\": not a MAC address such as 02:00:00:00:00:01", "with signs");
	is(mac("00:00:00:00:00:00"),
	   "\"00:00:00:00:00:00\": no interface can have this MAC address", "all zeros");
	return tap_done();
}
