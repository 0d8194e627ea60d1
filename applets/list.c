/* nu-list - the units, one line each.
 *
 *   nu-list [-q] [-s] [-o text|json]
 */
#include "../lib/applet.h"
#include "../lib/json.h"
#include "../lib/status.h"
#include "../lib/store.h"

static void print_text(const char *id, const struct status *s)
{
	char generation[32] = "-", pending[40] = "";

	if (s->in_nixos)
		snprintf(generation, sizeof(generation), "nixos");
	else if (s->generation)
		snprintf(generation, sizeof(generation), "%u", s->generation);
	if (s->pending)
		snprintf(pending, sizeof(pending), " (%u pending)", s->pending);
	printf("%-24s %-10s %s%s\n", id, state_name(s->state), generation, pending);
}

static cJSON *number_or_null(unsigned int n)
{
	return n ? cJSON_CreateNumber(n) : cJSON_CreateNull();
}

static void add_json(cJSON *list, const char *id, const struct status *s)
{
	cJSON *j = cJSON_CreateObject();

	cJSON_AddStringToObject(j, "id", id);
	cJSON_AddStringToObject(j, "status", state_name(s->state));
	cJSON_AddBoolToObject(j, "started", s->state == STATE_STARTED);
	cJSON_AddBoolToObject(j, "in_nixos", s->in_nixos);
	cJSON_AddItemToObject(j, "generation", number_or_null(s->generation));
	cJSON_AddItemToObject(j, "pending", number_or_null(s->pending));
	cJSON_AddItemToObject(j, "leader",
			      number_or_null(s->state == STATE_STARTED ? s->machine.leader : 0));
	cJSON_AddItemToArray(list, j);
}

/* Those that run without being stored, after the others. */
static void add_running(struct strv *ids)
{
	autostrv struct strv running = { 0 };
	struct machine m;
	struct err ignored;

	machine_ids(&running);
	for (size_t i = 0; i < running.n; i++)
		if (!strv_has(ids, running.v[i]) && machine_find(running.v[i], &m, &ignored) == 1)
			strv_add(ids, running.v[i]);
}

static int list_main(int argc, char **argv)
{
	bool ids_only = false, started = false;
	const char *format = NULL;
	const struct opt opts[] = {
		{ 'q', "quiet", NULL, "only the ids", .flag = &ids_only },
		{ 's', "started", NULL, "only what runs", .flag = &started },
		{ 'o', "output", "FORMAT", "text or json", .text = &format },
		{ 0 },
	};
	autostrv struct strv ids = { 0 };
	autojson cJSON *list = cJSON_CreateArray();

	opt_parse_all(argc, argv, opts);
	bool json = opt_json(format);
	store_ids(&ids);
	add_running(&ids);
	if (!json && !ids_only && ids.n)
		printf("%-24s %-10s %s\n", "ID", "STATUS", "GENERATION");
	for (size_t i = 0; i < ids.n; i++) {
		struct status s;
		struct err e;

		if (ids_only && !started) {
			puts(ids.v[i]);
			continue;
		}
		if (status_get(ids.v[i], &s, &e) < 0) {
			warn("%s", e.text);
			continue;
		}
		if (started && s.state != STATE_STARTED)
			continue;
		if (json)
			add_json(list, ids.v[i], &s);
		else if (ids_only)
			puts(ids.v[i]);
		else
			print_text(ids.v[i], &s);
	}
	if (json)
		json_print(list);
	return NU_OK;
}

APPLET(list, .name = "list", .summary = "List the units, declared and running",
       .synopsis = "[-q] [-s] [-o text|json]", .main = list_main);
