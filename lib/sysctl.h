/* sysctl - the kernel parameters that a container has of its own. */
#ifndef NU_SYSCTL_H
#define NU_SYSCTL_H

#include <stdbool.h>
#include <sys/types.h>

#include "say.h"
#include "unit.h"

/* Whether all of the unit's are the container's own: below net. in a private network
 * namespace, and those of the IPC namespace. Any other would be set on the host: error
 * (NU_USAGE). */
int sysctl_check(const struct unit *u, struct err *e);
/* The path below /proc/sys, owned by the caller: "net.ipv4.conf.eth0/10.mtu" and
 * "net/ipv4/conf/eth0.10/mtu" are the same, as for sysctl(8). */
char *sysctl_path(const char *key);
/* Whether it is one of the IPC namespace; lib/net sees to those of the network. */
bool sysctl_of_ipc(const char *key);
/* Writes those of the IPC namespace, in that of leader, of which pidfd is one. 0, or -1 and e. */
int sysctl_apply(const struct unit *u, pid_t leader, int pidfd, struct err *e);
/* Reads one in that IPC namespace. The caller owns the text; NULL and e when it can't be read. */
char *sysctl_read(int ipc_fd, const char *key, struct err *e);

#endif
