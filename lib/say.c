/* say - messages for people, and the errors that carry them. */
#include "say.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char *name = "nixunits";
static bool quiet;

void say_name(const char *n)
{
	name = n;
}

const char *say_get_name(void)
{
	return name;
}

void say_quiet(bool q)
{
	quiet = q;
}

bool say_is_quiet(void)
{
	return quiet;
}

static void err_vset(struct err *e, int code, const char *fmt, va_list ap)
{
	e->code = code;
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	err_vset(e, code, fmt, ap);
	va_end(ap);
	return -1;
}

int err_errno(struct err *e, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	err_vset(e, NU_FAILED, fmt, ap);
	va_end(ap);

	size_t used = strlen(e->text);
	bool rights = (saved == EACCES || saved == EPERM) && geteuid() != 0;
	snprintf(e->text + used, sizeof(e->text) - used, ": %s%s", strerror(saved),
		 rights ? " (only root can)" : "");
	if (saved == ENOSYS) {
		struct utsname uts;

		uname(&uts);
		used = strlen(e->text);
		e->code = NU_MISSING;
		snprintf(e->text + used, sizeof(e->text) - used, " (by Linux %.40s)", uts.release);
	}
	return -1;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	char was[sizeof(e->text)];
	va_list ap;

	memcpy(was, e->text, sizeof(was));
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);

	size_t used = strlen(e->text);
	snprintf(e->text + used, sizeof(e->text) - used, "%s", was);
	return -1;
}

/* Control characters from outside never reach the terminal, be they the one byte of
 * ASCII or the two of UTF-8 (U+0080 to U+009F). The line is sent in one write: parallel
 * applets do not mix theirs. */
static void send(char *line, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = line[i], next = i + 1 < n ? line[i + 1] : 0;

		if ((c < ' ' && c != '\n' && c != '\t') || c == 0x7f)
			line[i] = '?';
		else if (c == 0xc2 && next >= 0x80 && next < 0xa0)
			line[i] = line[i + 1] = '?';
	}
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		return; /* nobody left to tell */
}

static void say_line(const char *level, const char *text)
{
	char line[1400];
	int n = snprintf(line, sizeof(line) - 1, "%s: %s%s", name, level, text);

	send(line, n > (int)sizeof(line) - 2 ? (int)sizeof(line) - 2 : n);
}

void say_foreign(const char *text)
{
	char line[1400];
	int n = snprintf(line, sizeof(line) - 1, "%s", text);

	send(line, n > (int)sizeof(line) - 2 ? (int)sizeof(line) - 2 : n);
}

void say(const char *fmt, ...)
{
	char text[1000];
	va_list ap;

	if (quiet)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	say_line("", text);
}

void warn(const char *fmt, ...)
{
	char text[1000];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	say_line("warning: ", text);
}

int say_err(const struct err *e)
{
	say_line("", e->text);
	return e->code;
}

void die(int code, const char *fmt, ...)
{
	struct err e;
	va_list ap;

	va_start(ap, fmt);
	err_vset(&e, code, fmt, ap);
	va_end(ap);
	exit(say_err(&e));
}

void die_err(const struct err *e)
{
	exit(say_err(e));
}
