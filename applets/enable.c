/* nu-enable - start units at boot.
 *
 *   nu-enable ID...
 */
#include "../lib/applet.h"
#include "../lib/life.h"

static int enable(const char *id, void *nothing, struct err *e)
{
	(void)nothing;
	return life_enable(id, true, e);
}

static int enable_main(int argc, char **argv)
{
	const struct opt opts[] = { { 0 } };
	int i = opt_parse(argc, argv, opts);

	if (i == argc)
		usage("expected an ID");
	return life_each(argc - i, argv + i, enable, NULL);
}

APPLET(enable, .name = "enable", .summary = "Start units at boot", .synopsis = "ID...",
       .main = enable_main);
