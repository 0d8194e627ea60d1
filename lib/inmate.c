/* inmate - what a process gives up before it runs a container's programs. */
#include "inmate.h"

#include <grp.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cap.h"
#include "seccomp.h"
#include "util.h"

int inmate_become_root(void)
{
	return setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 ? -1 : 0;
}

int inmate_forgo(uint64_t caps, struct err *e)
{
	/* An empty keyring, instead of that of our login. No kernel needs to have any. */
	syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	if (cap_bound(caps) < 0)
		return err_errno(e, "capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(e, "no_new_privs");
	return seccomp_deny(caps, e);
}

int inmate_confine(uint64_t caps, struct err *e)
{
	uint64_t keep = caps & cap_permitted();

	if (cap_assign(keep, keep, 0) < 0)
		return err_errno(e, "capabilities");
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
