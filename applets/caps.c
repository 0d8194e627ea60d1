/* nu-caps - what a container's processes may do: as declared, and as it is.
 *
 *   nu-caps [-o json] plan [ID|-]
 *   nu-caps [-o json] show ID|PID
 *
 * plan works out the bounding set from the very command line that nu-run would
 * execute, by systemd-nspawn's rules, so that the declaration's own nspawnArgs
 * count as well. show reads the sets of a process, or of a running unit's PID 1.
 */
#include "../lib/applet.h"
#include "../lib/cap.h"
#include "../lib/json.h"
#include "../lib/machine.h"
#include "../lib/nspawn.h"
#include "../lib/store.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
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

static void print_plan(const struct unit *u, unsigned long long set, const struct strv *flags)
{
	printf("%s: %s\n", u->id,
	       u->private_users ?
		       "in a user namespace: what is kept reaches the container's own objects only" :
		       "in the host's user namespace: what is kept is the host's root's");
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++) {
		const char *name = cap_label(cap);
		bool declared = cap_allowed(name, u->caps, u->n_caps);

		printf("%-8s %-23s %s\n",
		       !(set & BIT(cap)) ? "dropped" : declared ? "declared" : "kept", name,
		       meaning(cap));
	}
	for (size_t i = 0; i < flags->n; i++)
		printf("flag     %s\n", flags->v[i]);
}

static void print_plan_json(const struct unit *u, unsigned long long set,
			    const struct strv *flags)
{
	autojson cJSON *o = cJSON_CreateObject();
	cJSON *list = cJSON_AddArrayToObject(o, "capabilities");

	cJSON_AddStringToObject(o, "id", u->id);
	cJSON_AddBoolToObject(o, "privateUsers", u->private_users);
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++) {
		const char *name = cap_label(cap);
		cJSON *c = cJSON_CreateObject();

		cJSON_AddStringToObject(c, "name", name);
		cJSON_AddBoolToObject(c, "kept", (set & BIT(cap)) != 0);
		cJSON_AddBoolToObject(c, "declared", cap_allowed(name, u->caps, u->n_caps));
		cJSON_AddStringToObject(c, "meaning", meaning(cap));
		cJSON_AddItemToArray(list, c);
	}
	cJSON_AddItemToObject(o, "flags",
			      cJSON_CreateStringArray((const char *const *)flags->v, flags->n));
	json_print(o);
}

static int plan(const char *id, bool json, struct err *e)
{
	autounit struct unit *u = store_unit_or_stdin(id, "current", e);
	autostrv struct strv argv = { 0 }, flags = { 0 };
	const struct nspawn nowhere = { .root = "", .store = "", .unit_json = "", .machine_id = "" };

	if (!u)
		return -1;
	nspawn_argv(u, &nowhere, &argv);
	unsigned long long set = nspawn_bounding(&argv, &flags);
	(json ? print_plan_json : print_plan)(u, set, &flags);
	return 0;
}

static void print_sets(const char *text, bool json)
{
	static const struct {
		const char *line, *name;
	} sets[] = { { "CapBnd:", "bounding" },	   { "CapEff:", "effective" },
		     { "CapPrm:", "permitted" },   { "CapInh:", "inheritable" },
		     { "CapAmb:", "ambient" } };
	autojson cJSON *o = json ? cJSON_CreateObject() : NULL;
	const char *nnp = strstr(text, "\nNoNewPrivs:");
	bool no_new_privs = nnp && atoi(nnp + strlen("\nNoNewPrivs:")) == 1;

	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		const char *at = strstr(text, sets[i].line);
		unsigned long long set = at ? strtoull(at + strlen(sets[i].line), NULL, 16) : 0;
		cJSON *list = json ? cJSON_AddArrayToObject(o, sets[i].name) : NULL;

		if (!json)
			printf("%-12s", sets[i].name);
		for (int cap = 0; cap < 64; cap++)
			if (set & BIT(cap) && json)
				cJSON_AddItemToArray(list, cJSON_CreateString(cap_label(cap)));
			else if (set & BIT(cap))
				printf(" %s", cap_label(cap));
		if (!json)
			puts(set ? "" : " none");
	}
	if (!json)
		printf("%-12s %s\n", "no_new_privs", no_new_privs ? "yes" : "no");
	else {
		cJSON_AddBoolToObject(o, "noNewPrivileges", no_new_privs);
		json_print(o);
	}
}

static int show(const char *who, bool json, struct err *e)
{
	char path[64], text[8192];
	struct machine m = { .leader = 0 };

	/* An id may be all digits; a unit of that name comes first. */
	if (id_check(who, e) == 0 && store_exists(who)) {
		int found = machine_find(who, &m, e);
		if (found <= 0)
			return found < 0 ? -1 : err_set(e, NU_FAILED, "%s: not running", who);
	} else if (*who && strspn(who, "0123456789") == strlen(who) && strlen(who) < 10) {
		m.leader = atoi(who);
	} else {
		return id_check(who, e) < 0 ? -1 : err_set(e, NU_NO_UNIT, "%s: no such unit", who);
	}
	snprintf(path, sizeof(path), "/proc/%d/status", m.leader);
	if (file_peek(path, text, sizeof(text)) < 0)
		return errno == ENOENT ? err_set(e, NU_FAILED, "no process %d", m.leader) :
					 err_errno(e, "%s", path);
	print_sets(text, json);
	return 0;
}

static int run(int argc, char **argv)
{
	const char *format = NULL;
	const struct opt opts[] = {
		{ 'o', "output", "FORMAT", "text or json", .text = &format },
		{ 0 },
	};
	struct err e;
	int i = opt_parse(argc, argv, opts), failed;
	bool json = opt_json(format);
	const char *action = i < argc ? argv[i++] : "";

	if (streq(action, "plan") && argc - i <= 1)
		failed = plan(i < argc ? argv[i] : "-", json, &e);
	else if (streq(action, "show") && argc - i == 1)
		failed = show(argv[i], json, &e);
	else
		usage("expected plan [ID], or show and an ID or PID");
	return failed ? say_err(&e) : NU_OK;
}

APPLET(caps, .name = "caps", .summary = "Explain what a container's processes may do",
       .synopsis = "[-o FORMAT] plan [ID|-] | show ID|PID",
       .help = "plan lists every capability: kept (a service manager needs it), declared (in\n"
	       "caps_allow) or dropped; \"-\" or nothing reads a unit document from standard\n"
	       "input. show prints the sets of a process, or of a running unit's PID 1.",
       .main = run);
