/* life - starting, stopping and deleting a unit, over systemctl and machinectl. */
#include "life.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "generation.h"
#include "hosts.h"
#include "leaf.h"
#include "machine.h"
#include "net.h"
#include "nspawn.h"
#include "proc.h"
#include "store.h"
#include "uid.h"
#include "unit.h"
#include "util.h"

/* The bounds of each step of a stop. Together they stay well below systemd's own 90 s. */
#define INTRUDER_MS 2000
#define APPEAR_MS 2000
#define POWEROFF_MS 25000
#define POWEROFF_AGAIN_MS 2500
#define TERMINATE_MS 15000
#define KILL_MS 5000
#define HANG_UP_MS 2000
#define READER_MS 500
#define BOOK_MS 30000 /* a switch may have to make ports */

/* Lines of the journal after a start that failed. */
#define SHOWN 15

#define WANTS "/etc/systemd/system/multi-user.target.wants"

int life_each(int n, char **ids, int (*act)(const char *, void *, struct err *), void *context)
{
	int worst = NU_OK;

	if (n < 1)
		return NU_USAGE;
	for (int i = 0; i < n; i++) {
		struct err e;

		if (id_check(ids[i], &e) < 0 || act(ids[i], context, &e) < 0) {
			say_err(&e);
			worst = worst > e.code ? worst : e.code;
		}
	}
	return worst;
}

/* systemctl VERB... nixunits@<id>.service; what it prints is its own. */
static int systemctl(const char *id, bool silent, struct err *e, const char *const *words)
{
	autostrv struct strv argv = { 0 };
	autobuf struct buf out = { 0 };

	strv_add(&argv, "systemctl");
	for (; *words; words++)
		strv_add(&argv, *words);
	strv_addf(&argv, "nixunits@%s.service", id);
	int status = silent ? proc_output(argv.v, true, &out, e) : proc_run(argv.v, e);
	if (status > 0 && access("/run/systemd/system", F_OK) < 0)
		return err_set(e, NU_MISSING, "%s: systemd does not run here (nixunits run --engine direct "
			       "does without)", id);
	return status;
}
#define SYSTEMCTL(id, silent, e, ...) \
	systemctl(id, silent, e, (const char *const[]){ __VA_ARGS__, NULL })

/* What the journal says of a start that failed. The container's console is in it too:
 * of much, our own words are shown if there are any, else the last lines. */
static void show_journal(const char *id, const struct timespec *since)
{
	autofree char *unit = xfmt("nixunits@%s.service", id);
	/* Not of a try before this one, in the same second. */
	autofree char *from = xfmt("--since=@%lld.%06ld", (long long)since->tv_sec,
				   since->tv_nsec / 1000);
	char *argv[] = { (char *)"journalctl", (char *)"--no-pager", (char *)"-q", (char *)"-o",
			 (char *)"cat", from, (char *)"-u", unit, NULL };
	char *sync[] = { (char *)"journalctl", (char *)"--sync", NULL };
	autobuf struct buf out = { 0 };
	struct err ignored;
	autostrv struct strv lines = { 0 };
	size_t ours = 0;

	/* What was written last may not have been read from its pipe yet. */
	proc_output(sync, true, &out, &ignored);
	if (proc_output(argv, true, &out, &ignored) != 0 || !out.n)
		return;
	for (char *line = strtok(out.p, "\n"); line; line = strtok(NULL, "\n")) {
		strv_add(&lines, line);
		ours += starts_with(line, "nu-");
	}
	bool few = lines.n <= SHOWN;
	for (size_t i = few || ours ? 0 : lines.n - SHOWN; i < lines.n; i++)
		if (few || !ours || starts_with(lines.v[i], "nu-"))
			say_foreign(lines.v[i]);
}

/* Whether a start is under way that isn't ours. A service that waits for its next try is
 * not started, and can be given another generation. */
static bool starting(const char *id)
{
	autofree char *unit = xfmt("nixunits@%s.service", id);
	char *argv[] = { (char *)"systemctl", (char *)"show", (char *)"--property=SubState",
			 unit, NULL };
	autofree char *cgroup = xfmt("/sys/fs/cgroup/machine.slice/%s", unit);
	autobuf struct buf out = { 0 };
	struct err ignored;

	/* Without a process nothing starts, and systemd need not be asked. */
	if (access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0 && access(cgroup, F_OK) < 0)
		return false;
	return proc_output(argv, true, &out, &ignored) == 0 && out.n &&
	       starts_with(out.p, "SubState=start");
}

static int start_locked(const char *id, int dir, struct err *e)
{
	unsigned int next = dir < 0 ? 0 : store_generation(dir, "next");
	int64_t begin = now_ms();
	struct timespec since;

	/* Whatever is wrong with the document is said now, not in the journal. */
	autounit struct unit *u = store_unit(id, next ? "next" : "current", e);
	if (!u)
		return -1;
	/* No try of systemd's may come in between: it would run the generation that we switch
	 * from, as if it were the new one. */
	if (next && SYSTEMCTL(id, true, e, "stop") < 0)
		return -1;
	if (next && store_switch(dir, next, e) < 0)
		return err_wrap(e, "%s: ", id);
	SYSTEMCTL(id, true, e, "reset-failed");
	clock_gettime(CLOCK_REALTIME, &since);
	int status = SYSTEMCTL(id, true, e, "start");
	if (status < 0)
		return -1;
	if (status > 0) {
		show_journal(id, &since);
		/* Said to have failed, it does not go on trying behind our back. */
		struct err ignored;
		SYSTEMCTL(id, true, &ignored, "stop");
		return err_set(e, NU_FAILED, "%s: the start failed (journalctl -u nixunits@%s)", id,
			       id);
	}
	if (next)
		say("%s: started generation %u in %.1f s", id, next, (now_ms() - begin) / 1000.0);
	else
		say("%s: started in %.1f s", id, (now_ms() - begin) / 1000.0);
	return 0;
}

/* The unit's lock; -2 where it need not have a directory: a unit of the NixOS host, and what the
 * direct engine runs of a document or an image. */
static int life_lock(const char *id, struct err *e)
{
	autofree char *path = store_unit_path(id);

	if (access(path, F_OK) < 0 && (store_in_nixos(id) || machine_enrolled(id)))
		return -2;
	return store_lock(id, false, NULL, LIFE_LOCK_MS, e);
}

int life_start(const char *id, struct err *e)
{
	autoclose int dir = life_lock(id, e);
	struct machine m;

	if (dir == -1)
		return -1;
	int running = machine_find(id, &m, e);
	if (running < 0)
		return -1;
	if (running && m.supervisor) {
		say("%s: is running, by process %d", id, m.supervisor);
		return 0;
	}
	if (!running && !starting(id))
		return start_locked(id, dir, e);
	/* It may be on its way only, as at boot: wait for that. */
	int status = SYSTEMCTL(id, true, e, "start");
	if (status)
		return status < 0 ? -1 : err_set(e, NU_FAILED, "%s: the start failed", id);
	if (dir >= 0 && store_generation(dir, "next"))
		say("%s: is running; generation %u waits for a restart", id,
		    store_generation(dir, "next"));
	else
		say("%s: is running", id);
	return 0;
}

/* Sends the signal to all of n processes (pidfds; -1: gone). */
static void signal_all(const struct pollfd *p, int n, int number)
{
	for (int i = 0; i < n; i++)
		if (p[i].fd >= 0)
			syscall(SYS_pidfd_send_signal, p[i].fd, number, NULL, 0);
}

/* Waits until all have gone, at most wait_ms for all together. */
static void await_all(struct pollfd *p, int n, int wait_ms)
{
	int64_t end = now_ms() + wait_ms;

	for (;;) {
		int64_t left = end - now_ms();
		int there = 0;

		for (int i = 0; i < n; i++) {
			if (p[i].fd >= 0 && p[i].revents)
				cleanup_close(&p[i].fd), p[i].fd = -1;
			there += p[i].fd >= 0;
		}
		if (!there || left <= 0)
			return;
		poll(p, n, left);
	}
}

/* Processes of ours in their namespaces would keep the machine from ending. */
static int end_intruders(const char *id, const struct machine *m, struct err *e)
{
	autofree pid_t *pids = NULL;
	int n = machine_intruders(m, &pids, e);
	autofree struct pollfd *p = xalloc((n > 0 ? n : 1) * sizeof(*p));

	for (int i = 0; i < n; i++)
		p[i] = (struct pollfd){ .fd = machine_inmate(m, pids[i]), .events = POLLIN };
	signal_all(p, n, SIGHUP);
	signal_all(p, n, SIGTERM);
	await_all(p, n, INTRUDER_MS);
	signal_all(p, n, SIGKILL);
	await_all(p, n, INTRUDER_MS);
	for (int i = 0; i < n; i++)
		cleanup_close(&p[i].fd);
	if (n > 0)
		say("%s: ended %d process%s that came in from outside", id, n, n == 1 ? "" : "es");
	return n < 0 ? -1 : 0;
}

/* Asks again and again: the signal is lost on an init that has only just started. leader: its
 * pidfd. 1: it has gone, 0: it hasn't, -1 and e. */
static int power_off(const char *id, int leader, struct err *e)
{
	char *argv[] = { (char *)"machinectl", (char *)"poweroff", (char *)id, NULL };
	int64_t end = now_ms() + POWEROFF_MS;
	bool gone = false;

	while (!gone && now_ms() < end) {
		autobuf struct buf out = { 0 };

		if (proc_output(argv, true, &out, e) < 0)
			return -1;
		gone = process_gone(leader, POWEROFF_AGAIN_MS);
	}
	return gone;
}

/* The direct engine begins with what isn't found yet, or tidies up after what has ended: until
 * it runs, or is gone. As machine_find. */
static int await_book(const char *id, struct machine *m, struct err *e)
{
	int64_t end = now_ms() + BOOK_MS;

	for (;;) {
		int running = machine_find(id, m, e);

		if (running != 0 || !machine_enrolled(id))
			return running;
		if (now_ms() > end)
			return err_set(e, NU_BUSY, "%s: a process that starts or ends it hangs "
					       "(nu-run --engine direct)", id);
		poll(NULL, 0, 10);
	}
}

/* Until the supervisor has gone, or has nothing of the container any more: it may wait yet for
 * somebody to read what that has said last. */
static bool await_tidy(const char *id, int supervisor, int wait_ms)
{
	int64_t end = now_ms() + wait_ms;

	while (!process_gone(supervisor, 10)) {
		if (!machine_enrolled(id)) {
			process_gone(supervisor, READER_MS);
			return true;
		}
		if (now_ms() > end)
			return false;
	}
	return true;
}

/* In place of a supervisor that was killed; nobody begins meanwhile. */
static int tidy_up(const char *id, const struct machine *m, struct err *e)
{
	struct enrolled ours = ENROLLED_NONE;
	int failed = machine_enroll(&ours, id, e);

	if (failed == 0) {
		if (*m->cgroup)
			leaf_clear(m->cgroup);
		failed = net_down(id, -1, NULL, e);
	}
	machine_withdraw(&ours);
	return failed < 0 ? err_wrap(e, "%s: ", id) : 0;
}

/* The direct engine's: its supervisor knows how. An init has its time from that; a command, to
 * which signals are passed on, gets the same from us. */
static int stop_supervised(const char *id, const struct machine *m, struct err *e)
{
	int64_t begin = now_ms();
	const char *how = "shut down";
	struct machine again;
	bool tidy;

	autoclose int supervisor = syscall(SYS_pidfd_open, m->supervisor, 0);
	autoclose int leader = supervisor < 0 ? -1 : machine_open(m, e);
	if (supervisor < 0)
		err_errno(e, "%s: process %d", id, m->supervisor);
	/* It has just ended by itself, or that is an error. */
	if (leader < 0)
		return await_book(id, &again, e) == 0 ? 0 : -1;
	/* An interactive shell takes no notice of SIGTERM. */
	syscall(SYS_pidfd_send_signal, supervisor, SIGTERM, NULL, 0);
	if (!(tidy = await_tidy(id, supervisor, m->timeout * 1000 + HANG_UP_MS))) {
		how = "killed: it did not end in time";
		syscall(SYS_pidfd_send_signal, supervisor, SIGHUP, NULL, 0);
		tidy = await_tidy(id, supervisor, HANG_UP_MS);
	}
	if (!tidy) {
		syscall(SYS_pidfd_send_signal, leader, SIGKILL, NULL, 0);
		tidy = await_tidy(id, supervisor, TERMINATE_MS);
	}
	if (!tidy) {
		syscall(SYS_pidfd_send_signal, supervisor, SIGKILL, NULL, 0);
		if (!process_gone(supervisor, KILL_MS))
			return err_set(e, NU_FAILED, "%s: process %d is still there after SIGKILL", id,
				       m->supervisor);
		if (tidy_up(id, m, e) < 0)
			return -1;
	}
	say("%s: stopped in %.1f s (%s)", id, (now_ms() - begin) / 1000.0, how);
	return 0;
}

/* 1, or 0 where nothing ran or was about to; -1 and e. */
static int stop_locked(const char *id, struct err *e)
{
	char *terminate[] = { (char *)"machinectl", (char *)"terminate", (char *)id, NULL };
	const char *how = "powered off";
	int64_t begin = now_ms();
	autobuf struct buf out = { 0 };
	struct machine m;
	int running = machine_find(id, &m, e);

	bool begun = running == 0 && starting(id);

	/* systemd's own way to stop an nspawn whose init isn't there yet is to wait. */
	if (begun)
		running = machine_await(id, -1, APPEAR_MS, &m, e);
	else if (running == 0)
		running = await_book(id, &m, e);
	if (running < 0)
		return -1;
	if (running && end_intruders(id, &m, e) < 0)
		return -1;
	if (running && m.supervisor)
		return stop_supervised(id, &m, e) < 0 ? -1 : 1;
	/* By its descriptor from here on: its number may be another's before we are done. Where it
	 * can't be had it has gone. */
	autoclose int leader = running ? machine_open(&m, e) : -1;
	int off = leader < 0 ? 1 : power_off(id, leader, e);
	if (off < 0)
		return -1;
	if (!off) {
		how = "terminated: it did not power off in time";
		proc_output(terminate, true, &out, e);
		if (!process_gone(leader, TERMINATE_MS)) {
			how = "killed: it did not end in time";
			/* All of it goes with its first process; nspawn stays and tidies up. */
			syscall(SYS_pidfd_send_signal, leader, SIGKILL, NULL, 0);
			if (!process_gone(leader, KILL_MS))
				return err_set(e, NU_FAILED,
					       "%s: leader %d is still there after SIGKILL", id,
					       m.leader);
		}
	}
	/* The service ends when nspawn has; this also ends a start or restart under way. */
	int status = SYSTEMCTL(id, true, e, "stop");
	if (status)
		return status < 0 ? -1 : err_set(e, NU_FAILED, "%s: systemctl stop failed", id);
	/* What it had open or mounted goes with its last process. */
	autofree char *cgroup = xfmt("/sys/fs/cgroup/machine.slice/nixunits@%s.service", id);
	for (int64_t end = now_ms() + KILL_MS; access(cgroup, F_OK) == 0 && now_ms() < end;)
		poll(NULL, 0, 10);
	if (running)
		say("%s: stopped in %.1f s (%s)", id, (now_ms() - begin) / 1000.0, how);
	return running || begun;
}

int life_stop(const char *id, struct err *e)
{
	autoclose int dir = life_lock(id, e);
	int ran = dir == -1 ? -1 : stop_locked(id, e);

	if (ran == 0)
		say("%s: is not running", id);
	return ran < 0 ? -1 : 0;
}

int life_restart(const char *id, bool force, struct err *e)
{
	autoclose int dir = life_lock(id, e);
	autofree pid_t *pids = NULL;
	struct machine m;

	if (dir == -1)
		return -1;
	int running = machine_find(id, &m, e);
	int inside = running > 0 ? machine_intruders(&m, &pids, e) : running;
	if (inside < 0)
		return -1;
	if (inside && !force)
		return err_set(e, NU_BUSY,
			       "%s: somebody is inside (process %d, a shell?): nixunits restart -f %s "
			       "restarts it anyway", id, pids[0], id);
	/* A unit that could not start again is not stopped. */
	bool next = dir >= 0 && store_generation(dir, "next");
	autounit struct unit *u = store_unit(id, next ? "next" : "current", e);
	if (!u || (running && stop_locked(id, e) < 0))
		return -1;
	return start_locked(id, dir, e);
}

bool life_enabled(const char *id)
{
	autofree char *link = xfmt(WANTS "/nixunits@%s.service", id);
	struct stat st;

	return lstat(link, &st) == 0;
}

bool life_boot_is_declared(void)
{
	return access("/etc/NIXOS", F_OK) == 0;
}

int life_enable(const char *id, bool on, struct err *e)
{
	if (!store_exists(id))
		return err_set(e, NU_NO_UNIT, "%s: no such unit", id);
	if (store_in_nixos(id))
		return err_set(e, NU_FAILED,
			       "%s: the NixOS host's configuration declares it: set nixunits.%s.autoStart there",
			       id, id);
	if (life_boot_is_declared())
		return err_set(e, NU_FAILED,
			       "%s: on NixOS only units of the host's configuration start at boot: declare "
			       "it there, as nixunits.%s",
			       id, id);
	if (geteuid() != 0)
		return err_set(e, NU_FAILED, "%s: only root can say what starts at boot", id);
	int status = on ? SYSTEMCTL(id, true, e, "enable") : SYSTEMCTL(id, true, e, "disable");
	if (status > 0)
		return err_set(e, NU_FAILED, "%s: systemctl %s failed (is nixunits@.service there? "
					     "nixunits install puts it)",
			       id, on ? "enable" : "disable");
	return status;
}

/* The link to it: the journal itself is in the unit's directory. */
static void remove_journal(const char *id)
{
	char machine[33];

	nspawn_machine_id(id, machine);
	autofree char *path = xfmt("/var/log/journal/%s", machine);
	if (unlink(path) < 0 && errno != ENOENT)
		warn("%s: %s: %s", id, path, strerror(errno));
}

/* The links first, and the generations out of sight, of nu-gc as well: what a crash leaves is a
 * unit without a generation, for the next delete to finish. Then all there is, whatever left it:
 * a build or an nspawn that was killed, an older version. */
static int remove_directory(const char *id, bool data, int dir, struct err *e)
{
	autofree char *path = store_unit_path(id);

	if (tree_remove(dir, "next", e) < 0 || tree_remove(dir, "current", e) < 0 ||
	    tree_remove(dir, ".old", e) < 0)
		return -1;
	if (renameat(dir, "generations", dir, ".old") < 0 && errno != ENOENT)
		return err_errno(e, "%s/generations", path);
	DIR *entries = opendir(path);
	int failed = entries ? 0 : err_errno(e, "%s", path);
	for (struct dirent *d; !failed && (d = readdir(entries));) {
		bool keep = !data && (streq(d->d_name, "root") || streq(d->d_name, "journal"));

		if (!keep && !streq(d->d_name, ".") && !streq(d->d_name, ".."))
			failed = tree_remove(dir, d->d_name, e);
	}
	if (entries)
		closedir(entries);
	if (failed)
		return -1;
	if (rmdir(path) < 0 && errno != ENOENT && (data || errno != ENOTEMPTY))
		return err_errno(e, "%s", path);
	return 0;
}

/* All of it, while nobody can begin. */
static int remove_all(const char *id, bool data, int dir, struct err *e)
{
	struct enrolled nobody = ENROLLED_NONE;
	struct machine m;
	int failed = await_book(id, &m, e) < 0 || machine_enroll(&nobody, id, e) < 0 ||
		     net_down(id, -1, NULL, e) < 0 || hosts_remove(id, e) < 0 ||
		     remove_directory(id, data, dir, e) < 0 || uid_free(id, e) < 0;

	machine_withdraw(&nobody);
	return failed ? err_wrap(e, "%s: ", id) : 0;
}

int life_delete(const char *id, bool data, struct err *e)
{
	if (store_in_nixos(id))
		return err_set(e, NU_FAILED,
			       "%s: the NixOS host's configuration declares it; remove it there", id);
	autoclose int dir = store_lock(id, false, NULL, LIFE_LOCK_MS, e);
	if (dir < 0 || stop_locked(id, e) < 0)
		return -1;
	if (life_enabled(id) && life_enable(id, false, e) < 0)
		return -1;
	SYSTEMCTL(id, true, e, "reset-failed");
	if (remove_all(id, data, dir, e) < 0)
		return -1;
	hosts_refresh();
	if (data)
		remove_journal(id);
	if (generation_drop_bases(LIFE_LOCK_MS, e) < 0)
		return err_wrap(e, "%s: ", id);
	autofree char *path = store_unit_path(id);
	if (access(path, F_OK) == 0)
		say("%s: deleted; its data stays in %s/root (-r removes it)", id, path);
	else
		say("%s: deleted", id);
	return 0;
}
