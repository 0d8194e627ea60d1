/* nixunits - run NixOS services in declared, isolated containers.
 *
 *   nixunits ACTION [...]     an applet by name: nixunits build, nixunits status
 *   nu-ACTION [...]           the same through a symlink
 *   nixunits ANYTHING-ELSE    machinectl ANYTHING-ELSE
 *
 * This file only finds the applet. The map of the rest:
 *
 *   applets/X.c   nu-X, whole: its options, its help, its work
 *   lib/          what applets share: unit (the unit document), json, store
 *                 (directories, generations, locks), nix (running nix), nl and net
 *                 (rtnetlink and the network plan), mnt (idmapped mounts, overlays),
 *                 cap, uid, user, machine (what runs), proc, applet, say, util
 */
#include "../lib/applet.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static void list(void)
{
	for (size_t i = 0; i < applet_count(); i++)
		printf("%-10s %s\n", applet_at(i)->name, applet_at(i)->summary);
}

static int install_links(const char *dir)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	struct err e;

	if (n < 0)
		die(NU_FAILED, "/proc/self/exe: %s", strerror(errno));
	self[n] = '\0';
	for (size_t i = 0; i < applet_count(); i++) {
		autofree char *link = xfmt("%s/nu-%s", dir, applet_at(i)->name);
		if (link_replace(AT_FDCWD, link, self, &e) < 0)
			die_err(&e);
	}
	return NU_OK;
}

static int toolbox(int argc, char **argv)
{
	bool want_list = false, want_version = false;
	const char *dir = NULL;
	const struct opt opts[] = {
		{ 'l', "list", NULL, "list the applets", .flag = &want_list },
		{ 0, "install", "DIR", "make a symlink nu-APPLET for each in DIR", .text = &dir },
		{ 'V', "version", NULL, "print the version", .flag = &want_version },
		{ 0 },
	};

	if (opt_parse(argc, argv, opts) < argc)
		usage("options of the toolbox stand before an action, and take none");
	if (want_version)
		puts("nixunits " VERSION);
	else if (want_list)
		list();
	else if (dir)
		return install_links(dir);
	return NU_OK;
}

static const struct applet nixunits = {
	.summary = "Run NixOS services in light, declared, isolated containers",
	.synopsis = "ACTION [options] [ID...]",
	.help = "nixunits --list names the actions; nixunits help ACTION explains one. Without an\n"
		"action the units are listed; one that is none of ours goes to machinectl(1).",
	.main = toolbox,
};

static int machinectl(int argc, char **argv)
{
	struct strv args = { 0 };

	strv_add(&args, "machinectl");
	for (int i = 1; i < argc; i++)
		strv_add(&args, argv[i]);
	execvp("machinectl", args.v);
	die(NU_MISSING, "machinectl: %s (install systemd-container), and %s is no action of ours",
	    strerror(errno), quoted(argv[1]));
}

/* Started without a standard file, the first one we open would take its number, and a
 * message could end up in it. In its place comes one that can't be used either: what
 * could not be read or written stays an error. */
static void take_standard_numbers(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0 &&
		    open("/", O_PATH) < 0) /* where there is no /dev */
			_exit(NU_FAILED);
}

int main(int argc, char **argv)
{
	static char name[] = "list", *listed[] = { name, NULL };
	const char *slash = argc ? strrchr(argv[0], '/') : NULL;
	const char *called = slash ? slash + 1 : argc ? argv[0] : "nixunits";
	const struct applet *a;

	take_standard_numbers();
	/* Ignored by who started us, our children would leave no word of their end. */
	signal(SIGCHLD, SIG_DFL);
	/* The kernel calls it by that name. */
	if (streq(called, "init"))
		called = "nu-init";
	if (starts_with(called, "nu-")) {
		a = applet_find(called + 3);
		if (!a)
			die(127, "no applet is called %s; nixunits --list names them",
			    quoted(called));
		return applet_run(a, argc, argv);
	}
	if (argc < 2)
		return applet_run(applet_find("list"), 1, listed);
	if (argv[1][0] == '-')
		return applet_run(&nixunits, argc, argv);
	if (streq(argv[1], "help")) {
		static char help[] = "--help";
		char *asked[] = { argv[1], help, NULL };

		a = argc > 2 ? applet_find(argv[2]) : NULL;
		if (argc > 2 && !a && argv[2][0] != '-')
			die(NU_USAGE, "%s is no action of ours; nixunits --list names them", quoted(argv[2]));
		return applet_run(a ? a : &nixunits, 2, asked);
	}
	a = applet_find(argv[1]);
	return a ? applet_run(a, argc - 1, argv + 1) : machinectl(argc, argv);
}
