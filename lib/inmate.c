/* inmate - what a process gives up before it runs a container's programs. */
#include "inmate.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "seccomp.h"
#include "util.h"

int inmate_become_root(void)
{
	return setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 ? -1 : 0;
}

static int drop_capabilities(uint64_t keep)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	/* The kernel's last capability is the last one that can be read. */
	for (int cap = 0, has; cap < 64 && (has = prctl(PR_CAPBSET_READ, cap, 0, 0, 0)) >= 0; cap++) {
		if (!has)
			keep &= ~(1ull << cap);
		else if (!(keep & 1ull << cap) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -1;
	}
	for (int i = 0; i < 2; i++)
		data[i].effective = data[i].permitted = keep >> 32 * i;
	return syscall(SYS_capset, &head, data);
}

int inmate_confine(uint64_t caps, struct err *e)
{
	/* An empty keyring, instead of that of our login. No kernel needs to have any. */
	syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	if (drop_capabilities(caps) < 0)
		return err_errno(e, "capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(e, "no_new_privs");
	if (seccomp_deny(caps, e) < 0)
		return -1;
	umask(022);
	if (syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return err_errno(e, "close_range");
	return 0;
}

void inmate_environment(const char *container, const char *shell)
{
	const char *term = getenv("TERM");
	autofree char *keep_term = xstrdup(term ? term : "dumb");

	clearenv();
	setenv("TERM", keep_term, 1);
	setenv("HOME", "/root", 1);
	setenv("USER", "root", 1);
	setenv("LOGNAME", "root", 1);
	setenv("SHELL", shell, 1);
	setenv("container", container, 1);
	setenv("PATH",
	       "/run/wrappers/bin:/run/current-system/sw/bin:/run/current-system/sw/sbin:"
	       "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	       1);
}
