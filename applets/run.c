/* nu-run - run a unit.
 *
 *   nu-run [--dry-run | --extra] ID
 *
 * What nixunits@.service executes. It makes ready what systemd-nspawn(1) is to find
 * (UID range, root directory, merged store, journal directory) and becomes it, by
 * exec: nothing of ours stays in between. The merged store is mounted in a mount
 * namespace of this process alone, so whatever ends it, no mount is left.
 *
 * A short-lived process waits until the machine has a leader, configures its network,
 * firewall and kernel parameters, and ends. If it can't, it ends the machine: a container
 * never runs with less than declared.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../lib/applet.h"
#include "../lib/enter.h"
#include "../lib/hosts.h"
#include "../lib/machine.h"
#include "../lib/mnt.h"
#include "../lib/nspawn.h"
#include "../lib/proc.h"
#include "../lib/resolv.h"
#include "../lib/root.h"
#include "../lib/setup.h"
#include "../lib/store.h"
#include "../lib/uid.h"

#define LEADER_WAIT_MS 60000
#define JOURNAL_DIR "/var/log/journal"

struct run {
	struct unit *u;
	char *dir, *root, *merged, *unit_json, *journal, *hosts;
	char machine_id[33];
	uint32_t uid_base;
	bool in_nixos, as_service;
};

/* Where things are; nothing is changed here. */
static int run_paths(struct run *r, struct err *e)
{
	char path[4096];

	r->in_nixos = store_in_nixos(r->u->id);
	r->dir = store_unit_path(r->u->id);
	r->root = xfmt("%s/root", r->dir);
	r->merged = xfmt("%s/merged", r->dir);
	/* The generation itself, not the link to it: the link may move on while we run. */
	autofree char *json = store_unit_json(r->u->id, "current");
	if (!realpath(json, path))
		return err_errno(e, "%s", json);
	r->unit_json = xstrdup(path);
	if (r->u->net.hosts)
		r->hosts = hosts_dir(r->u->id);
	nspawn_machine_id(r->u->id, r->machine_id);
	r->as_service = getenv("INVOCATION_ID") && getenv("NOTIFY_SOCKET");
	return 0;
}

/* The mount points are made here, owned by the container's root: the ones nspawn
 * makes itself would, before systemd 257, belong to nobody inside. */
static int make_root(struct run *r, struct err *e)
{
	static const char *const dirs[] = { "/etc", "/usr", "/nix/store", "/var/log/journal" };
	autobuf struct buf resolv = { 0 };
	char id_line[40];

	autoclose int dir = store_open(r->u->id, true, NULL, e);
	if (dir < 0)
		return -1;
	/* See store_open(): an older version, or a hand, may have made it otherwise. */
	if (fchmod(dir, 0700) < 0)
		return err_errno(e, "%s", r->dir);
	if (make_dirs(r->root, 0755, e) < 0 || make_dirs(r->merged, 0755, e) < 0)
		return -1;
	autoclose int root = open(r->root, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (root < 0)
		return err_errno(e, "%s", r->root);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		autoclose int fd = root_make_dirs(root, dirs[i], e);
		if (fd < 0)
			return -1;
	}
	autofree char *journal = xfmt(JOURNAL_DIR "/%s", r->machine_id);
	autoclose int journal_fd = root_make_dirs(root, journal, e);
	if (journal_fd < 0)
		return -1;

	for (size_t i = 0; i < r->u->n_binds; i++) {
		const struct bind *b = &r->u->binds[i];
		struct stat st;

		if (stat(b->source, &st) < 0)
			return err_errno(e, "bind %s: source %s", quoted(b->target),
					 quoted(b->source));
		if (S_ISDIR(st.st_mode)) {
			autoclose int fd = root_make_dirs(root, b->target, e);
			if (fd < 0)
				return err_wrap(e, "bind target ");
		} else if (root_touch(root, b->target, e) < 0) {
			return err_wrap(e, "bind target ");
		}
	}

	snprintf(id_line, sizeof(id_line), "%s\n", r->machine_id);
	if (root_write(root, "/etc/machine-id", id_line, strlen(id_line), e) < 0)
		return -1;
	if (resolv_conf(r->u, &resolv))
		return root_write(root, "/etc/resolv.conf", resolv.p, resolv.n, e);
	return 0;
}

/* The container's store: the generation's own over the base, or on a NixOS host that
 * declares the unit, the host's. */
static int mount_store(struct run *r, int userns, struct err *e)
{
	autofree char *base = xfmt("%s/store/default/root/nix/store", store_dir());
	autofree char *generation = xstrndup(r->unit_json, strrchr(r->unit_json, '/') - r->unit_json);
	autofree char *own = xfmt("%s/nix/store", generation);
	const char *layers[] = { own, base };
	const char *host[] = { "/nix/store" };

	if (r->in_nixos)
		return mnt_union(host, 1, userns, r->merged, e);
	return mnt_union(layers, 2, userns, r->merged, e);
}

/* Only where the host keeps a journal. The container's root owns what is in its journal,
 * set-user-ID programs if it likes: so it lies where no user gets at it, and what stands
 * in the host's journal is a link. */
static int make_journal(struct run *r, struct err *e)
{
	autofree char *link = xfmt(JOURNAL_DIR "/%s", r->machine_id);
	struct err why;

	if (access(JOURNAL_DIR, F_OK) < 0)
		return 0;
	r->journal = xfmt("%s/journal", r->dir);
	if (make_dirs(r->journal, 0755, e) < 0)
		return -1;
	if (link_replace(AT_FDCWD, link, r->journal, &why) < 0)
		warn("%s: journalctl -m will not show its journal: %s", r->u->id, why.text);
	return 0;
}

static int prepare(struct run *r, struct err *e)
{
	autoclose int userns = -1;

	if (setup_check(r->u, e) < 0)
		return -1;
	if (r->u->private_users) {
		if (uid_alloc(r->u->id, &r->uid_base, e) < 0)
			return -1;
		userns = mnt_userns(r->uid_base, UID_COUNT, e);
		if (userns < 0)
			return -1;
	}
	machine_forget(r->u->id);
	if (make_root(r, e) < 0 || hosts_start(r->u, e) < 0 || make_journal(r, e) < 0 ||
	    mnt_unshare(e) < 0)
		return -1;
	return mount_store(r, userns, e);
}

/* Out of the service's own cgroup, which must hold no process when nspawn turns on
 * the controllers for its children; "supervisor" is where nspawn puts itself. */
static void leave_cgroup(void)
{
	char text[1024];

	if (file_peek("/proc/self/cgroup", text, sizeof(text)) < 0)
		return;
	char *path = strstr(text, "0::");
	if (!path)
		return;
	path[strcspn(path, "\n")] = '\0';
	autofree char *dir = xfmt("/sys/fs/cgroup%s/supervisor", path + 3);
	autofree char *procs = xfmt("%s/cgroup.procs", dir);
	mkdir(dir, 0755);
	autoclose int fd = open(procs, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "0", 1) < 0)
		warn("%s: %s", procs, strerror(errno));
}

/* Waits for the machine, gives it what comes from outside. nspawn: a pidfd of it. */
static _Noreturn void set_up(const struct unit *u, int nspawn)
{
	struct machine m;
	struct err e;

	leave_cgroup();
	int found = machine_await(u->id, nspawn, LEADER_WAIT_MS, &m, &e);
	if (found == 1 && setup_apply(u, &m, &e) == 0)
		_exit(NU_OK);
	struct pollfd ended = { .fd = nspawn, .events = POLLIN };
	if (found == 0 && poll(&ended, 1, 0) > 0)
		_exit(NU_FAILED);
	if (found == 0)
		err_set(&e, NU_FAILED, "the machine did not appear within %d s",
			LEADER_WAIT_MS / 1000);
	err_wrap(&e, "%s: ", u->id);
	say_err(&e);
	/* Not a shutdown: there is no init yet that would understand one. */
	autoclose int leader = found == 1 ? machine_open(&m, &e) : -1;
	syscall(SYS_pidfd_send_signal, leader < 0 ? nspawn : leader, SIGKILL, NULL, 0);
	_exit(NU_FAILED);
}

/* A grandchild, that the end of it be no SIGCHLD to nspawn: systemd's calls to machined
 * fail when a signal interrupts them. */
static int start_set_up(const struct unit *u, struct err *e)
{
	autoclose int self = syscall(SYS_pidfd_open, getpid(), 0);

	if (self < 0)
		return err_errno(e, "pidfd_open");
	pid_t child = fork();
	if (child < 0)
		return err_errno(e, "fork");
	if (child == 0) {
		pid_t grandchild = fork();
		if (grandchild == 0)
			set_up(u, self);
		_exit(grandchild < 0 ? errno : 0);
	}
	errno = proc_wait(child);
	return errno ? err_errno(e, "fork") : 0;
}

/* --extra: the declared shell text, in the container, by its own shell. */
static int run_extra(const struct unit *u)
{
	char *command[] = { (char *)"/bin/sh", (char *)"-euc", (char *)u->extra, NULL };
	struct enter en = { .id = u->id, .command = command };
	struct err e;

	if (!u->extra)
		return NU_OK;
	int status = enter_run(&en, &e);
	if (status < 0)
		return say_err(&e);
	if (status)
		say("%s: extra: exit status %d", u->id, status);
	return status;
}

static int run_main(int argc, char **argv)
{
	bool dry = false, extra = false;
	const struct opt opts[] = {
		{ 'n', "dry-run", NULL, "print the command, start nothing", .flag = &dry },
		{ 'x', "extra", NULL, "only run the declared extra, in the running unit",
		  .flag = &extra },
		{ 0 },
	};
	struct run r = { 0 };
	struct err e;
	int i = opt_parse(argc, argv, opts);

	if (argc - i != 1)
		usage("expected one ID");
	if (id_check(argv[i], &e) < 0)
		return say_err(&e);
	r.u = store_unit(argv[i], "current", &e);
	if (!r.u || run_paths(&r, &e) < 0)
		return say_err(&e);
	if (!dry && geteuid() != 0)
		die(NU_FAILED, "%s: only root can run a unit", r.u->id);
	if (extra)
		return run_extra(r.u);
	if (dry) {
		/* What a start would allocate can't be known yet. */
		if (uid_get(r.u->id, &r.uid_base, &e) <= 0)
			r.uid_base = UID_FIRST;
		r.journal = xfmt("%s/journal", r.dir);
	} else if (prepare(&r, &e) < 0) {
		err_wrap(&e, "%s: ", r.u->id);
		return say_err(&e);
	}

	struct nspawn n = {
		.root = r.root,
		.store = r.merged,
		.unit_json = r.unit_json,
		.hosts = r.hosts,
		.journal = r.journal,
		.machine_id = r.machine_id,
		.uid_base = r.uid_base,
		.keep_unit = r.as_service || dry,
	};
	struct strv args = { 0 };
	nspawn_argv(r.u, &n, &args);
	if (dry) {
		for (size_t k = 0; k < args.n; k++)
			printf("%s%s", args.v[k], k + 1 < args.n ? " \\\n    " : "\n");
		return NU_OK;
	}

	if (start_set_up(r.u, &e) < 0) {
		err_wrap(&e, "%s: ", r.u->id);
		return say_err(&e);
	}
	/* nspawn judges by the libraries in the root directory which cgroup hierarchy its
	 * init understands; ours come with the store. */
	setenv("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1", 1);
	execvp(args.v[0], args.v);
	proc_missing(args.v[0], &e);
	return say_err(&e);
}

APPLET(run, .name = "run", .summary = "Run a unit (what nixunits@.service executes)",
       .synopsis = "[--dry-run | --extra] ID",
       .help = "The command becomes systemd-nspawn(1). Started by hand it runs the unit in the\n"
	       "foreground; nixunits start does so under systemd.",
       .main = run_main);
