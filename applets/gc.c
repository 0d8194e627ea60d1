/* nu-gc - free what no unit needs any more.
 *
 *   nu-gc [-n] [-k N]
 *
 * In this order: the generations of each unit beyond its last N; the bases that none of the
 * others was built on; and, by nix, the store paths that neither a base nor a generation
 * needs. What goes is printed, a path a line.
 *
 * A generation holds what its base had not, which may lie in the base store all the same: some
 * other unit's base had it. Its file "closure" names every path it needs, and it is these that
 * nix is told to leave.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <unistd.h>

#include "../lib/applet.h"
#include "../lib/decl.h"
#include "../lib/generation.h"
#include "../lib/mnt.h"
#include "../lib/proc.h"
#include "../lib/store.h"

struct gc {
	bool dry;	   /* print only */
	unsigned int keep; /* generations of each unit */
	struct strv busy;  /* units that somebody else is at: all of theirs stays */
	struct strv keys;  /* of the bases that are needed */
	int roots;	   /* the directory that nix takes its roots from */
	int store;	   /* the base store */
};

/* What is needed is a link in `roots`, called as the store path is. */
static int need(const struct gc *gc, const char *path, size_t n, struct err *e)
{
	autofree char *target = xstrndup(path, n);
	const char *name = strrchr(target, '/');

	if (!starts_with(target, "/nix/store/") || name != target + strlen("/nix/store"))
		return err_set(e, NU_FAILED, "%s: not a store path", quoted(target));
	/* nix warns of each root that isn't there, and most of a generation's own are not. */
	if (faccessat(gc->store, name + 1, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		return 0;
	if (symlinkat(target, gc->roots, name + 1) < 0 && errno != EEXIST)
		return err_errno(e, "a root for %s", target);
	return 0;
}

static int need_generation(struct gc *gc, int dir, const char *name, struct err *e)
{
	autofree char *path = xfmt("generations/%s", name), *list = xfmt("%s/closure", path);
	autofree char *build = xfmt("/proc/self/fd/%d/generations/%s/build", dir, name);
	autofree char *key = record_key(build);
	autobuf struct buf closure = { 0 };

	if (key && !strv_has(&gc->keys, key))
		strv_add(&gc->keys, key);
	/* One that is being built has none yet; its build waits for the lock of the base store. Or
	 * it has gone since we saw it. */
	if (file_read(dir, list, CLOSURE_LIMIT, &closure, e) < 0)
		return faccessat(dir, starts_with(name, ".new.") ? list : path, F_OK, 0) < 0 ? 0 : -1;
	for (const char *line = closure.p; line && *line; line = next_line(line))
		if (need(gc, line, strcspn(line, "\n"), e) < 0)
			return -1;
	return 0;
}

/* The generations that stay. */
static int need_unit(struct gc *gc, const char *id, struct err *e)
{
	autoclose int dir = store_open(id, false, NULL, e);
	autofree unsigned int *list = NULL;
	autostrv struct strv stale = { 0 };
	/* What prune() has left, or somebody has built since, stays. */
	unsigned int keep = gc->dry && !strv_has(&gc->busy, id) ? gc->keep : GENERATIONS_ALL;
	size_t n = dir < 0 ? 0 : store_stale(dir, keep, 0, &list);
	int fd = dir < 0 ? -1 : openat(dir, "generations", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);
	int failed = 0;

	if (!entries) /* deleted, or one of the NixOS host's */
		return 0;
	for (size_t i = 0; i < n; i++)
		strv_addf(&stale, "%u", list[i]);
	for (struct dirent *d; !failed && (d = readdir(entries));)
		if (!streq(d->d_name, ".") && !streq(d->d_name, "..") &&
		    !starts_with(d->d_name, ".old.") && !strv_has(&stale, d->d_name))
			failed = need_generation(gc, dir, d->d_name, e);
	closedir(entries);
	return failed;
}

static int prune(struct gc *gc, const char *id, struct err *e)
{
	struct err busy;
	autoclose int dir = store_lock(id, false, NULL, 0, &busy);
	autofree char *path = store_unit_path(id);
	autofree unsigned int *list = NULL;

	if (dir < 0 && busy.code == NU_BUSY) {
		say("%s: somebody is at work on it: all of it stays", id);
		strv_add(&gc->busy, id);
	}
	size_t n = dir < 0 ? 0 : store_stale(dir, gc->keep, 0, &list);
	for (size_t i = 0; i < n; i++)
		printf("%s/generations/%u\n", path, list[i]);
	if (dir < 0 || gc->dry)
		return 0;
	return store_prune(dir, gc->keep, 0, e) < 0 ? err_wrap(e, "%s: ", id) : 0;
}

static int drop_bases(struct gc *gc, struct err *e)
{
	autostrv struct strv bases = { 0 };

	if (generation_bases(&bases, e) < 0)
		return -1;
	for (size_t i = 0; i < bases.n; i++) {
		autofree char *path = decl_base_path(bases.v[i]);
		autorecord struct record r = { 0 };

		if (!strv_has(&gc->keys, bases.v[i])) {
			printf("%s\n", path);
			if (!gc->dry && generation_drop_base(bases.v[i], e) < 0)
				return -1;
		} else if (record_load(AT_FDCWD, path, &r, e) < 0 ||
			   (r.system && r.system[0] == '/' &&
			    need(gc, r.system, strlen(r.system), e) < 0)) {
			return -1;
		}
	}
	return 0;
}

static int nix_store(const char *root, const char *what, struct buf *out, struct err *e)
{
	char *argv[] = { (char *)"nix-store", (char *)"--store", (char *)root,
			 (char *)"--option", (char *)"build-users-group", (char *)"",
			 (char *)"--gc", (char *)what, NULL };
	autobuf struct buf said = { 0 };
	int status = proc_capture(argv, out, &said, e);

	if (status > 0) {
		for (const char *line = said.p; line && *line; line = next_line(line))
			say_foreign(line);
		err_set(e, NU_FAILED, "nix-store --gc: exit status %d", status);
	}
	return status ? -1 : 0;
}

/* By nix, which sees our roots in place of those on the disk: nothing of them stays when this
 * process ends, however it does. */
static int collect(struct gc *gc, struct err *e)
{
	autostrv struct strv ids = { 0 };
	autofree char *root = store_base_root(), *store = xfmt("%s/nix/store", root);
	autofree char *roots = xfmt("%s/nix/var/nix/gcroots", root);
	autobuf struct buf dead = { 0 }, freed = { 0 };
	autoclose int lock = generation_lock_base("nothing is freed yet", LOCK_EX, e);

	if (lock < 0)
		return -1;
	/* nix goes on when this process is killed: so it has the lock as well. */
	fcntl(lock, F_SETFD, 0);
	gc->store = open(store, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (gc->store < 0)
		return errno == ENOENT ? 0 : err_errno(e, "%s", store);
	if (make_dirs(roots, 0755, e) < 0 || mnt_unshare(e) < 0)
		return -1;
	if (mount("nixunits", roots, "tmpfs", MS_NODEV | MS_NOSUID, "mode=0755") < 0)
		return err_errno(e, "%s: tmpfs", roots);
	gc->roots = open(roots, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (gc->roots < 0)
		return err_errno(e, "%s", roots);

	/* Units may have come while we waited for the lock. */
	store_ids(&ids);
	for (size_t i = 0; i < ids.n; i++)
		if (need_unit(gc, ids.v[i], e) < 0)
			return err_wrap(e, "%s: ", ids.v[i]);
	if (drop_bases(gc, e) < 0 || nix_store(root, "--print-dead", &dead, e) < 0)
		return -1;
	for (const char *line = dead.p; line && *line; line = next_line(line))
		printf("%s%.*s\n", root, (int)strcspn(line, "\n"), line);
	if (gc->dry)
		return 0;
	if (nix_store(root, NULL, &freed, e) < 0)
		return -1;
	if (freed.n)
		say("%.*s", (int)strcspn(freed.p, "\n"), freed.p);
	return 0;
}

static int gc_main(int argc, char **argv)
{
	struct gc gc = { .roots = -1, .store = -1 };
	const char *keep = "3";
	bool quiet = false;
	const struct opt opts[] = {
		{ 'n', "dry-run", NULL, "print what would go, and change nothing", .flag = &gc.dry },
		{ 'k', "keep", "N", "generations to keep of each unit (3)", .text = &keep },
		{ 'q', "quiet", NULL, "say nothing but errors", .flag = &quiet },
		{ 0 },
	};
	struct strv ids = { 0 };
	struct err e;

	opt_parse_all(argc, argv, opts);
	gc.keep = opt_number("keep", keep, 1, 1000);
	say_quiet(quiet);
	if (geteuid() != 0)
		die(NU_FAILED, "only root can free what units share");
	store_ids(&ids);
	int failed = 0;
	for (size_t i = 0; i < ids.n && !failed; i++)
		failed = prune(&gc, ids.v[i], &e);
	return failed || collect(&gc, &e) < 0 ? say_err(&e) : NU_OK;
}

APPLET(gc, .name = "gc", .summary = "Free what no unit needs any more",
       .synopsis = "[-n] [-k N] [-q]",
       .help = "Each line of the output is the path of a generation, of a base's record or in the\n"
	       "base store.",
       .main = gc_main);
