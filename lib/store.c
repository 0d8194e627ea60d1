/* store - where everything is kept, and how it changes. */
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* A relative path would mean something else in every process that gets it, and what follows
 * a "?" to nix are options of a store. */
static const char *root_dir(const char *variable, const char *otherwise)
{
	const char *dir = getenv(variable);

	if (!dir || !*dir)
		return otherwise;
	if (dir[0] != '/' || strpbrk(dir, "\n\"?"))
		die(NU_USAGE, "%s=%s: expected an absolute path without quotes and \"?\"", variable,
		    quoted(dir));
	return dir;
}

const char *store_dir(void)
{
	return root_dir("NIXUNITS_DIR", "/var/lib/nixunits");
}

/* An installation may have been moved, or be one of several: X/bin/nixunits belongs to
 * X/share/nixunits, whatever was compiled in. */
const char *store_prefix(void)
{
	static char prefix[4096];
	ssize_t n = readlink("/proc/self/exe", prefix, sizeof(prefix) - 1);
	char *slash;

	if (n <= 0 || n > (ssize_t)sizeof(prefix) - 32)
		return PREFIX;
	prefix[n] = '\0';
	if (!(slash = strrchr(prefix, '/')))
		return PREFIX;
	*slash = '\0';
	if (!ends_with(prefix, "/bin"))
		return PREFIX;
	slash = prefix + strlen(prefix) - 4;
	strcpy(slash, "/share/nixunits");
	bool installed = access(prefix, F_OK) == 0;
	*slash = '\0';
	return installed ? prefix : PREFIX;
}

const char *store_nix_dir(void)
{
	static char dir[4128];

	if (!*dir)
		snprintf(dir, sizeof(dir), "%s/share/nixunits/nix", store_prefix());
	return root_dir("NIXUNITS_NIX", dir);
}

const char *store_etc_dir(void)
{
	return root_dir("NIXUNITS_ETC", "/etc/nixunits");
}

char *store_base_root(void)
{
	return xfmt("%s/store/default/root", store_dir());
}

char *store_unit_path(const char *id)
{
	return xfmt("%s/containers/%s", store_dir(), id);
}

static char *nixos_json(const char *id)
{
	return xfmt("%s/%s.json", store_etc_dir(), id);
}

bool store_in_nixos(const char *id)
{
	autofree char *path = nixos_json(id);

	return access(path, F_OK) == 0;
}

bool store_exists(const char *id)
{
	autofree char *path = store_unit_path(id);

	return access(path, F_OK) == 0 || store_in_nixos(id);
}

static int no_unit(const char *id, struct err *e)
{
	return err_set(e, NU_NO_UNIT, "%s: no such unit in %s (nixunits list names those there are)",
		       id, store_dir());
}

int store_open(const char *id, bool create, bool *created, struct err *e)
{
	autofree char *path = store_unit_path(id);

	if (create) {
		autofree char *parent = xfmt("%s/containers", store_dir());

		if (make_dirs(parent, 0755, e) < 0)
			return -1;
		bool made = mkdir(path, 0700) == 0;
		if (!made && errno != EEXIST)
			return err_errno(e, "%s", path);
		if (created)
			*created = made;
	}
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return no_unit(id, e);
	return fd < 0 ? err_errno(e, "%s", path) : fd;
}

int store_lock(const char *id, bool create, bool *created, int wait_ms, struct err *e)
{
	autofree char *path = store_unit_path(id);
	struct stat held, there;

	for (;;) {
		autoclose int fd = store_open(id, create, created, e);

		if (fd < 0)
			return -1;
		if (lock_within(fd, LOCK_EX, wait_ms) < 0)
			return errno == EWOULDBLOCK ?
				       err_set(e, NU_BUSY, "%s: another nixunits command is at work on it",
					       id) :
				       err_errno(e, "%s: lock", path);
		/* A delete may have been faster: then this is a directory nobody finds. */
		if (fstat(fd, &held) == 0 && stat(path, &there) == 0 &&
		    held.st_ino == there.st_ino && held.st_dev == there.st_dev)
			return steal_fd(&fd);
	}
}

int store_lock_file(const char *name, int operation, int wait_ms, struct err *e)
{
	autofree char *path = xfmt("%s/%s.lock", store_dir(), name);

	if (make_dirs(store_dir(), 0755, e) < 0)
		return -1;
	autoclose int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(e, "%s", path);
	if ((wait_ms == STORE_WAIT ? flock(fd, operation) : lock_within(fd, operation, wait_ms)) == 0)
		return steal_fd(&fd);
	if (errno == EWOULDBLOCK)
		return err_set(e, NU_BUSY, "%s: another nixunits command has it", path);
	return errno == EINTR ? err_set(e, 128 + SIGINT, "interrupted") : err_errno(e, "%s", path);
}

int store_lock_base(int operation, int wait_ms, struct err *e)
{
	autofree char *root = store_base_root();

	if (make_dirs(root, 0755, e) < 0)
		return -1;
	return store_lock_file("store", operation, wait_ms, e);
}

static unsigned int generation_number(const char *name)
{
	char *end;
	unsigned long n = strtoul(name, &end, 10);

	return name[0] >= '1' && name[0] <= '9' && !*end && n < 1000000000 ? n : 0;
}

unsigned int store_generation(int unit_dir, const char *link)
{
	char target[64];
	ssize_t n = readlinkat(unit_dir, link, target, sizeof(target) - 1);

	if (n < 0)
		return 0;
	target[n] = '\0';
	return starts_with(target, "generations/") ? generation_number(target + 12) : 0;
}

static int compare_numbers(const void *a, const void *b)
{
	unsigned int x = *(const unsigned int *)a, y = *(const unsigned int *)b;

	return x < y ? -1 : x > y;
}

size_t store_generations(int unit_dir, unsigned int **list)
{
	int fd = openat(unit_dir, "generations", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	size_t n = 0;

	*list = NULL;
	if (!dir)
		return 0;
	for (struct dirent *d; (d = readdir(dir));) {
		unsigned int g = generation_number(d->d_name);

		if (!g)
			continue;
		*list = xrealloc(*list, n + 1, sizeof(**list));
		(*list)[n++] = g;
	}
	closedir(dir);
	if (n)
		qsort(*list, n, sizeof(**list), compare_numbers);
	return n;
}

int store_switch(int unit_dir, unsigned int n, struct err *e)
{
	autofree char *target = xfmt("generations/%u", n);

	if (link_replace(unit_dir, "current", target, e) < 0)
		return -1;
	if (unlinkat(unit_dir, "next", 0) < 0 && errno != ENOENT)
		return err_errno(e, "next");
	return link_replace(unit_dir, "unit.conf", "current/unit.conf", e);
}

int store_switch_pending(const char *id, struct err *e)
{
	if (store_in_nixos(id))
		return 0;
	autoclose int dir = store_lock(id, false, NULL, 0, e);
	unsigned int next = dir < 0 ? 0 : store_generation(dir, "next");
	return dir < 0 || (next && store_switch(dir, next, e) < 0) ? -1 : 0;
}

size_t store_stale(int unit_dir, unsigned int keep, unsigned int also, unsigned int **list)
{
	unsigned int current = store_generation(unit_dir, "current");
	unsigned int next = store_generation(unit_dir, "next");
	size_t n = store_generations(unit_dir, list), stale = 0;

	for (size_t i = 0; i + keep < n; i++) {
		unsigned int g = (*list)[i];

		if (g != current && g != next && g != also)
			(*list)[stale++] = g;
	}
	return stale;
}

int store_prune(int unit_dir, unsigned int keep, unsigned int also, struct err *e)
{
	autoclose int fd = openat(unit_dir, "generations", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autofree unsigned int *list = NULL;
	size_t n = store_stale(unit_dir, keep, also, &list);
	DIR *dir;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno(e, "generations");
	for (size_t i = 0; i < n; i++) {
		autofree char *name = xfmt("%u", list[i]), *gone = xfmt(".old.%u", list[i]);

		/* First out of sight: a generation is whole or not there. */
		if (renameat(fd, name, fd, gone) < 0)
			return err_errno(e, "generations/%s", name);
	}
	dir = fdopendir(dup(fd));
	if (!dir)
		return err_errno(e, "generations");
	int failed = 0;
	for (struct dirent *d; !failed && (d = readdir(dir));)
		if (starts_with(d->d_name, ".old.") || starts_with(d->d_name, ".new."))
			failed = tree_remove(fd, d->d_name, e);
	closedir(dir);
	return failed;
}

char *store_unit_json(const char *id, const char *link)
{
	if (store_in_nixos(id))
		return nixos_json(id);
	return xfmt("%s/containers/%s/%s/unit.json", store_dir(), id, link);
}

struct unit *store_unit(const char *id, const char *link, struct err *e)
{
	autofree char *path = store_unit_json(id, link);

	if (!store_exists(id)) {
		no_unit(id, e);
		return NULL;
	}
	if (access(path, F_OK) < 0 && errno == ENOENT) {
		bool pending = streq(link, "next");
		autofree char *other = store_unit_json(id, pending ? "current" : "next");

		if (access(other, F_OK) == 0)
			err_set(e, NU_FAILED,
				pending ? "%s: no generation is pending (nixunits build %s)" :
					  "%s: built, but not started yet (nixunits start %s)",
				id, id);
		else
			err_set(e, NU_FAILED, "%s: not built yet (nixunits build -i %s -n FILE)", id, id);
		return NULL;
	}
	struct unit *u = unit_load_file(AT_FDCWD, path, e);
	if (u && !streq(u->id, id)) {
		err_set(e, NU_FAILED, "%s: %s is the document of %s", id, path, quoted(u->id));
		unit_free(u);
		return NULL;
	}
	if (!u)
		err_wrap(e, "%s: ", id);
	return u;
}

struct unit *store_unit_or_stdin(const char *id, const char *link, struct err *e)
{
	autobuf struct buf text = { 0 };

	if (!streq(id, "-"))
		return id_check(id, e) < 0 ? NULL : store_unit(id, link, e);
	if (fd_read(STDIN_FILENO, "standard input", UNIT_LIMIT, &text, e) < 0)
		return NULL;
	struct unit *u = unit_parse(text.p, text.n, e);
	if (!u)
		err_wrap(e, "standard input: ");
	return u;
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void store_ids(struct strv *ids)
{
	autofree char *path = xfmt("%s/containers", store_dir());
	struct err e;
	DIR *dir = opendir(path);

	for (struct dirent *d; dir && (d = readdir(dir));)
		if (id_check(d->d_name, &e) == 0)
			strv_add(ids, d->d_name);
	if (dir)
		closedir(dir);

	dir = opendir(store_etc_dir());
	for (struct dirent *d; dir && (d = readdir(dir));) {
		if (!ends_with(d->d_name, ".json"))
			continue;
		autofree char *id = xstrndup(d->d_name, strlen(d->d_name) - 5);
		autofree char *unit = store_unit_path(id);
		if (id_check(id, &e) == 0 && access(unit, F_OK) < 0)
			strv_add(ids, id);
	}
	if (dir)
		closedir(dir);
	if (ids->n)
		qsort(ids->v, ids->n, sizeof(*ids->v), compare_strings);
}
