/* inflate - RFC 1951 (deflate) and RFC 1952 (gzip), unpacked in memory. */
#include "inflate.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define MAX_BITS 15

struct stream {
	const uint8_t *in, *end;
	uint32_t bits; /* read and not yet taken, the next one lowest */
	int n_bits;
	uint8_t *out;
	size_t done, size;
	bool bad;
};

/* A Huffman code, canonical: how many codewords of each length, and the symbols in the
 * order of their codewords. */
struct code {
	uint16_t count[MAX_BITS + 1];
	uint16_t symbol[288];
};

static unsigned int take(struct stream *s, int n)
{
	while (s->n_bits < n) {
		if (s->in == s->end) {
			s->bad = true;
			return 0;
		}
		s->bits |= (uint32_t)*s->in++ << s->n_bits;
		s->n_bits += 8;
	}
	unsigned int value = s->bits & ((1u << n) - 1);
	s->bits >>= n;
	s->n_bits -= n;
	return value;
}

static void put(struct stream *s, uint8_t byte)
{
	if (s->done < s->size)
		s->out[s->done++] = byte;
	else
		s->bad = true;
}

static void make_code(struct code *c, const uint8_t *lengths, int n)
{
	uint16_t at[MAX_BITS + 2] = { 0 };

	memset(c->count, 0, sizeof(c->count));
	for (int i = 0; i < n; i++)
		c->count[lengths[i]]++;
	c->count[0] = 0;
	for (int i = 1; i <= MAX_BITS; i++)
		at[i + 1] = at[i] + c->count[i];
	for (int i = 0; i < n; i++)
		if (lengths[i])
			c->symbol[at[lengths[i]]++] = i;
}

/* Codewords of one length are consecutive numbers; the first of the next length
 * follows, doubled. */
static int decode(struct stream *s, const struct code *c)
{
	int word = 0, first = 0, index = 0;

	for (int length = 1; length <= MAX_BITS && !s->bad; length++) {
		word |= take(s, 1);
		if (word - first < c->count[length])
			return c->symbol[index + word - first];
		index += c->count[length];
		first = (first + c->count[length]) << 1;
		word <<= 1;
	}
	s->bad = true;
	return 0;
}

static void copy_back(struct stream *s, size_t distance, int length)
{
	if (distance > s->done)
		s->bad = true;
	while (length-- && !s->bad)
		put(s, s->out[s->done - distance]);
}

static void block(struct stream *s, const struct code *literals, const struct code *distances)
{
	for (int symbol; !s->bad && (symbol = decode(s, literals)) != 256;) {
		if (symbol < 256) {
			put(s, symbol);
			continue;
		}
		/* Lengths 3 to 258 and distances 1 to 32768: ranges that double in width
		 * every four, respectively every two symbols. */
		int length = symbol - 257, extra = length < 8 ? 0 : length / 4 - 1;
		if (symbol == 285)
			length = 258;
		else
			length = 3 + (length < 8 ? length : (4 + length % 4) << extra) +
				 take(s, extra);
		int distance = decode(s, distances);
		extra = distance < 4 ? 0 : distance / 2 - 1;
		if (symbol > 285 || distance > 29) {
			s->bad = true;
			return;
		}
		distance = 1 + (distance < 4 ? distance : (2 + distance % 2) << extra) +
			   take(s, extra);
		copy_back(s, distance, length);
	}
}

static void stored(struct stream *s)
{
	take(s, s->n_bits % 8);
	unsigned int n = take(s, 16);

	if (take(s, 16) != (n ^ 0xffff))
		s->bad = true;
	while (n-- && !s->bad)
		put(s, take(s, 8));
}

static void fixed(struct stream *s)
{
	struct code literals, distances;
	uint8_t lengths[288];

	for (int i = 0; i < 288; i++)
		lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
	make_code(&literals, lengths, 288);
	memset(lengths, 5, 30);
	make_code(&distances, lengths, 30);
	block(s, &literals, &distances);
}

static void dynamic(struct stream *s)
{
	static const uint8_t order[] = { 16, 17, 18, 0, 8, 7, 9, 6, 10, 5,
					 11, 4,	 12, 3, 13, 2, 14, 1, 15 };
	int n_literals = 257 + take(s, 5), n_distances = 1 + take(s, 5), n = 4 + take(s, 4);
	int all = n_literals + n_distances;
	uint8_t lengths[320] = { 0 };
	struct code literals, distances;

	for (int i = 0; i < n; i++)
		lengths[order[i]] = take(s, 3);
	make_code(&literals, lengths, 19);
	for (int i = 0; i < all && !s->bad;) {
		int symbol = decode(s, &literals), times = 1, value = symbol;

		if (symbol == 16) {
			times = 3 + take(s, 2);
			value = i ? lengths[i - 1] : 0;
		} else if (symbol > 16) {
			times = symbol == 17 ? 3 + take(s, 3) : 11 + take(s, 7);
			value = 0;
		}
		s->bad |= i + times > all || n_literals > 286;
		while (times-- && !s->bad)
			lengths[i++] = value;
	}
	if (s->bad)
		return;
	make_code(&literals, lengths, n_literals);
	make_code(&distances, lengths + n_literals, n_distances);
	block(s, &literals, &distances);
}

int inflate_gzip(const void *packed, size_t n, void *dst, size_t size)
{
	static const uint8_t magic[] = { 0x1f, 0x8b, 8, 0 }; /* deflate, no name */
	struct stream s = { .in = packed, .out = dst, .size = size };
	bool last = false;

	if (n < 18 || memcmp(packed, magic, sizeof(magic)) != 0)
		return -1;
	s.end = s.in + n - 8;
	s.in += 10;
	while (!last && !s.bad) {
		last = take(&s, 1);
		switch (take(&s, 2)) {
		case 0:
			stored(&s);
			break;
		case 1:
			fixed(&s);
			break;
		case 2:
			dynamic(&s);
			break;
		default:
			s.bad = true;
		}
	}
	return s.bad || s.done != size ? -1 : 0;
}
