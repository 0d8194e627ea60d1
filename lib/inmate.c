/* inmate - what a process gives up before it runs a container's programs. */
#include "inmate.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cap.h"
#include "seccomp.h"
#include "util.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define ARGUMENTS_LIMIT (64 << 20)

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u
#endif

extern char **environ;

/* As the kernel has them: by now argv itself may be in another order. */
static int read_arguments(struct strv *argv, struct err *e)
{
	autobuf struct buf text = { 0 };

	if (file_read(AT_FDCWD, "/proc/self/cmdline", ARGUMENTS_LIMIT, &text, e) < 0)
		return -1;
	for (size_t at = 0; at < text.n; at += strlen(text.p + at) + 1)
		strv_add(argv, text.p + at);
	return 0;
}

static int no_copy(struct err *e)
{
	return errno == EACCES ? err_set(e, NU_FAILED, "a copy of this program in memory: the sysctl "
						       "vm.memfd_noexec forbids it") :
				 err_errno(e, "a copy of this program in memory");
}

int inmate_from_copy(struct err *e)
{
	autoclose int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	autostrv struct strv argv = { 0 };

	if (self < 0)
		return errno == ENOENT ? err_set(e, NU_MISSING, "/proc is not mounted") :
					 err_errno(e, "/proc/self/exe");
	int seals = fcntl(self, F_GET_SEALS);
	if (seals >= 0 && seals & F_SEAL_WRITE) {
		prctl(PR_SET_NAME, "nixunits"); /* else it is the descriptor's number */
		return 0;
	}
	/* Before Linux 6.3 all are executable. */
	autoclose int copy = memfd_create("nixunits", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (copy < 0 && errno == EINVAL)
		copy = memfd_create("nixunits", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (copy < 0 || fd_copy(self, copy) < 0 || fcntl(copy, F_ADD_SEALS, SEALS) < 0)
		return no_copy(e);
	if (read_arguments(&argv, e) < 0)
		return -1;
	syscall(SYS_execveat, copy, "", argv.v, environ, AT_EMPTY_PATH);
	return no_copy(e);
}

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
