/* cap - the capabilities a container keeps, from what its declaration allows. */
#ifndef NU_CAP_H
#define NU_CAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "say.h"

/* The number of a capability, "CAP_NET_ADMIN" or "net_admin", as libcap knows it.
 * -1 and e for an unknown one; the message suggests the nearest name. */
int cap_number(const char *name, struct err *e);
/* "CAP_NET_ADMIN", or "CAP_47" for what libcap has no name for. Static storage. */
const char *cap_label(int number);

/* What the kernel says of a process. */
enum cap_set { CAP_BND, CAP_EFF, CAP_PRM, CAP_INH, CAP_AMB, CAP_SETS };
struct cap_state {
	uint64_t set[CAP_SETS];
	bool no_new_privs;
	int seccomp; /* 0: none, 1: strict, 2: a filter */
};
/* "bounding", "effective", ... */
extern const char *const cap_set_names[CAP_SETS];
/* Returns 0, or -1 with errno: ENOENT or ESRCH where there is no such process. */
int cap_state(pid_t pid, struct cap_state *state);

/* The capabilities dropped unless declared: name i, or NULL at the end. */
const char *cap_dropped_by_default(size_t i);
/* Whether `name` is among the n allowed ones, whatever the spelling. */
bool cap_allowed(const char *name, const char *const *allowed, size_t n);

#endif
