/* nu-stop - stop units.
 *
 *   nu-stop ID...
 *
 * Ends the processes that entered the container from outside, asks it to power off, then
 * terminates, then kills it: each step has its time, and the last one taken is named.
 */
#include "../lib/applet.h"
#include "../lib/life.h"

static int stop(const char *id, void *nothing, struct err *e)
{
	(void)nothing;
	return life_stop(id, e);
}

static int stop_main(int argc, char **argv)
{
	bool quiet = false;
	const struct opt opts[] = {
		{ 'q', "quiet", NULL, "say nothing but errors", .flag = &quiet },
		{ 0 },
	};
	int i = opt_parse(argc, argv, opts);

	if (i == argc)
		usage("expected an ID");
	say_quiet(quiet);
	return life_each(argc - i, argv + i, stop, NULL);
}

APPLET(stop, .name = "stop", .summary = "Stop units, within a bounded time",
       .synopsis = "ID...", .main = stop_main);
