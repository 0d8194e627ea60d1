/* The system calls of `nu-run --root DIR FILE -- COMMAND`, and nothing more: no document is read, no
 * path is resolved with care, no error is explained, nothing is kept track of.
 *
 *   floor-direct DIR COMMAND...
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define UID "524288"
#define QUIET (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

static int pidfd, proc_fd, sys_fd, mqueue_fd, root;

static void must(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		_exit(1);
	}
}

static int new_fs(const char *type, const char *const *options, int attr)
{
	int fs = fsopen(type, FSOPEN_CLOEXEC);

	for (; options && *options; options += 2)
		must(fsconfig(fs, options[1] ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, options[0],
			      options[1], 0) == 0, options[0]);
	must(fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0, type);
	int fd = fsmount(fs, FSMOUNT_CLOEXEC, attr);
	must(fd >= 0, type);
	close(fs);
	return fd;
}

static void put(const char *target, int fd)
{
	int at = openat(root, target, O_PATH | O_CLOEXEC);

	must(at >= 0 && move_mount(fd, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0,
	     target);
	close(at);
	close(fd);
}

static void put_dir(int pool, const char *target, int mode, int attr_set, int attr_clr)
{
	struct mount_attr attr = { .attr_set = attr_set, .attr_clr = attr_clr };
	char name[32];

	snprintf(name, sizeof(name), "%s", target);
	for (char *p = name; *p; p++)
		*p = *p == '/' ? '-' : *p;
	mkdirat(pool, name, mode);
	fchownat(pool, name, 524288, 524288, 0);
	int fd = open_tree(pool, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	must(fd >= 0 && ((!attr_set && !attr_clr) ||
			 mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) == 0), target);
	put(target, fd);
}

static int mount_proc(void *unused)
{
	(void)unused;
	proc_fd = new_fs("proc", NULL, QUIET);
	_exit(0);
}

static void call(int (*f)(void *), char *stack, size_t size)
{
	pid_t child = clone(f, stack + size, CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, NULL);

	waitpid(child, NULL, 0);
}

static int enter_and_mount_proc(void *unused)
{
	static char stack[16384];

	(void)unused;
	must(setns(pidfd, CLONE_NEWPID) == 0, "setns");
	call(mount_proc, stack, sizeof(stack));
	_exit(0);
}

static int mount_rest(void *unused)
{
	(void)unused;
	must(setns(pidfd, CLONE_NEWNET | CLONE_NEWIPC) == 0, "setns");
	mqueue_fd = new_fs("mqueue", NULL, QUIET);
	sys_fd = new_fs("sysfs", NULL, QUIET | MOUNT_ATTR_RDONLY);
	_exit(0);
}

static void cover(const char *path, int fd)
{
	if (faccessat(root, path, F_OK, 0) == 0)
		put(path, fd);
	else
		close(fd);
}

static void cover_dir(int pool, const char *path)
{
	if (faccessat(root, path, F_OK, 0) == 0)
		put_dir(pool, path, 0, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC, 0);
}

static int clone_of(const char *path, int attr)
{
	struct mount_attr set = { .attr_set = attr };
	int fd = open_tree(root, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

	must(fd >= 0 && (!attr || mount_setattr(fd, "", AT_EMPTY_PATH, &set, sizeof(set)) == 0), path);
	return fd;
}

static void make_tree(const char *dir, int userns, int report, int gate)
{
	static const char *const devices[] = { "null", "zero", "full", "random", "urandom", "tty" };
	static const int numbers[][2] = { { 1, 3 }, { 1, 5 }, { 1, 7 }, { 1, 8 }, { 1, 9 }, { 5, 0 } };
	static const char *const links[][2] = { { "/proc/self/fd", "fd" }, { "fd/0", "stdin" },
						{ "fd/1", "stdout" }, { "fd/2", "stderr" },
						{ "pts/ptmx", "ptmx" }, { "/proc/kcore", "core" } };
	static const char *const read_only[] = { "proc/sys", "proc/bus", "proc/fs", "proc/irq" };
	static const char *const masked[] = { "proc/kallsyms", "proc/kmsg", "proc/keys", "proc/timer_list",
					       "proc/interrupts" };
	static const char *const memory[] = { "mode", "700", "uid", UID, "gid", UID, NULL };
	static const char *const pts[] = { "newinstance", NULL, "ptmxmode", "0666", "mode", "620",
					   "gid", "524293", NULL };
	static char stack[65536];
	char there;
	struct mount_attr shift = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = userns };

	root = open_tree(AT_FDCWD, dir, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	must(root >= 0 && mount_setattr(root, "", AT_EMPTY_PATH | AT_RECURSIVE, &shift, sizeof(shift)) == 0 &&
	     move_mount(root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) == 0, dir);
	int pool = new_fs("tmpfs", memory, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	int at = openat(root, "tmp", O_PATH | O_CLOEXEC);
	must(move_mount(pool, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0, "pool");
	put_dir(pool, "dev", 0755, 0, MOUNT_ATTR_NODEV);
	int dev = openat(root, "dev", O_PATH | O_CLOEXEC);
	for (int i = 0; i < 6; i++) {
		mknodat(dev, devices[i], S_IFCHR | 0666, makedev(numbers[i][0], numbers[i][1]));
		fchownat(dev, devices[i], 524288, 524288, 0);
		symlinkat(links[i][0], dev, links[i][1]);
	}
	mkdirat(dev, "pts", 0755);
	mkdirat(dev, "shm", 0755);
	mkdirat(dev, "mqueue", 0755);
	put("dev/pts", new_fs("devpts", pts, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
	put_dir(pool, "dev/shm", 01777, 0, 0);
	put_dir(pool, "run", 0755, 0, 0);
	mkdirat(root, "run/lock", 0755);
	put_dir(pool, "run/lock", 01777, 0, 0);
	put_dir(pool, "tmp", 01777, 0, 0);
	call(enter_and_mount_proc, stack, sizeof(stack));
	put("proc", proc_fd);
	for (int i = 0; i < 4; i++)
		put(read_only[i], clone_of(read_only[i], MOUNT_ATTR_RDONLY));
	put("proc/sys/net", clone_of("proc/sys/net", 0));
	for (int i = 0; i < 4; i++)
		cover(masked[i], clone_of("dev/null", MOUNT_ATTR_RDONLY));
	cover_dir(pool, "proc/acpi");
	must(read(report, &there, 1) == 1, "the child");
	call(mount_rest, stack, sizeof(stack));
	put("sys", sys_fd);
	put("dev/mqueue", mqueue_fd);
	must(write(gate, "", 1) == 1, "the child");
	cover_dir(pool, "sys/firmware");
	int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	must(fchdir(root) == 0 && syscall(SYS_pivot_root, ".", ".") == 0 && fchdir(old) == 0 &&
	     umount2(".", MNT_DETACH) == 0 && chdir("/") == 0, "pivot_root");
}

static struct __user_cap_data_struct kept[2] = { { 0x800405fb, 0x800405fb, 0 }, { 0, 0, 0 } };

static void forgo(void)
{
	struct sock_filter code[64];
	struct sock_fprog filter = { .len = 64, .filter = code };

	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (cap > 31 || !(kept[0].permitted & 1u << cap))
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* As long as nu-run's. */
	code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (int i = 1; i < 63; i += 2) {
		code[i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1000 + i, 0, 1);
		code[i + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
	}
	code[63] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0, "seccomp");
}

static void inmate(int gate, int report, char **command)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int status;
	char go;

	must(unshare(CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET) == 0, "unshare");
	must(write(report, "", 1) == 1, "the parent");
	sethostname("t1", 2);
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	must(ioctl(s, SIOCSIFFLAGS, &lo) == 0, "lo");
	close(s);
	must(read(gate, &go, 1) == 1, "the parent");
	must(setgroups(0, NULL) == 0 && setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0, "root");
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	forgo();
	must(read(gate, &go, 1) == 1, "the parent");
	must(unshare(CLONE_NEWNS | CLONE_NEWCGROUP) == 0 && chdir("/..") == 0 && chroot(".") == 0, "unshare");
	must(syscall(SYS_capset, &head, kept) == 0, "capset");
	umask(022);
	syscall(SYS_close_range, 3, ~0U, 4);
	pid_t child = vfork();
	if (child == 0) {
		setsid();
		execv(command[0], command);
		_exit(127);
	}
	syscall(SYS_close_range, 3, ~0U, 0);
	waitpid(child, &status, 0);
	_exit(WEXITSTATUS(status));
}

int main(int argc, char **argv)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD | CLONE_NEWPID | CLONE_NEWUSER,
		.pidfd = (uint64_t)(uintptr_t)&pidfd, .exit_signal = SIGCHLD };
	int gate[2], report[2], status;
	char path[64], end;

	if (argc < 3)
		return 2;
	umask(0);
	int home = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	must(chdir("/") == 0 && unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == 0 &&
	     pipe2(gate, O_CLOEXEC) == 0 && pipe2(report, O_CLOEXEC) == 0, "unshare");
	pid_t pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		inmate(gate[0], report[1], argv + 2);
	close(report[1]);
	static const char *const maps[] = { "uid_map", "gid_map" };
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, maps[i]);
		int fd = open(path, O_WRONLY | O_CLOEXEC);
		must(write(fd, "0 " UID " 65536\n", 15) == 15, path);
		close(fd);
	}
	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	make_tree(argv[1], open(path, O_RDONLY | O_CLOEXEC), report[0], gate[1]);
	must(write(gate[1], "", 1) == 1 && read(report[0], &end, 1) == 0 &&
	     setns(home, CLONE_NEWNS) == 0, "setns");
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
