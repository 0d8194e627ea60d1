/* again PID - a process of that number, which is free again, for a minute. */
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	pid_t wanted = argc > 1 ? atoi(argv[1]) : 0;
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = (uintptr_t)&wanted,
		.set_tid_size = 1,
	};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0) {
		setsid();
		for (int fd = 0; fd < 3; fd++)
			close(fd);
		alarm(60);
		pause();
	}
	if (pid < 0)
		perror("clone3");
	return pid != wanted;
}
