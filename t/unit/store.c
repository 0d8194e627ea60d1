/* store, inputs, root, util: files that change whole, locks, and paths that stay inside. */
#include "../../lib/store.h"

#include <fcntl.h>
#include <linux/btrfs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../lib/inputs.h"
#include "../../lib/root.h"
#include "tap.h"

static char dir[] = "/tmp/nixunits-store.XXXXXX";

static void put(const char *name, const char *text)
{
	struct err e;

	if (file_replace(AT_FDCWD, fmt("%s/%s", dir, name), text, strlen(text), 0644, &e) < 0)
		puts(e.text);
}

static void generations(void)
{
	autofree unsigned int *list = NULL;
	bool created = false;
	struct err e;
	int fd = store_lock("web2", true, &created, 0, &e);

	ok(fd >= 0 && created, "a unit's directory is made and locked");
	for (int i = 1; i <= 5; i++)
		make_dirs(fmt("%s/containers/web2/generations/%d/nix", dir, i), 0755, &e);
	make_dirs(fmt("%s/containers/web2/generations/.new.77/nix", dir), 0555, &e);
	is_int(store_generation(fd, "current"), 0, "no generation is current yet");
	link_replace(fd, "next", "generations/5", &e);
	is_int(store_generation(fd, "next"), 5, "one is pending");
	is_int(store_switch(fd, 2, &e), 0, "switched");
	is_int(store_generation(fd, "current"), 2, "it is current now");
	is_int(store_generation(fd, "next"), 0, "and none is pending");
	is_int(store_prune(fd, 1, 0, &e), 0, "pruned to one");
	is_int(store_generations(fd, &list), 2, "the current one stays as well");
	ok(list && list[0] == 2 && list[1] == 5, "which are 2 and 5");
	ok(access(fmt("%s/containers/web2/generations/.new.77", dir), F_OK) < 0,
	   "what a crash left is gone");

	pid_t child = fork();
	if (child == 0)
		_exit(store_lock("web2", false, NULL, 0, &e) < 0 ? e.code : 0);
	int status = 0;
	waitpid(child, &status, 0);
	is_int(WEXITSTATUS(status), NU_BUSY, "a second locker is told that it is busy");
	close(fd);
	fd = store_lock("web2", false, NULL, 0, &e);
	ok(fd >= 0, "a closed lock is free");
	close(fd);
	is_int(store_lock("web9", false, NULL, 0, &e), -1, "no lock on a unit that isn't there");
	is_int(e.code, NU_NO_UNIT, "it says so by its exit code");
}

static void inputs(void)
{
	autoinputs struct inputs in = { 0 }, back = { 0 };
	autobuf struct buf text = { 0 };
	autofree char *what = NULL, *again = NULL, *third = NULL;
	struct err e;

	put("a.nix", "1");
	inputs_add(&in, INPUT_FILE, true, fmt("%s/a.nix", dir));
	inputs_add(&in, INPUT_FILE, true, fmt("%s/a.nix", dir));
	inputs_add(&in, INPUT_EXISTS, true, fmt("%s/b.nix", dir));
	inputs_add(&in, INPUT_DIR, false, fmt("%s/containers", dir));
	is_int(in.n, 3, "an input counts once");
	is_int(inputs_hash(&in, NULL, INT64_MAX, &e), 0, "hashed");
	inputs_print(&in, &text);
	is_int(inputs_parse(&back, text.p, &e), 0, "written and read back");
	ok(inputs_same(&back, false, &what), "nothing changed");
	put("a.nix", "1");
	ok(inputs_same(&back, false, &what), "a file rewritten with the same content is the same");
	put("a.nix", "2");
	ok(!inputs_same(&back, false, &what) && ends_with(what, "/a.nix"), "other content is not");
	ok(inputs_same(&back, true, &what), "unless the user's files don't matter");
	put("a.nix", "1");
	put("b.nix", "");
	ok(!inputs_same(&back, false, &again) && ends_with(again, "/b.nix"),
	   "something that came into being is noticed");
	unlink(fmt("%s/b.nix", dir));
	make_dirs(fmt("%s/containers/new", dir), 0755, &e);
	ok(!inputs_same(&back, false, &third) && ends_with(third, "/containers"),
	   "so is a new directory entry");
	ok(inputs_hash(&in, NULL, 1, &e) < 0 && strstr(e.text, "changed while"),
	   "what changed during the evaluation is an error");
	is_int(inputs_copy(&in, NULL, fmt("%s/copy", dir), &e), 0, "copied");
	ok(access(fmt("%s/copy%s/a.nix", dir, dir), F_OK) == 0, "by its absolute path");
}

/* A declaration with symlinks, and one that asks whether files are there: its copy must
 * evaluate to the same. */
static void copies(void)
{
	autoinputs struct inputs in = { 0 }, moved = { 0 };
	autofree char *what = NULL;
	char target[256] = "";
	struct stat st;
	struct err e;

	make_dirs(fmt("%s/d/one", dir), 0755, &e);
	make_dirs(fmt("%s/d/two", dir), 0755, &e);
	put("d/one/x.nix", "same");
	put("d/two/x.nix", "same");
	put("d/large", "content");
	link_replace(AT_FDCWD, fmt("%s/d/x.nix", dir), "one/x.nix", &e);
	inputs_add(&in, INPUT_EXISTS, true, fmt("%s/d/large", dir));
	inputs_add(&in, INPUT_EXISTS, true, fmt("%s/d/one/x.nix", dir));
	inputs_add(&in, INPUT_EXISTS, true, fmt("%s/d/two", dir));
	inputs_add(&in, INPUT_FILE, true, fmt("%s/d/x.nix", dir));
	is_int(inputs_hash(&in, NULL, INT64_MAX, &e), 0, "a symlink among the inputs");
	is_int(inputs_copy(&in, NULL, fmt("%s/c", dir), &e), 0, "copied");
	if (readlink(fmt("%s/c%s/d/x.nix", dir, dir), target, sizeof(target) - 1) < 0)
		puts("readlink failed");
	is(target, fmt("../../..%s/d/one/x.nix", dir), "it is one in the copy, within it");
	autobuf struct buf b = { 0 };
	file_read(AT_FDCWD, fmt("%s/c%s/d/x.nix", dir, dir), 100, &b, &e);
	is(b.p, "same", "with what it leads to, in its place");
	ok(stat(fmt("%s/c%s/d/large", dir, dir), &st) == 0 && st.st_size == 0,
	   "what was only asked for is there, empty");
	ok(stat(fmt("%s/c%s/d/two", dir, dir), &st) == 0 && S_ISDIR(st.st_mode), "of its type");
	inputs_add(&moved, INPUT_FILE, true, fmt("%s/d/x.nix", dir));
	inputs_hash(&moved, fmt("%s/c", dir), INT64_MAX, &e);
	ok(inputs_same(&moved, false, &what), "the copy's link counts as the original's");
	link_replace(AT_FDCWD, fmt("%s/d/x.nix", dir), "two/x.nix", &e);
	ok(!inputs_same(&in, false, &what) && ends_with(what, "/d/x.nix"),
	   "a link to another file is a change, though its content is the same");
	free(what);
	link_replace(AT_FDCWD, fmt("%s/d/x.nix", dir), "one/x.nix", &e);
	unlink(fmt("%s/d/large", dir));
	make_dirs(fmt("%s/d/large", dir), 0755, &e);
	ok(!inputs_same(&in, false, &what) && ends_with(what, "/d/large"),
	   "so is a file that became a directory");
}

/* The container made these links; from outside they must lead nowhere else. */
static void inside_root(void)
{
	const char *path = fmt("%s/root", dir);
	struct err e;
	struct stat st;

	make_dirs(fmt("%s/etc", path), 0755, &e);
	make_dirs(fmt("%s/outside", dir), 0755, &e);
	if (symlink(fmt("%s/outside", dir), fmt("%s/absolute", path)) < 0 ||
	    symlink("../../../../../..", fmt("%s/up", path)) < 0 ||
	    symlink(fmt("%s/a.nix", dir), fmt("%s/etc/resolv.conf", path)) < 0)
		puts("symlink failed");
	int root = open(path, O_PATH | O_DIRECTORY);
	int fd = root_make_dirs(root, "/up/deep/er", &e);
	ok(fd >= 0 && lstat(fmt("%s/deep/er", path), &st) == 0, "\"..\" stops at the root");
	ok(root_make_dirs(root, "/absolute/x", &e) < 0, "an absolute link does not leave it");
	ok(access(fmt("%s/outside/x", dir), F_OK) < 0, "nothing is made outside");
	is_int(root_write(root, "/etc/resolv.conf", "x\n", 2, &e), 0, "a link is replaced");
	autobuf struct buf b = { 0 };
	file_read(AT_FDCWD, fmt("%s/a.nix", dir), 100, &b, &e);
	is(b.p, "1", "and where it led is untouched");
	ok(lstat(fmt("%s/etc/resolv.conf", path), &st) == 0 && S_ISREG(st.st_mode), "by a file");
	is_int(root_touch(root, "/var/log/a", &e), 0, "a file and the directories above it");
	ok(lstat(fmt("%s/var/log/a", path), &st) == 0 && S_ISREG(st.st_mode), "are made");
}

/* Deeper than there are descriptors, and with a name in the way. */
static void deep_removal(void)
{
	struct rlimit few = { 200, 200 };
	struct err e;
	int levels = 0;

	make_dirs(fmt("%s/deep/.nu-deep.0/x", dir), 0755, &e);
	int at = open(fmt("%s/deep", dir), O_PATH | O_DIRECTORY);
	for (; levels < 1000; levels++) {
		if (mkdirat(at, "d", 0755) < 0)
			break;
		int next = openat(at, "d", O_PATH | O_DIRECTORY);
		close(at);
		at = next;
	}
	close(at);
	is_int(levels, 1000, "directories nested 1000 deep");
	setrlimit(RLIMIT_NOFILE, &few);
	ok(tree_remove(AT_FDCWD, fmt("%s/deep", dir), &e) == 0, "are removed with 200 descriptors");
	ok(access(fmt("%s/deep", dir), F_OK) < 0, "all of them");
}

/* What a process that was killed left has the name that ours would have. */
static void leftovers(void)
{
	char target[64] = "";
	struct err e;

	if (symlink("generations/1", fmt("%s/link.new.%d", dir, getpid())) < 0)
		puts("symlink failed");
	is_int(link_replace(AT_FDCWD, fmt("%s/link", dir), "generations/2", &e), 0, "a link is put");
	if (readlink(fmt("%s/link", dir), target, sizeof(target) - 1) < 0)
		puts("readlink failed");
	is(target, "generations/2", "where it should lead, not where an old one led");
	put(fmt("file.new.%d", getpid()), "old");
	is_int(file_replace(AT_FDCWD, fmt("%s/file", dir), "new", 3, 0644, &e), 0,
	       "a file is put where an old one is in the way");
}

static void removal(void)
{
	struct err e;

	make_dirs(fmt("%s/tree/mnt", dir), 0755, &e);
	make_dirs(fmt("%s/kept", dir), 0755, &e);
	put("kept/data", "");
	put("tree/file", "");
	put("precious", "");
	if (symlink(dir, fmt("%s/tree/link", dir)) < 0)
		puts("symlink failed");
	if (mount("x", fmt("%s/tree/mnt", dir), "tmpfs", 0, NULL) == 0) {
		put("tree/mnt/data", "");
		ok(tree_remove(AT_FDCWD, fmt("%s/tree", dir), &e) < 0 && strstr(e.text, "mount point"),
		   "a mount below stops a removal");
		ok(access(fmt("%s/tree/mnt/data", dir), F_OK) == 0, "what is mounted is whole");
		umount(fmt("%s/tree/mnt", dir));
	}
	/* To stat(2) the same filesystem. */
	if (mount(fmt("%s/kept", dir), fmt("%s/tree/mnt", dir), NULL, MS_BIND, NULL) == 0) {
		ok(tree_remove(AT_FDCWD, fmt("%s/tree", dir), &e) < 0 && strstr(e.text, "mount point"),
		   "so does a directory that is bound there");
		ok(access(fmt("%s/kept/data", dir), F_OK) == 0, "and it is whole");
		umount(fmt("%s/tree/mnt", dir));
	}
	is_int(tree_remove(AT_FDCWD, fmt("%s/tree", dir), &e), 0, "a tree is removed");
	ok(access(fmt("%s/precious", dir), F_OK) == 0, "and nothing behind a symlink in it");
	is_int(tree_remove(AT_FDCWD, fmt("%s/tree", dir), &e), 0, "what isn't there is removed");
}

static bool subvolume(const char *parent, const char *name)
{
	struct btrfs_ioctl_vol_args args = { 0 };
	autoclose int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	snprintf(args.name, sizeof(args.name), "%s", name);
	return fd >= 0 && ioctl(fd, BTRFS_IOC_SUBVOL_CREATE, &args) == 0;
}

/* A container can make subvolumes, where its root directory is on btrfs. */
static void subvolumes(void)
{
	struct err e;

	make_dirs(fmt("%s/btrfs", dir), 0755, &e);
	if (system(fmt("exec 2>/dev/null; cd %s && truncate -s 120M disk && mkfs.btrfs -q disk && "
		       "mount -o loop disk btrfs", dir)) != 0) {
		ok(true, "a subvolume # SKIP no btrfs here");
		return;
	}
	make_dirs(fmt("%s/btrfs/root/var", dir), 0755, &e);
	ok(subvolume(fmt("%s/btrfs/root/var", dir), "theirs") &&
		   subvolume(fmt("%s/btrfs/root/var/theirs", dir), "below"),
	   "a subvolume, and one in it");
	put("btrfs/root/var/theirs/below/data", "");
	is_int(tree_remove(AT_FDCWD, fmt("%s/btrfs/root", dir), &e), 0, "are removed");
	umount(fmt("%s/btrfs", dir));
}

int main(void)
{
	struct err e;

	if (!mkdtemp(dir))
		return 1;
	setenv("NIXUNITS_DIR", dir, 1);
	setenv("NIXUNITS_ETC", dir, 1);
	generations();
	inputs();
	copies();
	inside_root();
	removal();
	subvolumes();
	leftovers();
	deep_removal();
	tree_remove(AT_FDCWD, dir, &e);
	return tap_done();
}
