/* nu-overlay - mount, unmount and describe merged stores.
 *
 *   nu-overlay mount ID TARGET
 *   nu-overlay mount --lower DIR... [--upper DIR --work DIR] TARGET
 *   nu-overlay umount [--lazy] TARGET
 *   nu-overlay show [-s] [-o json] [ID|TARGET...]
 *
 * A unit's /nix/store is a read-only overlay of two: what its own build added, over
 * the base store that all units share. nu-run mounts it for the container alone;
 * this applet does so where one wants to look at it, or for any other directories.
 */
#include "../lib/applet.h"
#include "../lib/json.h"
#include "../lib/machine.h"
#include "../lib/mnt.h"
#include "../lib/store.h"
#include "../lib/uid.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

struct layer {
	const char *what;
	char path[4096];
	long paths;    /* in the store; -1: not counted */
	int64_t bytes; /* on disk; -1: not counted */
};

/* The layers of a unit's store, the topmost first. Returns how many, or -1 and e. */
static int unit_layers(const char *id, struct layer layers[2], unsigned int *generation,
		       struct err *e)
{
	struct unit *u = store_unit(id, "current", e);
	autofree char *base = store_base_root();
	autofree char *dir = store_unit_path(id);

	*generation = 0;
	if (!u)
		return -1;
	unit_free(u);
	if (store_in_nixos(id)) {
		layers[0] = (struct layer){ .what = "host", .path = "/nix/store" };
		return 1;
	}
	autoclose int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*generation = store_generation(fd, "current");
	layers[0] = (struct layer){ .what = "own" };
	layers[1] = (struct layer){ .what = "base" };
	snprintf(layers[0].path, sizeof(layers[0].path), "%s/generations/%u/nix/store", dir,
		 *generation);
	snprintf(layers[1].path, sizeof(layers[1].path), "%s/nix/store", base);
	return 2;
}

static int64_t walked;

/* A file that nix's optimiser gave n names counts for one n-th at each. */
static int walk(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)path, (void)ftw;
	if (type != FTW_NS)
		walked += st->st_blocks * 512 / (type == FTW_F ? (int64_t)st->st_nlink : 1);
	return 0;
}

static int measure(struct layer *l, bool sizes, struct err *e)
{
	DIR *dir = opendir(l->path);

	if (!dir)
		return err_errno(e, "%s", l->path);
	for (struct dirent *d; (d = readdir(dir));)
		l->paths += d->d_name[0] != '.';
	closedir(dir);
	l->bytes = -1;
	if (!sizes)
		return 0;
	walked = 0;
	if (nftw(l->path, walk, 64, FTW_PHYS) < 0)
		return err_errno(e, "%s", l->path);
	l->bytes = walked;
	return 0;
}

static int show(const char *id, bool sizes, cJSON *out, struct err *e)
{
	struct layer layers[2];
	unsigned int generation;
	struct machine m;
	int n = unit_layers(id, layers, &generation, e);

	for (int i = 0; i < n; i++)
		if (measure(&layers[i], sizes, e) < 0)
			return err_wrap(e, "%s: ", id);
	if (n < 0)
		return -1;
	bool mounted = machine_find(id, &m, e) == 1;
	if (!out) {
		printf("%s%s\n", id, mounted ? " (mounted: it runs)" : "");
		for (int i = 0; i < n; i++) {
			printf("  %-5s %6ld paths", layers[i].what, layers[i].paths);
			if (sizes)
				printf(" %8.1f MiB", layers[i].bytes / 1048576.0);
			printf("  %s\n", layers[i].path);
		}
		return 0;
	}
	cJSON *o = cJSON_CreateObject(), *list = cJSON_CreateArray();
	cJSON_AddStringToObject(o, "id", id);
	if (generation)
		cJSON_AddNumberToObject(o, "generation", generation);
	cJSON_AddBoolToObject(o, "mounted", mounted);
	for (int i = 0; i < n; i++) {
		cJSON *l = cJSON_CreateObject();

		cJSON_AddStringToObject(l, "layer", layers[i].what);
		cJSON_AddStringToObject(l, "path", layers[i].path);
		cJSON_AddNumberToObject(l, "paths", layers[i].paths);
		if (sizes)
			cJSON_AddNumberToObject(l, "bytes", layers[i].bytes);
		cJSON_AddItemToArray(list, l);
	}
	cJSON_AddItemToObject(o, "layers", list);
	cJSON_AddItemToArray(out, o);
	return 0;
}

/* Adds what stands after "key=" or "key+=" in a mount's options to list: one directory, with
 * "key=" escaped by "\\"; of "lowerdir=" several, with ":" between them. */
static bool take_layers(const char *option, const char *key, struct strv *list)
{
	size_t n = strlen(key);
	autobuf struct buf name = { 0 };

	if (strncmp(option, key, n) != 0 || !(option[n] == '=' || starts_with(option + n, "+=")))
		return false;
	bool one = option[n] == '+', single = !streq(key, "lowerdir");
	for (const char *p = option + n + 1 + one;; p++) {
		if (!*p || (*p == ':' && !one && !single)) {
			buf_add(&name, "", 1);
			strv_add(list, name.p);
			name.n = 0;
			if (!*p)
				return true;
			continue;
		}
		if (*p == '\\' && !one && p[1])
			p++;
		buf_add(&name, p, 1);
	}
}

static void show_dirs(cJSON *o, const char *key, const struct strv *list)
{
	if (o) {
		cJSON *array = cJSON_AddArrayToObject(o, key);

		for (size_t i = 0; i < list->n; i++)
			cJSON_AddItemToArray(array, cJSON_CreateString(list->v[i]));
		return;
	}
	for (size_t i = 0; i < list->n; i++)
		printf("  %-5s %s\n", key, plain(list->v[i]));
}

/* An overlay that is mounted, whoever did so. */
static int show_mount(const char *target, cJSON *out, struct err *e)
{
	static const char *const keys[][2] = { { "upperdir", "upper" }, { "workdir", "work" },
					       { "lowerdir", "lower" } };
	struct strv lists[ARRAY_SIZE(keys)] = { 0 };
	struct mnt_info info;

	if (mnt_info(target, &info, e) < 0)
		return -1;
	autofree char *options = info.options;
	if (!info.root || !streq(info.type, "overlay"))
		return err_set(e, NU_FAILED, "%s: no overlay is mounted there", plain(target));
	for (char *option = strtok(options, ","); option; option = strtok(NULL, ",")) {
		mnt_unescape(option);
		for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
			take_layers(option, keys[i][0], &lists[i]);
	}
	cJSON *o = out ? cJSON_CreateObject() : NULL;
	if (out) {
		cJSON_AddStringToObject(o, "target", target);
		cJSON_AddBoolToObject(o, "readOnly", info.read_only);
		cJSON_AddItemToArray(out, o);
	} else {
		printf("%s%s\n", plain(target), info.read_only ? " (read-only)" : "");
	}
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		show_dirs(o, keys[i][1], &lists[i]);
		strv_free(&lists[i]);
	}
	return 0;
}

static int show_any(const char *name, bool sizes, cJSON *out, struct err *e)
{
	if (strchr(name, '/'))
		return show_mount(name, out, e);
	return id_check(name, e) < 0 ? -1 : show(name, sizes, out, e);
}

static int show_all(char **names, int n, bool sizes, bool json)
{
	autojson cJSON *out = json ? cJSON_CreateArray() : NULL;
	autostrv struct strv all = { 0 };
	int status = NU_OK;
	struct err e;

	for (int i = 0; i < n; i++)
		strv_add(&all, names[i]);
	if (n == 0)
		store_ids(&all);
	for (size_t i = 0; i < all.n; i++)
		if (show_any(all.v[i], sizes, out, &e) < 0)
			status = say_err(&e);
	if (out)
		json_print(out);
	return status;
}

/* A directory by its whole path, as those who list mounts see it. */
static char *whole(const char *dir, struct err *e)
{
	char path[4096];
	struct stat st;

	if (!realpath(dir, path) || stat(path, &st) < 0) {
		err_errno(e, "%s", plain(dir));
		return NULL;
	}
	if (!S_ISDIR(st.st_mode)) {
		err_set(e, NU_FAILED, "%s: not a directory", plain(dir));
		return NULL;
	}
	return xstrdup(path);
}

/* What the kernel answers to an upper layer is mostly EINVAL. */
static int explain_upper(const struct merge *m, struct err *e)
{
	struct mnt_info upper, work;
	size_t n = strlen(m->upper);
	struct err why;

	if (mnt_info(m->upper, &upper, &why) < 0 || mnt_info(m->work, &work, &why) < 0)
		return -1;
	free(upper.options);
	free(work.options);
	if (upper.id != work.id)
		return err_set(e, NU_FAILED, "%s: not in the mount that %s is in", m->work, m->upper);
	if (starts_with(m->work, m->upper) && (m->work[n] == '/' || !m->work[n]))
		return err_set(e, NU_FAILED, "%s: lies in %s, which it must not", m->work, m->upper);
	if (upper.read_only)
		return err_set(e, NU_FAILED, "%s: on a read-only filesystem (%s)", m->upper,
			       upper.type);
	return err_wrap(e, "%s, on %s, as the upper layer: ", m->upper, upper.type);
}

static int mount_all(const struct strv *lowers, const char *upper, const char *work,
		     uint32_t base, const char *target, struct err *e)
{
	autofree char *up = upper ? whole(upper, e) : NULL;
	autofree char *tmp = up ? whole(work, e) : NULL;
	autofree char *at = upper && !tmp ? NULL : whole(target, e);
	autostrv struct strv dirs = { 0 };

	if (!at)
		return -1;
	for (size_t i = 0; i < lowers->n; i++) {
		autofree char *dir = whole(lowers->v[i], e);

		if (!dir)
			return -1;
		strv_add(&dirs, dir);
	}
	autoclose int userns = base ? mnt_userns(base, UID_COUNT, e) : -1;
	if (base && userns < 0)
		return -1;
	struct merge m = { .dirs = (const char *const *)dirs.v, .n = dirs.n, .upper = up,
			   .work = tmp, .userns = userns, .base = base };
	if (mnt_merge(&m, at, e) == 0)
		return 0;
	if (up)
		return explain_upper(&m, e);
	return -1;
}

static int unmount(const char *target, bool lazy, struct err *e)
{
	if (umount2(target, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0)
		return 0;
	if (errno == EINVAL)
		return err_set(e, NU_FAILED, "%s: nothing is mounted there", plain(target));
	if (errno == EBUSY)
		return err_set(e, NU_BUSY, "%s: in use (--lazy unmounts it all the same)",
			       plain(target));
	return err_errno(e, "%s", plain(target));
}

static int run(int argc, char **argv)
{
	const char *upper = NULL, *work = NULL, *idmap = NULL, *format = NULL;
	autostrv struct strv lowers = { 0 };
	bool sizes = false, lazy = false;
	const struct opt opts[] = {
		{ 'l', "lower", "DIR", "a read-only layer; given again: the next one below",
		  .list = &lowers },
		{ 'u', "upper", "DIR", "the layer that takes what is written", .text = &upper },
		{ 'w', "work", "DIR", "an empty directory beside it, for overlayfs", .text = &work },
		{ 'm', "idmap", "UID", "shift the owners on disk up by UID", .text = &idmap },
		{ 'z', "lazy", NULL, "umount what is in use: it goes when that ends", .flag = &lazy },
		{ 's', "size", NULL, "show what each layer takes on disk", .flag = &sizes },
		{ 'o', "output", "FORMAT", "text or json", .text = &format },
		{ 0 },
	};
	struct err e;
	int i = opt_parse(argc, argv, opts);
	bool json = opt_json(format);
	const char *action = i < argc ? argv[i++] : "";
	int rest = argc - i, failed;

	if (streq(action, "show"))
		return show_all(argv + i, rest, sizes, json);
	if (streq(action, "umount")) {
		if (rest != 1)
			usage("umount: expected one TARGET");
		failed = unmount(argv[i], lazy, &e);
		return failed ? say_err(&e) : NU_OK;
	}
	if (!streq(action, "mount"))
		usage("expected mount, umount or show");
	if (!upper != !work)
		usage("--upper and --work go together");
	uint32_t base = idmap ? opt_number("idmap", idmap, 1, UINT32_MAX - UID_COUNT) : 0;
	if (rest == 2 && !lowers.n) {
		struct layer layers[2];
		unsigned int generation;
		int n = id_check(argv[i], &e) < 0 ? -1 : unit_layers(argv[i], layers, &generation, &e);

		if (n < 0)
			return say_err(&e);
		for (int k = 0; k < n; k++)
			strv_add(&lowers, layers[k].path);
		i++;
	} else if (rest != 1 || !lowers.n) {
		usage("mount: expected ID TARGET, or --lower DIR TARGET");
	}
	failed = mount_all(&lowers, upper, work, base, argv[i], &e);
	return failed ? say_err(&e) : NU_OK;
}

APPLET(overlay, .name = "overlay", .summary = "Mount, unmount and describe merged stores",
       .synopsis = "[options] mount [ID] TARGET | umount TARGET | show [ID|TARGET...]",
       .help = "mount ID TARGET mounts the unit's merged store, read-only; with --lower any\n"
	       "directories are merged, the first one on top, read-only without --upper. show\n"
	       "describes the layers of the named units, or of all, or of an overlay that is\n"
	       "mounted on TARGET (which has a \"/\" in it).",
       .main = run);
