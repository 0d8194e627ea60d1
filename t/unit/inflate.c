/* inflate: what gzip(1) packs comes out again; what is damaged is refused. */
#include "../../lib/inflate.h"

#include <stdlib.h>
#include <unistd.h>

#include "tap.h"

static unsigned char packed[1 << 20], out[1 << 20];
static unsigned int seed = 1;

static unsigned int dice(void)
{
	return seed = seed * 1103515245 + 12345, seed >> 8;
}

/* gzip(1) itself, by way of a file. Returns the packed length. */
static size_t gzip(const unsigned char *data, size_t n, int level)
{
	char name[] = "/tmp/nixunits-inflate.XXXXXX";
	int fd = mkstemp(name);
	FILE *f;

	if (fd < 0 || write(fd, data, n) != (ssize_t)n)
		return 0;
	close(fd);
	f = popen(fmt("gzip -n -%d <%s", level, name), "r");
	n = f ? fread(packed, 1, sizeof(packed), f) : 0;
	if (f)
		pclose(f);
	unlink(name);
	return n;
}

static void round_trip(const unsigned char *data, size_t size, int level, const char *name)
{
	size_t n = gzip(data, size, level);

	memset(out, 0xaa, size);
	ok(n && inflate_gzip(packed, n, out, size) == 0 && memcmp(out, data, size) == 0, "%s", name);
}

int main(void)
{
	static unsigned char noise[200000], text[200000];
	size_t n = 0;

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = dice();
	while (n + 40 < sizeof(text))
		n += sprintf((char *)text + n, "%s = %u;\n", dice() % 3 ? "option" : "value",
			     dice() % 1000);

	round_trip(text, 0, 6, "nothing");
	round_trip(text, 1, 6, "one byte");
	round_trip((const unsigned char *)"aaaaaaaaaa", 10, 6, "a short text: fixed codes");
	round_trip(text, n, 9, "a long text: dynamic codes, gzip -9");
	round_trip(text, n, 1, "the same, gzip -1");
	round_trip(noise, sizeof(noise), 6, "noise: stored blocks");
	memset(noise, 0, 100000);
	round_trip(noise, sizeof(noise), 9, "zeros, then noise: long matches, mixed blocks");

	n = gzip(text, 5000, 9);
	ok(inflate_gzip(packed, n, out, 4999) < 0, "more than fits is refused");
	ok(inflate_gzip(packed, n, out, 5001) < 0, "less than expected is refused");
	bool refused = true;
	for (size_t cut = 0; cut + 8 < n; cut++) {
		/* A copy of its own size: a read past it is seen by ASan. */
		unsigned char *part = malloc(cut + 1);
		memcpy(part, packed, cut);
		refused &= inflate_gzip(part, cut, out, 5000) < 0;
		free(part);
	}
	ok(refused, "whatever is cut off, it is refused");
	/* Damage need not be noticed, but it must stay within the buffers. */
	unsigned char *copy = malloc(n), *room = malloc(5000);
	for (int i = 0; i < 20000; i++) {
		memcpy(copy, packed, n);
		for (int k = 0; k < 3; k++)
			copy[4 + dice() % (n - 4)] = dice();
		inflate_gzip(copy, n, room, 5000);
	}
	free(copy);
	free(room);
	ok(true, "20000 damaged ones do no harm");
	return tap_done();
}
