/* stamp COMMAND... - print the time since boot in milliseconds to standard error, become COMMAND.
 *
 * Under the name of a program of /usr/bin it becomes that one.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
	bool itself = strcmp(name, "stamp") == 0;
	char path[256];
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	fprintf(stderr, "stamp %.3f\n", t.tv_sec * 1e3 + t.tv_nsec / 1e6);
	snprintf(path, sizeof(path), "/usr/bin/%s", name);
	if (itself && argc > 1)
		execvp(argv[1], argv + 1);
	else if (!itself)
		execv(path, argv);
	perror(itself ? "stamp" : path);
	return 127;
}
