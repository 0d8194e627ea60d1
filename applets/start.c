/* nu-start - start units.
 *
 *   nu-start [-r] ID...
 *
 * Switches to the pending generation, if there is one, and starts the unit under
 * systemd; returns when its services are up. A running unit is left alone unless -r.
 */
#include "../lib/applet.h"
#include "../lib/life.h"

static int start(const char *id, void *restart, struct err *e)
{
	return *(bool *)restart ? life_restart(id, false, e) : life_start(id, e);
}

static int start_main(int argc, char **argv)
{
	bool restart = false, quiet = false;
	const struct opt opts[] = {
		{ 'r', "restart", NULL, "restart what is running", .flag = &restart },
		{ 'q', "quiet", NULL, "say nothing but errors", .flag = &quiet },
		{ 0 },
	};
	int i = opt_parse(argc, argv, opts);

	if (i == argc)
		usage("expected an ID");
	say_quiet(quiet);
	return life_each(argc - i, argv + i, start, &restart);
}

APPLET(start, .name = "start", .summary = "Start units, switching to a pending generation",
       .synopsis = "[-r] ID...", .main = start_main);
