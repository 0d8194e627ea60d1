/* generation - making one: base build, container build, and the files around them. */
#include "generation.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mnt.h"
#include "nix.h"
#include "proc.h"
#include "setup.h"
#include "store.h"
#include "unit.h"

/* The new generation grows in generations/.new.<pid>; below it, besides what stays:
 * root/ is the chroot store of the container build, work/ overlayfs's, tmp/ nix's. */
struct site {
	char *dir;
	char *configuration; /* what nix evaluates */
	char *root, *upper, *work, *tmp;
	int lock;	       /* of the base store, or -1 */
	struct record no_base; /* set where the base could not be built */
};

static void site_free(struct site *s)
{
	free(s->dir);
	free(s->configuration);
	free(s->root);
	free(s->upper);
	free(s->work);
	free(s->tmp);
	if (s->lock >= 0)
		close(s->lock);
	record_free(&s->no_base);
}

int generation_lock_base(const char *what, int operation, struct err *e)
{
	int lock = store_lock_base(operation, 0, e);

	if (lock >= 0 || e->code != NU_BUSY)
		return lock;
	say("%s: waiting for another nixunits command to let go of the base store", what);
	return store_lock_base(operation, STORE_WAIT, e);
}

/* Locks the base store in another way than before. In between others may have had it. */
static int lock_base(const struct build *b, struct site *s, int operation, struct err *e)
{
	if (s->lock >= 0)
		close(s->lock);
	s->lock = generation_lock_base(b->d->id, operation, e);
	return s->lock < 0 ? -1 : 0;
}

static int write_in(const struct site *s, const char *name, const struct buf *text, struct err *e)
{
	autofree char *path = xfmt("%s/%s", s->dir, name);

	return file_replace(AT_FDCWD, path, text->p, text->n, 0644, e);
}

/* Names the base in the growing generation already: from here on nobody drops it. */
static int claim_base(const struct build *b, const struct site *s, struct err *e)
{
	struct record r = { .key = (char *)b->d->key };
	autobuf struct buf text = { 0 };

	record_print(&r, &text);
	return write_in(s, "build", &text, e);
}

static int site_make(struct build *b, struct site *s, struct err *e)
{
	autofree char *unit = store_unit_path(b->d->id);

	s->dir = xfmt("%s/generations/.new.%d", unit, getpid());
	s->root = xfmt("%s/root", s->dir);
	s->upper = xfmt("%s/nix/store", s->dir);
	s->work = xfmt("%s/work", s->dir);
	s->tmp = xfmt("%s/tmp", s->dir);
	if (store_prune(b->unit_dir, GENERATIONS_ALL, 0, e) < 0 || make_dirs(s->root, 0755, e) < 0 ||
	    make_dirs(s->upper, 0755, e) < 0 || make_dirs(s->work, 0755, e) < 0 ||
	    make_dirs(s->tmp, 0755, e) < 0)
		return -1;
	return decl_stage(b->d, s->dir, &s->configuration, e) < 0 ? -1 : claim_base(b, s, e);
}

static void nix_start(struct nix *nix, const struct build *b, const struct site *s,
		      const char *what, const char *store, bool base, struct inputs *in)
{
	*nix = (struct nix){ .what = what, .tmp = s->tmp, .trace = b->trace, .inputs = in,
			     .copy = b->d->copy };
	decl_trees(b->d, nix->trees);
	strv_add(&nix->argv, "nix-build");
	strv_add(&nix->argv, "--no-out-link"); /* nothing where the user happens to be */
	strv_add(&nix->argv, "--store");
	strv_add(&nix->argv, store);
	nix_options(&nix->argv, decl_is_debian(b->d));
	if (b->trace)
		strv_add(&nix->argv, "--show-trace");
	decl_args(b->d, s->dir, s->configuration, base, &nix->argv);
	strv_add(&nix->argv, "-A");
	strv_add(&nix->argv, base ? "system" : "unit");
	strv_addf(&nix->argv, "%s/default.nix", store_nix_dir());
}

/* nix keeps the base alive by a root of its own; the link carries the key's name. */
static int root_base(const char *root, const char *key, const char *system, struct err *e)
{
	autofree char *dir = xfmt("%s/nix/var/nix/gcroots/nixunits", root);
	autofree char *link = xfmt("%s/%s", dir, key);

	return make_dirs(dir, 0755, e) < 0 ? -1 : link_replace(AT_FDCWD, link, system, e);
}

static int write_base_record(const struct build *b, const struct record *r, struct err *e)
{
	autofree char *dir = xfmt("%s/gcroots", store_dir());
	autofree char *path = decl_base_path(b->d->key);
	autobuf struct buf text = { 0 };

	record_print(r, &text);
	if (make_dirs(dir, 0755, e) < 0)
		return -1;
	return file_replace(AT_FDCWD, path, text.p, text.n, 0644, e);
}

/* Before anything is built that others can read. */
static int refuse_leaks(const struct build *b, const struct site *s, struct err *e)
{
	struct nix nix = { .what = b->d->id, .trace = b->trace };

	strv_add(&nix.argv, "nix-instantiate");
	nix_options(&nix.argv, decl_is_debian(b->d));
	strv_add(&nix.argv, "--eval");
	decl_args(b->d, s->dir, s->configuration, false, &nix.argv);
	strv_add(&nix.argv, "-A");
	strv_add(&nix.argv, "strict");
	strv_addf(&nix.argv, "%s/default.nix", store_nix_dir());
	int failed = decl_eval(b->d, &nix, e);
	if (failed)
		nix_errors(&nix);
	nix_free(&nix);
	return failed;
}

/* The shared part, evaluated without parameters. A configuration that can't do without
 * them shares nothing: the container's build then holds everything itself, or fails
 * with the error that matters. */
static int build_base(struct build *b, struct site *s, struct err *e)
{
	autofree char *root = store_base_root(), *why = NULL, *still = NULL;
	autorecord struct record was = { 0 }, meanwhile = { 0 }, now = { 0 };
	long long since = inputs_time();
	struct nix nix;

	/* A base that was found under the lock is there until the generation is: our claim is
	 * older than whatever drops bases after us. */
	if (lock_base(b, s, LOCK_SH, e) < 0)
		return -1;
	if (!b->force && decl_base_ready(b->d, &was, &why))
		return 0;
	if (lock_base(b, s, LOCK_EX, e) < 0)
		return -1;
	/* Another build may have made it while we waited. */
	if (!b->force && decl_base_ready(b->d, &meanwhile, &still))
		return 0;
	nix_start(&nix, b, s, "base", root, true, &now.inputs);
	int failed = nix_run(&nix, e);
	if (failed && (e->code != NU_FAILED || nix.starved)) {
		/* Not for want of parameters: without a base now, all later containers would be. */
		if (nix.starved && e->code == NU_FAILED) {
			nix_errors(&nix);
			err_wrap(e, "base: ");
		}
		nix_free(&nix);
		return -1;
	}
	now.system = xstrdup(failed ? "-" : nix.out.p);
	/* What did not look at them is the same whatever the parameters are. */
	for (size_t i = 0; !failed && !nix.looked && i < nix.shares.n; i++)
		strv_add(&now.shares, nix.shares.v[i]);
	if (failed && b->trace)
		nix_errors(&nix);
	nix_free(&nix);
	decl_add_inputs(b->d, &now.inputs);
	if (inputs_hash(&now.inputs, b->d->copy, since, e) < 0)
		return -1;
	if (failed) {
		s->no_base = now;
		now = (struct record){ 0 };
	} else if (root_base(root, b->d->key, now.system, e) < 0 ||
		   write_base_record(b, &now, e) < 0) {
		return -1;
	}
	/* Others may read the base while the container is built; nobody may add to it. */
	return lock_base(b, s, LOCK_SH, e);
}

static int copy_db(const char *from, const char *to, struct err *e)
{
	DIR *dir = opendir(from);
	int failed = 0;

	if (!dir)
		return errno == ENOENT ? 0 : err_errno(e, "%s", from);
	for (struct dirent *d; !failed && (d = readdir(dir));) {
		if (!starts_with(d->d_name, "db.sqlite") && !streq(d->d_name, "schema"))
			continue;
		autoclose int in = openat(dirfd(dir), d->d_name, O_RDONLY | O_CLOEXEC);
		autofree char *path = xfmt("%s/%s", to, d->d_name);
		autoclose int out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (in < 0 || out < 0 || fd_copy(in, out) < 0)
			failed = err_errno(e, "%s", path);
	}
	closedir(dir);
	return failed;
}

/* The chroot store of the container's build: the base's paths below, the generation's
 * own above, and a copy of the base's database that is thrown away. All of it in this
 * process's mount namespace: it goes when we go. */
static int mount_site(const struct site *s, struct err *e)
{
	autofree char *base = store_base_root();
	autofree char *base_store = xfmt("%s/nix/store", base);
	autofree char *base_db = xfmt("%s/nix/var/nix/db", base);
	autofree char *store = xfmt("%s/nix/store", s->root);
	autofree char *db = xfmt("%s/nix/var/nix/db", s->root);

	if (make_dirs(base_store, 0755, e) < 0)
		return -1;
	if (mount("nixunits", s->root, "tmpfs", 0, "mode=0755") < 0)
		return err_errno(e, "%s: tmpfs", s->root);
	if (make_dirs(store, 0755, e) < 0 || make_dirs(db, 0755, e) < 0 ||
	    copy_db(base_db, db, e) < 0)
		return -1;
	autoclose int lower = open(base_store, O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoclose int upper = open(s->upper, O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoclose int work = open(s->work, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (lower < 0 || upper < 0 || work < 0)
		return err_errno(e, "%s", base_store);
	struct overlay o = { .lowers = &lower, .n_lowers = 1, .upper = upper, .work = work };
	autoclose int overlay = mnt_overlay(&o, e);
	return overlay < 0 ? -1 : mnt_attach(overlay, store, e);
}

static void unmount_site(const struct site *s)
{
	autofree char *store = xfmt("%s/nix/store", s->root);

	umount2(store, MNT_DETACH);
	umount2(s->root, MNT_DETACH);
}

/* The store paths the unit needs, its own and the base's: what a collection of
 * garbage must leave. */
static int write_closure(const struct site *s, const char *unit_path, struct err *e)
{
	char *argv[] = { (char *)"nix-store", (char *)"--store", s->root,
			 (char *)"--option", (char *)"build-users-group", (char *)"",
			 (char *)"-qR", (char *)unit_path, NULL };
	autobuf struct buf closure = { 0 };
	int status = proc_output(argv, false, &closure, e);

	if (status)
		return status < 0 ? -1 : err_set(e, NU_FAILED, "nix-store -qR %s: exit status %d",
						 unit_path, status);
	return write_in(s, "closure", &closure, e);
}

/* What one line of a shell-like KEY=value file can hold: no newline, quotes escaped. */
static void conf_line(struct buf *b, const char *key, const char *value)
{
	buf_addf(b, "%s='", key);
	for (; value && *value; value++) {
		if (*value == '\'')
			buf_addf(b, "'\\''");
		else if (*value == '\n')
			buf_addf(b, " ");
		else
			buf_add(b, value, 1);
	}
	buf_addf(b, "'\n");
}

static void conf_addrs(struct buf *list, const struct addrs *a)
{
	char text[ADDR_TEXT];

	for (size_t i = 0; i < a->n; i++)
		buf_addf(list, "%s%s", list->n ? " " : "", addr_text(&a->v[i], true, text));
}

void generation_conf(const struct unit *u, struct buf *b)
{
	autobuf struct buf caps = { 0 }, names = { 0 }, addresses = { 0 };

	for (size_t i = 0; i < u->n_caps; i++)
		buf_addf(&caps, "%s%s", i ? " " : "", u->caps[i]);
	for (size_t i = 0; i < u->net.n_ifaces; i++) {
		buf_addf(&names, "%s%s", i ? " " : "", u->net.ifaces[i].name);
		conf_addrs(&addresses, &u->net.ifaces[i].ip4);
		conf_addrs(&addresses, &u->net.ifaces[i].ip6);
	}
	conf_line(b, "ID", u->id);
	conf_line(b, "SYSTEM", u->system);
	conf_line(b, "INIT", u->init);
	conf_line(b, "OS", u->os_name);
	conf_line(b, "VERSION", u->os_version);
	conf_line(b, "CAPS", caps.p);
	conf_line(b, "PRIVATE_USERS", u->private_users ? "yes" : "no");
	conf_line(b, "PRIVATE_NETWORK", u->net.private ? "yes" : "no");
	conf_line(b, "INTERFACES", names.p);
	conf_line(b, "ADDRESSES", addresses.p);
	conf_line(b, "AUTO_START", u->auto_start ? "yes" : "no");
}

/* The document nix made is read back as strictly as any: a generation whose document
 * could not be used never comes to be. */
static int write_unit(const struct build *b, const struct site *s, const char *unit_path,
		      struct buf *json, struct err *e)
{
	autofree char *path = xfmt("%s%s", s->root, unit_path);
	autobuf struct buf conf = { 0 };

	if (file_read(AT_FDCWD, path, UNIT_LIMIT, json, e) < 0)
		return -1;
	autounit struct unit *u = unit_parse(json->p, json->n, e);
	if (!u || setup_check(u, e) < 0)
		return -1;
	if (!streq(u->id, b->d->id))
		return err_set(e, NU_FAILED, "nix made a document for %s", quoted(u->id));
	generation_conf(u, &conf);
	return write_in(s, "unit.json", json, e) < 0 || write_in(s, "unit.conf", &conf, e) < 0 ? -1 :
												0;
}

/* Another container's evaluation may have found that the system does not depend on
 * parameters like these: then it need not be evaluated again. */
static void use_shares(const struct strv *shares, struct strv *argv)
{
	autobuf struct buf text = { 0 };

	for (size_t i = 0; i < shares->n; i++)
		buf_addf(&text, "%s\n", shares->v[i]);
	if (!text.n)
		return;
	strv_add(argv, "--argstr");
	strv_add(argv, "shared");
	strv_add(argv, text.p);
}

/* What holds of other systems than the base's is of no use: those are in one generation
 * only. Two that learn at once lose what one has learnt, and learn it again. */
static int keep_shares(const struct build *b, struct record *base, const struct strv *learnt,
		       struct err *e)
{
	size_t n = base->shares.n;

	for (size_t i = 0; i < learnt->n; i++)
		if (strstr(learnt->v[i], base->system) || ends_with(learnt->v[i], ":false}"))
			strv_add(&base->shares, learnt->v[i]);
	return base->shares.n == n ? 0 : write_base_record(b, base, e);
}

/* A system that was found to be the same for all without looking at a parameter: if one was
 * looked at nevertheless, and the configuration went on (builtins.tryEval), it is nobody's.
 * Then what was learnt is the contrary. */
static bool misled(struct nix *nix)
{
	bool any = false;

	for (size_t i = 0; nix->looked && i < nix->shares.n; i++)
		if (!ends_with(nix->shares.v[i], ":false}")) {
			strcpy(strchr(nix->shares.v[i], ':'), ":false}");
			any = true;
		}
	return any;
}

/* The store of the container's build as it was. */
static int empty_site(const struct site *s, struct err *e)
{
	unmount_site(s);
	return tree_remove(AT_FDCWD, s->upper, e) < 0 || tree_remove(AT_FDCWD, s->work, e) < 0 ||
	       make_dirs(s->upper, 0755, e) < 0 || make_dirs(s->work, 0755, e) < 0 ||
	       mount_site(s, e) < 0;
}

static int build_container(struct build *b, const struct site *s, struct buf *json,
			   struct err *e)
{
	autofree char *declaration = xfmt("%s/declaration", s->dir);
	autorecord struct record r = { .nixpkgs = xstrdup(b->d->nixpkgs),
				       .configuration = xstrdup(b->d->configuration),
				       .key = xstrdup(b->d->key) };
	autofree char *base_path = decl_base_path(b->d->key);
	autorecord struct record base = { 0 };
	autobuf struct buf record = { 0 };
	autostrv struct strv known = { 0 }, learnt = { 0 };
	long long since = inputs_time();
	bool again = false;
	struct nix nix;
	int failed;

	if (record_load(AT_FDCWD, base_path, &base, e) < 0)
		return -1;
	if (mount_site(s, e) < 0) {
		unmount_site(s);
		return -1;
	}
	bool has_base = base.system && !streq(base.system, "-") && !s->no_base.system;
	for (size_t i = 0; has_base && i < base.shares.n; i++)
		strv_add(&known, base.shares.v[i]);
	do {
		if (again)
			nix_free(&nix);
		nix_start(&nix, b, s, b->d->id, s->root, false, &r.inputs);
		use_shares(&known, &nix.argv);
		failed = nix_run(&nix, e);
		if (failed)
			nix_errors(&nix);
		again = !failed && misled(&nix);
		for (size_t i = 0; i < nix.shares.n; i++) {
			strv_add(&known, nix.shares.v[i]);
			strv_add(&learnt, nix.shares.v[i]);
		}
		failed = failed || (again && empty_site(s, e));
	} while (again && !failed);
	if (!failed && has_base)
		failed = keep_shares(b, &base, &learnt, e) < 0;
	if (!failed)
		failed = write_unit(b, s, nix.out.p, json, e) < 0 ||
			 write_closure(s, nix.out.p, e) < 0;
	nix_free(&nix);
	unmount_site(s);
	if (failed)
		return -1;

	/* What only the system is made of was read by the evaluation that made the base. */
	for (size_t i = 0; has_base && i < base.inputs.n; i++)
		if (base.inputs.v[i].users)
			inputs_add(&r.inputs, base.inputs.v[i].kind, true, base.inputs.v[i].path);
	/* The configuration itself is parsed, not imported, by some versions of nix. */
	inputs_add(&r.inputs, INPUT_FILE, true, s->configuration + (b->d->copy ? strlen(b->d->copy) : 0));
	decl_add_inputs(b->d, &r.inputs);
	if (inputs_hash(&r.inputs, b->d->copy, since, e) < 0 ||
	    make_dirs(declaration, 0755, e) < 0 ||
	    inputs_copy(&r.inputs, b->d->copy, declaration, e) < 0)
		return -1;
	record_print(&r, &record);
	return write_in(s, "build", &record, e);
}

/* Takes away what only the build needed, brings the rest to the disk and, by one
 * rename, into being. */
static int finish(struct build *b, const struct site *s, struct err *e)
{
	static const char *const scratch[] = { "root", "work", "tmp", "download", "dpkg.json" };
	autofree unsigned int *list = NULL;
	size_t n = store_generations(b->unit_dir, &list);
	unsigned int number = n ? list[n - 1] + 1 : 1;
	autofree char *target = xfmt("generations/%u", number);
	autofree char *from = xfmt("declaration%s", s->configuration + (b->d->copy ? strlen(b->d->copy) : 0));
	autoclose int dir = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_errno(e, "%s", s->dir);
	for (size_t i = 0; i < ARRAY_SIZE(scratch); i++)
		if (tree_remove(dir, scratch[i], e) < 0)
			return -1;
	if (link_replace(dir, "configuration.nix", from, e) < 0)
		return -1;
	if (syncfs(dir) < 0)
		return err_errno(e, "%s", s->dir);
	/* Both by the lock's descriptor: it belongs to the mount namespace we came from, and
	 * a rename between two mounts is refused even when they are the same directory. */
	autofree char *grown = xfmt("generations/%s", strrchr(s->dir, '/') + 1);
	if (renameat(b->unit_dir, grown, b->unit_dir, target) < 0)
		return err_errno(e, "%s", target);
	b->number = number;
	return link_replace(b->unit_dir, "next", target, e);
}

/* The newest generation has the same document, hence the same store paths: only what
 * it remembers of its inputs is brought up to date. */
static int keep_newest(struct build *b, const struct site *s, const struct buf *json,
		       struct err *e)
{
	unsigned int newest = decl_newest(b->unit_dir);
	autofree char *path = xfmt("generations/%u/unit.json", newest);
	autofree char *mine = xfmt("%s/parameters.json", s->dir);
	autofree char *theirs = xfmt("generations/%u/parameters.json", newest);
	autobuf struct buf was = { 0 }, a = { 0 }, c = { 0 }, record = { 0 };
	struct err ignored;

	if (!newest || file_read(b->unit_dir, path, UNIT_LIMIT, &was, &ignored) < 0 ||
	    was.n != json->n || memcmp(was.p, json->p, was.n) != 0 ||
	    file_read(AT_FDCWD, mine, DECL_LIMIT, &a, &ignored) < 0 ||
	    file_read(b->unit_dir, theirs, DECL_LIMIT, &c, &ignored) < 0 || a.n != c.n ||
	    memcmp(a.p, c.p, a.n) != 0)
		return 0;
	/* Other text of the same meaning is a new generation still: a later build without
	 * -n starts from it. */
	autofree char *old_text = xfmt("generations/%u/configuration.nix", newest);
	autobuf struct buf old = { 0 };
	if (file_read(b->unit_dir, old_text, DECL_LIMIT, &old, &ignored) < 0 ||
	    old.n != b->d->text.n || memcmp(old.p, b->d->text.p, old.n) != 0)
		return 0;
	autofree char *from = xfmt("%s/build", s->dir), *to = xfmt("generations/%u/build", newest);
	if (file_read(AT_FDCWD, from, 16 << 20, &record, e) < 0 ||
	    file_replace(b->unit_dir, to, record.p, record.n, 0644, e) < 0)
		return -1;
	b->same = true;
	b->number = newest;
	return 0;
}

/* Builds from the machine's own packages see its /usr, which nix binds writable into
 * their sandboxes, and without build users they are root. */
static int protect_host(const struct build *b, struct err *e)
{
	static const char *const paths[] = { "/usr", "/bin",  "/sbin",	       "/lib",
					     "/lib64", "/var/lib/dpkg", "/etc/alternatives" };

	if (mnt_unshare(e) < 0)
		return -1;
	for (size_t i = 0; decl_is_debian(b->d) && i < ARRAY_SIZE(paths); i++) {
		struct stat st;

		/* A link leads into /usr. */
		if (lstat(paths[i], &st) == 0 && S_ISDIR(st.st_mode) &&
		    mnt_read_only(paths[i], e) < 0)
			return -1;
	}
	return 0;
}

int generation_build(struct build *b, struct err *e)
{
	__attribute__((cleanup(site_free))) struct site s = { .lock = -1 };
	autobuf struct buf json = { 0 };
	struct err ignored;

	int failed = site_make(b, &s, e) < 0 || protect_host(b, e) < 0 ||
		     (b->strict && refuse_leaks(b, &s, e) < 0) || build_base(b, &s, e) < 0 ||
		     build_container(b, &s, &json, e) < 0 ||
		     (s.no_base.system && write_base_record(b, &s.no_base, e) < 0) ||
		     keep_newest(b, &s, &json, e) < 0 || (!b->same && finish(b, &s, e) < 0);
	if (failed || b->same)
		tree_remove(AT_FDCWD, s.dir, &ignored);
	/* Where the container's build failed as well, its error is what matters. */
	if (!failed && s.no_base.system)
		say("%s: no base is shared: the configuration does not evaluate or build without "
		    "parameters (-d shows why)", b->d->id);
	return failed ? -1 : 0;
}

/* The keys of all bases that a generation was built on, or is being built on. */
static void keys_in_use(struct strv *keys)
{
	autostrv struct strv ids = { 0 };

	store_ids(&ids);
	for (size_t i = 0; i < ids.n; i++) {
		autofree char *path = store_unit_path(ids.v[i]);
		autofree char *generations = xfmt("%s/generations", path);
		DIR *dir = opendir(generations);

		for (struct dirent *d; dir && (d = readdir(dir));) {
			autofree char *build = xfmt("%s/%s/build", generations, d->d_name);
			autofree char *key = record_key(build);

			if (key)
				strv_add(keys, key);
		}
		if (dir)
			closedir(dir);
	}
}

int generation_bases(struct strv *keys, struct err *e)
{
	autofree char *path = xfmt("%s/gcroots", store_dir());
	DIR *dir = opendir(path);

	if (!dir)
		return errno == ENOENT ? 0 : err_errno(e, "%s", path);
	for (struct dirent *d; (d = readdir(dir));)
		if (d->d_name[0] != '.')
			strv_add(keys, d->d_name);
	closedir(dir);
	return 0;
}

int generation_drop_base(const char *key, struct err *e)
{
	autofree char *root = store_base_root(), *record = decl_base_path(key);
	autofree char *link = xfmt("%s/nix/var/nix/gcroots/nixunits/%s", root, key);

	if (unlink(link) < 0 && errno != ENOENT)
		return err_errno(e, "%s", link);
	return unlink(record) < 0 ? err_errno(e, "%s", record) : 0;
}

int generation_drop_bases(int wait_ms, struct err *e)
{
	autoclose int lock = store_lock_base(LOCK_EX, wait_ms, e);
	autostrv struct strv bases = { 0 }, used = { 0 };

	if (lock < 0)
		return e->code == NU_BUSY ? 0 : -1;
	if (generation_bases(&bases, e) < 0)
		return -1;
	keys_in_use(&used);
	for (size_t i = 0; i < bases.n; i++)
		if (!strv_has(&used, bases.v[i]) && generation_drop_base(bases.v[i], e) < 0)
			return -1;
	return 0;
}
