/* nu-status - the state of units.
 *
 *   nu-status [-o json] [-n FILE|URL] [-j FILE|URL] [-p NIXPKGS] ID...
 *
 * What is declared, what runs, and what a build or a start would change. With -n or -j
 * that is asked of these files instead of the stored declaration. No process is started
 * to find out.
 *
 * Exit status 0: all run; 1: one doesn't; 3: one is unknown.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "../lib/applet.h"
#include "../lib/decl.h"
#include "../lib/json.h"
#include "../lib/net.h"
#include "../lib/status.h"
#include "../lib/store.h"
#include "../lib/unit.h"

struct answer {
	const char *id;
	struct status s;
	struct need need;
	bool need_known;
	struct unit *u;
	struct strv addresses;
	int64_t memory, tasks; /* -1: not known */
};

static void answer_free(struct answer *a)
{
	free(a->need.why);
	unit_free(a->u);
	strv_free(&a->addresses);
}

/* The memory a process takes, in bytes. */
static int64_t resident(int pid)
{
	autofree char *path = xfmt("/proc/%d/statm", pid);
	uint64_t total, pages;
	char text[128];

	if (file_peek(path, text, sizeof(text)) <= 0)
		return 0;
	const char *p = text;
	if (!take_number(&p, &total) || !take_blanks(&p) || !take_number(&p, &pages))
		return 0;
	return pages * sysconf(_SC_PAGESIZE);
}

/* Where the kernel does not account for the cgroup: the sum over its processes. */
static void sum_processes(const char *dir, struct answer *a)
{
	autofree char *path = xfmt("%s/cgroup.procs", dir);
	autobuf struct buf procs = { 0 };
	struct err ignored;
	uint64_t pid;

	file_read(AT_FDCWD, path, 8 << 20, &procs, &ignored);
	for (const char *p = procs.p; p && take_number(&p, &pid); take_char(&p, '\n')) {
		a->memory += resident(pid);
		a->tasks++;
	}
	DIR *d = opendir(dir);
	for (struct dirent *below; d && (below = readdir(d));) {
		if (below->d_type != DT_DIR || below->d_name[0] == '.')
			continue;
		autofree char *sub = xfmt("%s/%s", dir, below->d_name);
		sum_processes(sub, a);
	}
	if (d)
		closedir(d);
}

static int sum_process(pid_t pid, int proc, void *context, struct err *e)
{
	struct answer *a = context;

	(void)proc, (void)e;
	a->memory += resident(pid);
	a->tasks++;
	return 0;
}

static void look_inside(struct answer *a)
{
	const struct machine *m = &a->s.machine;
	struct err ignored;

	a->memory = machine_number(m, "memory.current");
	a->tasks = machine_number(m, "pids.current");
	if (a->memory < 0 || a->tasks < 0) {
		autofree char *dir = xfmt("/sys/fs/cgroup%s", m->cgroup);

		a->memory = a->tasks = 0;
		if (*m->cgroup)
			sum_processes(dir, a);
		else /* a command of the direct engine has none of its own */
			machine_each(m, sum_process, a, &ignored);
	}
	/* Another network namespace can be entered by root alone. */
	autoclose int netns = machine_ns(&a->s.machine, "net", &ignored);
	if (netns >= 0)
		net_addresses(netns, &a->addresses, &ignored);
}

static int ask(struct answer *a, const char *nix, const char *json, const char *nixpkgs,
	       struct err *e)
{
	struct err unknown;

	a->memory = a->tasks = -1;
	if (id_check(a->id, e) < 0 || status_get(a->id, &a->s, e) < 0)
		return -1;
	a->u = store_unit(a->id, a->s.generation || a->s.in_nixos ? "current" : "next", &unknown);
	if (!a->s.in_nixos && (nix || a->u)) {
		autodecl struct decl d = { 0 };
		autoclose int dir = store_open(a->id, false, NULL, e);

		if (decl_read(&d, a->id, nix, json, nixpkgs, e) < 0 || decl_complete(&d, e) < 0 ||
		    decl_need(&d, dir, &a->need, e) < 0)
			return -1;
		a->need_known = true;
	}
	if (a->s.state == STATE_STARTED)
		look_inside(a);
	return 0;
}

static bool need_switch(const struct answer *a)
{
	return a->s.pending && a->s.pending != a->s.generation;
}

static void add_string(cJSON *j, const char *key, const char *text)
{
	cJSON_AddItemToObject(j, key, text ? cJSON_CreateString(text) : cJSON_CreateNull());
}

static void add_number(cJSON *j, const char *key, int64_t n, bool known)
{
	cJSON_AddItemToObject(j, key, known ? cJSON_CreateNumber(n) : cJSON_CreateNull());
}

static cJSON *to_json(const struct answer *a)
{
	bool started = a->s.state == STATE_STARTED;
	cJSON *j = cJSON_CreateObject(), *addresses;

	cJSON_AddStringToObject(j, "id", a->id);
	cJSON_AddStringToObject(j, "status", state_name(a->s.state));
	cJSON_AddBoolToObject(j, "started", started);
	cJSON_AddBoolToObject(j, "in_nixos", a->s.in_nixos);
	cJSON_AddBoolToObject(j, "need_store_build", a->need_known && a->need.store);
	cJSON_AddBoolToObject(j, "need_container_build", a->need_known && a->need.container);
	cJSON_AddBoolToObject(j, "need_switch", need_switch(a));
	add_string(j, "reason", a->need.why);
	add_number(j, "generation", a->s.generation, a->s.generation);
	add_number(j, "pending", a->s.pending, a->s.pending);
	add_string(j, "os", a->u ? a->u->os_name : NULL);
	add_string(j, "version", a->u ? a->u->os_version : NULL);
	add_string(j, "network", a->u ? net_whose(a->u) : NULL);
	cJSON_AddItemToObject(j, "user_namespace",
			      a->u ? cJSON_CreateBool(a->u->private_users) : cJSON_CreateNull());
	addresses = cJSON_AddArrayToObject(j, "addresses");
	for (size_t i = 0; i < a->addresses.n; i++)
		cJSON_AddItemToArray(addresses, cJSON_CreateString(a->addresses.v[i]));
	add_number(j, "leader", a->s.machine.leader, started);
	add_number(j, "since", a->s.machine.since, started);
	add_number(j, "memory", a->memory, a->memory >= 0);
	add_number(j, "tasks", a->tasks, a->tasks >= 0);
	return j;
}

static void row(const char *label, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void row(const char *label, const char *fmt, ...)
{
	va_list ap;

	printf("%12s: ", label);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

static void print_text(const struct answer *a)
{
	autobuf struct buf addresses = { 0 };
	char since[UTC_TEXT];

	printf("%s\n", a->id);
	row("status", "%s%s", state_name(a->s.state), a->s.in_nixos ? ", declared by the host" : "");
	if (a->s.generation)
		row("generation", "%u", a->s.generation);
	if (a->s.pending)
		row("pending", "generation %u, at the next start", a->s.pending);
	if (a->need.why)
		row("needs", "%s build: %s", a->need.store ? "a base and container" : "a container",
		    a->need.why);
	if (a->u && a->u->os_name)
		row("os", "%s %s", a->u->os_name, a->u->os_version ? a->u->os_version : "");
	if (a->u && (!a->u->net.private || a->u->net.netns))
		row("network", "%s%s", a->u->net.netns ? "that of " : "the host's",
		    a->u->net.netns ? a->u->net.netns : "");
	if (a->u && !a->u->private_users)
		row("users", "the host's: no user namespace");
	if (a->s.state != STATE_STARTED)
		return;
	for (size_t i = 0; i < a->addresses.n; i++)
		buf_addf(&addresses, "%s%s", i ? " " : "", a->addresses.v[i]);
	if (addresses.n)
		row("addresses", "%s", addresses.p);
	row("leader", "%d", a->s.machine.leader);
	long long minutes = (time(NULL) - a->s.machine.since) / 60;
	utc_text(a->s.machine.since, since);
	row("since", "%s UTC, %lldh %02lldmin ago", since, minutes / 60, minutes % 60);
	if (a->memory >= 0)
		row("memory", "%.1f MiB", a->memory / 1048576.0);
	if (a->tasks >= 0)
		row("tasks", "%lld", (long long)a->tasks);
}

static int status_main(int argc, char **argv)
{
	const char *format = NULL, *nix = NULL, *json = NULL, *nixpkgs = NULL;
	const struct opt opts[] = {
		{ 'o', "output", "FORMAT", "text or json", .text = &format },
		{ 'n', "nix", "FILE|URL", "compare with this configuration", .text = &nix },
		{ 'j', "json", "FILE|URL", "compare with these parameters", .text = &json },
		{ 'p', "nixpkgs", "NIXPKGS", "compare with this package set", .text = &nixpkgs },
		{ 0 },
	};
	int i = opt_parse(argc, argv, opts), worst = NU_OK, n = argc - i;
	bool as_json = opt_json(format);
	autojson cJSON *list = cJSON_CreateArray();

	if (n < 1)
		usage("expected an ID");
	for (int k = i; k < argc; k++) {
		__attribute__((cleanup(answer_free))) struct answer a = { .id = argv[k] };
		struct err e;
		int code = NU_OK;

		if (ask(&a, nix, json, nixpkgs, &e) < 0)
			code = say_err(&e);
		else if (as_json)
			cJSON_AddItemToArray(list, to_json(&a));
		else
			print_text(&a);
		if (code == NU_OK && a.s.state != STATE_STARTED)
			code = NU_FAILED;
		worst = worst > code ? worst : code;
	}
	/* One unit is one object, as a script that asks for one expects. */
	if (as_json && n > 1)
		json_print(list);
	else if (as_json && cJSON_GetArraySize(list))
		json_print(cJSON_GetArrayItem(list, 0));
	return worst;
}

APPLET(status, .name = "status", .summary = "Show the state of units",
       .synopsis = "[-o text|json] [-n FILE|URL] [-j FILE|URL] [-p NIXPKGS] ID...",
       .help = "Exit status 0: all of them run; 1: one does not; 3: one is unknown.",
       .main = status_main);
