/* hostpath - a path of the host's, such as the source of a bind, opened for a container.
 *
 * What a container could write to may lie on the way: its root can put a symlink to anywhere
 * there, which belongs to UID 0 on the disk like the administrator's own. So a symlink is
 * followed only where the directory that it is in, and all above, are the host's root's alone,
 * and no container was ever given them to write to, of which a list is kept.
 */
#ifndef NU_HOSTPATH_H
#define NU_HOSTPATH_H

#include "say.h"

/* Opens an absolute path (O_PATH), whatever it is. -1 and e. */
int hostpath_open(const char *path, struct err *e);
/* Puts the directory open as fd into NIXUNITS_DIR/shared, the list of those that a container
 * can write to. 0, or -1 and e. */
int hostpath_share(int fd, struct err *e);

#endif
