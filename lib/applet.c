/* applet - what an applet is, and how it reads its command line. */
#include "applet.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Made by the linker: the entries of all files, in the order they are linked,
 * which the Makefile keeps sorted by name. */
extern const struct applet *const __start_applets[];
extern const struct applet *const __stop_applets[];

static const struct applet *current;
static int usage_code = NU_USAGE;

size_t applet_count(void)
{
	return __stop_applets - __start_applets;
}

const struct applet *applet_at(size_t i)
{
	return __start_applets[i];
}

const struct applet *applet_find(const char *name)
{
	for (size_t i = 0; i < applet_count(); i++)
		if (streq(applet_at(i)->name, name))
			return applet_at(i);
	return NULL;
}

static void usage_line(FILE *f)
{
	fprintf(f, "usage: %s %s\n", say_get_name(), current->synopsis);
}

void usage_exits(int code)
{
	usage_code = code;
}

void usage(const char *fmt, ...)
{
	struct err e = { .code = NU_USAGE };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e.text, sizeof(e.text), fmt, ap);
	va_end(ap);
	say_err(&e);
	usage_line(stderr);
	fprintf(stderr, "Try %s --help.\n", say_get_name());
	exit(usage_code);
}

static void help_option(char letter, const char *name, const char *arg, const char *text)
{
	char left[64];

	snprintf(left, sizeof(left), "  %c%c%s --%s%s%s", letter ? '-' : ' ', letter ? letter : ' ',
		 letter ? "," : " ", name, arg ? " " : "", arg ? arg : "");
	printf("%-28s %s\n", left, text);
}

static _Noreturn void help(const struct opt *opts)
{
	usage_line(stdout);
	printf("\n%s.\n\nOptions:\n", current->summary);
	for (; opts->name; opts++)
		help_option(opts->letter, opts->name, opts->arg, opts->help);
	help_option('h', "help", NULL, "print this help");
	if (current->help)
		printf("\n%s\n", current->help);
	exit(fflush(stdout) == 0 ? NU_OK : NU_FAILED);
}

int opt_parse(int argc, char **argv, const struct opt *opts)
{
	struct option longs[32] = { { "help", no_argument, NULL, 'h' } };
	char shorts[80] = ":h";
	size_t n = 0;

	for (; opts[n].name; n++) {
		longs[n + 1] = (struct option){ opts[n].name, opts[n].arg ? 1 : 0, NULL,
						256 + (int)n };
		if (opts[n].letter)
			sprintf(shorts + strlen(shorts), "%c%s", opts[n].letter,
				opts[n].arg ? ":" : "");
	}

	opterr = 0;
	optind = 1;
	for (int c; (c = getopt_long(argc, argv, shorts, longs, NULL)) != -1;) {
		const struct opt *o = NULL;

		if (c == 'h')
			help(opts);
		if (c == ':')
			usage("option %s needs an argument", quoted(argv[optind - 1]));
		if (c == '?' && optopt && optopt < 256)
			usage("unknown option \"-%c\"", optopt);
		if (c == '?')
			usage("unknown option %s", quoted(argv[optind - 1]));
		if (c >= 256)
			o = &opts[c - 256];
		for (size_t i = 0; !o; i++)
			if (opts[i].letter == c)
				o = &opts[i];
		if (o->list)
			strv_add(o->list, optarg);
		else if (o->arg)
			*o->text = optarg;
		else
			*o->flag = true;
	}
	return optind;
}

void opt_parse_all(int argc, char **argv, const struct opt *opts)
{
	int i = opt_parse(argc, argv, opts);

	if (i < argc)
		usage("%s: no operand is expected", quoted(argv[i]));
}

char **opt_command(int *argc, char **argv)
{
	for (int i = 1; i < *argc; i++)
		if (streq(argv[i], "--")) {
			argv[i] = NULL;
			*argc = i;
			return argv + i + 1;
		}
	return NULL;
}

unsigned long opt_number(const char *option, const char *text, unsigned long min,
			 unsigned long max)
{
	char *end;

	errno = 0;
	unsigned long n = strtoul(text, &end, 10);
	if (errno || *end || text[0] < '0' || text[0] > '9' || n < min || n > max)
		usage("--%s %s: expected a number from %lu to %lu", option, quoted(text), min, max);
	return n;
}

bool opt_json(const char *format)
{
	if (!format || streq(format, "text"))
		return false;
	if (!streq(format, "json"))
		usage("--output %s: expected \"text\" or \"json\"", quoted(format));
	return true;
}

/* Output that could not be written (a full disk, a closed pipe) is a failure,
 * whatever the applet thought of its work. */
int applet_run(const struct applet *a, int argc, char **argv)
{
	autofree char *name = a->name ? xfmt("nu-%s", a->name) : xstrdup("nixunits");

	current = a;
	say_name(name);
	int status = a->main(argc, argv);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		say("standard output: %s", strerror(errno));
		status = status ? status : NU_FAILED;
	}
	say_name("nixunits");
	return status;
}
