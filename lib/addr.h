/* addr - IPv4 and IPv6 addresses with a prefix length, as text and as bytes. */
#ifndef NU_ADDR_H
#define NU_ADDR_H

#include <stdbool.h>

#include "say.h"

struct addr {
	int family; /* AF_INET, AF_INET6; 0: none */
	unsigned char prefix;
	unsigned char bytes[16]; /* network order; the first 4 for AF_INET */
};

#define ADDR_TEXT 56 /* the longest text of an address with its prefix */

/* "10.0.0.2/31": an address of `family` (0: either) with a prefix length; none
 * means the whole length (/32, /128). Return 0, or -1 and e (NU_USAGE), which
 * names the text and what is wrong with it. */
int addr_parse(const char *text, int family, struct addr *a, struct err *e);
/* An address alone: a prefix length is an error. */
int addr_parse_host(const char *text, int family, struct addr *a, struct err *e);
/* Writes "10.0.0.2/31" (with_prefix) or "10.0.0.2" into dst and returns dst. */
const char *addr_text(const struct addr *a, bool with_prefix, char dst[ADDR_TEXT]);
/* Length of an address of this family in bits. */
unsigned int addr_bits(int family);
bool addr_same(const struct addr *a, const struct addr *b);      /* and prefix */
bool addr_same_host(const struct addr *a, const struct addr *b); /* prefix aside */
/* Whether no bit beyond the prefix length is set. */
bool addr_is_network(const struct addr *a);
/* Whether b's address lies in a's network. */
bool addr_covers(const struct addr *a, const struct addr *b);
/* 00:00:5e:00:01:2a */
int mac_parse(const char *text, unsigned char mac[6], struct err *e);

#endif
