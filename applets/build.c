/* nu-build - create a unit, or bring it up to date.
 *
 *   nu-build -n FILE|URL [-j FILE|URL] [-i ID] [-p NIXPKGS] [-f] [--strict] [-d] [-s] [-r] [-k N]
 *   nu-build [-j FILE|URL] [-p NIXPKGS] ... ID
 *
 * Two builds by nix: the base, from the configuration alone, into the store that all
 * containers share; then the container, with its parameters, into a new generation that
 * holds only what the base doesn't. Nothing to do is known without starting nix.
 * The new generation waits for the next start; -s starts, -r restarts into it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "../lib/applet.h"
#include "../lib/decl.h"
#include "../lib/generation.h"
#include "../lib/hosts.h"
#include "../lib/life.h"
#include "../lib/nix.h"
#include "../lib/store.h"

struct options {
	bool force, strict, trace, start, restart;
	unsigned int keep;
};

/* The unit that a document declares for boot is enabled, one that no longer does is
 * disabled; a link made by hand is left alone otherwise. */
static int auto_start(const char *id, bool was, struct err *e)
{
	autounit struct unit *u = store_unit(id, "next", e);

	if (!u)
		return -1;
	if (life_boot_is_declared()) {
		if (u->auto_start)
			warn("%s: autoStart: on NixOS only units of the host's configuration start at boot", id);
		return 0;
	}
	if (u->auto_start && !life_enabled(id))
		return life_enable(id, true, e);
	if (!u->auto_start && was && life_enabled(id))
		return life_enable(id, false, e);
	return 0;
}

static bool declared_auto_start(const char *id, int dir)
{
	struct err ignored;
	autounit struct unit *u =
		store_unit(id, store_generation(dir, "next") ? "next" : "current", &ignored);

	return u && u->auto_start;
}

static int build(struct decl *d, int dir, const struct options *o, struct err *e)
{
	struct build b = { .d = d, .unit_dir = dir, .trace = o->trace, .force = o->force,
			   .strict = o->strict };
	bool was = declared_auto_start(d->id, dir);
	struct need need;
	int64_t begin = now_ms();

	if (decl_need(d, dir, &need, e) < 0)
		return -1;
	autofree char *why = need.why;
	if (!need.store && !need.container && !o->force && !o->strict) {
		say("%s: unchanged (generation %u)", d->id, decl_newest(dir));
		return store_prune(dir, GENERATIONS_ALL, 0, e);
	}
	if (why && decl_newest(dir))
		say("%s: %s", d->id, why);
	struct err ignored;
	int failed = generation_build(&b, e);
	if (!failed && !b.same)
		failed = store_prune(dir, o->keep, b.number, e);
	generation_drop_bases(0, &ignored);
	if (failed)
		return -1;
	if (b.same) {
		say("%s: unchanged (generation %u), as a build of %.1f s found", d->id, b.number,
		    (now_ms() - begin) / 1000.0);
		return 0;
	}
	say("%s: built generation %u in %.1f s", d->id, b.number, (now_ms() - begin) / 1000.0);
	hosts_refresh();
	return auto_start(d->id, was, e);
}

static int build_unit(struct decl *d, const struct options *o, struct err *e)
{
	bool created = false;

	if (store_in_nixos(d->id))
		return err_set(e, NU_FAILED,
			       "%s: the NixOS host's configuration declares it; build the host", d->id);
	if (geteuid() != 0)
		return err_set(e, NU_FAILED, "%s: only root can build a unit", d->id);
	if (!d->given && !store_exists(d->id))
		return err_set(e, NU_USAGE, "%s: no such unit: give its configuration with -n FILE",
			       d->id);
	if (!STATIC)
		warn("%s: this nixunits needs libraries, and a container can't have it: its services will "
		     "not wait for its network", d->id);
	autoclose int dir = store_lock(d->id, true, &created, LIFE_LOCK_MS, e);
	if (dir < 0)
		return -1;
	nix_catch_signals();
	int failed = decl_complete(d, e) < 0 || decl_choose_nixpkgs(d, e) < 0 || build(d, dir, o, e) < 0;
	if (failed && created) {
		/* Not there before, not there after. */
		autofree char *path = store_unit_path(d->id);
		unlinkat(dir, "generations", AT_REMOVEDIR);
		rmdir(path);
	}
	if (failed && !starts_with(e->text, d->id))
		err_wrap(e, "%s: ", d->id);
	return failed ? -1 : 0;
}

static int build_main(int argc, char **argv)
{
	const char *nix = NULL, *json = NULL, *id = NULL, *nixpkgs = NULL, *keep = "3";
	struct options o = { 0 };
	bool quiet = false;
	const struct opt opts[] = {
		{ 'n', "nix", "FILE|URL", "the configuration", .text = &nix },
		{ 'j', "json", "FILE|URL", "the parameters, a JSON object", .text = &json },
		{ 'i', "id", "ID", "the unit (default: the parameters' .id)", .text = &id },
		{ 'p', "nixpkgs", "NIXPKGS", "a path, a flake reference, \"debian\" or \"debian+PATH\"",
		  .text = &nixpkgs },
		{ 'f', "force", NULL, "build even if nothing changed", .flag = &o.force },
		{ 0, "strict", NULL, "refuse what the shared base would tell of the unit",
		  .flag = &o.strict },
		{ 'd', "debug", NULL, "show all that nix says, with traces", .flag = &o.trace },
		{ 's', "start", NULL, "start the unit afterwards", .flag = &o.start },
		{ 'r', "restart", NULL, "restart the unit afterwards", .flag = &o.restart },
		{ 'k', "keep", "N", "generations to keep (3)", .text = &keep },
		{ 'q', "quiet", NULL, "say nothing but errors", .flag = &quiet },
		{ 0 },
	};
	autodecl struct decl d = { 0 };
	struct err e;
	int i = opt_parse(argc, argv, opts);

	if (argc - i > 1 || (argc - i == 1 && id))
		usage("expected one ID at most");
	if (argc - i == 1)
		id = argv[i];
	o.keep = opt_number("keep", keep, 1, 1000);
	say_quiet(quiet);
	if (decl_read(&d, id, nix, json, nixpkgs, &e) < 0 || build_unit(&d, &o, &e) < 0)
		return say_err(&e);
	nix_release_signals();
	if ((o.restart && life_restart(d.id, false, &e) < 0) ||
	    (o.start && !o.restart && life_start(d.id, &e) < 0))
		return say_err(&e);
	return NU_OK;
}

APPLET(build, .name = "build", .summary = "Create a unit, or bring it up to date",
       .synopsis = "[-n FILE|URL] [-j FILE|URL] [-p NIXPKGS] [-fdsrq] [--strict] [-k N] [-i ID | ID]",
       .help = "Without -n or -j the unit's stored declaration is built again. NIXPKGS is a path,\n"
	       "a flake reference, \"debian\" for this host's own packages, or \"debian+PATH\" for\n"
	       "them with the NixOS modules of the nixpkgs at PATH; the unit's last build decides\n"
	       "where it is left out, then the variable NIXUNITS_NIXPKGS, then the nixpkgs this\n"
	       "version is pinned to.",
       .main = build_main);
