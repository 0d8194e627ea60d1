/* nu-rollback - go back to an earlier generation.
 *
 *   nu-rollback [-g N] [-r] ID
 *
 * Makes an earlier generation the pending one, which the next start switches to; -r
 * restarts the unit into it at once.
 */
#include "../lib/applet.h"
#include "../lib/life.h"
#include "../lib/store.h"

static int pick(int dir, const char *id, unsigned int wanted, unsigned int *n, struct err *e)
{
	autofree unsigned int *list = NULL;
	size_t count = store_generations(dir, &list);
	unsigned int current = store_generation(dir, "current");

	*n = 0;
	for (size_t i = 0; i < count; i++)
		if (wanted ? list[i] == wanted : list[i] < current)
			*n = list[i];
	if (!*n && !wanted && !current)
		return err_set(e, NU_FAILED, "%s: was never started, there is nothing to go back to", id);
	if (!*n)
		return wanted ? err_set(e, NU_FAILED, "%s: there is no generation %u", id, wanted) :
				err_set(e, NU_FAILED, "%s: there is no generation before %u", id,
					current);
	return 0;
}

static int rollback(const char *id, unsigned int wanted, struct err *e)
{
	autoclose int dir = store_lock(id, false, NULL, LIFE_LOCK_MS, e);
	unsigned int n;

	if (dir < 0 || pick(dir, id, wanted, &n, e) < 0)
		return -1;
	autofree char *target = xfmt("generations/%u", n);
	if (link_replace(dir, "next", target, e) < 0)
		return err_wrap(e, "%s: ", id);
	say("%s: generation %u at the next start", id, n);
	return 0;
}

static int rollback_main(int argc, char **argv)
{
	const char *generation = NULL;
	bool restart = false;
	const struct opt opts[] = {
		{ 'g', "generation", "N", "this one (default: the one before the current)",
		  .text = &generation },
		{ 'r', "restart", NULL, "restart the unit into it", .flag = &restart },
		{ 0 },
	};
	struct err e;
	int i = opt_parse(argc, argv, opts);

	if (argc - i != 1)
		usage("expected one ID");
	unsigned int n = generation ? opt_number("generation", generation, 1, 999999999) : 0;
	if (id_check(argv[i], &e) < 0 || rollback(argv[i], n, &e) < 0 ||
	    (restart && life_restart(argv[i], false, &e) < 0))
		return say_err(&e);
	return NU_OK;
}

APPLET(rollback, .name = "rollback", .summary = "Go back to an earlier generation",
       .synopsis = "[-g N] [-r] ID", .main = rollback_main);
