/* nu-uid - show, give and take back the UID ranges of units.
 *
 *   nu-uid [-o json] show [ID...]
 *   nu-uid [-o json] alloc ID...
 *   nu-uid free ID...
 *
 * A unit's users are a range of 65536 of the host's UIDs that no other unit has.
 * nu-run allocates a unit's range at its first start and nu-delete frees it: these
 * commands are for looking, for preparing a range, and for what was deleted by hand.
 */
#include "../lib/applet.h"
#include "../lib/json.h"
#include "../lib/machine.h"
#include "../lib/uid.h"
#include "../lib/unit.h"

#include <stdlib.h>

static cJSON *out; /* -o json: the array of what is printed */

static void print(const char *id, uint32_t base)
{
	if (!out) {
		printf("%-20s %10u %10u\n", id, base, base + UID_COUNT - 1);
		return;
	}
	cJSON *o = cJSON_CreateObject();
	cJSON_AddStringToObject(o, "id", id);
	cJSON_AddNumberToObject(o, "base", base);
	cJSON_AddNumberToObject(o, "count", UID_COUNT);
	cJSON_AddItemToArray(out, o);
}

static int show_all(struct err *e)
{
	autofree struct uid_range *list = NULL;
	int n = uid_list(&list, e);

	for (int i = 0; i < n; i++)
		print(list[i].id, list[i].base);
	return n < 0 ? -1 : 0;
}

static int show(const char *id, struct err *e)
{
	uint32_t base;
	int found = uid_get(id, &base, e);

	if (found > 0)
		print(id, base);
	return found == 0 ? err_set(e, NU_NO_UNIT, "%s: has no UID range", id) : found;
}

static int give(const char *id, struct err *e)
{
	uint32_t base;

	if (uid_alloc(id, &base, e) < 0)
		return -1;
	print(id, base);
	return 0;
}

static int take(const char *id, struct err *e)
{
	struct enrolled nobody = ENROLLED_NONE;
	/* Its processes have these UIDs, or will: the next unit to get them could kill them. */
	int found = machine_enroll(&nobody, id, e) < 0 ? -1 : uid_free(id, e);

	machine_withdraw(&nobody);
	if (found < 0 && e->code == NU_BUSY)
		return err_set(e, NU_FAILED, "%s: runs, stop it first", id);
	return found == 0 ? err_set(e, NU_NO_UNIT, "%s: has no UID range", id) : found;
}

static int run(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*each)(const char *id, struct err *e);
	} actions[] = { { "show", show }, { "alloc", give }, { "free", take } };
	int (*each)(const char *id, struct err *e) = NULL;
	const char *format = NULL;
	const struct opt opts[] = {
		{ 'o', "output", "FORMAT", "text or json", .text = &format },
		{ 0 },
	};
	int status = NU_OK;
	struct err e;

	int first = opt_parse(argc, argv, opts);
	bool json = opt_json(format);
	if (first == argc)
		usage("expected show, alloc or free");
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (streq(argv[first], actions[i].name))
			each = actions[i].each;
	if (!each)
		usage("%s: expected show, alloc or free", quoted(argv[first]));
	if (++first == argc && each != show)
		usage("%s: expected an ID", argv[first - 1]);
	for (int i = first; i < argc; i++)
		if (id_check(argv[i], &e) < 0)
			return say_err(&e);

	out = json && each != take ? cJSON_CreateArray() : NULL;
	if (first == argc && show_all(&e) < 0)
		status = say_err(&e);
	for (int i = first; i < argc; i++)
		if (each(argv[i], &e) < 0)
			status = say_err(&e);
	if (out)
		json_print(out);
	cJSON_Delete(out);
	return status;
}

APPLET(uid, .name = "uid", .summary = "Show, give and take back the UID ranges of units",
       .synopsis = "[-o FORMAT] show [ID...] | alloc ID... | free ID...",
       .help = "Each line: the unit, the first and the last UID of its range. GIDs are the same.",
       .main = run);
