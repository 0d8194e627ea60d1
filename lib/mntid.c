/* mntid - the mount that a path is on. */
#include <errno.h>
#include <linux/fcntl.h>
#include <linux/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mnt.h"

/* By the kernel's own struct: musl's of that name knows of no mounts, and stands in the way
 * of this one where sys/stat.h is included. */
int mnt_id(const char *path, uint64_t *id, bool *root)
{
	struct statx st;

	if (syscall(SYS_statx, AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &st) < 0)
		return -1;
	*id = st.stx_mnt_id;
	*root = st.stx_attributes & STATX_ATTR_MOUNT_ROOT;
	return 0;
}
