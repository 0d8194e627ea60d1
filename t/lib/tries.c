/* tries - what only a capability allows, tried for real. For each a line: its name and what the
 * kernel said to it. Nothing that it changes stays. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static int make_device(void)
{
	return mknod("device", S_IFCHR | 0600, makedev(1, 3));
}

static int raw_socket(void)
{
	return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static int packet_socket(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0);
}

static int mount_something(void)
{
	return mount("none", "dir", "tmpfs", 0, NULL) || umount("dir") ? -1 : 0;
}

static int new_namespace(void)
{
	return unshare(CLONE_NEWNS);
}

static int set_hostname(void)
{
	char name[256];

	return gethostname(name, sizeof(name)) || sethostname(name, strlen(name)) ? -1 : 0;
}

/* Its flags, as they are. */
static int set_link(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq r = { .ifr_name = "lo" };

	return ioctl(fd, SIOCGIFFLAGS, &r) || ioctl(fd, SIOCSIFFLAGS, &r) ? -1 : 0;
}

static int more_priority(void)
{
	return setpriority(PRIO_PROCESS, 0, -5);
}

/* A file by its number on the disk, past every directory above it. */
static int open_by_handle(void)
{
	struct file_handle *h = calloc(1, sizeof(*h) + MAX_HANDLE_SZ);
	int id, dir = open(".", O_RDONLY);

	h->handle_bytes = MAX_HANDLE_SZ;
	if (name_to_handle_at(AT_FDCWD, "dir", h, &id, 0))
		return -1;
	return open_by_handle_at(dir, h, O_RDONLY);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*act)(void);
	} tries[] = {
		{ "MKNOD mknod", make_device },
		{ "NET_RAW socket(SOCK_RAW)", raw_socket },
		{ "NET_RAW socket(AF_PACKET)", packet_socket },
		{ "SYS_ADMIN mount", mount_something },
		{ "SYS_ADMIN unshare", new_namespace },
		{ "SYS_ADMIN sethostname", set_hostname },
		{ "NET_ADMIN ioctl(SIOCSIFFLAGS)", set_link },
		{ "SYS_NICE setpriority", more_priority },
		{ "DAC_READ_SEARCH open_by_handle_at", open_by_handle },
	};

	if (argc != 2 || mkdir(argv[1], 0700) || chdir(argv[1]) || mkdir("dir", 0700)) {
		fprintf(stderr, "usage: tries NEW-DIRECTORY\n");
		return 2;
	}
	for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		fflush(stdout);
		pid_t pid = fork();
		if (pid == 0) {
			const char *said = tries[i].act() < 0 ? strerror(errno) : "done";

			printf("%s: %s\n", tries[i].name, said);
			fflush(stdout);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
	unlink("device");
	rmdir("dir");
	chdir("..");
	rmdir(argv[1]);
	return 0;
}
