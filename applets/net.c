/* nu-net - the network of a unit.
 *
 *   nu-net plan  [-o json] [ID|-]     the operations, in order; touches nothing
 *   nu-net up    [ID|-]               does what of them is still to be done
 *   nu-net down  [ID|-]               removes what up made
 *   nu-net show  [-o json] [ID|-]     what is there
 *   nu-net check [-o json] [ID|-]     what differs from the declaration; exit 1 if anything
 *   nu-net graph [-o FORMAT] [ID|-]...  what units hang on: text, json, dot or svg
 *
 * The unit document is read from standard input ("-", or no ID and no terminal) or
 * is the current one of ID. The container's namespace is that of the running
 * machine, unless --netns or --pid names another.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/applet.h"
#include "../lib/drift.h"
#include "../lib/json.h"
#include "../lib/machine.h"
#include "../lib/net.h"
#include "../lib/netgraph.h"
#include "../lib/netshow.h"
#include "../lib/store.h"
#include "../lib/uid.h"

struct args {
	const char *id; /* NULL: the document is on standard input */
	const char *netns, *pid;
	bool json, ended;
};

static struct unit *load(const struct args *a, struct err *e)
{
	return store_unit_or_stdin(a->id ? a->id : "-", "current", e);
}

/* The container's namespace. The machine's, by its id, where none is named. */
static int open_netns(const struct args *a, const char *id, struct err *e)
{
	struct machine m;

	if (a->netns)
		return net_open(a->netns, e);
	if (a->pid) {
		autofree char *path = xfmt("/proc/%lu/ns/net",
					   opt_number("pid", a->pid, 1, 1UL << 22));
		return net_open(path, e);
	}
	int found = machine_find(id, &m, e);
	if (found == 0)
		return a->id && !store_exists(id) ? err_set(e, NU_NO_UNIT, "no such unit") :
						    err_set(e, NU_FAILED, "is not running");
	return found < 0 ? -1 : machine_ns(&m, "net", e);
}

/* The id, as named or of the document, which is the caller's then; NULL and e. */
static const char *named(const struct args *a, struct unit **u, struct err *e)
{
	if (a->id)
		return id_check(a->id, e) < 0 ? NULL : a->id;
	*u = load(a, e);
	return *u ? (*u)->id : NULL;
}

static int fail(const char *id, struct err *e)
{
	if (id)
		err_wrap(e, "%s: ", id);
	return say_err(e);
}

/* With --netns or --pid, what is still to be done there; the whole plan without. */
static int plan(const struct args *a)
{
	struct err e;
	autounit struct unit *u = load(a, &e);
	autoplan struct net_plan p = { 0 };
	int ret;

	if (!u)
		return say_err(&e);
	if (a->netns || a->pid) {
		autoclose int netns = open_netns(a, u->id, &e);
		ret = netns < 0 ? -1 : net_todo(u, netns, &p, &e);
	} else {
		ret = net_plan(u, &p, &e);
	}
	if (ret < 0)
		return fail(u->id, &e);
	if (a->json) {
		autojson cJSON *j = net_plan_json(&p);
		cJSON_AddStringToObject(j, "network", net_whose(u));
		json_print(j);
		return NU_OK;
	}
	if (!u->net.private || u->net.netns)
		printf("nothing: the network is %s%s%s\n", u->net.netns ? "that of " : "the host's",
		       u->net.netns ? u->net.netns : "",
		       u->private_users ? "" : ", and there is no user namespace");
	for (size_t i = 0; i < p.n; i++) {
		char text[NET_OP_TEXT];

		printf("%3zu  %-9s  %s\n", i + 1, net_where_name(p.v[i].where),
		       net_op_text(&p.v[i], text));
	}
	return NU_OK;
}

/* Whether the unit has stopped meanwhile. What was made for it on the host after its end has been
 * tidied up is nobody's then, and removed. If it is started again, that is seen to by the start. */
static bool stopped(const char *id, struct err *e)
{
	struct enrolled nobody = ENROLLED_NONE;
	struct machine m;

	if (machine_find(id, &m, e) != 0)
		return false;
	bool ended = machine_enroll(&nobody, id, e) == 0;
	if (ended && net_down(id, -1, NULL, e) == 0)
		err_set(e, NU_FAILED, "it has stopped meanwhile");
	machine_withdraw(&nobody);
	return ended;
}

static int up(const struct args *a)
{
	autostrv struct strv advice = { 0 };
	struct net_report r;
	struct err e, gone;
	autounit struct unit *u = load(a, &e);

	if (!u)
		return say_err(&e);
	autoclose int netns = open_netns(a, u->id, &e);
	if (netns < 0)
		return fail(u->id, &e);
	int ret = net_up_report(u, netns, 0, &r, &e);
	if ((!a->netns && !a->pid && stopped(u->id, ret < 0 ? &gone : &e)) || ret < 0)
		return fail(u->id, &e);
	net_advice(u, &advice);
	for (size_t i = 0; i < advice.n; i++)
		warn("%s: %s", u->id, advice.v[i]);
	if (a->json)
		printf("{\"id\": \"%s\", \"planned\": %zu, \"done\": %zu}\n", u->id, r.planned,
		       r.done);
	else
		printf("%s: %zu of %zu operations done\n", u->id, r.done, r.planned);
	return NU_OK;
}

/* The declaration is not needed, and may be gone: the links say whose they are. Where
 * the container runs, what is inside goes first. */
static int remove_links(const struct args *a, const char *id)
{
	autoclose int netns = -1;
	size_t n;
	struct machine m;
	struct err e;

	/* A machine whose leader has just died has nothing inside any more. */
	if (a->netns || a->pid || machine_find(id, &m, &e) == 1)
		netns = open_netns(a, id, &e);
	if (netns < 0 && (a->netns || a->pid))
		return fail(id, &e);
	if (net_down(id, netns, &n, &e) < 0)
		return fail(id, &e);
	if (a->json)
		printf("{\"id\": \"%s\", \"removed\": %zu}\n", id, n);
	else if (n || !a->ended) /* at the end of each start that failed it would be no news */
		printf("%s: %zu link%s removed\n", id, n, n == 1 ? "" : "s");
	return NU_OK;
}

static int down(const struct args *a)
{
	struct enrolled nobody = ENROLLED_NONE;
	autounit struct unit *u = NULL;
	struct err e;
	const char *id = named(a, &u, &e);

	if (!id)
		return say_err(&e);
	if (!a->ended)
		return remove_links(a, id);
	/* Ended is what neither runs nor is being started, and won't be before we are done. */
	int ret = NU_OK;
	if (machine_enroll(&nobody, id, &e) == 0) {
		ret = remove_links(a, id);
		uid_clear(id);
	} else if (e.code != NU_BUSY) {
		ret = fail(id, &e);
	}
	machine_withdraw(&nobody);
	return ret;
}

static int show(const struct args *a)
{
	autonetshow struct netshow s = { 0 };
	autounit struct unit *u = NULL;
	autobuf struct buf b = { 0 };
	struct err e;
	const char *id = named(a, &u, &e);

	if (!id)
		return say_err(&e);
	autoclose int netns = open_netns(a, id, &e);
	if (netns < 0 || netshow_read(&s, id, netns, &e) < 0)
		return fail(id, &e);
	if (a->json) {
		autojson cJSON *j = netshow_json(&s);
		json_print(j);
		return NU_OK;
	}
	netshow_text(&s, &b);
	if (b.n)
		fwrite(b.p, 1, b.n, stdout);
	return NU_OK;
}

static int check(const struct args *a)
{
	struct err e;
	autounit struct unit *u = load(a, &e);
	cJSON *list;

	if (!u)
		return say_err(&e);
	autoclose int netns = open_netns(a, u->id, &e);
	if (netns < 0 || net_drift(u, netns, &list, &e) < 0)
		return fail(u->id, &e);
	autojson cJSON *drift = list;
	drift_print(u->id, drift, a->json, false);
	return cJSON_GetArraySize(drift) ? NU_FAILED : NU_OK;
}

/* A unit that has not been started yet hangs on what its first start will make. */
static struct unit *load_for_graph(const char *id, struct err *e)
{
	struct err ignored;
	struct unit *u;

	if (strchr(id, '/'))
		return unit_load_file(AT_FDCWD, id, e);
	u = store_unit_or_stdin(id, "current", e);
	return u || e->code != NU_FAILED ? u : store_unit(id, "next", &ignored);
}

static bool never_built(const char *id)
{
	autofree char *current = store_unit_json(id, "current");
	autofree char *next = store_unit_json(id, "next");

	return access(current, F_OK) < 0 && errno == ENOENT && access(next, F_OK) < 0;
}

static int graph_units(const struct strv *ids, bool all, struct unit **units,
		       const char *format, struct err *e)
{
	autonetgraph struct netgraph g = { 0 };
	autobuf struct buf b = { 0 };

	for (size_t i = 0; i < ids->n; i++) {
		if (all && never_built(ids->v[i]))
			continue;
		units[i] = load_for_graph(ids->v[i], e);
		if (!units[i])
			return -1;
		if (netgraph_add(&g, units[i], e) < 0)
			return err_wrap(e, "%s: ", units[i]->id);
	}
	netgraph_sort(&g);
	if (streq(format, "json")) {
		autojson cJSON *j = netgraph_json(&g);
		json_print(j);
		return 0;
	}
	if (streq(format, "svg")) {
		if (netgraph_svg(&g, &b, e) < 0)
			return -1;
	} else if (streq(format, "dot")) {
		netgraph_dot(&g, &b);
	} else {
		netgraph_text(&g, &b);
	}
	if (b.n)
		fwrite(b.p, 1, b.n, stdout);
	return 0;
}

/* Of these units, or of all that are built. */
static int graph(int n, char **names, const char *format)
{
	autostrv struct strv ids = { 0 };
	struct err e;

	if (!format)
		format = "text";
	if (!streq(format, "text") && !streq(format, "json") && !streq(format, "dot") &&
	    !streq(format, "svg"))
		usage("-o %s: expected text, json, dot or svg", quoted(format));
	for (int i = 0; i < n; i++) {
		for (int k = 0; k < i; k++)
			if (streq(names[k], names[i]))
				usage("%s: given twice", quoted(names[i]));
		strv_add(&ids, names[i]);
	}
	if (!n)
		store_ids(&ids);
	struct unit **units = xalloc((ids.n + 1) * sizeof(*units));
	int failed = graph_units(&ids, !n, units, format, &e);
	for (size_t i = 0; i < ids.n; i++)
		unit_free(units[i]);
	free(units);
	return failed ? say_err(&e) : NU_OK;
}

static int net_main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const struct args *a);
	} actions[] = {
		{ "plan", plan }, { "up", up },	      { "down", down },
		{ "show", show }, { "check", check },
	};
	struct args a = { 0 };
	const char *format = NULL;
	const struct opt opts[] = {
		{ 'o', "output", "FORMAT", "text (the default) or json; a graph also dot or svg",
		  .text = &format },
		{ 'N', "netns", "PATH", "the container's network namespace", .text = &a.netns },
		{ 'p', "pid", "PID", "the network namespace of a process", .text = &a.pid },
		{ 0, "ended", NULL, "down: only if the unit does not run", .flag = &a.ended },
		{ 0 },
	};
	int i = opt_parse(argc, argv, opts);

	if (i == argc)
		usage("expected an action: plan, up, down, show, check or graph");
	if (a.netns && a.pid)
		usage("--netns or --pid, not both");
	if (streq(argv[i], "graph")) {
		if (a.netns || a.pid)
			usage("a graph is of declarations, not of a namespace");
		return graph(argc - i - 1, argv + i + 1, format);
	}
	a.json = opt_json(format);
	if (argc - i > 2)
		usage("one unit at a time");
	if (argc - i == 2 && !streq(argv[i + 1], "-"))
		a.id = argv[i + 1];
	else if (argc - i == 1 && isatty(STDIN_FILENO))
		usage("expected an ID, or a unit document on standard input");
	for (size_t k = 0; k < ARRAY_SIZE(actions); k++)
		if (streq(actions[k].name, argv[i]))
			return actions[k].run(&a);
	usage("%s: expected plan, up, down, show, check or graph", quoted(argv[i]));
}

APPLET(net, .name = "net", .summary = "Plan, make, show and check the network of a unit",
       .synopsis = "plan|up|down|show|check [-o json] [--netns PATH|--pid PID] [ID|-], or\n"
		   "       nu-net graph [-o text|json|dot|svg] [ID|FILE|-]...",
       .help = "The unit document is that of ID, or is read from standard input (\"-\", or no ID).\n"
	       "plan needs no privilege and touches nothing; up does what is still to be done,\n"
	       "all of it or nothing; down removes exactly that; check exits 1 on a difference.\n"
	       "graph shows the bridges, VLANs and interfaces that units hang on, of all units\n"
	       "where none is named. A name with a slash in it is the file of a document.",
       .main = net_main);
