/* floor-overlay mount LOWER LOWER TARGET | umount TARGET - the system calls of nu-overlay and nothing
 * besides: what any program of its kind takes at least. */
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

static int set(int fs, const char *key, const char *value)
{
	return syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, value, 0);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "umount") == 0)
		return umount2(argv[2], UMOUNT_NOFOLLOW) < 0;
	if (argc != 5)
		return 2;
	int fs = syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
	if (set(fs, "source", "floor") < 0 || set(fs, "lowerdir+", argv[2]) < 0 ||
	    set(fs, "lowerdir+", argv[3]) < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return 1;
	int mount = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY);
	return syscall(SYS_move_mount, mount, "", AT_FDCWD, argv[4], MOVE_MOUNT_F_EMPTY_PATH) < 0;
}
