/* floor-caps COMMAND... - the system calls by which a process gives up all capabilities but
 * CAP_KILL and becomes user 65534, and nothing else: what `nixunits caps exec` can't be
 * faster than. */
#define _GNU_SOURCE
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct keep[2] = { { 1 << CAP_KILL, 1 << CAP_KILL, 1 << CAP_KILL } };

	if (argc < 2)
		return 2;
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (cap != CAP_KILL && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return 1;
	if (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 ||
	    prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setresuid(65534, 65534, 65534) < 0 ||
	    syscall(SYS_capset, &head, keep) < 0 ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0) < 0)
		return 1;
	execv(argv[1], argv + 1);
	return 1;
}
