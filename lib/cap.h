/* cap - the capabilities a container keeps, from what its declaration allows. */
#ifndef NU_CAP_H
#define NU_CAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "say.h"

/* How many this kernel has: their numbers are from 0 on. */
int cap_count(void);
/* The number of a capability, "CAP_NET_ADMIN" or "net_admin", as libcap knows it.
 * -1 and e for an unknown one; the message suggests the nearest name. */
int cap_number(const char *name, struct err *e);
/* "CAP_NET_ADMIN", or "CAP_47" for what libcap has no name for. Static storage. */
const char *cap_label(int number);

/* As cap_number, and a number does as well: "47", "CAP_47". */
int cap_any_number(const char *name, struct err *e);
/* Adds to *set what a list such as "net_admin,CAP_KILL,47" names, from left to right; "all"
 * stands for the set `all`, "none" for nothing, and a name after "-" is taken out. 0, or -1
 * and e. */
int cap_list(const char *text, uint64_t all, uint64_t *set, struct err *e);

enum { CAP_BND, CAP_PRM, CAP_EFF, CAP_INH, CAP_AMB, CAP_SETS };
/* "bounding", "permitted", ... */
extern const char *const cap_set_names[CAP_SETS];

/* What the kernel says of a process or thread. */
struct cap_state {
	char name[80]; /* what is not ASCII shown as "?" */
	bool dead;     /* a zombie */
	uint32_t uid, gid; /* the effective ones */
	uint64_t set[CAP_SETS];
	bool no_new_privs;
	int seccomp; /* 0: none, 1: strict, 2: a filter */
};
/* Reads the file "status" in the directory /proc/PID, or another at `path`. Returns 0, or -1
 * with errno: ENOENT or ESRCH where there is no such process. */
int cap_state(int dirfd, const char *path, struct cap_state *state);

/* Takes all but the set from the caller's bounding set. 0, or -1 with errno: EPERM where that
 * takes CAP_SETPCAP. */
int cap_bound(uint64_t set);
/* Makes these the caller's permitted, effective and inheritable sets. 0, or -1 with errno. */
int cap_assign(uint64_t permitted, uint64_t effective, uint64_t inheritable);
/* What is in the caller's permitted set. */
uint64_t cap_permitted(void);

/* The capabilities dropped unless declared: name i, or NULL at the end. */
const char *cap_dropped_by_default(size_t i);
/* Whether `name` is among the n allowed ones, whatever the spelling. */
bool cap_allowed(const char *name, const char *const *allowed, size_t n);

#endif
