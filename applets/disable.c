/* nu-disable - no longer start units at boot.
 *
 *   nu-disable ID...
 */
#include "../lib/applet.h"
#include "../lib/life.h"

static int disable(const char *id, void *nothing, struct err *e)
{
	(void)nothing;
	return life_enable(id, false, e);
}

static int disable_main(int argc, char **argv)
{
	const struct opt opts[] = { { 0 } };
	int i = opt_parse(argc, argv, opts);

	if (i == argc)
		usage("expected an ID");
	return life_each(argc - i, argv + i, disable, NULL);
}

APPLET(disable, .name = "disable", .summary = "No longer start units at boot", .synopsis = "ID...",
       .main = disable_main);
