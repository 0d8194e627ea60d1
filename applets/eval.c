/* nu-eval - the unit document of a declaration, without building.
 *
 *   nu-eval -n FILE|URL [-j FILE|URL] [-i ID] [-p NIXPKGS] [-g FIELD]
 *
 * Needs no root, nor a store unless something is fetched: nix computes the store paths it
 * would build.
 */
#include <stdlib.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../lib/applet.h"
#include "../lib/decl.h"
#include "../lib/json.h"
#include "../lib/nix.h"
#include "../lib/store.h"

static int eval(struct decl *d, const char *work, const char *field, bool trace, struct err *e)
{
	autofree char *path = NULL;
	struct nix nix = { .what = d->id, .trace = trace };

	if (decl_stage(d, work, &path, e) < 0)
		return -1;
	strv_add(&nix.argv, "nix-instantiate");
	nix_options(&nix.argv, decl_is_debian(d));
	static const char *const args[] = { "--eval", "--strict", "--json" };
	for (size_t i = 0; i < ARRAY_SIZE(args); i++)
		strv_add(&nix.argv, args[i]);
	if (trace)
		strv_add(&nix.argv, "--show-trace");
	decl_args(d, work, path, false, &nix.argv);
	strv_add(&nix.argv, "-A");
	strv_addf(&nix.argv, "document%s%s", field ? "." : "", field ? field : "");
	strv_addf(&nix.argv, "%s/default.nix", store_nix_dir());
	int failed = decl_eval(d, &nix, e);
	autojson cJSON *j = NULL;
	if (failed)
		nix_errors(&nix);
	else if (!(j = json_parse(nix.out.p, nix.out.n, e)))
		failed = err_wrap(e, "what nix printed: ");
	else
		json_print(j);
	nix_free(&nix);
	return failed;
}

static int eval_main(int argc, char **argv)
{
	const char *nix = NULL, *json = NULL, *id = NULL, *nixpkgs = NULL, *field = NULL;
	bool trace = false;
	const struct opt opts[] = {
		{ 'n', "nix", "FILE|URL", "the configuration", .text = &nix },
		{ 'j', "json", "FILE|URL", "the parameters, a JSON object", .text = &json },
		{ 'i', "id", "ID", "the unit (default: the parameters' .id)", .text = &id },
		{ 'p', "nixpkgs", "NIXPKGS", "a path, a flake reference, \"debian\" or \"debian+PATH\"",
		  .text = &nixpkgs },
		{ 'g', "get", "FIELD", "only this field, and no more of the evaluation",
		  .text = &field },
		{ 0, "only", "FIELD", "the same", .text = &field },
		{ 'd', "debug", NULL, "show all that nix says, with traces", .flag = &trace },
		{ 0 },
	};
	autodecl struct decl d = { 0 };
	char work[] = "/tmp/nixunits.XXXXXX";
	struct err e, ignored;
	int i = opt_parse(argc, argv, opts);

	if (argc - i > 1 || (argc - i == 1 && id))
		usage("expected one ID at most");
	if (argc - i == 1)
		id = argv[i];
	say_quiet(!isatty(STDERR_FILENO));
	nix_catch_signals();
	if (decl_read(&d, id, nix, json, nixpkgs, &e) < 0 || decl_complete(&d, &e) < 0 ||
	    decl_choose_nixpkgs(&d, &e) < 0)
		return say_err(&e);
	if (!mkdtemp(work))
		die(NU_FAILED, "%s: cannot make a directory", work);
	int failed = eval(&d, work, field, trace, &e);
	tree_remove(AT_FDCWD, work, &ignored);
	if (!failed)
		return NU_OK;
	err_wrap(&e, "%s: ", d.id);
	return say_err(&e);
}

APPLET(eval, .name = "eval", .summary = "Print the unit document of a declaration, unbuilt",
       .synopsis = "[-n FILE|URL] [-j FILE|URL] [-p NIXPKGS] [-g FIELD] [-d] [-i ID | ID]",
       .main = eval_main);
