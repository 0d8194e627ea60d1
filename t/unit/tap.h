/* tap.h - TAP from a C test: one line a check, the plan at the end.
 *
 * A failed check says what it got and what was wanted, and the test goes on. main
 * ends with `return tap_done();`, which is 1 if any failed.
 */
#ifndef T_TAP_H
#define T_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int tap_count, tap_failed;

static inline void __attribute__((format(printf, 2, 3))) ok(bool good, const char *fmt, ...)
{
	va_list ap;

	printf("%s %d - ", good ? "ok" : "not ok", ++tap_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	tap_failed += !good;
}

static inline void tap_show(const char *label, const char *text)
{
	printf("#   %s: ", label);
	for (; *text; text++) {
		putchar(*text);
		if (*text == '\n' && text[1])
			printf("#     ");
	}
	putchar('\n');
}

static inline void is(const char *got, const char *want, const char *name)
{
	bool same = strcmp(got, want) == 0;

	ok(same, "%s", name);
	if (!same) {
		tap_show("got", got);
		tap_show("wanted", want);
	}
}

static inline void is_int(long got, long want, const char *name)
{
	ok(got == want, "%s", name);
	if (got != want)
		printf("#   got %ld, wanted %ld\n", got, want);
}

/* A formatted string that nobody has to free: one of sixteen buffers, in turn. */
static inline const char *__attribute__((format(printf, 1, 2))) fmt(const char *format, ...)
{
	static char ring[16][4000];
	static unsigned int turn;
	char *text = ring[turn++ % 16];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(ring[0]), format, ap);
	va_end(ap);
	return text;
}

static inline int tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed > 0;
}

static inline int tap_skip_all(const char *why)
{
	printf("1..0 # SKIP %s\n", why);
	return 0;
}

#endif
