/* nu-run - run a unit.
 *
 *   nu-run [--dry-run | --extra] ID
 *   nu-run --engine direct [OPTIONS] ID|-|FILE [-- COMMAND...]
 *
 * The nspawn engine is what nixunits@.service executes: it becomes systemd-nspawn(1), by
 * exec, and nothing of ours stays in between (lib/launch). The direct engine needs no systemd
 * and no other program: it makes the same container itself, for an initramfs, a recovery image,
 * a script (lib/direct, lib/sandbox, lib/rootfs).
 */
#include <stdlib.h>
#include <unistd.h>

#include "../lib/applet.h"
#include "../lib/direct.h"
#include "../lib/enter.h"
#include "../lib/launch.h"
#include "../lib/store.h"

/* --extra: the declared shell text, in the container, by its own shell. */
static int run_extra(const struct unit *u)
{
	char *command[] = { (char *)"/bin/sh", (char *)"-euc", (char *)u->extra, NULL };
	struct enter en = { .id = u->id, .command = command };
	struct err e;

	if (!u->extra)
		return NU_OK;
	int status = enter_run(&en, &e);
	if (status < 0)
		return say_err(&e);
	if (status)
		say("%s: extra: exit status %d", u->id, status);
	return status;
}

static int on_ready(const struct unit *u)
{
	say("%s: ready", u->id);
	return run_extra(u);
}

/* A unit that is enabled before its first start, by a boot then: what was built is what runs. */
static int first_start(const char *id, struct err *e)
{
	autofree char *current = store_unit_json(id, "current");

	return !store_exists(id) || access(current, F_OK) == 0 ? 0 : store_switch_pending(id, e);
}

static int run_nspawn(const char *id, bool dry, bool extra)
{
	autostrv struct strv argv = { 0 };
	struct err e;

	if (id_check(id, &e) < 0)
		return say_err(&e);
	if (!dry && geteuid() != 0)
		die(NU_FAILED, "%s: only root can run a unit", id);
	if (!dry && !extra && first_start(id, &e) < 0)
		return say_err(&e);
	struct unit *u = store_unit(id, "current", &e);
	if (!u)
		return say_err(&e);
	if (extra) {
		launch_await(id);
		return run_extra(u);
	}
	if ((dry ? launch_argv(u, &argv, &e) : launch(u, &e)) < 0) {
		err_wrap(&e, "%s: ", id);
		return say_err(&e);
	}
	for (size_t k = 0; k < argv.n; k++)
		printf("%s%s", argv.v[k], k + 1 < argv.n ? " \\\n    " : "\n");
	return NU_OK;
}

static int run_main(int argc, char **argv)
{
	const char *engine = NULL, *stop = "30";
	bool dry = false, extra = false;
	struct direct d = { .ready = on_ready };
	const struct opt opts[] = {
		{ 'e', "engine", "ENGINE", "nspawn or direct", .text = &engine },
		{ 'n', "dry-run", NULL, "print nspawn's command, start nothing", .flag = &dry },
		{ 'x', "extra", NULL, "only run the declared extra, in the running unit",
		  .flag = &extra },
		{ 0, "ephemeral", NULL, "throw away what is written", .flag = &d.ephemeral },
		{ 0, "root", "DIR", "its root directory, not the unit's", .text = &d.root },
		{ 0, "store", "DIR", "a layer of its /nix/store, the topmost first",
		  .list = &d.layers },
		{ 0, "rootless", NULL, "as an ordinary user, as far as one can",
		  .flag = &d.rootless },
		{ 0, "degrade", NULL, "do without what the kernel lacks", .flag = &d.degrade },
		{ 0, "timeout", "SECONDS", "for its end, once told to (30)", .text = &stop },
		{ 0 },
	};
	struct err e;

	d.command = opt_command(&argc, argv);
	int i = opt_parse(argc, argv, opts);
	if (argc - i != 1)
		usage("expected one ID, - or FILE");
	d.what = argv[i];
	bool only_direct = d.command || d.ephemeral || d.root || d.layers.n || d.rootless ||
			   d.degrade || streq(d.what, "-") || direct_is_path(d.what);
	if (!engine)
		engine = only_direct ? "direct" : "nspawn";
	if (streq(engine, "nspawn") && !only_direct)
		return run_nspawn(d.what, dry, extra);
	if (!streq(engine, "direct"))
		usage(streq(engine, "nspawn") ? "--engine nspawn runs a stored unit, and its init" :
						"--engine %s: expected nspawn or direct",
		      quoted(engine));
	if (dry || extra)
		usage("--%s is of the nspawn engine", dry ? "dry-run" : "extra");
	if (d.command && !d.command[0])
		usage("expected a COMMAND after \"--\"");
	d.stop_s = opt_number("timeout", stop, 0, 86400);
	int status = direct_run(&d, &e);
	strv_free(&d.layers);
	return status < 0 ? say_err(&e) : status;
}

APPLET(run, .name = "run", .summary = "Run a unit (what nixunits@.service executes)",
       .synopsis = "[options] ID|-|FILE [-- COMMAND...]",
       .help = "The nspawn engine becomes systemd-nspawn(1); nixunits start has systemd do that.\n"
	       "The direct engine needs no systemd; it is taken for a document on standard input\n"
	       "(-) or in a FILE, an image (nu-image), a COMMAND, and by the options that only it has.",
       .main = run_main);
