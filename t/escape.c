/* What a program in a container tries, to get out of it or at the host: a line for each attempt,
 * "done" or why not (t/direct.t, t/isolation.t). Static, without any help of the container's. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <unistd.h>

static void tell(const char *what, long result)
{
	printf("%s: %s\n", what, result < 0 ? strerror(errno) : "done");
	fflush(stdout);
}

static long try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);
	struct stat st;
	char c;

	if (fd < 0)
		return -1;
	/* The null device in its place: what is written there is written nowhere. */
	if (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)) {
		close(fd);
		errno = ENODEV;
		return -1;
	}
	long result = (flags & O_ACCMODE) == O_RDONLY ? read(fd, &c, 1) : 0;
	/* The end of an empty file is nothing to be had. */
	if ((flags & O_ACCMODE) == O_RDONLY && result == 0)
		errno = ENODATA, result = -1;
	close(fd);
	return result;
}

/* The classic: a root directory below our working directory, then upwards. What is found
 * above is compared with the root that we know. */
static long chroot_out(void)
{
	struct stat known, top;

	if (stat("/", &known) < 0 || (mkdir("/tmp/jail", 0755) < 0 && errno != EEXIST))
		return -1;
	int here = open("/", O_RDONLY | O_DIRECTORY);
	if (here < 0 || chroot("/tmp/jail") < 0 || fchdir(here) < 0)
		return -1;
	for (int i = 0; i < 100; i++)
		if (chdir("..") < 0)
			return -1;
	if (stat(".", &top) < 0 || chroot(".") < 0)
		return -1;
	if (top.st_dev == known.st_dev && top.st_ino == known.st_ino) {
		errno = ELOOP; /* the same place again */
		return -1;
	}
	return 0;
}

/* keyctl(2) by the numbers of another kind of program: a filter that knows one kind alone misses it. */
static long keyctl_of_i386(void)
{
#ifdef __x86_64__
	long result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(288), "b"(KEYCTL_GET_KEYRING_ID), "c"(-3), "d"(1)
			 : "memory", "r8", "r9", "r10", "r11");
	errno = -result;
	return result < 0 ? -1 : 0;
#else
	errno = ENOSYS;
	return -1;
#endif
}

static long keyctl_of_x32(void)
{
#ifdef __x86_64__
	return syscall(0x40000000 | 250, KEYCTL_GET_KEYRING_ID, -3, 1);
#else
	errno = ENOSYS;
	return -1;
#endif
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ok = fd >= 0 && write(fd, text, strlen(text)) > 0;

	close(fd);
	return ok ? 0 : -1;
}

/* As the root of a user namespace of its own, which anybody can make, with all capabilities there.
 * A tmpfs on /tmp is to be had; what else is tried is not. */
static void as_another_root(void)
{
	struct mount_attr writable = { .attr_clr = MOUNT_ATTR_RDONLY };
	int failed = unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC) ||
		     write_file("/proc/self/uid_map", "0 0 1") || write_file("/proc/self/setgroups", "deny") ||
		     write_file("/proc/self/gid_map", "0 0 1") || mount("none", "/tmp", "tmpfs", 0, NULL) ||
		     mkdir("/tmp/proc", 0755) || mkdir("/tmp/sys", 0755) || mkdir("/tmp/dev", 0755) || mknod("/tmp/keys", S_IFREG | 0600, 0);

	if (failed)
		return;
	puts("as the root of another user namespace:");
	fflush(stdout);
	/* A /proc is that of the PID namespace that its mounter was born in. */
	pid_t child = fork();
	if (child) {
		waitpid(child, NULL, 0);
		return;
	}
	tell("a /proc without masks", mount("none", "/tmp/proc", "proc", 0, NULL));
	tell("write a kernel parameter there", try_open("/tmp/proc/sys/kernel/core_pattern", O_WRONLY));
	tell("write sysrq-trigger there", try_open("/tmp/proc/sysrq-trigger", O_WRONLY));
	tell("a /sys without masks", mount("none", "/tmp/sys", "sysfs", MS_RDONLY, NULL));
	tell("the host's /dev", mount("none", "/tmp/dev", "devtmpfs", 0, NULL));
	tell("what lies below the masks", mount("/proc", "/tmp/proc", NULL, MS_BIND, NULL));
	tell("unmount /proc/sys", umount2("/proc/sys", MNT_DETACH));
	tell("unmount a mask", umount2("/proc/keys", MNT_DETACH));
	tell("move a mask away", mount("/proc/keys", "/tmp/keys", NULL, MS_MOVE, NULL));
	tell("unmount the store", umount2("/nix/store", MNT_DETACH));
	tell("make /proc/sys writable", mount("none", "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL));
	tell("make the store writable", mount("none", "/nix/store", NULL, MS_REMOUNT | MS_BIND, NULL));
	tell("make the store writable, the new way",
	     syscall(SYS_mount_setattr, AT_FDCWD, "/nix/store", 0, &writable, sizeof(writable)));
	tell("make a device", mknod("/tmp/disk", S_IFBLK | 0600, makedev(8, 0)));
	tell("write a kernel parameter", try_open("/proc/sys/kernel/core_pattern", O_WRONLY));
	_exit(0);
}

int main(void)
{
	struct perf_event_attr perf = { .type = PERF_TYPE_SOFTWARE, .size = sizeof(perf) };
	struct io_uring_params ring = { 0 };
	union bpf_attr bpf = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4,
			       .max_entries = 1 };
	/* FILEID_INO32_GEN, and ext4's root directory: the host's, above ours. */
	struct {
		struct file_handle head;
		unsigned int inode, generation;
	} handle = { { .handle_bytes = 8, .handle_type = 1 }, 2, 0 };
	struct timeval now = { 0 };
	char self[64];

	tell("mount a tmpfs", mount("none", "/tmp", "tmpfs", 0, NULL));
	tell("unmount /proc/sys", umount2("/proc/sys", MNT_DETACH));
	tell("unmount a mask", umount2("/proc/keys", MNT_DETACH));
	tell("make /proc/sys writable", mount("none", "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL));
	tell("make /sys writable", mount("none", "/sys", NULL, MS_REMOUNT | MS_BIND, NULL));
	tell("make the store writable", mount("none", "/nix/store", NULL, MS_REMOUNT | MS_BIND, NULL));
	tell("write into the store", mkdir("/nix/store/written", 0755));
	tell("change a mode in the store", chmod("/nix/store", 0777));
	tell("write a kernel parameter", try_open("/proc/sys/kernel/core_pattern", O_WRONLY));
	tell("write sysrq-trigger", try_open("/proc/sysrq-trigger", O_WRONLY));
	tell("read the kernel's memory", try_open("/proc/kcore", O_RDONLY));
	tell("read its symbols", try_open("/proc/kallsyms", O_RDONLY));
	tell("read its messages", syscall(SYS_syslog, 3, self, sizeof(self)));
	tell("write to a device of /sys", try_open("/sys/kernel/uevent_helper", O_WRONLY));
	tell("write a cgroup's release agent", try_open("/sys/fs/cgroup/release_agent", O_WRONLY));
	tell("make a device", mknod("/tmp/disk", S_IFBLK | 0600, makedev(8, 0)));
	tell("a raw socket", socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 1));
	tell("a packet socket", socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
	tell("load a module", syscall(SYS_init_module, "", 0, ""));
	tell("kexec", syscall(SYS_kexec_load, 0, 0, NULL, 0));
	tell("reboot", syscall(SYS_reboot, 0xfee1dead, 672274793, 0x89abcdef, NULL));
	tell("swap", swapoff("/dev/sda"));
	tell("set the clock", settimeofday(&now, NULL));
	tell("a key", syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, -3, 1));
	tell("a key, as an i386 program", keyctl_of_i386());
	tell("a key, as an x32 program", keyctl_of_x32());
	tell("quotas", syscall(SYS_quotactl, 0x80000100, "/dev/root", 0, NULL));
	tell("quotas by a descriptor", syscall(SYS_quotactl_fd, open("/", O_RDONLY), 0x80000100, 0, NULL));
	tell("bpf", syscall(SYS_bpf, BPF_MAP_CREATE, &bpf, sizeof(bpf)));
	tell("perf", syscall(SYS_perf_event_open, &perf, 0, -1, -1, 0));
	tell("io_uring", syscall(SYS_io_uring_setup, 4, &ring));
	tell("userfaultfd", syscall(SYS_userfaultfd, 0));
	tell("a file by its handle", syscall(SYS_open_by_handle_at, AT_FDCWD, &handle.head, O_RDONLY));
	tell("trace PID 1", ptrace(PTRACE_SEIZE, 1, 0, 0));
	tell("read PID 1's memory", try_open("/proc/1/mem", O_RDWR));
	tell("PID 1's program", try_open("/proc/1/exe", O_RDWR));
	tell("PID 1's namespaces", setns(open("/proc/1/ns/mnt", O_RDONLY), CLONE_NEWNS));
	tell("a mount namespace", unshare(CLONE_NEWNS));
	as_another_root();
	tell("break out of a chroot", chroot_out());
	return 0;
}
