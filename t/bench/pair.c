/* pair RUNS COMMAND... -- PEER... - two commands in turn, A B A B ..., as whole processes.
 * Where a command has a "--" itself, "----" stands between the two. A "+" is between parts
 * that run one after the other.
 *
 * Prints the median wall time of each in milliseconds, the median of the ratios pair by
 * pair, and the peak memory of the first in KiB, tab-separated.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int warned;

static double run(char **argv, long *peak)
{
	posix_spawn_file_actions_t files;
	struct timespec a, b;
	struct rusage use;
	pid_t pid;
	int status;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
	clock_gettime(CLOCK_MONOTONIC, &a);
	if (posix_spawnp(&pid, argv[0], &files, NULL, argv, environ) != 0) {
		fprintf(stderr, "pair: %s: %s\n", argv[0], strerror(errno));
		exit(1);
	}
	wait4(pid, &status, 0, &use);
	clock_gettime(CLOCK_MONOTONIC, &b);
	if (status != 0 && !warned++)
		fprintf(stderr, "pair: %s: fails, what is measured is that\n", argv[0]);
	posix_spawn_file_actions_destroy(&files);
	if (peak && use.ru_maxrss > *peak)
		*peak = use.ru_maxrss;
	return (b.tv_sec - a.tv_sec) * 1e3 + (b.tv_nsec - a.tv_nsec) / 1e6;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *v, int n)
{
	qsort(v, n, sizeof(*v), compare);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static int find(char **argv, const char *word)
{
	int i = 0;

	while (argv[i] && strcmp(argv[i], word) != 0)
		i++;
	return i;
}

static double run_parts(char **argv, long *peak)
{
	double sum = 0;

	for (;;) {
		int plus = find(argv, "+");
		char *separator = argv[plus];

		argv[plus] = NULL;
		sum += run(argv, peak);
		argv[plus] = separator;
		if (!separator)
			return sum;
		argv += plus + 1;
	}
}

int main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[1]) : 0, split = find(argv, "----");
	long peak = 0;

	if (split == argc)
		split = find(argv, "--");
	if (n < 1 || split >= argc - 1) {
		fprintf(stderr, "usage: pair RUNS COMMAND... -- PEER...\n");
		return 2;
	}
	argv[split] = NULL;
	double a[n], b[n], ratio[n];
	run_parts(argv + 2, NULL);
	run_parts(argv + split + 1, NULL);
	for (int i = 0; i < n; i++) {
		a[i] = run_parts(argv + 2, &peak);
		b[i] = run_parts(argv + split + 1, NULL);
		ratio[i] = a[i] / b[i];
	}
	double x = median(a, n), y = median(b, n);
	printf("%.3f\t%.3f\t%.2f\t%ld\n", x, y, median(ratio, n), peak);
	return 0;
}
