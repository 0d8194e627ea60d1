/* mntid - the mount that a file is in.
 *
 * By the kernel's own struct statx: musl's, where it has one, knows of no mounts, and stands in
 * the way of this one where sys/stat.h is included.
 */
#include "mntid.h"

#include <linux/fcntl.h>
#include <linux/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int mntid(int dirfd, const char *path, struct mntid *m)
{
	struct statx st;

	if (syscall(SYS_statx, dirfd, path, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW,
		    STATX_MODE | STATX_TYPE | STATX_MNT_ID, &st) < 0)
		return -1;
	*m = (struct mntid){ .id = st.stx_mask & STATX_MNT_ID ? st.stx_mnt_id : 0,
			     .dev = (uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor,
			     .root = st.stx_attributes & STATX_ATTR_MOUNT_ROOT,
			     .mode = st.stx_mode };
	return 0;
}
