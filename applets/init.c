/* nu-init - the first process of an initramfs that nu-image made.
 *
 * The kernel starts it as /init. It mounts what every program counts on, loads the
 * modules that lie beside it, and runs the unit by the direct engine, as a child: the
 * unit's network ends in this system, which is the host here. When the unit ends, so
 * does the machine, the same way. The kernel's command line:
 *
 *   nixunits.unit=ID          which unit, where the initramfs has several
 *   nixunits.ip=IF,IP/N[,GW]  an address for an interface of the host, and a gateway
 *   nixunits.shell            a shell on the console if anything fails
 *   nixunits.debug            say what is done
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/addr.h"
#include "../lib/applet.h"
#include "../lib/image.h"
#include "../lib/nl.h"

#define IMAGES "/images"
#define MODULES "/lib/modules"
#define LINK_WAIT_MS 10000
#define STATUS_REBOOT 133 /* as systemd-nspawn(1) and systemd have it */

struct boot {
	const char *unit; /* NULL: the only one */
	struct strv ip;
	bool shell, debug;
	char *cmdline;
};

static bool debugging;

static void __attribute__((format(printf, 1, 2))) step(const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (debugging)
		say("%s", text);
}

/* The initramfs as the kernel unpacks it can't be pivot_root(2)ed away from. A bind mount
 * of it that is moved over it can. */
static int leave_rootfs(struct err *e)
{
	if (mount("/", "/mnt", NULL, MS_BIND, NULL) < 0 || chdir("/mnt") < 0 ||
	    mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return err_errno(e, "the root file system");
	return 0;
}

static int mount_all(struct err *e)
{
	static const struct {
		const char *dir, *type, *data;
		unsigned long flags;
	} mounts[] = {
		{ "/proc", "proc", "", MS_NOSUID | MS_NODEV | MS_NOEXEC },
		{ "/sys", "sysfs", "", MS_NOSUID | MS_NODEV | MS_NOEXEC },
		{ "/dev", "devtmpfs", "mode=755", MS_NOSUID },
		{ "/dev/pts", "devpts", "mode=620,ptmxmode=666", MS_NOSUID | MS_NOEXEC },
		{ "/dev/shm", "tmpfs", "", MS_NOSUID | MS_NODEV },
		{ "/run", "tmpfs", "mode=755", MS_NOSUID | MS_NODEV },
		/* Else a root without a user namespace could lift the limits of his own cgroup. */
		{ "/sys/fs/cgroup", "cgroup2", "nsdelegate", MS_NOSUID | MS_NODEV | MS_NOEXEC },
	};

	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		mkdir(mounts[i].dir, 0755);
		if (mount(mounts[i].type, mounts[i].dir, mounts[i].type, mounts[i].flags,
			  mounts[i].data) < 0)
			return err_errno(e, "%s", mounts[i].dir);
	}
	return 0;
}

static void read_cmdline(struct boot *b)
{
	static const char mine[] = "nixunits.";
	char text[4096];

	if (file_peek("/proc/cmdline", text, sizeof(text)) < 0)
		return;
	b->cmdline = xstrdup(text);
	for (char *word = strtok(b->cmdline, " \t"); word; word = strtok(NULL, " \t")) {
		if (!starts_with(word, mine))
			continue;
		char *key = word + sizeof(mine) - 1, *value = strchr(key, '=');

		if (value)
			*value++ = '\0';
		if (streq(key, "unit") && value)
			b->unit = value;
		else if (streq(key, "ip") && value)
			strv_add(&b->ip, value);
		else if (streq(key, "shell") && !value)
			b->shell = true;
		else if (streq(key, "debug") && !value)
			b->debug = true;
		else
			warn("%s: not a parameter of the kernel command line that means something here",
			     quoted(word));
	}
	debugging = b->debug;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* In the order of their names, which nu-image gave them by what depends on what. One that
 * is refused may be a driver of a device that isn't there: what is needed says so itself. */
static void load_modules(void)
{
	struct dirent **list;
	int n = scandir(MODULES, &list, NULL, by_name);

	for (int i = 0; i < n; i++) {
		if (!ends_with(list[i]->d_name, ".ko"))
			continue;
		autofree char *path = xfmt(MODULES "/%s", list[i]->d_name);
		autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
		int failed = fd < 0 ? -1 : syscall(SYS_finit_module, fd, "", 0);

		if (failed && errno != EEXIST)
			warn("%s: %s", list[i]->d_name, strerror(errno));
		else
			step("module %s", list[i]->d_name);
	}
}

static void link_up(struct nl_batch *b, int index)
{
	struct ifinfomsg m = { .ifi_index = index, .ifi_change = IFF_UP, .ifi_flags = IFF_UP };

	nl_add(b, RTM_SETLINK, 0, &m, sizeof(m));
}

static void put(struct nlmsghdr *h, int type, const struct addr *a)
{
	mnl_attr_put(h, type, addr_bits(a->family) / 8, a->bytes);
}

/* 0: there is none. (if_nametoindex() does the same, and brings 15 KB of relatives.) */
static unsigned int link_index(const char *name)
{
	autoclose int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = { 0 };

	if (strlen(name) >= sizeof(r.ifr_name))
		return 0;
	memcpy(r.ifr_name, name, strlen(name));
	return ioctl(fd, SIOCGIFINDEX, &r) == 0 ? r.ifr_ifindex : 0;
}

/* "eth0,10.0.2.15/24,10.0.2.2" */
static int put_ip(struct nl_batch *b, const char *text, struct err *e)
{
	autofree char *copy = xstrdup(text);
	char *link = copy, *ip = strchr(link, ','), *via = ip ? strchr(ip + 1, ',') : NULL;
	struct addr a, gateway;

	if (ip)
		*ip++ = '\0';
	if (via)
		*via++ = '\0';
	unsigned int index = link_index(link);
	if (!ip || addr_parse(ip, 0, &a, e) < 0)
		return ip ? -1 : err_set(e, NU_USAGE, "expected INTERFACE,ADDRESS/LENGTH[,GATEWAY]");
	if (!index)
		return err_set(e, NU_FAILED, "no interface %s after %d s", quoted(link),
			       LINK_WAIT_MS / 1000);
	link_up(b, index);
	struct ifaddrmsg m = { .ifa_family = a.family, .ifa_prefixlen = a.prefix,
			       .ifa_index = index };
	struct nlmsghdr *h = nl_add(b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &m, sizeof(m));
	put(h, IFA_LOCAL, &a);
	put(h, IFA_ADDRESS, &a);
	if (!via)
		return 0;
	if (addr_parse_host(via, a.family, &gateway, e) < 0)
		return -1;
	struct rtmsg route = { .rtm_family = a.family, .rtm_table = RT_TABLE_MAIN,
			       .rtm_protocol = RTPROT_BOOT, .rtm_type = RTN_UNICAST };
	h = nl_add(b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &route, sizeof(route));
	put(h, RTA_GATEWAY, &gateway);
	return 0;
}

/* Those of the kernel command line, and those that nu-image saw the unit need. */
static void wanted_links(const struct boot *b, const char *image, struct strv *names)
{
	autofree char *path = xfmt("%s" IMAGE_LINKS, image);
	autobuf struct buf text = { 0 };
	struct err ignored;

	for (size_t i = 0; i < b->ip.n; i++)
		if (strchr(b->ip.v[i], ','))
			strv_addf(names, "%.*s", (int)strcspn(b->ip.v[i], ","), b->ip.v[i]);
	if (file_read(AT_FDCWD, path, 65536, &text, &ignored) < 0)
		return;
	for (const char *p = text.p; *p; p = next_line(p))
		strv_addf(names, "%.*s", (int)strcspn(p, "\n"), p);
}

/* The kernel goes on while a driver looks at its card, and finds what is plugged into USB in its
 * own time. Who needs a link that does not come says so itself. */
static int await_links(const struct boot *b, const char *image, struct err *e)
{
	autostrv struct strv names = { 0 };
	autonl struct nl events = { .fd = -1 };
	int64_t end = now_ms() + LINK_WAIT_MS;

	wanted_links(b, image, &names);
	if (names.n && nl_listen(&events, RTMGRP_LINK, e) < 0)
		return -1;
	for (size_t i = 0; i < names.n; i++) {
		int64_t left;

		if (!link_index(names.v[i]))
			say("waiting for the interface %s", quoted(names.v[i]));
		while (!link_index(names.v[i]) && (left = end - now_ms()) > 0) {
			struct pollfd p = { .fd = events.fd, .events = POLLIN };

			poll(&p, 1, left);
			if (nl_drain(&events, e) < 0)
				return -1;
		}
	}
	return 0;
}

/* The host's own side; the unit's interfaces are the engine's. */
static int network(const struct boot *b, struct err *e)
{
	autobatch struct nl_batch batch = { 0 };
	struct nl_result r = { 0 };
	autonl struct nl nl;
	int failed = nl_open(&nl, -1, e);

	link_up(&batch, link_index("lo"));
	for (size_t i = 0; !failed && i < b->ip.n; i++)
		if ((failed = put_ip(&batch, b->ip.v[i], e)))
			err_wrap(e, "nixunits.ip=%s: ", b->ip.v[i]);
	if (!failed)
		failed = nl_run(&nl, &batch, &r, e);
	if (!failed && r.n)
		failed = err_set(e, NU_FAILED, "nixunits.ip: %s", strerror(r.v[0].error));
	free(r.v);
	return failed;
}

/* Its path, owned by the caller; NULL and e. */
static char *find_image(const struct boot *b, struct err *e)
{
	autobuf struct buf names = { 0 };
	DIR *dir = opendir(IMAGES);
	char *path = NULL;
	int n = 0;

	for (struct dirent *d; dir && (d = readdir(dir));) {
		if (!ends_with(d->d_name, ".erofs"))
			continue;
		autofree char *id = xstrndup(d->d_name, strlen(d->d_name) - strlen(".erofs"));
		n++;
		buf_addf(&names, " %s", id);
		if (b->unit ? streq(b->unit, id) : n == 1) {
			free(path);
			path = xfmt(IMAGES "/%s", d->d_name);
		}
	}
	if (dir)
		closedir(dir);
	if (path && (b->unit || n == 1))
		return path;
	free(path);
	if (!n)
		err_set(e, NU_NO_UNIT, IMAGES ": no image of a unit");
	else if (b->unit)
		err_set(e, NU_NO_UNIT, "nixunits.unit=%s: no such unit here; there is:%s",
			plain(b->unit), names.p);
	else
		err_set(e, NU_USAGE, "several units, and no nixunits.unit=ID says which:%s",
			names.p);
	return NULL;
}

/* What a signal asks of the first process, as that of busybox has it. */
static int asked(int sig)
{
	switch (sig) {
	case SIGINT: /* ctrl-alt-del */
	case SIGTERM:
		return RB_AUTOBOOT;
	case SIGUSR1:
		return RB_HALT_SYSTEM;
	case SIGUSR2:
	case SIGPWR:
		return RB_POWER_OFF;
	}
	return 0;
}

/* Runs argv until it ends, and reaps whatever else does. A signal that asks for the end of
 * the machine becomes one for it, and *how. Returns its status, or 128+n. */
static int supervise(char *const argv[], bool terminal, int *how)
{
	sigset_t set, before;

	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, &before);
	pid_t child = fork();
	if (child == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		setsid();
		if (terminal)
			ioctl(STDIN_FILENO, TIOCSCTTY, 0);
		execv(argv[0], argv + 1);
		say("%s: %s", argv[0], strerror(errno));
		_exit(127);
	}
	while (child > 0) {
		int status, sig = sigwaitinfo(&set, NULL);

		if (sig > 0 && asked(sig)) {
			*how = asked(sig);
			kill(child, terminal ? SIGHUP : SIGTERM);
		}
		for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
			if (pid == child)
				return WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
							     WEXITSTATUS(status);
	}
	return NU_FAILED;
}

static int run_unit(const struct boot *b, int *how, struct err *e)
{
	autofree char *image = find_image(b, e);
	char *argv[] = { (char *)"/init", (char *)"nu-run", (char *)"--engine", (char *)"direct",
			 image, NULL };

	if (!image || await_links(b, image, e) < 0 || network(b, e) < 0)
		return say_err(e);
	step("running %s", image);
	int status = supervise(argv, false, how);
	if (status && status != STATUS_REBOOT && !*how)
		say("the unit ended with exit status %d", status);
	return status;
}

static void rescue(int *how)
{
	char *argv[] = { (char *)"/bin/sh", (char *)"-sh", NULL };
	char name[64];

	if (access(argv[0], X_OK) < 0) {
		say("nixunits.shell: this initramfs has none");
		return;
	}
	/* The console itself can't be a controlling terminal; the device behind it can. */
	if (file_peek("/sys/class/tty/console/active", name, sizeof(name)) > 0) {
		const char *last = strrchr(name, ' ');
		autofree char *path = xfmt("/dev/%s", last ? last + 1 : name);
		autoclose int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);

		for (int i = 0; fd > 2 && i < 3; i++)
			dup2(fd, i);
	}
	say("a shell to look around with; its end reboots");
	supervise(argv, true, how);
}

static int init_main(int argc, char **argv)
{
	const struct opt opts[] = { { 0 } };
	struct boot b = { 0 };
	int how = 0, status;
	struct err e;

	/* The kernel passes on what it doesn't know of its command line. */
	if (getpid() != 1) {
		opt_parse(argc, argv, opts);
		die(NU_USAGE, "only as the first process of an initramfs");
	}
	setenv("PATH", "/bin:/sbin:/usr/bin:/usr/sbin", 1);
	reboot(RB_DISABLE_CAD);
	if (leave_rootfs(&e) < 0 || mount_all(&e) < 0) {
		status = say_err(&e);
	} else {
		read_cmdline(&b);
		load_modules();
		status = run_unit(&b, &how, &e);
	}
	if (!how && status == STATUS_REBOOT)
		how = RB_AUTOBOOT;
	if (!how && status) {
		how = b.shell ? RB_AUTOBOOT : RB_HALT_SYSTEM;
		if (b.shell)
			rescue(&how);
	}
	sync();
	step("the end");
	reboot(how ? how : RB_POWER_OFF);
	die(NU_FAILED, "reboot: %s", strerror(errno));
}

APPLET(init, .name = "init", .summary = "Boot into a unit: the first process of an initramfs",
       .synopsis = "",
       .help = "The kernel starts it, from what nu-image --initramfs makes.", .main = init_main);
