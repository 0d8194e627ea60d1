/* inflate - RFC 1951 (deflate) and RFC 1952 (gzip), unpacked in memory. */
#ifndef NU_INFLATE_H
#define NU_INFLATE_H

#include <stddef.h>

/* Unpacks what gzip -n wrote, n bytes, to dst, where it must fill exactly size bytes.
 * 0, or -1 for anything else. */
int inflate_gzip(const void *packed, size_t n, void *dst, size_t size);

#endif
