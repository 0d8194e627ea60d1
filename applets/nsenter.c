/* nu-nsenter - run a command in the namespaces of a running unit.
 *
 *   nu-nsenter [-n] ID [-- COMMAND [ARG...]]
 *
 * All namespaces of the container, its user namespace among them, and no capability
 * that its own processes lack; -n: its network alone, with the host's files.
 */
#include "../lib/applet.h"
#include "../lib/enter.h"

static int nsenter_main(int argc, char **argv)
{
	struct enter en = { 0 };
	const struct opt opts[] = {
		{ 'n', "net", NULL, "only the network namespace", .flag = &en.net_only },
		{ 0 },
	};
	char **command = opt_command(&argc, argv);
	struct err e;

	enter_operands(&en, argc, argv, opt_parse(argc, argv, opts), command);
	int status = enter_run(&en, &e);
	return status < 0 ? say_err(&e) : status;
}

APPLET(nsenter, .name = "nsenter", .summary = "Run a command in the namespaces of a running unit",
       .synopsis = "[-n] ID [-- COMMAND [ARG...]]",
       .help = "The exit status is the command's; 126 and 127 as for env(1).",
       .main = nsenter_main);
