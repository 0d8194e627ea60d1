/* uid - the registry of UID ranges, one of 65536 for each unit. */
#include "uid.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store.h"
#include "util.h"

static int open_dir(struct err *e)
{
	int fd = open(store_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_errno(e, "%s", store_dir()) : fd;
}

static bool take_range(const char **p, struct uid_range *r)
{
	uint64_t base;

	if (!take_number(p, &base) || base < UID_FIRST || base > UID_LAST || base % UID_COUNT ||
	    !take_char(p, ' ') || !take_all_of(p, ID_CHARACTERS, r->id, sizeof(r->id)))
		return false;
	r->base = base;
	return take_char(p, '\n');
}

/* Reads the registry; n ranges into *list. */
static int read_ranges(int dir, struct uid_range **list, struct err *e)
{
	autobuf struct buf text = { 0 };
	int n = 0, line = 1;

	*list = NULL;
	if (faccessat(dir, "uidmap", F_OK, 0) < 0 && errno == ENOENT)
		return 0;
	if (file_read(dir, "uidmap", 8 << 20, &text, e) < 0)
		return err_wrap(e, "%s/", store_dir());
	for (const char *p = text.p; *p; line++) {
		struct uid_range r = { 0 };

		if (!take_range(&p, &r) || (n && (*list)[n - 1].base >= r.base)) {
			free(*list);
			*list = NULL;
			return err_set(e, NU_FAILED, "%s/uidmap: line %d is not \"BASE ID\" in "
						     "ascending order", store_dir(), line);
		}
		*list = xrealloc(*list, n + 1, sizeof(r));
		(*list)[n++] = r;
	}
	return n;
}

static int write_ranges(int dir, const struct uid_range *list, int n, struct err *e)
{
	autobuf struct buf text = { 0 };

	buf_add(&text, "", 0);
	for (int i = 0; i < n; i++)
		buf_addf(&text, "%u %s\n", list[i].base, list[i].id);
	return file_replace(dir, "uidmap", text.p, text.n, 0644, e) < 0 ?
		       err_wrap(e, "%s/", store_dir()) : 0;
}

/* Where systemd-nspawn(1) locks the ranges of its machines, a file for each, by fcntl(2). */
#define PICKED "/run/systemd/nspawn-uid"
#define LEASES 1000

static int find(const struct uid_range *list, int n, const char *id)
{
	for (int i = 0; i < n; i++)
		if (streq(list[i].id, id))
			return i;
	return -1;
}

/* Whether a line "name:first:count" of /etc/subuid or /etc/subgid overlaps. */
static bool given_away(const char *text, uint32_t base)
{
	for (const char *p = text; p && *p; p = next_line(p)) {
		const char *rest = p + strcspn(p, ":\n");
		uint64_t first, count;

		if (take_char(&rest, ':') && take_number(&rest, &first) && take_char(&rest, ':') &&
		    take_number(&rest, &count) && first < (unsigned long long)base + UID_COUNT && base < first + count)
			return true;
	}
	return false;
}

/* A lock that nobody holds is of one who was killed. */
static bool is_picked(uint32_t base)
{
	autofree char *path = xfmt(PICKED "/%u", base);
	autoclose int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && lock_whole(fd, F_OFD_GETLK);
}

static int lowest_free(const struct uid_range *list, int n, uint32_t *base, struct err *e)
{
	autobuf struct buf subuid = { 0 }, subgid = { 0 };
	struct err ignored; /* these files need not exist */
	int i = 0;

	file_read(AT_FDCWD, "/etc/subuid", 1 << 20, &subuid, &ignored);
	file_read(AT_FDCWD, "/etc/subgid", 1 << 20, &subgid, &ignored);
	for (uint32_t b = UID_FIRST; b <= UID_LAST; b += UID_COUNT) {
		while (i < n && list[i].base < b)
			i++;
		if ((i < n && list[i].base == b) || given_away(subuid.p, b) ||
		    given_away(subgid.p, b) || is_picked(b))
			continue;
		*base = b;
		return i;
	}
	return err_set(e, NU_FAILED, "no free UID range: all of %u to %u are taken", UID_FIRST,
		       UID_LAST);
}

int uid_list(struct uid_range **list, struct err *e)
{
	*list = NULL;
	if (access(store_dir(), F_OK) < 0 && errno == ENOENT)
		return 0;
	autoclose int dir = open_dir(e);
	return dir < 0 ? -1 : read_ranges(dir, list, e);
}

int uid_get(const char *id, uint32_t *base, struct err *e)
{
	autofree struct uid_range *list = NULL;
	int n = uid_list(&list, e);
	int i = find(list, n, id);

	if (n < 0)
		return -1;
	if (i >= 0)
		*base = list[i].base;
	return i >= 0;
}

int uid_alloc(const char *id, uint32_t *base, struct err *e)
{
	autoclose int lock = store_lock_file("uidmap", LOCK_EX, STORE_WAIT, e);
	autoclose int dir = lock < 0 ? -1 : open_dir(e);
	autofree struct uid_range *list = NULL;

	if (dir < 0)
		return -1;
	int n = read_ranges(dir, &list, e);
	if (n < 0)
		return -1;
	int i = find(list, n, id);
	if (i >= 0) {
		*base = list[i].base;
		return 1;
	}
	i = lowest_free(list, n, base, e);
	if (i < 0)
		return -1;
	list = xrealloc(list, n + 1, sizeof(*list));
	memmove(list + i + 1, list + i, (n - i) * sizeof(*list));
	list[i] = (struct uid_range){ .base = *base };
	memcpy(list[i].id, id, strlen(id));
	return write_ranges(dir, list, n + 1, e) < 0 ? -1 : 1;
}

int uid_hold(uint32_t base, struct err *e)
{
	autofree char *path = xfmt(PICKED "/%u", base);
	struct stat st;

	if (make_dirs(PICKED, 0755, e) < 0)
		return -1;
	for (;;) {
		autoclose int fd = open(path, O_CREAT | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);

		if (fd < 0)
			return err_errno(e, "%s", path);
		if (!lock_whole(fd, F_OFD_SETLK))
			return err_set(e, NU_BUSY, "another machine has the UID range of %u (%s is locked)",
				       base, path);
		if (fstat(fd, &st) < 0)
			return err_errno(e, "%s", path);
		/* Else one that another has just released. */
		if (st.st_nlink > 0)
			return steal_fd(&fd);
	}
}

int uid_lease(uint32_t *base, struct err *e)
{
	autofree char *registry_path = xfmt("%s/uidmap.lock", store_dir());
	autofree struct uid_range *list = NULL;
	/* No unit is given one meanwhile; where this isn't there, none ever was. */
	autoclose int registry = open(registry_path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	while (registry >= 0 && flock(registry, LOCK_EX) < 0 && errno == EINTR)
		;
	int n = uid_list(&list, e);

	if (n < 0)
		return -1;
	for (int tries = 0; tries < LEASES; tries++) {
		if (lowest_free(list, n, base, e) < 0)
			return -1;
		int fd = uid_hold(*base, e);
		if (fd >= 0 || e->code != NU_BUSY)
			return fd;
	}
	return err_set(e, NU_BUSY, "no UID range can be had: %d were taken by others meanwhile",
		       LEASES);
}

void uid_release(int lock, uint32_t base)
{
	autofree char *path = xfmt(PICKED "/%u", base);

	unlink(path);
	close(lock);
}

void uid_clear(const char *id)
{
	uint32_t base;
	struct err ignored;
	int lock = uid_get(id, &base, &ignored) > 0 ? uid_hold(base, &ignored) : -1;

	if (lock >= 0)
		uid_release(lock, base);
}

int uid_free(const char *id, struct err *e)
{
	if (access(store_dir(), F_OK) < 0 && errno == ENOENT)
		return 0;
	autoclose int lock = store_lock_file("uidmap", LOCK_EX, STORE_WAIT, e);
	autoclose int dir = lock < 0 ? -1 : open_dir(e);
	autofree struct uid_range *list = NULL;

	if (dir < 0)
		return -1;
	int n = read_ranges(dir, &list, e);
	int i = find(list, n, id);
	if (n < 0 || i < 0)
		return n < 0 ? -1 : 0;
	memmove(list + i, list + i + 1, (n - i - 1) * sizeof(*list));
	return write_ranges(dir, list, n - 1, e) < 0 ? -1 : 1;
}
