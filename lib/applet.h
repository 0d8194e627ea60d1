/* applet - what an applet is, and how it reads its command line.
 *
 * An applet is one file in applets/ that ends with APPLET(...). The linker
 * gathers these entries into one array; no table is kept by hand. Its options
 * are a table from which both the parser and --help are made.
 */
#ifndef NU_APPLET_H
#define NU_APPLET_H

#include <stdbool.h>
#include <stddef.h>

#include "say.h"
#include "util.h"

struct applet {
	const char *name;     /* "net", called as nu-net or as nixunits net */
	const char *summary;  /* one line, for --list: a capital, no full stop */
	const char *synopsis; /* "[options] ID...", for usage */
	const char *help;     /* paragraphs after the options, or NULL */
	int (*main)(int argc, char **argv);
};

#define APPLET(ident, ...)                                                            \
	static const struct applet ident##_applet = { __VA_ARGS__ };                  \
	static const struct applet *const ident##_applet_entry                        \
		__attribute__((used, retain, section("applets"))) = &ident##_applet

/* The applets, in the order of their names. */
size_t applet_count(void);
const struct applet *applet_at(size_t i);
const struct applet *applet_find(const char *name);

struct opt {
	char letter;      /* 'n', or 0 */
	const char *name; /* "nix", always given */
	const char *arg;  /* "FILE": takes an argument into *text; NULL: sets *flag */
	const char *help;
	bool *flag;
	const char **text;
	struct strv *list; /* instead of text: may be given again, all are kept */
};

/* Parses argv by opts (ended by an entry without a name), with -h/--help added,
 * permuting operands to the end as getopt_long(3) does. Returns the index of the
 * first operand. A bad option prints usage and exits with NU_USAGE. */
int opt_parse(int argc, char **argv, const struct opt *opts);
/* The same for an applet without operands: one is usage(). */
void opt_parse_all(int argc, char **argv, const struct opt *opts);
/* Prints "usage: ..." for the applet under way, after a message, and exits 2. */
_Noreturn void usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* From here on usage() exits with this code, not with NU_USAGE. */
void usage_exits(int code);
/* Splits "… -- COMMAND ARG…": cuts argc at the "--" and returns what follows,
 * or NULL when there is no "--". */
char **opt_command(int *argc, char **argv);
/* An unsigned number in [min, max], or usage(). */
unsigned long opt_number(const char *option, const char *text, unsigned long min,
			 unsigned long max);
/* -o FORMAT: true for "json", false for NULL or "text"; anything else is usage(). */
bool opt_json(const char *format);

/* Runs an applet: argv[0] is its name. Returns its exit code, or NU_FAILED where
 * its output could not be written. The name NULL stands for the toolbox itself. */
int applet_run(const struct applet *a, int argc, char **argv);

#endif
