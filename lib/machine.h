/* machine - the running side of a unit: what systemd and the kernel know of it.
 *
 * Read from /run/systemd/machines (which systemd-machined keeps), /proc and the
 * cgroup filesystem: no process is started to ask.
 */
#ifndef NU_MACHINE_H
#define NU_MACHINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "say.h"
#include "util.h"

struct machine {
	pid_t leader;     /* PID 1 of the container, as the host numbers it */
	char unit[128];   /* the systemd unit it runs in */
	char cgroup[512]; /* that unit's cgroup: "/machine.slice/nixunits@web2.service" */
	pid_t supervisor; /* the process that runs it, of the direct engine; 0: systemd-nspawn's */
	int timeout;      /* with a supervisor: what it has to end, in seconds (nu-run --timeout) */
	int64_t since;    /* start, in seconds since the epoch */
};

/* The machine called id. 1 and *m while it runs; 0 when it doesn't; -1 and e when
 * a machine of that name runs that isn't ours. */
int machine_find(const char *id, struct machine *m, struct err *e);
/* Takes from systemd-machined's books a machine whose leader is dead: killed together
 * with its nspawn it stays there as long as its service is tried again, and bars the
 * name. Nothing is done about a live one, or one that isn't ours. */
void machine_forget(const char *id);
/* The machines of the direct engine (lib/sandbox) are in our own book: a file for each in
 * /run/nixunits, locked by its supervisor as long as that lives. The nspawn engine's are in it,
 * without a leader, until systemd-machined has them and they have what comes from outside. */
struct enrolled {
	int lock;
	char *path;
};
#define ENROLLED_NONE { -1, NULL }
/* Before anything is made that has the id's name: nobody else runs it. 0, or -1 and e (NU_BUSY
 * where somebody does). */
int machine_enroll(struct enrolled *m, const char *id, struct err *e);
/* Its leader, by which it is found from now on, and its timeout; and when that leader has ended,
 * before it is waited for, that it isn't any more. */
int machine_leader(struct enrolled *m, pid_t leader, int timeout, struct err *e);
void machine_ended(struct enrolled *m);
/* Adds the ids that are in our own book. */
void machine_ids(struct strv *ids);
/* Whether anybody has it in our own book: it runs, or is about to, or is being tidied up. */
bool machine_enrolled(const char *id);
void machine_withdraw(struct enrolled *m);
/* Waits for it to appear, by inotify(7), at most wait_ms, and no longer than the process
 * of the pidfd awaited lives (-1: whatever lives). As machine_find. */
int machine_await(const char *id, int awaited, int wait_ms, struct machine *m, struct err *e);
/* A number out of the machine's cgroup ("memory.current", "pids.current"); -1: none. */
int64_t machine_number(const struct machine *m, const char *file);
/* The processes in the leader's PID namespace whose parents aren't: those that
 * came in from outside ("nixunits shell", nsenter). Returns how many, none of a leader that has
 * ended; -1 and e. */
int machine_intruders(const struct machine *m, pid_t **pids, struct err *e);
/* Calls visit for each process of the machine: those in its PID namespace or in one below,
 * and those in its cgroups, but for systemd-nspawn and what systemd runs beside it. proc is
 * a descriptor of /proc/PID: what is read through it is that process's, or is not there
 * (ENOENT, ESRCH) once it has ended. 0; -1 and e as soon as visit returns that. */
int machine_each(const struct machine *m,
		 int (*visit)(pid_t pid, int proc, void *context, struct err *e), void *context,
		 struct err *e);
/* Where a process (as above) stands towards the user namespace of the leader: in it, in one
 * below, or outside of it. -1 and errno. */
enum { NS_SAME, NS_BELOW, NS_OUTSIDE };
int machine_userns(const struct machine *m, int proc);
/* A pidfd of process pid if it is in the leader's PID namespace; else -1. */
int machine_inmate(const struct machine *m, pid_t pid);
/* Waits until the process of a pidfd has gone, at most wait_ms. True: it has. */
bool process_gone(int pidfd, int wait_ms);
/* A pidfd of the leader, which is surely the machine's: its number may have been given to
 * another process since it was read. -1 and e. */
int machine_open(const struct machine *m, struct err *e);
/* Opens a namespace of the leader ("net", as in /proc/PID/ns), surely the machine's as above.
 * -1 and e. */
int machine_ns(const struct machine *m, const char *kind, struct err *e);

#endif
