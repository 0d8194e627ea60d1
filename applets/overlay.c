/* nu-overlay - mount, unmount and describe merged stores.
 *
 *   nu-overlay mount ID TARGET
 *   nu-overlay mount --lower DIR... [--upper DIR --work DIR] TARGET
 *   nu-overlay umount TARGET
 *   nu-overlay show [-s] [-o json] [ID...]
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

static int show_all(char **ids, int n, bool sizes, bool json)
{
	autojson cJSON *out = json ? cJSON_CreateArray() : NULL;
	autostrv struct strv all = { 0 };
	int status = NU_OK;
	struct err e;

	for (int i = 0; i < n; i++)
		strv_add(&all, ids[i]);
	if (n == 0)
		store_ids(&all);
	for (size_t i = 0; i < all.n; i++)
		if (id_check(all.v[i], &e) < 0 || show(all.v[i], sizes, out, &e) < 0)
			status = say_err(&e);
	if (out)
		json_print(out);
	return status;
}

static int open_dir(const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_errno(e, "%s", path) : fd;
}

static int mount_writable(const struct strv *lowers, const char *upper, const char *work,
			  const char *target, struct err *e)
{
	autoclose int up = open_dir(upper, e);
	autoclose int tmp = up < 0 ? -1 : open_dir(work, e);
	int fds[lowers->n];

	struct stat a, b;

	if (tmp < 0)
		return -1;
	/* The kernel says no more than EINVAL to this. */
	if (fstat(up, &a) == 0 && fstat(tmp, &b) == 0 && a.st_dev != b.st_dev)
		return err_set(e, NU_FAILED, "%s: not on the filesystem of %s", work, upper);
	/* Left open: this process ends with the mount. */
	for (size_t i = 0; i < lowers->n; i++)
		if ((fds[i] = open_dir(lowers->v[i], e)) < 0)
			return -1;
	struct overlay o = { .lowers = fds, .n_lowers = lowers->n, .upper = up, .work = tmp };
	autoclose int overlay = mnt_overlay(&o, e);
	return overlay < 0 ? -1 : mnt_attach(overlay, target, e);
}

static int mount_readonly(const struct strv *lowers, uint32_t base, const char *target,
			  struct err *e)
{
	autoclose int userns = base ? mnt_userns(base, UID_COUNT, e) : -1;

	if (base && userns < 0)
		return -1;
	return mnt_union((const char *const *)lowers->v, lowers->n, userns, target, e);
}

static int unmount(const char *target, struct err *e)
{
	if (umount2(target, UMOUNT_NOFOLLOW) == 0)
		return 0;
	if (errno == EINVAL)
		return err_set(e, NU_FAILED, "%s: nothing is mounted there", target);
	return err_errno(e, "%s", target);
}

static int run(int argc, char **argv)
{
	const char *upper = NULL, *work = NULL, *idmap = NULL, *format = NULL;
	autostrv struct strv lowers = { 0 };
	bool sizes = false;
	const struct opt opts[] = {
		{ 'l', "lower", "DIR", "a read-only layer; given again: the next one below",
		  .list = &lowers },
		{ 'u', "upper", "DIR", "the layer that takes what is written", .text = &upper },
		{ 'w', "work", "DIR", "an empty directory beside it, for overlayfs", .text = &work },
		{ 'm', "idmap", "UID", "shift the owners on disk up by UID", .text = &idmap },
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
		failed = unmount(argv[i], &e);
		return failed ? say_err(&e) : NU_OK;
	}
	if (!streq(action, "mount"))
		usage("expected mount, umount or show");
	if (!upper != !work)
		usage("--upper and --work go together");
	uint32_t base = idmap ? opt_number("idmap", idmap, 1, UINT32_MAX - UID_COUNT) : 0;
	if (upper && base)
		usage("--idmap is for read-only layers: --upper can't be shifted");
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
	autoclose int target = open_dir(argv[i], &e);
	if (target < 0)
		return say_err(&e);
	if (upper)
		failed = mount_writable(&lowers, upper, work, argv[i], &e);
	else
		failed = mount_readonly(&lowers, base, argv[i], &e);
	return failed ? say_err(&e) : NU_OK;
}

APPLET(overlay, .name = "overlay", .summary = "Mount, unmount and describe merged stores",
       .synopsis = "[options] mount [ID] TARGET | umount TARGET | show [ID...]",
       .help = "mount ID TARGET mounts the unit's merged store, read-only; with --lower any\n"
	       "directories are merged, the first one on top, read-only without --upper. show\n"
	       "describes the layers of the named units, or of all.",
       .main = run);
