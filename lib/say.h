/* say - messages for people, and the errors that carry them.
 *
 * Library functions never print and never exit: they return -1 (or NULL) and
 * describe the failure in a struct err, which callers may prefix with what they
 * know (err_wrap) until an applet prints it once (say_err).
 */
#ifndef NU_SAY_H
#define NU_SAY_H

#include <stdarg.h>
#include <stdbool.h>

/* Exit codes, the same for all applets. */
enum {
	NU_OK = 0,
	NU_FAILED = 1,   /* the work failed; drift; not running */
	NU_USAGE = 2,    /* the command line or its input is wrong */
	NU_NO_UNIT = 3,  /* no such unit */
	NU_BUSY = 4,     /* somebody else holds the lock */
	NU_MISSING = 77, /* the host lacks something, named in the message */
};

struct err {
	int code; /* one of the exit codes above */
	char text[1000];
};

/* Each returns -1, so that `return err_set(...)` reads well. */
int err_set(struct err *e, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* As err_set with code NU_FAILED, and ": " and strerror(errno) appended; who lacks the rights
 * to something is told who has them. */
int err_errno(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Puts text before what e says already: "web2: " before "no such file". */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The name before every message, "nu-net"; set once by the dispatcher. */
void say_name(const char *name);
const char *say_get_name(void);
/* -q: say() prints nothing; errors and warnings still do. */
void say_quiet(bool quiet);
bool say_is_quiet(void);

/* One message, one line, one write, on stderr. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A line of somebody else's, as it is but for what a terminal would obey. */
void say_foreign(const char *line);
/* Prints e and returns its exit code. */
int say_err(const struct err *e);
/* Prints the message and exits: for applets only. */
_Noreturn void die(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void die_err(const struct err *e);

#endif
