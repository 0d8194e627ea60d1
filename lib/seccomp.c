/* seccomp - system calls that a process in a container has no business with. */
#include "seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#define OTHER_NUMBERS 0x40000000u /* x32 */
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#endif

/* The same on all architectures; not every musl has a name for it. */
#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif

#define ALWAYS (-1) /* no capability is for it */

/* After what systemd-nspawn leaves out of its own list of permitted calls. */
static const struct {
	int number, cap;
} denied[] = {
	{ SYS_add_key, ALWAYS },
	{ SYS_keyctl, ALWAYS },
	{ SYS_request_key, ALWAYS },
	{ SYS_io_uring_setup, ALWAYS },
	{ SYS_io_uring_enter, ALWAYS },
	{ SYS_io_uring_register, ALWAYS },
	{ SYS_bpf, CAP_BPF },
	{ SYS_perf_event_open, CAP_PERFMON },
	{ SYS_kexec_load, CAP_SYS_BOOT },
	{ SYS_kexec_file_load, CAP_SYS_BOOT },
	{ SYS_reboot, CAP_SYS_BOOT },
	{ SYS_init_module, CAP_SYS_MODULE },
	{ SYS_finit_module, CAP_SYS_MODULE },
	{ SYS_delete_module, CAP_SYS_MODULE },
	{ SYS_open_by_handle_at, CAP_DAC_READ_SEARCH },
	{ SYS_swapon, CAP_SYS_ADMIN },
	{ SYS_swapoff, CAP_SYS_ADMIN },
	{ SYS_quotactl, CAP_SYS_ADMIN },
	{ SYS_quotactl_fd, CAP_SYS_ADMIN },
	{ SYS_acct, CAP_SYS_PACCT },
	{ SYS_syslog, CAP_SYSLOG },
	{ SYS_ptrace, CAP_SYS_PTRACE },
	{ SYS_process_vm_readv, CAP_SYS_PTRACE },
	{ SYS_process_vm_writev, CAP_SYS_PTRACE },
	{ SYS_pidfd_getfd, CAP_SYS_PTRACE },
	{ SYS_userfaultfd, CAP_SYS_PTRACE },
};

#ifdef ARCH

/* Room for the whole: each call takes two instructions. */
struct program {
	struct sock_filter v[16 + 2 * ARRAY_SIZE(denied)];
	unsigned short n;
};

static void add(struct program *p, uint16_t code, uint32_t k, uint8_t jump_true, uint8_t jump_false)
{
	p->v[p->n++] = (struct sock_filter)BPF_JUMP(code, k, jump_true, jump_false);
}

static void refuse(struct program *p, int error)
{
	add(p, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error, 0, 0);
}

int seccomp_deny(uint64_t caps, struct err *e)
{
	struct program p = { .n = 0 };

	add(&p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
	add(&p, BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
	refuse(&p, ENOSYS);
	add(&p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
#ifdef OTHER_NUMBERS
	add(&p, BPF_JMP | BPF_JSET | BPF_K, OTHER_NUMBERS, 0, 1);
	refuse(&p, ENOSYS);
#endif
	for (size_t i = 0; i < ARRAY_SIZE(denied); i++) {
		if (denied[i].cap != ALWAYS && caps & 1ull << denied[i].cap)
			continue;
		add(&p, BPF_JMP | BPF_JEQ | BPF_K, denied[i].number, 0, 1);
		refuse(&p, EPERM);
	}
	add(&p, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	struct sock_fprog whole = { .len = p.n, .filter = p.v };
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &whole) < 0)
		return errno == EINVAL || errno == ENOSYS ?
			       err_set(e, NU_MISSING, "the kernel has no seccomp filters") :
			       err_errno(e, "seccomp");
	return 0;
}

#else

int seccomp_deny(uint64_t caps, struct err *e)
{
	(void)caps, (void)e;
	return 0; /* the capabilities alone, on an architecture not known here */
}

#endif
