/* netsysctl - settings of a network namespace: /proc/sys/net as it sees it. */
#ifndef NU_NETSYSCTL_H
#define NU_NETSYSCTL_H

#include <stdbool.h>

#include "say.h"
#include "unit.h"

/* Whether the key is below "net.", or "net/": all else is of other namespaces. */
bool netsysctl_is(const char *key);
/* Reads the setting in that namespace. The caller owns the text; NULL and e when it can't
 * be read. */
char *netsysctl_read(int netns_fd, const char *key, struct err *e);
int netsysctl_write(int netns_fd, const char *key, const char *value, struct err *e);
/* The same but for blanks: the kernel prints tabs for them. */
bool netsysctl_same(const char *a, const char *b);

#endif
