/* nu-restart - stop units and start them again.
 *
 *   nu-restart [-f] ID...
 *
 * Refused while somebody is inside (nixunits shell), unless forced.
 */
#include "../lib/applet.h"
#include "../lib/life.h"

static int restart(const char *id, void *force, struct err *e)
{
	return life_restart(id, *(bool *)force, e);
}

static int restart_main(int argc, char **argv)
{
	bool force = false, quiet = false;
	const struct opt opts[] = {
		{ 'f', "force", NULL, "even while a shell is open inside", .flag = &force },
		{ 'q', "quiet", NULL, "say nothing but errors", .flag = &quiet },
		{ 0 },
	};
	int i = opt_parse(argc, argv, opts);

	if (i == argc)
		usage("expected an ID");
	say_quiet(quiet);
	return life_each(argc - i, argv + i, restart, &force);
}

APPLET(restart, .name = "restart", .summary = "Restart units, switching to a pending generation",
       .synopsis = "[-f] ID...", .main = restart_main);
