/* nu-nsenter - run a command in the namespaces of a running unit.
 *
 *   nu-nsenter [-n] ID [-- COMMAND [ARG...]]
 *
 * All namespaces of the container, its user namespace among them, and no capability
 * that its own processes lack; -n: its network alone, with the host's files.
 */
#include "../lib/applet.h"
#include "../lib/enter.h"
#include "../lib/machine.h"
#include "../lib/store.h"
#include "../lib/unit.h"

static int nsenter_main(int argc, char **argv)
{
	bool net_only = false;
	const struct opt opts[] = {
		{ 'n', "net", NULL, "only the network namespace", .flag = &net_only },
		{ 0 },
	};
	char **command = opt_command(&argc, argv);
	int i = opt_parse(argc, argv, opts);
	struct machine m;
	struct err e;

	if (i == argc)
		usage("expected an ID");
	/* "ID COMMAND ARG..." does as well when no argument looks like an option. */
	if (!command && argc - i > 1)
		command = argv + i + 1;
	else if (argc - i > 1)
		usage("expected one ID before \"--\"");
	if (command && !*command)
		usage("expected a COMMAND after \"--\"");
	if (id_check(argv[i], &e) < 0)
		return say_err(&e);
	if (!store_exists(argv[i]))
		die(NU_NO_UNIT, "%s: no such unit", argv[i]);
	int running = machine_find(argv[i], &m, &e);
	if (running < 0)
		return say_err(&e);
	if (!running)
		die(NU_FAILED, "%s: is not running", argv[i]);
	struct enter en = { .m = &m, .command = command, .net_only = net_only };
	int status = enter_run(&en, &e);
	if (status < 0) {
		err_wrap(&e, "%s: ", argv[i]);
		return say_err(&e);
	}
	return status;
}

APPLET(nsenter, .name = "nsenter", .summary = "Run a command in the namespaces of a running unit",
       .synopsis = "[-n] ID [-- COMMAND [ARG...]]",
       .help = "The exit status is the command's; 126 and 127 as for env(1).",
       .main = nsenter_main);
