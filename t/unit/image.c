/* image - the trailer of an image, and all that may be wrong with the file before it. */
#include "../../lib/image.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tap.h"

/* A file with no more of a file system than its magic number, sealed for id. */
static int sealed(const char *id, size_t n, const char *magic, off_t at)
{
	int fd = memfd_create("image", 0);
	struct image_info info;
	struct err e;

	if (ftruncate(fd, n) < 0 || pwrite(fd, magic, 4, at) != 4 ||
	    image_seal(fd, id, &info, &e) < 0)
		return -1;
	return fd;
}

static void refused(int fd, const char *part, const char *name)
{
	struct image_info info;
	struct err e = { 0 };

	ok(image_verify(fd, "x", &info, &e) < 0 && strstr(e.text, part) &&
		   strncmp(e.text, "x: ", 3) == 0,
	   "%s: \"%s\"", name, e.text);
	close(fd);
}

int main(void)
{
	struct image_info info;
	struct err e;
	char trailer[IMAGE_TRAILER];
	int fd = sealed("web2", 300000, "hsqs", 0);

	ok(fd >= 0 && image_verify(fd, "x", &info, &e) == 0, "an image that was sealed is whole");
	ok(strcmp(info.id, "web2") == 0 && strcmp(info.fs, "squashfs") == 0 &&
		   info.bytes == 300000 + IMAGE_TRAILER && strlen(info.sha256) == 64,
	   "and says what it is");
	ok(pread(fd, trailer, sizeof(trailer), 300000) == IMAGE_TRAILER, "its trailer");
	close(fd);
	fd = sealed("a", 4096, "\xe2\xe1\xf5\xe0", 1024);
	ok(image_verify(fd, "x", &info, &e) == 0 && strcmp(info.fs, "erofs") == 0, "erofs as well");
	close(fd);

	fd = memfd_create("image", 0);
	refused(fd, "not an image", "nothing");
	fd = sealed("web2", 8192, "none", 0);
	refused(fd, "not an image", "another file system");
	fd = open("/dev/null", O_RDONLY);
	refused(fd, "not an image", "a device");

	for (int i = 0; i < 5; i++) {
		static const off_t at[] = { 4, 150000, 299999, 300000 + 17 + 3, 300000 + 30 };

		fd = sealed("web2", 300000, "hsqs", 0);
		ok(pwrite(fd, "e", 1, at[i]) == 1, "byte %ld", (long)at[i]);
		refused(fd, "damaged", "one byte changed");
	}
	fd = sealed("web2", 300000, "hsqs", 0);
	ok(ftruncate(fd, 299000) == 0, "cut");
	refused(fd, "cut short", "an end that is missing");
	fd = sealed("web2", 300000, "hsqs", 0);
	ok(ftruncate(fd, 300000 + IMAGE_TRAILER - 1) == 0, "cut");
	refused(fd, "cut short", "a last byte that is missing");
	fd = sealed("web2", 300000, "hsqs", 0);
	ok(ftruncate(fd, 300) == 0, "cut");
	refused(fd, "cut short", "less than a trailer");

	fd = sealed("web3", 300001, "hsqs", 0);
	ok(ftruncate(fd, 300001) == 0 && pwrite(fd, trailer, sizeof(trailer), 300001) > 0, "swapped");
	refused(fd, "web2: damaged", "the trailer of another image");
	fd = sealed("web2", 300000, "hsqs", 0);
	ok(pwrite(fd, "2", 1, 300000 + 15) == 1, "another version");
	refused(fd, "version 2, expected 1", "a newer version");
	return tap_done();
}
