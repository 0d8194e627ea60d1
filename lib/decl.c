/* decl - a declaration: configuration.nix, parameters.json, the package set. */
#include "decl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "json.h"
#include "nix.h"
#include "proc.h"
#include "sha256.h"
#include "store.h"
#include "unit.h"

#define DPKG_STATUS "/var/lib/dpkg/status"
#define FETCHED "/fetched/configuration.nix" /* where a copy holds what came from a URL */

static bool is_url(const char *s)
{
	return starts_with(s, "http://") || starts_with(s, "https://");
}

/* By curl(1): it knows proxies and certificates. Its own message tells what failed. */
static int fetch(const char *url, struct buf *b, struct err *e)
{
	autofree char *limit = xfmt("%d", DECL_LIMIT);
	char *argv[] = { (char *)"curl", (char *)"--fail", (char *)"--location",
			 (char *)"--silent", (char *)"--show-error",
			 (char *)"--proto", (char *)"=http,https",
			 (char *)"--max-filesize", limit, (char *)"--max-time", (char *)"60",
			 (char *)"--", (char *)url, NULL };
	int status = proc_output(argv, false, b, e);

	if (status > 0)
		return err_set(e, NU_FAILED, "%s: could not be fetched (curl's exit status %d)", url,
			       status);
	/* curl knows the size only where the server tells it. */
	if (status == 0 && b->n > DECL_LIMIT)
		return err_set(e, NU_USAGE, "%s: larger than the %d bytes allowed", url, DECL_LIMIT);
	return status;
}

static int read_text(const char *source, struct buf *b, struct err *e)
{
	if (is_url(source))
		return fetch(source, b, e);
	if (file_read(AT_FDCWD, source, DECL_LIMIT, b, e) < 0) {
		e->code = NU_USAGE;
		return -1;
	}
	return 0;
}

void record_print(const struct record *r, struct buf *b)
{
	if (r->key)
		buf_addf(b, "key %s\n", r->key); /* first: see record_key() */
	if (r->nixpkgs)
		buf_addf(b, "nixpkgs %s\n", r->nixpkgs);
	if (r->configuration)
		buf_addf(b, "configuration %s\n", r->configuration);
	if (r->system)
		buf_addf(b, "system %s\n", r->system);
	for (size_t i = 0; i < r->shares.n; i++)
		buf_addf(b, "shares %s\n", r->shares.v[i]);
	inputs_print(&r->inputs, b);
}

static char *field(const char *text, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = text; p && *p; p = next_line(p))
		if (strncmp(p, name, n) == 0 && p[n] == ' ')
			return xstrndup(p + n + 1, strcspn(p + n + 1, "\n"));
	return NULL;
}

int record_load(int dirfd, const char *path, struct record *r, struct err *e)
{
	autobuf struct buf text = { 0 };

	*r = (struct record){ 0 };
	if (faccessat(dirfd, path, F_OK, 0) < 0 && errno == ENOENT)
		return 1;
	if (file_read(dirfd, path, 16 << 20, &text, e) < 0)
		return -1;
	r->nixpkgs = field(text.p, "nixpkgs");
	r->configuration = field(text.p, "configuration");
	r->key = field(text.p, "key");
	r->system = field(text.p, "system");
	for (const char *p = text.p; p && *p; p = next_line(p))
		if (starts_with(p, "shares "))
			strv_addf(&r->shares, "%.*s", (int)strcspn(p + 7, "\n"), p + 7);
	if (inputs_parse(&r->inputs, text.p, e) < 0)
		return err_wrap(e, "%s: ", path);
	return 0;
}

char *record_key(const char *path)
{
	char head[80];

	return file_peek(path, head, sizeof(head)) > 0 ? field(head, "key") : NULL;
}

void record_free(struct record *r)
{
	free(r->nixpkgs);
	free(r->configuration);
	free(r->key);
	free(r->system);
	strv_free(&r->shares);
	inputs_free(&r->inputs);
}

unsigned int decl_newest(int unit_dir)
{
	unsigned int next = unit_dir < 0 ? 0 : store_generation(unit_dir, "next");

	return next || unit_dir < 0 ? next : store_generation(unit_dir, "current");
}

/* "debian+/tree": this host's packages for the NixOS modules of that tree. */
static const char *modules_of(const char *nixpkgs)
{
	return starts_with(nixpkgs, "debian+") ? nixpkgs + strlen("debian+") : NULL;
}

bool decl_is_debian(const struct decl *d)
{
	return streq(d->nixpkgs, "debian") || modules_of(d->nixpkgs);
}

static int absolute(const char *path, char **dst, struct err *e)
{
	char real[PATH_MAX];

	if (is_url(path)) {
		*dst = xstrdup(path);
		return 0;
	}
	if (!realpath(path, real)) {
		err_errno(e, "%s", path);
		e->code = NU_USAGE;
		return -1;
	}
	if (strchr(real, '\n'))
		return err_set(e, NU_USAGE, "%s: a line break in its path", quoted(real));
	*dst = xstrdup(real);
	return 0;
}

/* The parameters must be an object; their .id is the unit's where none is given. */
static int read_parameters(struct decl *d, const char *source, struct err *e)
{
	struct jnode root;
	const char *id = NULL;

	if (!source && !d->parameters.n)
		buf_addf(&d->parameters, "{}\n");
	else if (source && read_text(source, &d->parameters, e) < 0)
		return -1;
	autojson cJSON *j = json_parse(d->parameters.p, d->parameters.n, e);
	if (!j || json_root(j, &root, e) < 0)
		return err_wrap(e, "%s: ", source ? source : "the stored parameters.json");
	struct jnode n = json_at(&root, "id");
	if (d->id || !n.value)
		return 0;
	if (json_str(&n, &id, e) < 0)
		return err_wrap(e, "%s: ", source);
	d->id = xstrdup(id);
	return 0;
}

/* What -n or -j leave out comes from the newest generation. */
static int from_generation(struct decl *d, bool want_parameters, struct err *e)
{
	autofree char *dir = store_unit_path(d->id);
	autoclose int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned int n = decl_newest(fd);
	autorecord struct record r = { 0 };

	if (!n)
		return d->given ? 0 :
				  err_set(e, NU_USAGE,
					  "%s: there is no earlier build to take the declaration "
					  "from: give it with -n FILE",
					  d->id);
	autofree char *generation = xfmt("%s/generations/%u", dir, n);
	autofree char *record = xfmt("%s/build", generation);
	int status = record_load(AT_FDCWD, record, &r, e);
	if (status)
		return status < 0 ? -1 : err_set(e, NU_FAILED, "%s: missing", record);
	if (!d->nixpkgs && r.nixpkgs) {
		d->nixpkgs = xstrdup(r.nixpkgs);
		d->chosen = true;
	}
	if (!d->given) {
		d->configuration = xstrdup(r.configuration ? r.configuration : "");
		d->copy = xfmt("%s/declaration", generation);
		autofree char *path = xfmt("%s%s", d->copy, is_url(d->configuration) ? FETCHED : d->configuration);
		if (file_read(AT_FDCWD, path, DECL_LIMIT, &d->text, e) < 0)
			return -1;
	}
	if (want_parameters) {
		autofree char *path = xfmt("%s/parameters.json", generation);
		return file_read(AT_FDCWD, path, DECL_LIMIT, &d->parameters, e);
	}
	return 0;
}

/* nix reads it again, and again: a pipe can be read once. */
static int plain_file(const char *source, const char *path, struct err *e)
{
	struct stat st;

	if (is_url(path) || (stat(path, &st) == 0 && S_ISREG(st.st_mode)))
		return 0;
	return err_set(e, NU_USAGE, "%s: expected a file", source);
}

int decl_read(struct decl *d, const char *id, const char *nix, const char *json,
	      const char *nixpkgs, struct err *e)
{
	const char *preset = getenv("NIXUNITS_NIXPKGS");

	*d = (struct decl){ .given = nix, .chosen = nixpkgs || (preset && *preset) };
	if (d->chosen)
		d->nixpkgs = xstrdup(nixpkgs ? nixpkgs : preset);
	if (d->nixpkgs && strchr(d->nixpkgs, '\n'))
		return err_set(e, NU_USAGE, "-p %s: a line break", quoted(d->nixpkgs));
	/* A path means the same wherever the next build is started. */
	if (nixpkgs && (nixpkgs[0] == '/' || nixpkgs[0] == '.')) {
		free(d->nixpkgs);
		d->nixpkgs = NULL;
		if (absolute(nixpkgs, &d->nixpkgs, e) < 0)
			return err_wrap(e, "-p ");
	}
	if (d->nixpkgs && modules_of(d->nixpkgs)) {
		autofree char *given = d->nixpkgs, *tree = NULL;

		d->nixpkgs = NULL;
		if (absolute(modules_of(given), &tree, e) < 0)
			return err_wrap(e, "-p %s: ", given);
		d->nixpkgs = xfmt("debian+%s", tree);
	}
	if (id)
		d->id = xstrdup(id);
	if (id && id_check(id, e) < 0)
		return -1;
	if (json && read_parameters(d, json, e) < 0)
		return -1;
	if (!d->id)
		return err_set(e, NU_USAGE, "no id: give -i ID, or -j parameters with an \"id\"");
	if (id_check(d->id, e) < 0)
		return -1;
	if (nix && (absolute(nix, &d->configuration, e) < 0 ||
		    plain_file(nix, d->configuration, e) < 0 || read_text(nix, &d->text, e) < 0))
		return -1;
	return 0;
}

/* It stands for system, package set and configuration. */
static void decl_key(struct decl *d)
{
	struct sha256 s;
	struct utsname machine;

	uname(&machine);
	sha256_init(&s);
	sha256_add_str(&s, machine.machine);
	sha256_add_str(&s, d->nixpkgs);
	sha256_add_str(&s, d->configuration);
	sha256_add(&s, d->text.p, d->text.n);
	sha256_end_hex(&s, d->key, 32);
}

int decl_complete(struct decl *d, struct err *e)
{
	bool want_parameters = d->parameters.n == 0;

	if ((store_exists(d->id) || !d->given) && from_generation(d, want_parameters, e) < 0)
		return -1;
	if (want_parameters && read_parameters(d, NULL, e) < 0)
		return -1;
	if (!d->nixpkgs)
		d->nixpkgs = xstrdup("");
	decl_key(d);
	return 0;
}

int decl_eval(const struct decl *d, struct nix *nix, struct err *e)
{
	autofree char *root = store_base_root();

	if (decl_is_debian(d) || d->nixpkgs[0] == '/') {
		size_t n = nix->argv.n;

		strv_add(&nix->argv, "--readonly-mode");
		strv_add(&nix->argv, "--store");
		strv_add(&nix->argv, "dummy://");
		int failed = nix_run(nix, e);
		if (!failed || !nix->errors.n ||
		    !strstr(nix->errors.p, "is not supported by store 'dummy"))
			return failed;
		strv_cut(&nix->argv, n);
	}
	if (geteuid() == 0) {
		strv_add(&nix->argv, "--store");
		strv_add(&nix->argv, root);
	}
	return nix_run(nix, e);
}

int decl_choose_nixpkgs(struct decl *d, struct err *e)
{
	struct nix probe = { .what = "nixpkgs" };

	if (d->chosen || access("/var/lib/dpkg/status", F_OK) < 0)
		return 0;
	strv_add(&probe.argv, "nix-instantiate");
	nix_options(&probe.argv, false);
	static const char *const args[] = { "--eval", "--option", "download-attempts", "1",
					    "--option", "connect-timeout", "5", "--option",
					    "tarball-ttl", "604800" };
	for (size_t i = 0; i < ARRAY_SIZE(args); i++)
		strv_add(&probe.argv, args[i]);
	strv_add(&probe.argv, "--expr");
	/* Its default.nix is a function, unless nix lacks what it needs. */
	strv_addf(&probe.argv, "builtins.isFunction (import (import %s/nixpkgs.nix \"\"))",
		  store_nix_dir());
	int failed = decl_eval(d, &probe, e);
	bool old = failed && probe.errors.n && strstr(probe.errors.p, "version of Nixpkgs requires");
	nix_free(&probe);
	if (!failed || e->code != NU_FAILED)
		return failed;
	say("the pinned nixpkgs %s: taking this host's Debian packages (-p debian)",
	    old ? "needs a newer nix than this host's" : "can't be fetched here");
	free(d->nixpkgs);
	d->nixpkgs = xstrdup("debian");
	decl_key(d);
	return 0;
}

void decl_free(struct decl *d)
{
	free(d->id);
	free(d->configuration);
	free(d->copy);
	free(d->nixpkgs);
	buf_free(&d->text);
	buf_free(&d->parameters);
}

char *decl_base_path(const char *key)
{
	return xfmt("%s/gcroots/%s", store_dir(), key);
}

bool decl_base_ready(const struct decl *d, struct record *r, char **why)
{
	autofree char *path = decl_base_path(d->key), *what = NULL;
	struct err e;

	if (record_load(AT_FDCWD, path, r, &e) != 0 || !r->system) {
		*why = xstrdup("there is no base for this configuration yet");
		return false;
	}
	if (!inputs_same(&r->inputs, !d->given || is_url(d->configuration), &what)) {
		*why = xfmt("%s changed", what);
		return false;
	}
	return true;
}

int decl_need(const struct decl *d, int unit_dir, struct need *n, struct err *e)
{
	autorecord struct record base = { 0 }, r = { 0 };
	unsigned int newest = decl_newest(unit_dir);
	autobuf struct buf parameters = { 0 };

	*n = (struct need){ 0 };
	n->store = !decl_base_ready(d, &base, &n->why);
	n->container = true;
	if (!newest) {
		free(n->why);
		n->why = xstrdup("it has never been built");
		return 0;
	}
	autofree char *record = xfmt("generations/%u/build", newest);
	autofree char *path = xfmt("generations/%u/parameters.json", newest);
	if (record_load(unit_dir, record, &r, e) < 0 ||
	    file_read(unit_dir, path, DECL_LIMIT, &parameters, e) < 0)
		return -1;
	if (n->why)
		return 0;
	if (!r.key || !streq(r.key, d->key))
		n->why = xstrdup("the configuration or its package set changed");
	else if (parameters.n != d->parameters.n ||
		 memcmp(parameters.p, d->parameters.p, parameters.n) != 0)
		n->why = xstrdup("the parameters changed");
	else
		n->container = !inputs_same(&r.inputs, !d->given || is_url(d->configuration),
					    &n->why);
	if (n->container && n->why && n->why[0] == '/') {
		char *what = n->why;
		n->why = xfmt("%s changed", what);
		free(what);
	}
	return 0;
}

/* The installed packages as dpkg-query prints them, turned into an object by name. */
static int dpkg_index(const char *path, struct err *e)
{
	char *argv[] = { (char *)"dpkg-query", (char *)"-W",
			 (char *)"-f=${db:Status-Abbrev}\t${Package}\t${Architecture}\t${Version}\t"
				 "${Pre-Depends}\t${Depends}\t${Provides}\n",
			 NULL };
	char *arch_argv[] = { (char *)"dpkg", (char *)"--print-architecture", NULL };
	autobuf struct buf text = { 0 }, native = { 0 };
	int status = proc_output(argv, false, &text, e);

	if (status == 0)
		status = proc_output(arch_argv, false, &native, e);
	if (status)
		return status < 0 ? err_wrap(e, "-p debian needs this host's packages: ") :
				    err_set(e, NU_FAILED, "dpkg-query: exit status %d", status);
	native.p[strcspn(native.p, "\n")] = '\0';

	autojson cJSON *index = cJSON_CreateObject();
	for (char *line = text.p, *end; *line; line = end) {
		char *f[7] = { 0 };

		end = line + strcspn(line, "\n");
		if (*end)
			*end++ = '\0';
		for (size_t i = 0; i < ARRAY_SIZE(f); i++)
			f[i] = strsep(&line, "\t");
		if (!f[6] || !starts_with(f[0], "ii") ||
		    (!streq(f[2], native.p) && !streq(f[2], "all")))
			continue;
		autofree char *depends = xfmt("%s%s%s", f[4], *f[4] && *f[5] ? ", " : "", f[5]);
		cJSON *p = cJSON_AddObjectToObject(index, f[1]);
		cJSON_AddStringToObject(p, "version", f[3]);
		cJSON_AddStringToObject(p, "architecture", f[2]);
		cJSON_AddStringToObject(p, "depends", depends);
		cJSON_AddStringToObject(p, "provides", f[6]);
	}
	autofree char *json = cJSON_PrintUnformatted(index);
	return file_replace(AT_FDCWD, path, json, strlen(json), 0644, e);
}

int decl_stage(struct decl *d, const char *work, char **path, struct err *e)
{
	autofree char *parameters = xfmt("%s/parameters.json", work);
	autofree char *dpkg = xfmt("%s/dpkg.json", work);

	if (file_replace(AT_FDCWD, parameters, d->parameters.p, d->parameters.n, 0644, e) < 0)
		return -1;
	if (decl_is_debian(d) && dpkg_index(dpkg, e) < 0)
		return -1;
	if (!is_url(d->configuration)) {
		*path = xfmt("%s%s", d->copy ? d->copy : "", d->configuration);
		return 0;
	}
	if (!d->copy) {
		autofree char *dir = xfmt("%s/download/fetched", work);
		autofree char *file = xfmt("%s/download" FETCHED, work);

		if (make_dirs(dir, 0755, e) < 0 ||
		    file_replace(AT_FDCWD, file, d->text.p, d->text.n, 0644, e) < 0)
			return -1;
		d->copy = xfmt("%s/download", work);
	}
	*path = xfmt("%s" FETCHED, d->copy);
	return 0;
}

static void add_arg(struct strv *argv, const char *name, const char *value)
{
	strv_add(argv, "--argstr");
	strv_add(argv, name);
	strv_add(argv, value);
}

/* The binary that the guest gets is this one, if it needs no libraries there. */
static bool toolbox(char path[PATH_MAX])
{
	return STATIC && realpath("/proc/self/exe", path);
}

void decl_args(const struct decl *d, const char *work, const char *path, bool base,
	       struct strv *argv)
{
	autofree char *parameters = xfmt("%s/parameters.json", work);
	autofree char *dpkg = xfmt("%s/dpkg.json", work);
	autofree char *debian = xfmt("%s/debian", store_nix_dir());
	char self[PATH_MAX];

	add_arg(argv, "nixpkgs", decl_is_debian(d) ? debian : d->nixpkgs);
	if (modules_of(d->nixpkgs))
		add_arg(argv, "nixos", modules_of(d->nixpkgs));
	add_arg(argv, "id", base ? "dummy" : d->id);
	add_arg(argv, "configuration", path);
	if (d->copy)
		add_arg(argv, "copy", d->copy);
	if (!base)
		add_arg(argv, "parameters", parameters);
	if (decl_is_debian(d))
		add_arg(argv, "dpkg", dpkg);
	if (toolbox(self))
		add_arg(argv, "toolbox", self);
}

void decl_add_inputs(const struct decl *d, struct inputs *in)
{
	char self[PATH_MAX];

	inputs_add(in, INPUT_TREE, false, store_nix_dir());
	if (toolbox(self))
		inputs_add(in, INPUT_FILE, false, self);
	if (decl_is_debian(d))
		inputs_add(in, INPUT_FILE, false, DPKG_STATUS);
}

void decl_trees(const struct decl *d, const char *trees[3])
{
	trees[0] = store_nix_dir();
	trees[1] = d->nixpkgs[0] == '/' ? d->nixpkgs : NULL;
	trees[2] = modules_of(d->nixpkgs);
}
