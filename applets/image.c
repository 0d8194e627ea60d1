/* nu-image - a unit as one file, or as an initramfs that boots it.
 *
 *   nu-image -o FILE.squashfs ID
 *   nu-image --initramfs [--modules DIR] -o FILE.cpio.gz ID...
 *   nu-image --check FILE...
 *
 * An image (lib/image) holds the closure of what the next start of the unit would run
 * and its document. The initramfs holds such images, kernel modules and this binary,
 * which is its /init (applets/init.c).
 *
 * The closure is laid out in a mount namespace of this process, by a bind mount for each
 * store path, and the output has no name until it is whole: whatever ends this, nothing
 * is left of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "../lib/applet.h"
#include "../lib/cpio.h"
#include "../lib/image.h"
#include "../lib/kmod.h"
#include "../lib/mnt.h"
#include "../lib/proc.h"
#include "../lib/store.h"

#define BUSY_WAIT_MS 10000

/* A file without a name, where the file system has such; else one with a name of ours. */
struct out {
	char *path, *dir, *temp;
	int fd;
};

static int out_open(struct out *o, const char *path, struct err *e)
{
	autofree char *copy = xstrdup(path);
	struct stat st;

	*o = (struct out){ .fd = -1, .path = xstrdup(path), .dir = xstrdup(dirname(copy)) };
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return err_set(e, NU_USAGE, "%s: not a file", plain(path));
	/* Not closed on exec: its writers find it by its number. */
	o->fd = open(o->dir, O_TMPFILE | O_RDWR, 0644);
	if (o->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
		o->temp = xfmt("%s.new.%d", path, getpid());
		o->fd = open(o->temp, O_RDWR | O_CREAT | O_EXCL, 0644);
	}
	return o->fd < 0 ? err_errno(e, "%s", plain(path)) : 0;
}

static void out_close(struct out *o)
{
	if (o->temp)
		unlink(o->temp);
	cleanup_close(&o->fd);
	free(o->path);
	free(o->dir);
	free(o->temp);
}
#define autoout __attribute__((cleanup(out_close)))

/* Gives it its name. */
static int out_finish(struct out *o, struct err *e)
{
	autofree char *self = xfmt("/proc/self/fd/%d", o->fd);
	autofree char *temp = xfmt("%s.new.%d", o->path, getpid());
	autoclose int dir = open(o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0 || fsync(o->fd) < 0)
		return err_errno(e, "%s", plain(o->path));
	if (!o->temp) {
		unlink(temp); /* of a process that had our number and was killed */
		if (linkat(AT_FDCWD, self, AT_FDCWD, temp, AT_SYMLINK_FOLLOW) < 0)
			return err_errno(e, "%s", plain(o->path));
		o->temp = xstrdup(temp);
	}
	if (rename(o->temp, o->path) < 0 || fsync(dir) < 0)
		return err_errno(e, "%s", plain(o->path));
	free(o->temp);
	o->temp = NULL;
	return 0;
}

/* Runs a program that has something to say only when it fails: then its last line. */
static int run_tool(char *const argv[], struct err *e)
{
	autobuf struct buf out = { 0 }, said = { 0 };
	int status = proc_capture(argv, &out, &said, e);

	if (status <= 0)
		return status;
	while (said.n && said.p[said.n - 1] == '\n')
		said.p[--said.n] = '\0';
	const char *last = said.n ? strrchr(said.p, '\n') : NULL;
	return err_set(e, NU_FAILED, "%s: exit status %d: %s", argv[0], status,
		       last ? last + 1 : said.n ? said.p : "it says nothing");
}

/* One store path of the closure, from the first of the layers that has it. */
static int lay_path(const char *path, char *const layers[], const char *stage, struct err *e)
{
	autofree char *to = xfmt("%s%s", stage, path);

	for (; *layers; layers++) {
		autofree char *from = xfmt("%s%s", *layers, path);
		char target[4096];
		struct stat st;

		if (lstat(from, &st) < 0)
			continue;
		if (S_ISLNK(st.st_mode)) {
			ssize_t n = readlink(from, target, sizeof(target) - 1);

			target[n < 0 ? 0 : n] = '\0';
			return n < 0 || symlink(target, to) < 0 ? err_errno(e, "%s", to) : 0;
		}
		autoclose int fd = S_ISDIR(st.st_mode) ? -1 : creat(to, 0644);
		if ((S_ISDIR(st.st_mode) ? mkdir(to, 0755) : fd) < 0 ||
		    mount(from, to, NULL, MS_BIND, NULL) < 0)
			return err_errno(e, "%s", to);
		return 0;
	}
	return err_set(e, NU_FAILED, "%s of its closure is not in the store: build it again (build -f)",
		       path);
}

/* What a start would run: the document, and the closure laid out on stage. */
struct source {
	struct unit *unit;
	size_t n_paths;
	struct image_info info;
};

static int lay_out(const char *id, const char *stage, struct source *s, struct err *e)
{
	bool nixos = store_in_nixos(id);
	autofree char *dir = store_unit_path(id), *base = store_base_root();
	autofree char *store = xfmt("%s/nix/store", stage), *copy = xfmt("%s/unit.json", stage);
	autofree char *next = store_unit_json(id, "next");
	const char *link = access(next, F_OK) == 0 ? "next" : "current";
	autofree char *json = store_unit_json(id, link);
	autofree char *own = xfmt("%s/%s", dir, link);
	autobuf struct buf closure = { 0 }, text = { 0 };
	char *const layers[] = { nixos ? (char *)"" : own, base, NULL };

	s->unit = store_unit(id, link, e);
	if (!s->unit)
		return -1;
	if (nixos) {
		char *argv[] = { (char *)"nix-store", (char *)"-qR", (char *)s->unit->system, NULL };
		int status = proc_output(argv, false, &closure, e);

		if (status)
			return status < 0 ? -1 : err_set(e, NU_FAILED, "nix-store -qR: exit status %d",
							 status);
	} else {
		autofree char *list = xfmt("%s/closure", own);

		if (file_read(AT_FDCWD, list, CLOSURE_LIMIT, &closure, e) < 0)
			return -1;
	}
	if (file_read(AT_FDCWD, json, UNIT_LIMIT, &text, e) < 0 || make_dirs(store, 0755, e) < 0 ||
	    file_replace(AT_FDCWD, copy, text.p, text.n, 0644, e) < 0)
		return -1;
	for (const char *line = closure.p; line && *line; line = next_line(line)) {
		autofree char *path = xstrndup(line, strcspn(line, "\n"));

		if (!starts_with(path, "/nix/store/") || strchr(path + 11, '/'))
			return err_set(e, NU_FAILED, "closure: %s: not a store path", quoted(path));
		if (lay_path(path, layers, stage, e) < 0)
			return -1;
		s->n_paths++;
	}
	return 0;
}

/* The same closure gives the same bytes: all times are 1, as in any nix store, and what
 * else a file system has of its own is fixed. */
static int make_fs(bool erofs, const char *stage, int fd, struct err *e)
{
	autofree char *out = xfmt("/proc/self/fd/%d", fd);
	char *const squashfs_argv[] = {
		(char *)"mksquashfs", (char *)stage, out, (char *)"-noappend",
		(char *)"-no-progress", (char *)"-quiet", (char *)"-all-root", (char *)"-comp",
		(char *)"zstd", (char *)"-Xcompression-level", (char *)"9", (char *)"-mkfs-time",
		(char *)"1", (char *)"-all-time", (char *)"1", NULL,
	};
	char *const erofs_argv[] = {
		(char *)"mkfs.erofs", (char *)"--quiet", (char *)"--all-root", (char *)"-zlz4hc,3",
		(char *)"-C65536", (char *)"-T1",
		(char *)"-U6e697875-6e69-7473-0000-000000000001", out, (char *)stage, NULL,
	};

	/* mkfs.erofs has many files open at once. */
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	unsetenv("SOURCE_DATE_EPOCH"); /* mksquashfs won't have it twice */
	return run_tool(erofs ? erofs_argv : squashfs_argv, e);
}

/* An image of the unit into fd, an empty file. */
static int make_image(const char *id, bool erofs, int fd, struct source *s, struct err *e)
{
	autofree char *dir = store_unit_path(id), *stage = xfmt("%s/merged", dir);
	bool fresh = false;
	/* One that the NixOS host declares has no directory before it is started. */
	autoclose int lock = store_lock(id, store_in_nixos(id), &fresh, BUSY_WAIT_MS, e);
	autoclose int base = lock < 0 ? -1 : store_lock_base(LOCK_SH, STORE_WAIT, e);

	if (base < 0)
		return -1;
	bool made = mkdir(stage, 0755) == 0;
	int failed = mount("nixunits", stage, "tmpfs", MS_NODEV | MS_NOSUID, "mode=0755");
	if (failed)
		err_errno(e, "%s: tmpfs", stage);
	failed = failed || lay_out(id, stage, s, e) < 0 || make_fs(erofs, stage, fd, e) < 0 ||
		 image_seal(fd, id, &s->info, e) < 0;
	umount2(stage, MNT_DETACH);
	if (made)
		rmdir(stage);
	if (fresh)
		rmdir(dir);
	return failed ? err_wrap(e, "%s: ", id) : 0;
}

static void report(const char *path, const struct image_info *info, size_t n_paths)
{
	printf("%s: %s, %s, ", plain(path), info->id, info->fs);
	if (n_paths)
		printf("%zu store paths, ", n_paths);
	printf("%.1f MiB, sha256 %s\n", info->bytes / 1048576.0, info->sha256);
}

static int image(const char *id, const char *path)
{
	struct source s = { 0 };
	autoout struct out o;
	struct err e;
	int failed = out_open(&o, path, &e) < 0 ||
		     make_image(id, ends_with(path, ".erofs"), o.fd, &s, &e) < 0 ||
		     out_finish(&o, &e) < 0;

	unit_free(s.unit);
	if (failed)
		return say_err(&e);
	report(path, &s.info, s.n_paths);
	return NU_OK;
}

static int check(char **paths, int n)
{
	int status = NU_OK;
	struct image_info info;
	struct err e;

	for (int i = 0; i < n; i++) {
		autoclose int fd = open(paths[i], O_RDONLY | O_NONBLOCK | O_CLOEXEC);

		if (fd < 0)
			err_errno(&e, "%s", plain(paths[i]));
		if (fd < 0 || image_verify(fd, paths[i], &info, &e) < 0)
			status = say_err(&e);
		else
			report(paths[i], &info, 0);
	}
	return status;
}

/* What an initramfs of ours always asks a kernel for: file systems, and the network cards
 * of virtual machines. The others follow from the units. */
static const char *const modules[] = { "loop", "erofs", "overlay" };
static const char *const drivers[] = { "virtio_pci", "virtio_mmio", "virtio_net", "e1000",
				       "e1000e" };
static const char *const firewall[] = {
	"nf_tables", "nf_conntrack", "nf_nat", "nft_chain_nat", "nft_ct", "nft_nat", "nft_masq",
	"nft_redir", "nft_reject_inet", "nft_fib_inet", "nft_limit", "nft_log", "nft_socket",
};

static int take_module(const char *name, const struct buf *module, void *data, struct err *e)
{
	struct cpio *c = data;
	/* By their names' order they are loaded. */
	autofree char *path = xfmt("lib/modules/%03u-%s.ko", c->n, name);

	return cpio_data(c, path, 0644, module->p, module->n, e);
}

static bool wants_nft(const struct unit *u)
{
	return u->net.nft || u->net.n_forwards;
}

static int add_modules(struct cpio *c, struct kmods *k, const struct unit *u, struct err *e)
{
	const struct {
		bool wanted;
		const char *name;
	} kinds[] = {
		[IFACE_VETH] = { true, "veth" },
		[IFACE_OVS] = { true, "openvswitch" },
		[IFACE_BRIDGE] = { true, "bridge" },
		[IFACE_VLAN] = { true, "8021q" },
		[IFACE_MACVLAN] = { true, "macvlan" },
		[IFACE_HOST] = { false },
	};

	for (size_t i = 0; i < u->net.n_ifaces; i++) {
		const struct iface *f = &u->net.ifaces[i];

		if ((kinds[f->kind].wanted &&
		     kmods_need(k, kinds[f->kind].name, true, take_module, c, e) < 0) ||
		    ((f->kind == IFACE_BRIDGE || f->host_bridge) &&
		     (kmods_need(k, "veth", true, take_module, c, e) < 0 ||
		      kmods_need(k, "bridge", true, take_module, c, e) < 0)) ||
		    (f->macvlan.present && kmods_need(k, "macvlan", true, take_module, c, e) < 0))
			return err_wrap(e, "%s: interface %s: ", u->id, f->name);
	}
	for (size_t i = 0; wants_nft(u) && i < ARRAY_SIZE(firewall); i++)
		if (kmods_need(k, firewall[i], i == 0, take_module, c, e) < 0)
			return -1;
	return 0;
}

static int add_file(struct cpio *c, const char *from, const char *to, mode_t mode, struct err *e)
{
	autoclose int fd = open(from, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? err_errno(e, "%s", from) : cpio_file(c, to, mode, fd, e);
}

/* A program of this host, and the shared libraries that ldd(1) names, each at its own path. */
static int add_program(struct cpio *c, const char *name, struct strv *have, struct err *e)
{
	autofree char *path = strchr(name, '/') ? xstrdup(name) : proc_find(name);
	autofree char *to = xfmt("bin/%s", strrchr(path ? path : "/", '/') + 1);
	char *argv[] = { (char *)"ldd", path, NULL };
	autobuf struct buf libs = { 0 };

	if (!path) {
		errno = ENOENT;
		return proc_missing(name, e);
	}
	if (strv_has(have, to))
		return 0;
	strv_add(have, to);
	/* It fails for a static one, which needs none. */
	int status = proc_output(argv, true, &libs, e);
	if (status < 0 || add_file(c, path, to, 0755, e) < 0)
		return -1;
	for (const char *p = status ? NULL : libs.p; p && *p; p = next_line(p)) {
		const char *slash = memchr(p, '/', strcspn(p, "\n"));
		autofree char *lib = slash ? xstrndup(slash, strcspn(slash, " \n")) : NULL;

		if (!lib || strv_has(have, lib))
			continue;
		strv_add(have, lib);
		if (add_file(c, lib, lib + 1, 0755, e) < 0)
			return -1;
	}
	return 0;
}

/* For nu-init, which waits for them. */
static int add_links(struct cpio *c, const char *image, const struct unit *u, struct err *e)
{
	autofree char *path = xfmt("%s" IMAGE_LINKS, image);
	autobuf struct buf names = { 0 };

	for (size_t i = 0; i < u->net.n_ifaces; i++) {
		const struct iface *f = &u->net.ifaces[i];

		if (f->kind == IFACE_HOST || f->kind == IFACE_VLAN || f->kind == IFACE_MACVLAN)
			buf_addf(&names, "%s\n", f->parent ? f->parent : f->name);
	}
	return names.n ? cpio_data(c, path, 0644, names.p, names.n, e) : 0;
}

static int add_unit(struct cpio *c, const char *id, const char *dir, struct kmods *k,
		    struct strv *programs, struct err *e)
{
	autofree char *path = xfmt("images/%s.erofs", id);
	autofree char *beside = xfmt("%s/image", dir);
	struct source s = { 0 };
	autoout struct out o;
	int failed = out_open(&o, beside, e) < 0 || make_image(id, true, o.fd, &s, e) < 0 ||
		     cpio_file(c, path, 0644, o.fd, e) < 0 ||
		     add_links(c, path, s.unit, e) < 0 || add_modules(c, k, s.unit, e) < 0;

	if (!failed && wants_nft(s.unit))
		strv_add(programs, "nft");
	if (!failed)
		say("%s: %zu store paths", id, s.n_paths);
	unit_free(s.unit);
	return failed ? -1 : 0;
}

struct wanted {
	struct strv ids, modules, programs;
	const char *tree;
};

static int fill(struct cpio *c, const char *dir, struct wanted *w, struct kmods *k, struct err *e)
{
	static const char *const dirs[] = { "dev", "proc", "sys", "run", "tmp", "root", "etc",
					    "mnt" };
	autostrv struct strv have = { 0 };
	autofree char *busybox = proc_find("busybox");

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (cpio_dir(c, dirs[i], 0755, e) < 0)
			return -1;
	/* Before /init has mounted anything it needs somewhere to speak. */
	if (cpio_device(c, "dev/console", S_IFCHR | 0600, makedev(5, 1), e) < 0 ||
	    cpio_device(c, "dev/null", S_IFCHR | 0666, makedev(1, 3), e) < 0 ||
	    add_file(c, "/proc/self/exe", "init", 0755, e) < 0 ||
	    cpio_link(c, "bin/nixunits", "../init", e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(modules); i++)
		if (kmods_need(k, modules[i], true, take_module, c, e) < 0)
			return -1;
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (kmods_need(k, drivers[i], false, take_module, c, e) < 0)
			return -1;
	for (size_t i = 0; i < w->modules.n; i++)
		if (kmods_need(k, w->modules.v[i], true, take_module, c, e) < 0)
			return -1;
	for (size_t i = 0; i < w->ids.n; i++)
		if (add_unit(c, w->ids.v[i], dir, k, &w->programs, e) < 0)
			return -1;
	if (busybox && (add_program(c, busybox, &have, e) < 0 ||
			cpio_link(c, "bin/sh", "busybox", e) < 0))
		return -1;
	if (!busybox)
		warn("no busybox at hand: the initramfs has no shell for nixunits.shell");
	for (size_t i = 0; i < w->programs.n; i++)
		if (add_program(c, w->programs.v[i], &have, e) < 0)
			return -1;
	return cpio_end(c, e);
}

static int initramfs(struct wanted *w, const char *path)
{
	char *gzip[] = { (char *)"gzip", (char *)"-nc", (char *)"-1", NULL };
	bool compress = ends_with(path, ".gz");
	autofree char *tree = NULL;
	struct kmods k = { 0 };
	autoout struct out o, archive = { .fd = -1 };
	struct utsname uts;
	struct stat st;
	struct err e;

	if (!STATIC)
		die(NU_MISSING, "--initramfs: this binary needs shared libraries, and can't be an /init "
				"(build it with STATIC=1)");
	uname(&uts);
	tree = w->tree ? xstrdup(w->tree) : xfmt("/lib/modules/%s", uts.release);
	if (out_open(&o, path, &e) < 0 || kmods_open(&k, tree, &e) < 0)
		return say_err(&e);
	autofree char *beside = xfmt("%s/archive", o.dir);
	if (compress && out_open(&archive, beside, &e) < 0)
		return say_err(&e);
	struct cpio c = { .fd = compress ? archive.fd : o.fd };
	int failed = fill(&c, o.dir, w, &k, &e);
	if (!failed && compress) {
		lseek(archive.fd, 0, SEEK_SET);
		failed = proc_pipe(gzip, archive.fd, o.fd, &e);
		if (failed > 0)
			err_set(&e, NU_FAILED, "gzip: exit status %d", failed);
	}
	if (failed || fstat(o.fd, &st) < 0 || out_finish(&o, &e) < 0)
		return say_err(&e);
	printf("%s: an initramfs for %s, %zu kernel modules, %.1f MiB\n", plain(path),
	       strrchr(k.dir, '/') + 1, k.loaded.n, st.st_size / 1048576.0);
	kmods_close(&k);
	return NU_OK;
}

static int run(int argc, char **argv)
{
	const char *path = NULL;
	bool boot = false, checking = false;
	struct wanted w = { 0 };
	const struct opt opts[] = {
		{ 'o', "output", "FILE", "what to make: replaced as a whole, or not at all",
		  .text = &path },
		{ 'c', "check", NULL, "verify images, and say what they hold", .flag = &checking },
		{ 'i', "initramfs", NULL, "make an initramfs that boots the units", .flag = &boot },
		{ 'm', "modules", "DIR", "its kernel's modules, or unpacked package", .text = &w.tree },
		{ 'k', "module", "NAME", "one more kernel module for it", .list = &w.modules },
		{ 'P', "program", "NAME", "a program of this host for it", .list = &w.programs },
		{ 0 },
	};
	struct err e;
	int i = opt_parse(argc, argv, opts);

	if (i == argc)
		usage(checking ? "expected images" : "expected an ID");
	if (checking)
		return check(argv + i, argc - i);
	if (!path)
		usage("--output is needed");
	if (!boot && argc - i != 1)
		usage("expected one ID; --initramfs takes several");
	for (int k = i; k < argc; k++) {
		if (id_check(argv[k], &e) < 0)
			return say_err(&e);
		strv_add(&w.ids, argv[k]);
	}
	umask(022); /* the modes of what is made are part of it */
	if (mnt_unshare(&e) < 0)
		return say_err(&e);
	return boot ? initramfs(&w, path) : image(argv[i], path);
}

APPLET(image, .name = "image", .summary = "Make a unit into an image, or into an initramfs",
       .synopsis = "-o FILE [--initramfs [options]] ID... | --check FILE...",
       .help = "The image is a squashfs, or an erofs where FILE ends in .erofs. With --initramfs\n"
	       "FILE is an archive for the kernel to boot from, compressed where it ends in .gz.",
       .main = run);
