/* nu-delete - delete units.
 *
 *   nu-delete [-f] [-r] ID...
 *
 * Stops the unit and removes what was made for it: generations, interfaces, UID range,
 * boot link, its hold on the base. Its data (root/) stays, unless -r.
 */
#include <string.h>
#include <unistd.h>

#include "../lib/applet.h"
#include "../lib/life.h"
#include "../lib/store.h"

struct options {
	bool force, data;
};

static bool confirmed(const char *id, bool data)
{
	char answer[16];

	fprintf(stderr, "Delete %s%s? [y/N] ", id, data ? " and all its data" : "");
	return fgets(answer, sizeof(answer), stdin) && strchr("yY", answer[0]);
}

static int delete(const char *id, void *context, struct err *e)
{
	const struct options *o = context;

	if (!store_exists(id))
		return err_set(e, NU_NO_UNIT, "%s: no such unit", id);
	if (!o->force && !isatty(STDIN_FILENO))
		return err_set(e, NU_USAGE, "%s: nobody is there to ask: -f deletes unasked", id);
	if (!o->force && !confirmed(id, o->data))
		return err_set(e, NU_FAILED, "%s: kept", id);
	return life_delete(id, o->data, e);
}

static int delete_main(int argc, char **argv)
{
	struct options o = { 0 };
	bool quiet = false;
	const struct opt opts[] = {
		{ 'f', "force", NULL, "do not ask", .flag = &o.force },
		{ 'r', "recursive", NULL, "remove the unit's data and journal too", .flag = &o.data },
		{ 'q', "quiet", NULL, "say nothing but errors", .flag = &quiet },
		{ 0 },
	};
	int i = opt_parse(argc, argv, opts);

	if (i == argc)
		usage("expected an ID");
	say_quiet(quiet);
	return life_each(argc - i, argv + i, delete, &o);
}

APPLET(delete, .name = "delete", .summary = "Delete units, keeping their data unless told",
       .synopsis = "[-f] [-r] ID...", .main = delete_main);
