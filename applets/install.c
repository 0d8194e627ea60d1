/* nu-install - put this toolbox on a host, or take it away.
 *
 *   nu-install [--prefix DIR] [--destdir DIR] [-n] [-q] [-v] [-f] [--uninstall]
 *
 * The binary holds all that it installs (lib/files), so one file is enough to set up
 * a host: itself, its symlinks, the nix code, the man pages, the systemd unit and the
 * completion. PREFIX/share/nixunits/manifest lists every file put there and every
 * directory made for them, so that the next version removes what it no longer brings
 * and --uninstall leaves nothing. All new files are written beside their targets
 * before the first is renamed: a full disk leaves the old installation as it was.
 */
#include "../lib/applet.h"
#include "../lib/files.h"
#include "../lib/proc.h"
#include "../lib/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define ETC_SYSTEMD "/etc/systemd/system"
#define UNIT "nixunits@.service"

/* Paths, here and in the manifest, are those of the finished host; where they are
 * touched, at() puts destdir before them. */
struct item {
	char *path;
	const char *data; /* NULL: a symlink */
	size_t size;
	mode_t mode;
	const char *link;
	bool there, same;
};

struct job {
	const char *prefix, *destdir;
	bool dry_run, verbose, force;
	struct item *items; /* ascending by path */
	size_t n_items;
	char *manifest;                  /* its path */
	struct strv old_files, old_dirs; /* what it says */
	struct strv new_dirs;            /* made by this run */
	struct buf binary, unit;
};

static char *at(const struct job *j, const char *path)
{
	return xfmt("%s%s", j->destdir, path);
}

/* The name a file has until all are written: hidden, on the same filesystem. */
static char *staged(const struct job *j, const char *path)
{
	const char *slash = strrchr(path, '/');

	return xfmt("%s%.*s/.nu-new.%s", j->destdir, (int)(slash - path), path, slash + 1);
}

static void tell(const struct job *j, const char *what, const char *path)
{
	if (j->dry_run || j->verbose)
		printf("%-7s %s%s\n", what, j->destdir, path);
}

static struct item *add(struct job *j, char *path)
{
	j->items = xrealloc(j->items, j->n_items + 1, sizeof(*j->items));
	j->items[j->n_items] = (struct item){ .path = path };
	return &j->items[j->n_items++];
}

static void add_data(struct job *j, char *path, const char *data, size_t size, mode_t mode)
{
	struct item *i = add(j, path);

	i->data = data;
	i->size = size;
	i->mode = mode;
}

/* systemd looks into lib/systemd/system of the first two prefixes only, and NixOS
 * into that of its packages. */
static char *unit_path(const struct job *j)
{
	if (streq(j->prefix, "/usr") || streq(j->prefix, "/usr/local") ||
	    starts_with(j->prefix, "/nix/store/"))
		return xfmt("%s/lib/systemd/system/" UNIT, j->prefix);
	return xstrdup(ETC_SYSTEMD "/" UNIT);
}

static void unit_text(struct job *j, const struct file *f)
{
	static const char mark[] = "@BINDIR@";
	const char *p = f->data, *end = f->data + f->size, *hit;

	while ((hit = memmem(p, end - p, mark, strlen(mark)))) {
		buf_add(&j->unit, p, hit - p);
		buf_addf(&j->unit, "%s/bin", j->prefix);
		p = hit + strlen(mark);
	}
	buf_add(&j->unit, p, end - p);
}

static int compare_items(const void *a, const void *b)
{
	return strcmp(((const struct item *)a)->path, ((const struct item *)b)->path);
}

/* Everything that a finished installation consists of. */
static void gather(struct job *j)
{
	const char *p = j->prefix;
	const struct file *f;
	struct err e;

	int n = files_unpack(&f, &e);
	if (n < 0)
		die_err(&e);
	if (file_read(AT_FDCWD, "/proc/self/exe", 256 << 20, &j->binary, &e) < 0)
		die_err(&e);
	add_data(j, xfmt("%s/bin/nixunits", p), j->binary.p, j->binary.n, 0755);
	for (size_t i = 0; i < applet_count(); i++)
		add(j, xfmt("%s/bin/nu-%s", p, applet_at(i)->name))->link = "nixunits";

	for (; n--; f++) {
		const char *dot = strrchr(f->name, '.');

		if (dot && starts_with(f->name, "man/"))
			add_data(j, xfmt("%s/share/man/man%s/%s", p, dot + 1, f->name + 4),
				 f->data, f->size, f->mode);
		else
			add_data(j, xfmt("%s/share/nixunits/%s", p, f->name), f->data, f->size,
				 f->mode);
		if (streq(f->name, "nix/host/nixunits.bash"))
			add_data(j, xfmt("%s/share/bash-completion/completions/nixunits", p),
				 f->data, f->size, f->mode);
		if (streq(f->name, "nix/host/" UNIT ".in")) {
			unit_text(j, f);
			add_data(j, unit_path(j), j->unit.p, j->unit.n, f->mode);
		}
	}
	qsort(j->items, j->n_items, sizeof(*j->items), compare_items);
}

/* The manifest's lines: files, and directories with a final slash. What it names gets
 * removed, so a line that nu-install can't have written is an error. */
static int manifest_read(struct job *j, struct err *e)
{
	autofree char *path = at(j, j->manifest);
	autofree char *below = xfmt("%s/", j->prefix);
	autobuf struct buf text = { 0 };

	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	if (file_read(AT_FDCWD, path, 4 << 20, &text, e) < 0)
		return -1;
	for (char *line = strtok(text.p, "\n"); line; line = strtok(NULL, "\n")) {
		size_t n = strlen(line);

		if (line[0] == '#')
			continue;
		if (line[0] != '/' || strstr(line, "/../") || ends_with(line, "/.."))
			return err_set(e, NU_FAILED, "%s: %s is no line of ours", path,
				       quoted(line));
		if (line[n - 1] == '/') {
			line[n - 1] = '\0';
			strv_add(&j->old_dirs, line);
		} else if (starts_with(line, below) || streq(line, ETC_SYSTEMD "/" UNIT)) {
			strv_add(&j->old_files, line);
		} else {
			return err_set(e, NU_FAILED, "%s: %s lies outside %s", path, quoted(line),
				       j->prefix);
		}
	}
	return 0;
}

/* Whether what is at the item's path is the item already. A file that is something
 * else, and not from an installation of ours, is nobody's to overwrite. */
static int item_look(struct job *j, struct item *i, struct err *e)
{
	autofree char *path = at(j, i->path);
	char target[4096];
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : err_errno(e, "%s", path);
	i->there = true;
	if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlink(path, target, sizeof(target) - 1);

		if (n < 0)
			return err_errno(e, "%s", path);
		target[n] = '\0';
		i->same = i->link && streq(target, i->link);
		/* As nixunits --install makes them. */
		if (i->link && ends_with(target, "/nixunits"))
			return 0;
	} else if (S_ISREG(st.st_mode) && i->data && (st.st_mode & 07777) == i->mode &&
		   (size_t)st.st_size == i->size) {
		autobuf struct buf text = { 0 };

		if (file_read(AT_FDCWD, path, i->size, &text, e) < 0)
			return -1;
		i->same = memcmp(text.p, i->data, i->size) == 0;
	}
	if (S_ISDIR(st.st_mode))
		return err_set(e, NU_FAILED, "%s: a directory is in the way", path);
	if (!i->same && !j->force && !strv_has(&j->old_files, i->path))
		return err_set(e, NU_FAILED, "%s: there already, and not from an installation of "
					     "ours (--force replaces it)", path);
	return 0;
}

static int dirs_make(struct job *j, const char *path, struct err *e)
{
	autofree char *p = xstrdup(path);

	for (char *slash = strchr(p + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		autofree char *dir = at(j, p);
		if (mkdir(dir, 0755) == 0)
			strv_add(&j->new_dirs, p);
		else if (errno != EEXIST)
			return err_errno(e, "%s", dir);
		*slash = '/';
	}
	return 0;
}

/* Deepest first: a directory comes after the one it lies in. */
static void dirs_remove(const struct job *j, const struct strv *dirs)
{
	for (size_t i = dirs->n; i-- > 0;) {
		autofree char *dir = at(j, dirs->v[i]);

		if (rmdir(dir) == 0)
			tell(j, "remove", dirs->v[i]);
	}
}

static int stage(struct job *j, const char *path, const char *data, size_t size, mode_t mode,
		 const char *link, struct err *e)
{
	autofree char *tmp = staged(j, path);
	autofree char *final = at(j, path);

	if (dirs_make(j, path, e) < 0)
		return -1;
	unlink(tmp);
	if (link)
		return symlink(link, tmp) < 0 ? err_errno(e, "%s", final) : 0;
	autoclose int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return err_errno(e, "%s", final);
	return fd_write(fd, data, size) < 0 || fchmod(fd, mode) < 0 ? err_errno(e, "%s", final) : 0;
}

static int put(const struct job *j, const char *path, struct err *e)
{
	autofree char *tmp = staged(j, path);
	autofree char *final = at(j, path);

	return rename(tmp, final) < 0 ? err_errno(e, "%s", final) : 0;
}

/* What an installation consists of: with old, what the last one left as well. */
static int manifest_stage(struct job *j, bool old, struct err *e)
{
	autobuf struct buf text = { 0 };

	buf_addf(&text, "# nixunits " VERSION ": what nu-install put here, and --uninstall removes\n");
	for (size_t i = 0; i < j->n_items; i++)
		buf_addf(&text, "%s\n", j->items[i].path);
	for (size_t i = 0; old && i < j->old_files.n; i++)
		buf_addf(&text, "%s\n", j->old_files.v[i]);
	for (size_t i = 0; i < j->old_dirs.n; i++)
		buf_addf(&text, "%s/\n", j->old_dirs.v[i]);
	for (size_t i = 0; i < j->new_dirs.n; i++)
		buf_addf(&text, "%s/\n", j->new_dirs.v[i]);
	return stage(j, j->manifest, text.p, text.n, 0644, NULL, e);
}

static int stage_all(struct job *j, struct err *e)
{
	if (dirs_make(j, j->manifest, e) < 0)
		return -1;
	for (size_t i = 0; i < j->n_items; i++) {
		struct item *it = &j->items[i];
		autofree char *tmp = staged(j, it->path);

		if (it->same)
			unlink(tmp); /* of a run that was killed */
		else if (stage(j, it->path, it->data, it->size, it->mode, it->link, e) < 0)
			return -1;
	}
	return manifest_stage(j, true, e);
}

/* A failure before the first rename: what was there is what is there. */
static void unstage(struct job *j)
{
	autofree char *manifest = staged(j, j->manifest);

	unlink(manifest);
	for (size_t i = 0; i < j->n_items; i++) {
		autofree char *tmp = staged(j, j->items[i].path);

		if (!j->items[i].same)
			unlink(tmp);
	}
	dirs_remove(j, &j->new_dirs);
}

static bool is_item(const struct job *j, const char *path)
{
	struct item key = { .path = (char *)path };

	return bsearch(&key, j->items, j->n_items, sizeof(key), compare_items) != NULL;
}

static int remove_file(const struct job *j, const char *path, struct err *e)
{
	autofree char *file = at(j, path);

	tell(j, "remove", path);
	if (j->dry_run || unlink(file) == 0 || errno == ENOENT || errno == ENOTDIR)
		return 0;
	return err_errno(e, "%s", file);
}

/* The manifest with old and new files first: interrupted anywhere, the next run of
 * either kind knows of every file. */
static int put_all(struct job *j, struct err *e)
{
	autofree char *prefix = at(j, j->prefix);
	autoclose int fd = open(prefix, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (!*j->destdir && (fd < 0 || syncfs(fd) < 0))
		return err_errno(e, "%s", prefix);
	if (put(j, j->manifest, e) < 0)
		return -1;
	for (size_t i = 0; i < j->n_items; i++)
		if (!j->items[i].same && put(j, j->items[i].path, e) < 0)
			return -1;
	for (size_t i = 0; i < j->old_files.n; i++)
		if (!is_item(j, j->old_files.v[i]) && remove_file(j, j->old_files.v[i], e) < 0)
			return -1;
	/* Directories that only held those: rmdir leaves the others alone. */
	dirs_remove(j, &j->old_dirs);
	if (manifest_stage(j, false, e) < 0)
		return -1;
	return put(j, j->manifest, e);
}

/* Two at once would rename each other's files. */
static int lock(const struct job *j, struct err *e)
{
	autofree char *dir = xfmt("%s%s/share/nixunits", j->destdir, j->prefix);
	autoclose int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(e, "%s", dir);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ?
			       err_set(e, NU_BUSY, "%s: another nu-install is at work", dir) :
			       err_errno(e, "%s: lock", dir);
	return steal_fd(&fd);
}

/* Whether this is the running host, not a package's or an image's tree. */
static bool live(const struct job *j)
{
	return !*j->destdir && access("/run/systemd/system", F_OK) == 0;
}

static void daemon_reload(const struct job *j)
{
	const char *const args[] = { "systemctl", "daemon-reload", NULL };
	struct err e;

	if (!live(j))
		return;
	int status = proc_run((char *const *)args, &e);
	if (status < 0)
		warn("%s", e.text);
	else if (status)
		warn("systemctl daemon-reload: exit status %d", status);
}

/* Named now, by what installs them, rather than by the first build that fails. */
static void name_missing(void)
{
	static const char *const needed[][2] = {
		{ "nix-build", "nix-bin" },
		{ "systemd-nspawn", "systemd-container" },
		{ "machinectl", "systemd-container" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		autofree char *path = proc_find(needed[i][0]);

		if (!path)
			say("units will need %s (on Debian: apt-get install %s)", needed[i][0],
			    needed[i][1]);
	}
}

static int install(struct job *j, struct err *e)
{
	size_t added = 0, changed = 0, removed = 0;
	bool unit_changed = false;

	gather(j);
	for (size_t i = 0; i < j->n_items; i++) {
		struct item *it = &j->items[i];

		if (item_look(j, it, e) < 0)
			return -1;
		if (it->same)
			continue;
		added += !it->there;
		changed += it->there;
		unit_changed |= ends_with(it->path, "/" UNIT);
		tell(j, it->there ? "replace" : "install", it->path);
	}
	for (size_t i = 0; i < j->old_files.n; i++)
		if (!is_item(j, j->old_files.v[i])) {
			removed++;
			if (j->dry_run)
				tell(j, "remove", j->old_files.v[i]);
		}
	if (!added && !changed && !removed && j->old_files.n) {
		say("%s%s: nixunits " VERSION " is installed, nothing to do", j->destdir, j->prefix);
		return 0;
	}
	if (j->dry_run)
		return 0;

	autoclose int held = -1;
	if (*j->destdir && make_dirs(j->destdir, 0755, e) < 0)
		return -1;
	if (dirs_make(j, j->manifest, e) < 0 || (held = lock(j, e)) < 0 || stage_all(j, e) < 0) {
		if (held >= 0 || e->code != NU_BUSY)
			unstage(j);
		return -1;
	}
	if (put_all(j, e) < 0)
		return -1;
	say("%s%s: nixunits " VERSION " installed: %zu files new, %zu replaced, %zu removed",
	    j->destdir, j->prefix, added, changed, removed);
	if (unit_changed)
		daemon_reload(j);
	if (!*j->destdir)
		name_missing();
	return 0;
}

/* What runs from these files must not lose them. */
static int none_runs(const struct job *j, struct err *e)
{
	const char *const args[] = {
		"systemctl", "list-units", "--plain", "--no-legend", "--no-pager", "--full",
		"--state=active,activating,reloading,deactivating", "nixunits@*.service", NULL
	};
	autobuf struct buf out = { 0 };

	if (!live(j))
		return 0;
	int status = proc_output((char *const *)args, false, &out, e);
	if (status)
		return status < 0 ? -1 : err_set(e, NU_FAILED, "systemctl: exit status %d", status);
	if (!out.n)
		return 0;
	int name = strcspn(out.p, " \n");
	return err_set(e, NU_FAILED, "%.*s runs: stop the units first (nixunits list names them)",
		       name, out.p);
}

/* Removes the links "nixunits@web2.service" that enabling made in X.wants below
 * /etc/systemd/system: they would name a unit that is no more. */
static int unwant(const struct job *j, struct err *e)
{
	autofree char *etc = at(j, ETC_SYSTEMD);
	DIR *outer = opendir(etc);
	int failed = 0;

	for (struct dirent *w; outer && (w = readdir(outer));) {
		autofree char *wants = xfmt(ETC_SYSTEMD "/%s", w->d_name);
		autofree char *there = at(j, wants);
		DIR *inner = ends_with(wants, ".wants") ? opendir(there) : NULL;

		for (struct dirent *d; inner && (d = readdir(inner));) {
			autofree char *link = xfmt("%s/%s", wants, d->d_name);

			if (!starts_with(d->d_name, "nixunits@") ||
			    !ends_with(d->d_name, ".service"))
				continue;
			if (!j->dry_run)
				say("%s is no longer started at boot", d->d_name);
			failed |= remove_file(j, link, e);
		}
		if (inner)
			closedir(inner);
	}
	if (outer)
		closedir(outer);
	return failed;
}

static int uninstall(struct job *j, struct err *e)
{
	autofree char *state = at(j, store_dir());

	if (!j->old_files.n) {
		say("%s%s: nixunits is not installed here, nothing to do", j->destdir, j->prefix);
		return 0;
	}
	autoclose int held = lock(j, e);
	if (held < 0 || none_runs(j, e) < 0 || unwant(j, e) < 0)
		return -1;
	for (size_t i = 0; i < j->old_files.n; i++)
		if (remove_file(j, j->old_files.v[i], e) < 0)
			return -1;
	if (j->dry_run)
		return 0;
	if (remove_file(j, j->manifest, e) < 0)
		return -1;
	dirs_remove(j, &j->old_dirs);
	daemon_reload(j);
	say("%s%s: %zu files removed", j->destdir, j->prefix, j->old_files.n);
	if (access(state, F_OK) == 0)
		say("the units' data stays in %s; to remove it as well: rm -rf %s", state, state);
	return 0;
}

/* The path goes into the unit file and the manifest as it is. */
static const char *plain_path(const char *option, const char *path)
{
	char *p = xstrdup(path);
	size_t n = strlen(p);

	while (n && p[n - 1] == '/')
		p[--n] = '\0';
	if (streq(option, "destdir"))
		return p;
	if (*p != '/' || strstr(p, "/..") || strstr(p, "//") ||
	    strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+-") < n)
		usage("--%s %s: expected an absolute path of plain characters", option,
		      quoted(path));
	return p;
}

static int run(int argc, char **argv)
{
	const char *prefix = store_prefix(), *destdir = "";
	bool dry_run = false, quiet = false, verbose = false, force = false, remove = false;
	const struct opt opts[] = {
		{ 0, "prefix", "DIR", "where to (default: where this binary is installed, "
				      "else " PREFIX ")", .text = &prefix },
		{ 0, "destdir", "DIR", "put DIR before every path written to", .text = &destdir },
		{ 'n', "dry-run", NULL, "print what would be done, do nothing", .flag = &dry_run },
		{ 'f', "force", NULL, "replace files that are not ours", .flag = &force },
		{ 'v', "verbose", NULL, "print each file", .flag = &verbose },
		{ 'q', "quiet", NULL, "print nothing but errors", .flag = &quiet },
		{ 0, "uninstall", NULL, "remove what was installed", .flag = &remove },
		{ 0 },
	};
	struct err e;

	opt_parse_all(argc, argv, opts);
	say_quiet(quiet);
	umask(022);
	struct job j = {
		.prefix = plain_path("prefix", prefix),
		.destdir = plain_path("destdir", destdir),
		.dry_run = dry_run,
		.verbose = verbose && !quiet,
		.force = force,
	};
	if (!*j.destdir && access("/etc/NIXOS", F_OK) == 0)
		die(NU_FAILED, "this is NixOS, where the system's own rebuild installs things: see "
			       "INSTALL");
	j.manifest = xfmt("%s/share/nixunits/manifest", j.prefix);
	if (manifest_read(&j, &e) < 0 || (remove ? uninstall : install)(&j, &e) < 0)
		return say_err(&e);
	return NU_OK;
}

APPLET(install, .name = "install", .summary = "Install this toolbox on a host, or remove it",
       .synopsis = "[--prefix DIR] [--destdir DIR] [-n] [-f] [-v|-q] [--uninstall]",
       .help = "Everything comes out of this binary: symlinks nu-*, nix code, man pages, the\n"
	       "systemd unit, bash completion. Installing again changes what differs and\n"
	       "removes what an older version brought and this one doesn't.",
       .main = run);
