/* say - messages for people, and the errors that carry them. */
#include "say.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* The line is put together first and sent in one write: parallel applets do not
 * mix theirs. Control characters from outside never reach the terminal. */
static void say_line(const char *level, const char *text)
{
	char line[1400];
	int n = snprintf(line, sizeof(line) - 1, "%s: %s%s", name, level, text);

	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	for (int i = 0; i < n; i++)
		if ((unsigned char)line[i] < ' ' && line[i] != '\n' && line[i] != '\t')
			line[i] = '?';
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		return; /* nobody left to tell */
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
