/* kmod - kernel modules, picked from a kernel's tree.
 *
 * What a module depends on stands in the module itself ("depends=a,b" in its section
 * .modinfo): modules.dep, which only depmod(8) makes, is not needed.
 */
#include "kmod.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proc.h"

#define MODULE_LIMIT (64 << 20)

static struct strv *found;

static int collect(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	if (type == FTW_F && strstr(path + ftw->base, ".ko"))
		strv_add(found, path);
	return 0;
}

/* The one kernel whose modules an unpacked package holds. */
static char *of_package(const char *dir)
{
	static const char *const below[] = { "lib/modules", "usr/lib/modules" };
	char *only = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(below); i++) {
		autofree char *parent = xfmt("%s/%s", dir, below[i]);
		DIR *d = opendir(parent);

		for (struct dirent *entry; d && !only && (entry = readdir(d));)
			if (entry->d_name[0] != '.')
				only = xfmt("%s/%s", parent, entry->d_name);
		if (d)
			closedir(d);
	}
	return only ? only : xstrdup(dir);
}

int kmods_open(struct kmods *k, const char *dir, struct err *e)
{
	autofree char *own = xfmt("%s/kernel", dir);

	k->dir = access(own, F_OK) == 0 ? xstrdup(dir) : of_package(dir);
	autofree char *builtin = xfmt("%s/modules.builtin", k->dir);
	autofree char *kernel = xfmt("%s/kernel", k->dir);
	found = &k->files;
	if (nftw(kernel, collect, 64, FTW_PHYS) < 0 || !k->files.n)
		return err_set(e, NU_MISSING,
			       "%s: no kernel's modules (expected /lib/modules/VERSION, or an "
			       "unpacked kernel package)",
			       plain(dir));
	return file_read(AT_FDCWD, builtin, MODULE_LIMIT, &k->builtin, e);
}

void kmods_close(struct kmods *k)
{
	free(k->dir);
	strv_free(&k->files);
	strv_free(&k->loaded);
	buf_free(&k->builtin);
}

/* Whether path is the file of the module: "-" and "_" are the same in a module's name. */
static bool is_module(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/'), *p = slash ? slash + 1 : path;

	for (; *name; p++, name++)
		if (*p != *name && !(*p && strchr("-_", *p) && strchr("-_", *name)))
			return false;
	return starts_with(p, ".ko");
}

static bool is_builtin(const struct kmods *k, const char *name)
{
	for (const char *line = k->builtin.p; line; line = next_line(line)) {
		autofree char *path = xstrndup(line, strcspn(line, "\n"));

		if (is_module(path, name))
			return true;
	}
	return false;
}

static int read_module(const char *path, struct buf *b, struct err *e)
{
	static const char *const by[][2] = { { ".xz", "xz" }, { ".zst", "zstd" }, { ".gz", "gzip" } };

	for (size_t i = 0; i < ARRAY_SIZE(by); i++) {
		if (!ends_with(path, by[i][0]))
			continue;
		char *argv[] = { (char *)by[i][1], (char *)"-dc", NULL };
		autoclose int in = open(path, O_RDONLY | O_CLOEXEC);
		autoclose int out = memfd_create("module", MFD_CLOEXEC);

		if (in < 0 || out < 0)
			return err_errno(e, "%s", path);
		int status = proc_pipe(argv, in, out, e);
		if (status > 0)
			err_set(e, NU_FAILED, "%s: %s: exit status %d", path, argv[0], status);
		if (status || lseek(out, 0, SEEK_SET) < 0)
			return -1;
		return fd_read(out, path, MODULE_LIMIT, b, e);
	}
	return file_read(AT_FDCWD, path, MODULE_LIMIT, b, e);
}

int kmods_need(struct kmods *k, const char *name, bool must, kmod_take *take, void *data,
	       struct err *e)
{
	static const char depends[] = "\0depends=";
	autobuf struct buf module = { 0 };
	const char *path = NULL;

	if (strv_has(&k->loaded, name) || is_builtin(k, name))
		return 0;
	for (size_t i = 0; i < k->files.n && !path; i++)
		if (is_module(k->files.v[i], name))
			path = k->files.v[i];
	if (!path)
		return must ? err_set(e, NU_MISSING, "%s: no module %s, and it isn't built in", k->dir,
				      name) :
			      0;
	strv_add(&k->loaded, name);
	if (read_module(path, &module, e) < 0)
		return -1;
	const char *list = memmem(module.p, module.n, depends, sizeof(depends) - 1);
	if (!list)
		return err_set(e, NU_FAILED, "%s: not a kernel module", path);
	for (list += sizeof(depends) - 1; *list; list += *list == ',') {
		size_t n = strcspn(list, ",");
		autofree char *other = xstrndup(list, n);

		if (kmods_need(k, other, true, take, data, e) < 0)
			return err_wrap(e, "%s: ", name);
		list += n;
	}
	return take(name, &module, data, e);
}
