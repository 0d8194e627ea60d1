/* nu-shell - open a shell in a running unit.
 *
 *   nu-shell [-n] [-q] ID [-- COMMAND [ARG...]]
 *
 * All namespaces of the container, its user namespace among them, and no capability
 * that its own processes lack; -n: its network alone, with the host's files.
 */
#include "../lib/applet.h"
#include "../lib/enter.h"

static int shell_main(int argc, char **argv)
{
	struct enter en = { 0 };
	bool quiet = false;
	const struct opt opts[] = {
		{ 'n', "net", NULL, "only the network namespace", .flag = &en.net_only },
		{ 'q', "quiet", NULL, "no greeting", .flag = &quiet },
		{ 0 },
	};
	char **command = opt_command(&argc, argv);
	struct err e;

	enter_operands(&en, argc, argv, opt_parse(argc, argv, opts), command);
	en.greet = !quiet;
	int status = enter_run(&en, &e);
	return status < 0 ? say_err(&e) : status;
}

APPLET(shell, .name = "shell", .summary = "Open a shell in a running unit",
       .synopsis = "[-n] [-q] ID [-- COMMAND [ARG...]]",
       .help = "The exit status is the command's; 126 and 127 as for env(1).",
       .main = shell_main);
