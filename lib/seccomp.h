/* seccomp - system calls that a process in a container has no business with. */
#ifndef NU_SECCOMP_H
#define NU_SECCOMP_H

#include <stdint.h>

#include "say.h"

/* From here on the calling process and its children get EPERM from system calls that
 * reach what has no namespace: keys, BPF, modules, kexec, file handles, swap, and other
 * processes' memory; less those that a capability in the set `caps` is for. Those of
 * another architecture's numbering (32-bit programs) are all refused. No new privileges
 * must be set. 0, or -1 and e. */
int seccomp_deny(uint64_t caps, struct err *e);

#endif
