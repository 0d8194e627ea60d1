/* nu-caps - what a container's processes may do: as declared, and as it is.
 *
 *   nu-caps [-o json] plan [ID|-]
 *   nu-caps [-o json] [-a] show ID|PID
 *   nu-caps [-o json] check ID
 *   nu-caps exec --allow CAP[,CAP...] [--user USER] [--no-new-privs] -- COMMAND ARG...
 *
 * plan works out the sets from the very command line that nu-run would execute, by
 * systemd-nspawn's rules, so that the declaration's own nspawnArgs count as well. show
 * reads those of a process, of a running unit's PID 1, or of all its processes; check
 * compares the two. exec gives up all but the allowed ones and becomes the command.
 */
#include "../lib/applet.h"
#include "../lib/cap.h"
#include "../lib/json.h"
#include "../lib/machine.h"
#include "../lib/nspawn.h"
#include "../lib/proc.h"
#include "../lib/store.h"
#include "../lib/user.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define BIT(cap) (1ull << (cap))

/* In plain words; an index is a capability's number. */
static const char *const meanings[] = {
	[CAP_CHOWN] = "change the owner of any file",
	[CAP_DAC_OVERRIDE] = "read, write and execute files whatever their mode",
	[CAP_DAC_READ_SEARCH] = "read files and open them by handle whatever their mode",
	[CAP_FOWNER] = "change mode, times and ACLs of files of others",
	[CAP_FSETID] = "keep set-user-ID bits when a file changes",
	[CAP_KILL] = "send signals to processes of others",
	[CAP_SETGID] = "become any group",
	[CAP_SETUID] = "become any user",
	[CAP_SETPCAP] = "drop capabilities from the bounding set",
	[CAP_LINUX_IMMUTABLE] = "set the immutable and append-only flags of files",
	[CAP_NET_BIND_SERVICE] = "listen on ports below 1024",
	[CAP_NET_BROADCAST] = "send broadcasts, listen to multicast",
	[CAP_NET_ADMIN] = "configure interfaces, routes and the firewall",
	[CAP_NET_RAW] = "send any packet, listen to all (ping, tcpdump)",
	[CAP_IPC_LOCK] = "lock memory without a limit",
	[CAP_IPC_OWNER] = "use System V IPC objects of others",
	[CAP_SYS_MODULE] = "load kernel modules",
	[CAP_SYS_RAWIO] = "access I/O ports and raw devices",
	[CAP_SYS_CHROOT] = "use chroot",
	[CAP_SYS_PTRACE] = "trace any process",
	[CAP_SYS_PACCT] = "turn on process accounting",
	[CAP_SYS_ADMIN] = "mount, create namespaces, set the host name, and much more",
	[CAP_SYS_BOOT] = "reboot",
	[CAP_SYS_NICE] = "raise priorities, bind processes to CPUs",
	[CAP_SYS_RESOURCE] = "exceed quotas and resource limits",
	[CAP_SYS_TIME] = "set the clock",
	[CAP_SYS_TTY_CONFIG] = "configure and hang up terminals",
	[CAP_MKNOD] = "create device files",
	[CAP_LEASE] = "take leases on files of others",
	[CAP_AUDIT_WRITE] = "write to the kernel's audit log",
	[CAP_AUDIT_CONTROL] = "configure the kernel's audit",
	[CAP_SETFCAP] = "give files capabilities",
	[CAP_MAC_OVERRIDE] = "override a mandatory access control",
	[CAP_MAC_ADMIN] = "configure a mandatory access control",
	[CAP_SYSLOG] = "read the kernel's log",
	[CAP_WAKE_ALARM] = "wake the system by a timer",
	[CAP_BLOCK_SUSPEND] = "keep the system from suspending",
	[CAP_AUDIT_READ] = "read the kernel's audit log",
	[CAP_PERFMON] = "use performance counters of the whole system",
	[CAP_BPF] = "load BPF programs",
	[CAP_CHECKPOINT_RESTORE] = "checkpoint and restore processes",
};

static const char *meaning(int cap)
{
	return cap < (int)ARRAY_SIZE(meanings) && meanings[cap] ? meanings[cap] : "";
}

static void print_set(const char *name, uint64_t set)
{
	printf("%-12s", name);
	for (int cap = 0; cap < 64; cap++)
		if (set & BIT(cap))
			printf(" %s", cap_label(cap));
	puts(set ? "" : " none");
}

static cJSON *set_json(uint64_t set)
{
	cJSON *list = cJSON_CreateArray();

	for (int cap = 0; cap < 64; cap++)
		if (set & BIT(cap))
			cJSON_AddItemToArray(list, cJSON_CreateString(cap_label(cap)));
	return list;
}

/* plan */

struct plan {
	struct unit *u;
	uint64_t set[CAP_SETS]; /* of the container's PID 1 */
	uint64_t known;         /* all that there are */
	struct strv flags;
};

static void plan_make(struct plan *p)
{
	const struct nspawn nowhere = { .root = "", .store = "", .unit_json = "", .machine_id = "" };
	autostrv struct strv argv = { 0 };

	nspawn_argv(p->u, &nowhere, &argv);
	/* To libcap or to this kernel, whichever is newer. */
	int count = cap_count() > CAP_LAST_CAP ? cap_count() : CAP_LAST_CAP + 1;
	p->known = ~0ull >> (64 - count);
	uint64_t bounding = nspawn_bounding(&argv, &p->flags) & p->known;
	for (int i = 0; i < CAP_SETS; i++)
		p->set[i] = bounding;
	p->set[CAP_AMB] = nspawn_ambient(&argv, &p->flags) & bounding;
}

static bool is_declared(const struct plan *p, int cap)
{
	return cap_allowed(cap_label(cap), p->u->caps, p->u->n_caps);
}

static void print_plan(const struct plan *p)
{
	printf("%s: %s\n", p->u->id,
	       p->u->private_users ?
		       "in a user namespace: what is kept reaches the container's own objects only" :
		       "in the host's user namespace: what is kept is the host's root's");
	for (int cap = 0; cap < 64; cap++)
		if (p->known & BIT(cap))
			printf("%-8s %-23s %s\n",
			       !(p->set[CAP_BND] & BIT(cap)) ? "dropped" :
			       is_declared(p, cap)	     ? "declared" :
							       "kept",
			       cap_label(cap), meaning(cap));
	for (int i = 0; i < CAP_SETS; i++)
		print_set(cap_set_names[i], p->set[i]);
	for (size_t i = 0; i < p->flags.n; i++)
		printf("flag     %s\n", p->flags.v[i]);
}

static void print_plan_json(const struct plan *p)
{
	autojson cJSON *o = cJSON_CreateObject();
	cJSON *list = cJSON_AddArrayToObject(o, "capabilities");

	cJSON_AddStringToObject(o, "id", p->u->id);
	cJSON_AddBoolToObject(o, "privateUsers", p->u->private_users);
	for (int cap = 0; cap < 64; cap++) {
		if (!(p->known & BIT(cap)))
			continue;
		cJSON *c = cJSON_CreateObject();

		cJSON_AddStringToObject(c, "name", cap_label(cap));
		cJSON_AddBoolToObject(c, "kept", (p->set[CAP_BND] & BIT(cap)) != 0);
		cJSON_AddBoolToObject(c, "declared", is_declared(p, cap));
		cJSON_AddStringToObject(c, "meaning", meaning(cap));
		cJSON_AddItemToArray(list, c);
	}
	for (int i = 0; i < CAP_SETS; i++)
		cJSON_AddItemToObject(o, cap_set_names[i], set_json(p->set[i]));
	cJSON_AddItemToObject(o, "dropped", set_json(p->known & ~p->set[CAP_BND]));
	cJSON_AddItemToObject(
		o, "flags", cJSON_CreateStringArray((const char *const *)p->flags.v, p->flags.n));
	json_print(o);
}

static int plan(const char *id, bool json, struct err *e)
{
	autounit struct unit *u = store_unit_or_stdin(id, "current", e);
	struct plan p = { .u = u };

	if (!u)
		return -1;
	plan_make(&p);
	(json ? print_plan_json : print_plan)(&p);
	strv_free(&p.flags);
	return 0;
}

/* show */

static int running(const char *id, struct machine *m, struct err *e)
{
	int found = machine_find(id, m, e);

	if (found == 0 && !store_exists(id))
		return err_set(e, NU_NO_UNIT, "%s: no such unit", id);
	return found ? found : err_set(e, NU_FAILED, "%s: is not running", id);
}

/* The numbers of a uid_map or gid_map, three a line: inside, outside, how many. */
static int read_map(int proc, const char *file, struct buf *numbers, struct err *e)
{
	autobuf struct buf text = { 0 };

	if (file_read(proc, file, 1 << 20, &text, e) < 0)
		return -1;
	for (const char *p = text.p; p; p = next_line(p)) {
		uint64_t n;

		while (take_blanks(&p), take_number(&p, &n))
			buf_add(numbers, &n, sizeof(n));
	}
	return 0;
}

struct process {
	pid_t pid;
	struct cap_state s;
	struct buf map[2]; /* of uids and of gids */
};

/* 1; 0 where it has ended. */
static int process_read(struct process *p, int proc, struct err *e)
{
	if (cap_state(proc, "status", &p->s) < 0)
		err_errno(e, "/proc/%d/status", p->pid);
	else if (read_map(proc, "uid_map", &p->map[0], e) == 0 &&
		 read_map(proc, "gid_map", &p->map[1], e) == 0)
		return 1;
	return faccessat(proc, "status", F_OK, 0) < 0 ? 0 : -1;
}

static void process_free(struct process *p)
{
	buf_free(&p->map[0]);
	buf_free(&p->map[1]);
}

static const char *seccomp_name(int mode)
{
	return mode == 0 ? "none" : mode == 1 ? "strict" : "filter";
}

static void print_process(const struct process *p)
{
	static const char *const labels[] = { "uid_map", "gid_map" };

	printf("%-12s %d %s, uid %u, gid %u\n", "process", p->pid, p->s.name, p->s.uid, p->s.gid);
	for (int i = 0; i < CAP_SETS; i++)
		print_set(cap_set_names[i], p->s.set[i]);
	printf("%-12s %s\n", "no_new_privs", p->s.no_new_privs ? "yes" : "no");
	printf("%-12s %s\n", "seccomp", seccomp_name(p->s.seccomp));
	for (int i = 0; i < 2; i++) {
		const uint64_t *n = (const uint64_t *)p->map[i].p;

		printf("%-12s", labels[i]);
		for (size_t k = 0; k < p->map[i].n / sizeof(*n); k++)
			printf("%s%llu", k && k % 3 == 0 ? ", " : " ", (unsigned long long)n[k]);
		puts(p->map[i].n ? "" : " none");
	}
}

static cJSON *map_json(const struct buf *map)
{
	const uint64_t *n = (const uint64_t *)map->p;
	cJSON *list = cJSON_CreateArray();

	for (size_t k = 0; k + 2 < map->n / sizeof(*n); k += 3) {
		const double row[] = { n[k], n[k + 1], n[k + 2] };

		cJSON_AddItemToArray(list, cJSON_CreateDoubleArray(row, 3));
	}
	return list;
}

static cJSON *process_json(const struct process *p)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddNumberToObject(o, "pid", p->pid);
	cJSON_AddStringToObject(o, "name", p->s.name);
	cJSON_AddNumberToObject(o, "uid", p->s.uid);
	cJSON_AddNumberToObject(o, "gid", p->s.gid);
	for (int i = 0; i < CAP_SETS; i++)
		cJSON_AddItemToObject(o, cap_set_names[i], set_json(p->s.set[i]));
	cJSON_AddBoolToObject(o, "noNewPrivileges", p->s.no_new_privs);
	cJSON_AddStringToObject(o, "seccomp", seccomp_name(p->s.seccomp));
	cJSON_AddItemToObject(o, "uidMap", map_json(&p->map[0]));
	cJSON_AddItemToObject(o, "gidMap", map_json(&p->map[1]));
	return o;
}

struct all {
	cJSON *list; /* NULL: text is wanted */
	bool more;
};

static int show_one(pid_t pid, int proc, void *context, struct err *e)
{
	__attribute__((cleanup(process_free))) struct process p = { .pid = pid };
	struct all *all = context;
	int there = process_read(&p, proc, e);

	if (there <= 0)
		return there;
	if (all->list) {
		cJSON_AddItemToArray(all->list, process_json(&p));
	} else {
		fputs(all->more ? "\n" : "", stdout);
		print_process(&p);
	}
	all->more = true;
	return 0;
}

static int show_all(const char *id, bool json, struct err *e)
{
	autojson cJSON *list = json ? cJSON_CreateArray() : NULL;
	struct all all = { .list = list };
	struct machine m;

	if (id_check(id, e) < 0)
		return -1;
	if (running(id, &m, e) < 0 || machine_each(&m, show_one, &all, e) < 0)
		return -1;
	if (json)
		json_print(list);
	return 0;
}

static int show(const char *who, bool json, struct err *e)
{
	const char *number = who;
	struct machine m = { .leader = 0 };
	uint64_t pid;

	/* An id may be all digits; a unit of that name comes first. The direct engine runs documents
	 * and images as well. */
	if (id_check(who, e) == 0 && (store_exists(who) || machine_enrolled(who))) {
		if (running(who, &m, e) < 0)
			return -1;
		pid = m.leader;
	} else if (!take_number(&number, &pid) || *number || pid > INT_MAX) {
		return id_check(who, e) < 0 ? -1 : err_set(e, NU_NO_UNIT, "%s: no such unit", who);
	}
	autofree char *path = xfmt("/proc/%d", (int)pid);
	autoclose int proc = open(path, O_PATH | O_CLOEXEC);
	__attribute__((cleanup(process_free))) struct process p = { .pid = pid };
	int there = proc >= 0 ? process_read(&p, proc, e) : 0;
	if (there < 0)
		return -1;
	if (there == 0)
		return access("/proc/self", F_OK) < 0 ?
			       err_set(e, NU_MISSING, "/proc is not mounted") :
			       err_set(e, NU_FAILED, "no process %d", (int)pid);
	if (json) {
		autojson cJSON *o = process_json(&p);
		json_print(o);
	} else {
		print_process(&p);
	}
	return 0;
}

/* check */

struct check {
	const struct machine *m;
	uint64_t declared;
	const cJSON *before; /* the excess a moment ago; NULL: this is the first look */
	cJSON *excess;
};

static bool was_there(const struct check *c, pid_t pid)
{
	for (const cJSON *o = c->before->child; o; o = o->next)
		if (cJSON_GetObjectItem(o, "pid")->valueint == pid)
			return true;
	return false;
}

static void add_excess(struct check *c, pid_t pid, const char *name, bool outside, int set,
		       uint64_t excess)
{
	if (c->before && !was_there(c, pid))
		return;
	cJSON *o = cJSON_CreateObject();

	cJSON_AddNumberToObject(o, "pid", pid);
	cJSON_AddStringToObject(o, "name", name);
	cJSON_AddBoolToObject(o, "outside", outside);
	cJSON_AddStringToObject(o, "set", cap_set_names[set]);
	cJSON_AddItemToObject(o, "excess", set_json(excess));
	cJSON_AddItemToArray(c->excess, o);
}

/* Every thread has sets of its own. What one has in a user namespace that it has made
 * itself, all of them, reaches nothing of the unit's; outside of the unit's user namespace
 * any is too much. */
static int check_one(pid_t pid, int proc, void *context, struct err *e)
{
	struct check *c = context;
	int userns = machine_userns(c->m, proc);

	if (userns < 0 && (errno == ENOENT || errno == ESRCH))
		return 0;
	if (userns < 0)
		return err_errno(e, "/proc/%d/ns/user", pid);
	if (userns == NS_BELOW)
		return 0;
	int fd = openat(proc, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return errno == ENOENT || errno == ESRCH ? 0 : err_errno(e, "/proc/%d/task", pid);
	for (struct dirent *d; (d = readdir(dir));) {
		autofree char *status = xfmt("%s/status", d->d_name);
		struct cap_state s;

		if (d->d_name[0] == '.' || cap_state(fd, status, &s) < 0 || s.dead)
			continue;
		for (int i = 0; i < CAP_SETS; i++) {
			uint64_t excess = s.set[i] & ~(userns == NS_SAME ? c->declared : 0);

			if (excess)
				add_excess(c, atoi(d->d_name), s.name, userns == NS_OUTSIDE, i,
					   excess);
		}
	}
	closedir(dir);
	return 0;
}

static void print_excess(const char *id, const cJSON *list)
{
	for (const cJSON *o = list->child; o; o = o->next) {
		printf("%s: process %d %s%s: %s:", id, cJSON_GetObjectItem(o, "pid")->valueint,
		       cJSON_GetObjectItem(o, "name")->valuestring,
		       cJSON_IsTrue(cJSON_GetObjectItem(o, "outside")) ?
			       ", outside of the unit's user namespace" :
			       "",
		       cJSON_GetObjectItem(o, "set")->valuestring);
		for (const cJSON *name = cJSON_GetObjectItem(o, "excess")->child; name;
		     name = name->next)
			printf(" %s", name->valuestring);
		puts("");
	}
}

/* 0, 1 where there is an excess, or -1 and e. */
static int check(const char *id, bool json, struct err *e)
{
	autojson cJSON *o = cJSON_CreateObject();
	struct machine m;
	struct check c = { .m = &m, .excess = cJSON_AddArrayToObject(o, "excess") };

	cJSON_AddStringToObject(o, "id", id);
	if (id_check(id, e) < 0)
		return -1;
	autounit struct unit *u = store_unit(id, "current", e);
	struct plan p = { .u = u };
	if (!u || running(id, &m, e) < 0)
		return -1;
	plan_make(&p);
	c.declared = p.set[CAP_BND];
	strv_free(&p.flags);
	if (machine_each(&m, check_one, &c, e) < 0)
		return -1;
	/* Who enters the unit ("nixunits shell") gives up what he brings a moment later: an
	 * excess is one that stays. */
	for (int ms = 25; c.excess->child && ms <= 200; ms *= 2) {
		autojson cJSON *before = cJSON_DetachItemFromObject(o, "excess");

		c.before = before;
		usleep(ms * 1000);
		c.excess = cJSON_AddArrayToObject(o, "excess");
		if (machine_each(&m, check_one, &c, e) < 0)
			return -1;
	}
	if (running(id, &m, e) < 0)
		return -1;
	if (json)
		json_print(o);
	else
		print_excess(id, c.excess);
	return c.excess->child ? 1 : 0;
}

/* exec */

struct confinement {
	uint64_t caps;
	const struct user *user; /* NULL: as it is */
	bool no_new_privs;
};

static int check_ours(uint64_t wanted, struct err *e)
{
	uint64_t lacking = wanted & ~cap_permitted();

	for (int cap = 0; cap < 64; cap++)
		if (lacking & BIT(cap) && cap >= cap_count())
			return err_set(e, NU_USAGE, "%s: this kernel's capabilities are 0 to %d",
				       cap_label(cap), cap_count() - 1);
		else if (lacking & BIT(cap))
			return err_set(e, NU_FAILED, "%s: not ours to allow, it is not in our permitted set",
				       cap_label(cap));
	return 0;
}

/* First what takes capabilities to be done, and these last. The sets are all the same: so
 * the command has them whoever it runs as, and no program that it starts, be it set-user-ID
 * root, has any other. */
static int confine(const struct confinement *c, struct err *e)
{
	uint64_t have = cap_permitted();

	if (check_ours(c->caps, e) < 0)
		return -1;
	if (cap_assign(have, have, 0) < 0)
		return err_errno(e, "capset");
	/* Without new privileges the bounding set bounds nothing. */
	if (cap_bound(c->caps) < 0 && !c->no_new_privs)
		return err_set(e, NU_FAILED, "the bounding set can't be cut without CAP_SETPCAP; "
					     "with --no-new-privs it needn't be");
	if (c->user) {
		if (setgroups(c->user->n_groups, c->user->groups) < 0)
			return err_errno(e, "setgroups");
		if (setresgid(c->user->gid, c->user->gid, c->user->gid) < 0)
			return err_errno(e, "group %u", c->user->gid);
		if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
			return err_errno(e, "PR_SET_KEEPCAPS");
		if (setresuid(c->user->uid, c->user->uid, c->user->uid) < 0)
			return err_errno(e, "user %u", c->user->uid);
	}
	if (cap_assign(c->caps, c->caps, c->caps) < 0)
		return err_errno(e, "capset");
	for (int cap = 0; cap < 64; cap++)
		if (c->caps & BIT(cap) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return err_errno(e, "%s: the ambient set", cap_label(cap));
	if (c->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(e, "no_new_privs");
	return 0;
}

/* Exit statuses as those of env(1). */
#define OURS 125

static int exec(const struct strv *allow, const char *user, bool no_new_privs, char **command)
{
	struct confinement c = { .no_new_privs = no_new_privs };
	autouser struct user u = { 0 };
	struct err e;

	if (!allow->n)
		usage("exec: expected --allow CAP[,CAP...], \"all\" or \"none\"");
	if (!command || !*command)
		usage("exec: expected a COMMAND after \"--\"");
	for (size_t i = 0; i < allow->n; i++)
		if (cap_list(allow->v[i], cap_permitted(), &c.caps, &e) < 0)
			goto failed;
	if (user && user_parse(user, &u, &e) < 0)
		goto failed;
	c.user = user ? &u : NULL;
	if (confine(&c, &e) < 0)
		goto failed;
	execvp(command[0], command);
	int status = errno == ENOENT ? 127 : 126;
	proc_missing(command[0], &e);
	say_err(&e);
	return status;
failed:
	say_err(&e);
	return OURS;
}

static int run(int argc, char **argv)
{
	const char *format = NULL, *user = NULL;
	autostrv struct strv allow = { 0 };
	bool all = false, no_new_privs = false;
	const struct opt opts[] = {
		{ 'o', "output", "FORMAT", "text or json", .text = &format },
		{ 'a', "all", NULL, "show: every process of the unit", .flag = &all },
		{ 0, "allow", "CAP[,CAP...]", "exec: what the command may have; all, none",
		  .list = &allow },
		{ 'u', "user", "USER[:GROUP]", "exec: whom it runs as, by name or number",
		  .text = &user },
		{ 0, "no-new-privs", NULL, "exec: set-user-ID programs give it nothing",
		  .flag = &no_new_privs },
		{ 0 },
	};
	struct err e;
	int failed;

	if (argc > 1 && streq(argv[1], "exec"))
		usage_exits(OURS);
	char **command = opt_command(&argc, argv);
	int i = opt_parse(argc, argv, opts);
	bool json = opt_json(format);
	const char *action = i < argc ? argv[i++] : "";
	int rest = argc - i;

	if (streq(action, "exec")) {
		usage_exits(OURS);
		if (rest || format || all)
			usage("exec: expected \"--\" before the COMMAND, and neither -o nor -a");
		return exec(&allow, user, no_new_privs, command);
	}
	if (command || allow.n || user || no_new_privs)
		usage("--allow, --user, --no-new-privs and a COMMAND are for exec");
	if (all && !streq(action, "show"))
		usage("--all is for show");
	if (streq(action, "plan") && rest <= 1)
		failed = plan(rest ? argv[i] : "-", json, &e);
	else if (streq(action, "show") && rest == 1)
		failed = (all ? show_all : show)(argv[i], json, &e);
	else if (streq(action, "check") && rest == 1)
		failed = check(argv[i], json, &e);
	else
		usage("expected plan [ID], show ID|PID, check ID, or exec -- COMMAND");
	return failed < 0 ? say_err(&e) : failed;
}

APPLET(caps, .name = "caps", .summary = "Explain, check and confine what processes may do",
       .synopsis = "[options] plan [ID|-] | show ID|PID | check ID | exec -- COMMAND ARG...",
       .help = "plan lists every capability: kept (a service manager needs it), declared (in\n"
	       "caps_allow) or dropped, and the sets that follow; \"-\" or nothing reads a unit\n"
	       "document from standard input. show prints the sets of a process, or of a\n"
	       "running unit's PID 1. check exits with 1 where a process of the unit holds more\n"
	       "than is declared. exec gives up all but the allowed and becomes the command; its\n"
	       "own failures exit with 125 to 127.",
       .main = run);
