/* image - a unit in one file. */
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mnt.h"
#include "sha256.h"
#include "util.h"

#define HEAD "nixunits image "
#define VERSION_LINE HEAD "1\n"

static const struct format {
	const char *fs;
	off_t at;
	char magic[4];
} formats[] = {
	{ "squashfs", 0, { 'h', 's', 'q', 's' } },
	{ "erofs", 1024, { '\xe2', '\xe1', '\xf5', '\xe0' } },
};

static const char *format_of(int fd)
{
	char magic[4];

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (pread(fd, magic, 4, formats[i].at) == 4 && memcmp(magic, formats[i].magic, 4) == 0)
			return formats[i].fs;
	return NULL;
}

/* The digest of the first n bytes of fd and of the text that goes before it in the
 * trailer. */
static int digest(int fd, off_t n, const char *text, size_t text_n, char hex[65], struct err *e)
{
	autofree char *block = xalloc(1 << 18);
	struct sha256 s;

	sha256_init(&s);
	for (off_t at = 0; at < n;) {
		ssize_t got = pread(fd, block, n - at < 1 << 18 ? n - at : 1 << 18, at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? err_errno(e, "read") : err_set(e, NU_FAILED, "it shrinks");
		sha256_add(&s, block, got);
		at += got;
	}
	sha256_add(&s, text, text_n);
	sha256_end_hex(&s, hex, 64);
	return 0;
}

static int verify(int fd, struct image_info *info, struct err *e)
{
	char text[IMAGE_TRAILER + 1] = "", hex[65];
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_errno(e, "stat");
	info->fs = S_ISREG(st.st_mode) ? format_of(fd) : NULL;
	if (!info->fs)
		return err_set(e, NU_USAGE, "not an image: neither squashfs nor erofs");
	info->bytes = st.st_size;
	off_t n = st.st_size - IMAGE_TRAILER;
	if (n < 0 || pread(fd, text, IMAGE_TRAILER, n) != IMAGE_TRAILER || !starts_with(text, HEAD))
		return err_set(e, NU_FAILED,
			       "no trailer at its end: cut short, or not made by nu-image");
	if (!starts_with(text, VERSION_LINE))
		return err_set(e, NU_FAILED, "an image of version %.*s, expected 1",
			       (int)strcspn(text + strlen(HEAD), "\n"), text + strlen(HEAD));
	const char *id = text + strlen(VERSION_LINE) + strlen("id ");
	size_t id_n = strcspn(id, "\n");
	const char *sum = id + id_n + strlen("\nsha256 ");
	if (id_n > ID_MAX || !starts_with(id + id_n, "\nsha256 ") ||
	    strspn(sum, "0123456789abcdef") != 64)
		return err_set(e, NU_FAILED, "damaged: its trailer is not one");
	snprintf(info->id, sizeof(info->id), "%.*s", (int)id_n, id);
	memcpy(info->sha256, sum, 64);
	info->sha256[64] = '\0';
	if (id_check(info->id, e) < 0)
		return err_wrap(e, "damaged: ");
	if (digest(fd, n, text, sum - strlen("sha256 ") - text, hex, e) < 0)
		return -1;
	if (!streq(hex, info->sha256))
		return err_set(e, NU_FAILED,
			       "%s: damaged: the SHA-256 is %.16s..., its trailer says %.16s...",
			       info->id, hex, info->sha256);
	return 0;
}

int image_verify(int fd, const char *path, struct image_info *info, struct err *e)
{
	return verify(fd, info, e) < 0 ? err_wrap(e, "%s: ", plain(path)) : 0;
}

int image_seal(int fd, const char *id, struct image_info *info, struct err *e)
{
	char text[IMAGE_TRAILER] = "";
	struct stat st;
	int head = snprintf(text, sizeof(text), VERSION_LINE "id %s\n", id);

	if (fstat(fd, &st) < 0)
		return err_errno(e, "stat");
	info->fs = format_of(fd);
	info->bytes = st.st_size + IMAGE_TRAILER;
	snprintf(info->id, sizeof(info->id), "%s", id);
	if (digest(fd, st.st_size, text, head, info->sha256, e) < 0)
		return err_wrap(e, "reading it back: ");
	snprintf(text + head, sizeof(text) - head, "sha256 %s\n", info->sha256);
	if (pwrite(fd, text, sizeof(text), st.st_size) != sizeof(text))
		return err_errno(e, "its trailer");
	return 0;
}

/* A read-only loop device on fd, which the kernel takes apart when its last user goes.
 * Returns it open, with its path. */
static int loop(int fd, char path[32], struct err *e)
{
	autoclose int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	struct loop_config config = { .fd = fd,
				      .info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR };

	if (control < 0)
		return err_set(e, NU_MISSING, "/dev/loop-control: %s (the kernel module loop)",
			       strerror(errno));
	/* Somebody may be faster and take the device that was free. */
	for (int tries = 0; tries < 100; tries++) {
		int n = ioctl(control, LOOP_CTL_GET_FREE);

		if (n < 0)
			break;
		snprintf(path, 32, "/dev/loop%d", n);
		autoclose int dev = open(path, O_RDONLY | O_CLOEXEC);
		if (dev < 0)
			return err_set(e, NU_MISSING, "%s: %s", path, strerror(errno));
		if (ioctl(dev, LOOP_CONFIGURE, &config) == 0)
			return steal_fd(&dev);
		if (errno != EBUSY)
			break;
	}
	return err_errno(e, "a loop device");
}

/* From Linux 6.12 on erofs takes the file itself. */
static int mount_file(int fd, const char *fs, struct err *e)
{
	char path[32];

	if (streq(fs, "erofs")) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		int mount = mnt_image(fs, path, e);

		if (mount >= 0 || errno != ENOTBLK)
			return mount;
	}
	autoclose int dev = loop(fd, path, e);
	return dev < 0 ? -1 : mnt_image(fs, path, e);
}

static int image_mount(const char *path, const char *dir, struct image_info *info, struct err *e)
{
	autoclose int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return err_errno(e, "%s", plain(path));
	if (image_verify(fd, path, info, e) < 0)
		return -1;
	autoclose int mount = mount_file(fd, info->fs, e);
	if (mount < 0 || mnt_attach(mount, dir, e) < 0)
		return err_wrap(e, "%s: %s: ", plain(path), info->id);
	return 0;
}

int image_open(const char *path, const char *dir, struct image *i, struct err *e)
{
	struct image_info info;

	*i = (struct image){ 0 };
	if (image_mount(path, dir, &info, e) < 0)
		return -1;
	i->dir = xstrdup(dir);
	i->store = xfmt("%s/nix/store", dir);
	i->json = xfmt("%s/unit.json", dir);
	i->unit = unit_load_file(AT_FDCWD, i->json, e);
	if (i->unit && streq(i->unit->id, info.id))
		return 0;
	if (i->unit)
		err_set(e, NU_FAILED, "an image of %s with the document of %s", info.id,
			i->unit->id);
	err_wrap(e, "%s: ", plain(path));
	image_close(i);
	return -1;
}

void image_close(struct image *i)
{
	if (i->dir)
		umount2(i->dir, MNT_DETACH | UMOUNT_NOFOLLOW);
	unit_free(i->unit);
	free(i->dir);
	free(i->store);
	free(i->json);
	*i = (struct image){ 0 };
}
