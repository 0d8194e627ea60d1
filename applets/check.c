/* nu-check - is what runs what was declared?
 *
 *   nu-check [-o text|json] ID...
 *
 * Compares the unit document with the running container: generation, capabilities, user
 * namespace, mounts, kernel parameters, and its whole network. Nothing is changed.
 *
 * Exit status 0: no difference; 1: there is one, or the unit doesn't run; 3: unknown.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/applet.h"
#include "../lib/cap.h"
#include "../lib/drift.h"
#include "../lib/json.h"
#include "../lib/net.h"
#include "../lib/mnt.h"
#include "../lib/netsysctl.h"
#include "../lib/nspawn.h"
#include "../lib/root.h"
#include "../lib/status.h"
#include "../lib/store.h"
#include "../lib/sysctl.h"
#include "../lib/uid.h"
#include "../lib/unit.h"

struct check {
	const char *id;
	struct status s;
	struct unit *u;
	cJSON *list;
};

static int proc_file(const struct check *c, const char *name, struct buf *b, struct err *e)
{
	autofree char *path = xfmt("/proc/%d/%s", c->s.machine.leader, name);

	return file_read(AT_FDCWD, path, 4 << 20, b, e);
}

/* The document the container was started with lies in it, read-only. What it has put in the place
 * of that is not even opened, unless it is a file: a terminal would become our own. */
static int open_inside(const struct check *c)
{
	autofree char *inside = xfmt("/proc/%d/root", c->s.machine.leader);
	autoclose int root = open(inside, O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoclose int there = root_open(root, "/run/nixunits/unit.json", O_PATH);
	autofree char *file = xfmt("/proc/self/fd/%d", there);
	struct stat st;

	if (there < 0 || fstat(there, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	return open(file, O_RDONLY | O_CLOEXEC);
}

static int check_generation(struct check *c, struct err *e)
{
	autofree char *path = store_unit_json(c->id, "current");
	autoclose int fd = open_inside(c);
	autobuf struct buf declared = { 0 }, live = { 0 };

	if (file_read(AT_FDCWD, path, UNIT_LIMIT, &declared, e) < 0)
		return -1;
	if (fd < 0 || fd_read(fd, "unit.json", UNIT_LIMIT, &live, e) < 0 || live.n != declared.n ||
	    memcmp(live.p, declared.p, live.n) != 0)
		drift_add(c->list, "unit", NULL, "document", cJSON_CreateString("the current one"),
			  cJSON_CreateString(fd < 0 ? "none" : "another"));
	if (c->s.pending && c->s.pending != c->s.generation)
		drift_add(c->list, "unit", NULL, "generation", cJSON_CreateNumber(c->s.pending),
			  cJSON_CreateNumber(c->s.generation));
	return 0;
}

static cJSON *hexadecimal(unsigned long long set)
{
	char text[32];

	snprintf(text, sizeof(text), "%016llx", set);
	return cJSON_CreateString(text);
}

static int check_privileges(struct check *c, struct err *e)
{
	autofree char *status = xfmt("/proc/%d/status", c->s.machine.leader);
	autobuf struct buf map = { 0 };
	struct cap_state state;
	uint64_t range[3] = { 0 }; /* first UID inside, outside, how many */
	uint32_t declared = 0;

	if (cap_state(AT_FDCWD, status, &state) < 0)
		return err_errno(e, "%s", status);
	if (proc_file(c, "uid_map", &map, e) < 0)
		return -1;
	/* Bits beyond what this kernel knows are in no process's set. */
	unsigned long long wanted = nspawn_unit_bounding(c->u);
	if (state.set[CAP_BND] & ~wanted)
		drift_add(c->list, "caps", NULL, "bounding set", hexadecimal(wanted),
			  hexadecimal(state.set[CAP_BND]));
	if (!state.no_new_privs)
		drift_add(c->list, "caps", NULL, "no_new_privs", cJSON_CreateTrue(),
			  cJSON_CreateFalse());

	const char *p = map.p;
	for (int i = 0; i < 3; i++) {
		take_blanks(&p);
		take_number(&p, &range[i]);
	}
	if (!c->u->private_users)
		return 0;
	if (uid_get(c->id, &declared, e) < 0)
		return -1;
	if (range[0] != 0 || range[1] != declared || range[2] != UID_COUNT)
		drift_add(c->list, "users", NULL, "range", cJSON_CreateNumber(declared),
			  cJSON_CreateNumber(range[1]));
	return 0;
}

/* 'r' or 'w' for what is mounted on target, in the leader's view; 0: nothing is. The
 * last of several is the one on top. */
static char mounted(const char *mountinfo, const char *target)
{
	char state = 0;

	for (const char *p = mountinfo; p && *p; p = next_line(p)) {
		char point[4096], options[256];
		const char *field = p;

		for (int skip = 0; skip < 4; skip++) {
			field += strcspn(field, " \n");
			take_blanks(&field);
		}
		if (!take_word(&field, point, sizeof(point)) || !take_blanks(&field) ||
		    !take_word(&field, options, sizeof(options)))
			continue;
		mnt_unescape(point);
		if (streq(point, target))
			state = starts_with(options, "ro") && strchr(",", options[2]) ? 'r' : 'w';
	}
	return state;
}

static void check_mount(struct check *c, const char *mountinfo, const char *target, bool read_only)
{
	static const char *const words[] = { "nothing", "read-only", "writable" };
	char state = mounted(mountinfo, target);
	int live = state == 'r' ? 1 : state == 'w' ? 2 : 0, declared = read_only ? 1 : 2;

	if (live != declared)
		drift_add(c->list, "mount", NULL, target, cJSON_CreateString(words[declared]),
			  cJSON_CreateString(words[live]));
}

static int check_mounts(struct check *c, struct err *e)
{
	autobuf struct buf mountinfo = { 0 };

	if (proc_file(c, "mountinfo", &mountinfo, e) < 0)
		return -1;
	check_mount(c, mountinfo.p, "/nix/store", true);
	for (size_t i = 0; i < c->u->n_binds; i++)
		check_mount(c, mountinfo.p, c->u->binds[i].target, c->u->binds[i].read_only);
	return 0;
}

static int check_network(struct check *c, struct err *e)
{
	cJSON *list = NULL;

	if (!c->u->net.private || c->u->net.netns)
		return 0;
	autoclose int netns = machine_ns(&c->s.machine, "net", e);
	if (netns < 0 || net_drift(c->u, netns, &list, e) < 0)
		return -1;
	for (cJSON *d; (d = cJSON_DetachItemFromArray(list, 0));)
		cJSON_AddItemToArray(c->list, d);
	cJSON_Delete(list);
	return 0;
}

/* Those of the network are lib/net's. */
static int check_sysctls(struct check *c, struct err *e)
{
	for (size_t i = 0; i < c->u->n_sysctls; i++) {
		const struct sysctl *s = &c->u->sysctls[i];
		struct err ignored;

		if (!sysctl_of_ipc(s->key))
			continue;
		autoclose int ipc = machine_ns(&c->s.machine, "ipc", e);
		if (ipc < 0)
			return -1;
		autofree char *live = sysctl_read(ipc, s->key, &ignored);
		autofree char *what = xfmt("sysctl %s", s->key);
		if (!live || !netsysctl_same(live, s->value))
			drift_add(c->list, "container", NULL, what, cJSON_CreateString(s->value),
				  live ? cJSON_CreateString(live) : NULL);
	}
	return 0;
}

static int check(const char *id, bool json, struct err *e)
{
	struct check c = { .id = id };

	if (id_check(id, e) < 0 || status_get(id, &c.s, e) < 0)
		return -1;
	if (c.s.state != STATE_STARTED)
		return err_set(e, NU_FAILED, "%s: is not running", id);
	if (!store_exists(id))
		return err_set(e, NU_FAILED, "%s: runs, but is no stored unit: there is nothing to "
			       "compare it with", id);
	autounit struct unit *u = store_unit(id, "current", e);
	if (!u)
		return -1;
	c.u = u;
	autojson cJSON *list = c.list = cJSON_CreateArray();
	if (check_generation(&c, e) < 0 || check_privileges(&c, e) < 0 || check_mounts(&c, e) < 0 ||
	    check_network(&c, e) < 0 || check_sysctls(&c, e) < 0)
		return err_wrap(e, "%s: ", id);
	drift_print(id, list, json, true);
	return cJSON_GetArraySize(list) ? 1 : 0;
}

static int check_main(int argc, char **argv)
{
	const char *format = NULL;
	const struct opt opts[] = {
		{ 'o', "output", "FORMAT", "text or json", .text = &format },
		{ 0 },
	};
	int i = opt_parse(argc, argv, opts), worst = NU_OK;
	bool json = opt_json(format);

	if (i == argc)
		usage("expected an ID");
	for (; i < argc; i++) {
		struct err e;
		int drift = check(argv[i], json, &e);
		int code = drift < 0 ? say_err(&e) : drift ? NU_FAILED : NU_OK;

		worst = worst > code ? worst : code;
	}
	return worst;
}

APPLET(check, .name = "check", .summary = "Compare what runs with what was declared",
       .synopsis = "[-o text|json] ID...",
       .help = "Exit status 0: no difference; 1: there is one, or a unit does not run; 3: one\n"
	       "is unknown.",
       .main = check_main);
