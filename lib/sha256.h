/* sha256 - FIPS 180-4, for keys and names: not for secrets. */
#ifndef NU_SHA256_H
#define NU_SHA256_H

#include <stddef.h>
#include <stdint.h>

struct sha256 {
	uint32_t h[8];
	uint64_t n; /* bytes so far */
	unsigned char block[64];
};

void sha256_init(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, size_t n);
/* A string with its terminator, so that two fields never run together. */
void sha256_add_str(struct sha256 *s, const char *str);
void sha256_end(struct sha256 *s, unsigned char digest[32]);
/* Ends s and writes the first `digits` hexadecimal digits (at most 64) and a NUL. */
void sha256_end_hex(struct sha256 *s, char *hex, size_t digits);

#endif
