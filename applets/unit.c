/* nu-unit - print a unit document.
 *
 *   nu-unit [-g FIELD] [-c] [-N] ID|-
 *
 * The whole document, one field ("network.interfaces.lan.ip4"), or the lines of
 * unit.conf. It is checked on the way: what is printed is a valid document.
 */
#include <stdlib.h>
#include <string.h>

#include "../lib/applet.h"
#include "../lib/generation.h"
#include "../lib/json.h"
#include "../lib/store.h"

/* Walks "a.b.0.c" down from j; NULL where there is nothing. A key can have dots in it
 * itself (a sysctl, the interface eth0.10): any way that leads somewhere is right. */
static const cJSON *walk(const cJSON *j, const char *field)
{
	for (const char *end = field + strcspn(field, ".");; end += 1 + strcspn(end + 1, ".")) {
		autofree char *key = xstrndup(field, end - field);
		const cJSON *next = cJSON_GetObjectItemCaseSensitive(j, key);

		if (cJSON_IsArray(j) && *key >= '0' && *key <= '9')
			next = cJSON_GetArrayItem(j, atoi(key));
		if (next && *end)
			next = walk(next, end + 1);
		if (next || !*end)
			return next;
	}
}

static void print_field(const cJSON *j)
{
	if (cJSON_IsString(j))
		puts(j->valuestring);
	else
		json_print(j);
}

static int unit_main(int argc, char **argv)
{
	const char *field = NULL;
	bool conf = false, next = false;
	const struct opt opts[] = {
		{ 'g', "get", "FIELD", "only this field", .text = &field },
		{ 'c', "conf", NULL, "as KEY=value lines (unit.conf)", .flag = &conf },
		{ 'N', "next", NULL, "of the pending generation", .flag = &next },
		{ 0 },
	};
	struct err e;
	int i = opt_parse(argc, argv, opts);

	if (argc - i != 1)
		usage("expected one ID");
	if (field && conf)
		usage("--get and --conf exclude each other");
	autounit struct unit *u = store_unit_or_stdin(argv[i], next ? "next" : "current", &e);
	if (!u)
		return say_err(&e);

	if (conf) {
		autobuf struct buf text = { 0 };
		generation_conf(u, &text);
		fputs(text.p, stdout);
		return NU_OK;
	}
	const cJSON *j = field ? walk(u->json, field) : u->json;
	if (!j)
		die(NU_FAILED, "%s: no field %s", u->id, quoted(field));
	print_field(j);
	return NU_OK;
}

APPLET(unit, .name = "unit", .summary = "Print a unit document, or a field of it",
       .synopsis = "[-g FIELD | -c] [-N] ID|-", .main = unit_main);
