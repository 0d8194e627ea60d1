/* util - memory, strings, small files, and cleanup at the end of a scope. */
#include "util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "mntid.h"

void cleanup_free(void *p)
{
	free(*(void **)p);
}

void cleanup_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

int steal_fd(int *fd)
{
	int was = *fd;

	*fd = -1;
	return was;
}

static void *got(void *p)
{
	if (!p)
		die(NU_FAILED, "out of memory");
	return p;
}

void *xalloc(size_t size)
{
	return got(calloc(1, size ? size : 1));
}

void *xrealloc(void *p, size_t n, size_t size)
{
	return got(reallocarray(p, n, size));
}

char *xstrdup(const char *s)
{
	return got(strdup(s));
}

char *xstrndup(const char *s, size_t n)
{
	return got(strndup(s, n));
}

char *xfmt(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	va_end(ap);
	return got(s);
}

bool streq(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool starts_with(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool ends_with(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

const char *next_line(const char *p)
{
	const char *end = strchr(p, '\n');

	return end ? end + 1 : NULL;
}

bool take_char(const char **p, char c)
{
	if (**p != c)
		return false;
	++*p;
	return true;
}

bool take_blanks(const char **p)
{
	size_t n = strspn(*p, " \t");

	*p += n;
	return n > 0;
}

static bool take_digits(const char **p, const char *digits, int base, uint64_t *n)
{
	char *end;

	if (!**p || !strchr(digits, **p))
		return false;
	errno = 0;
	unsigned long long value = strtoull(*p, &end, base);
	/* Less than strtoull took where that read "0x". */
	if (errno || end != *p + strspn(*p, digits))
		return false;
	*p = end;
	*n = value;
	return true;
}

bool take_number(const char **p, uint64_t *n)
{
	return take_digits(p, "0123456789", 10, n);
}

bool take_hex(const char **p, uint64_t *n)
{
	return take_digits(p, "0123456789abcdefABCDEF", 16, n);
}

bool take_signed(const char **p, long long *n)
{
	const char *start = *p;
	bool negative = take_char(p, '-');
	uint64_t value;

	if (take_number(p, &value) && value <= LLONG_MAX) {
		*n = negative ? -(long long)value : (long long)value;
		return true;
	}
	*p = start;
	return false;
}

static bool take_bytes(const char **p, size_t n, char *dst, size_t size)
{
	if (n == 0 || n >= size)
		return false;
	memcpy(dst, *p, n);
	dst[n] = '\0';
	*p += n;
	return true;
}

bool take_word(const char **p, char *dst, size_t size)
{
	return take_bytes(p, strcspn(*p, " \t\n"), dst, size);
}

bool take_all_of(const char **p, const char *these, char *dst, size_t size)
{
	return take_bytes(p, strspn(*p, these), dst, size);
}

/* How many bytes at s a terminal takes for a command: a control character of ASCII, or
 * of UTF-8's second block (U+0080 to U+009F). */
static int control(const char *s)
{
	unsigned char c = s[0], next = c ? s[1] : 0;

	if (c == 0xc2 && next >= 0x80 && next < 0xa0)
		return 2;
	return (c && c < ' ') || c == 0x7f;
}

const char *plain(const char *s)
{
	for (const char *p = s; *p; p++)
		if (control(p))
			return quoted(s);
	return s;
}

const char *quoted(const char *s)
{
	static char ring[4][120];
	static unsigned int turn;
	char *start = ring[turn++ % ARRAY_SIZE(ring)], *p = start;
	const char *end = start + sizeof(ring[0]) - 16;

	*p++ = '"';
	while (*s && p < end) {
		int n = control(s);

		if (!n)
			*p++ = *s++;
		for (; n; n--)
			p += sprintf(p, "\\x%02x", (unsigned char)*s++);
	}
	p += sprintf(p, *s ? "...\"" : "\"");
	return start;
}

void strv_add(struct strv *sv, const char *s)
{
	if (sv->n + 2 > sv->room) {
		sv->room = sv->room ? sv->room * 2 : 16;
		sv->v = xrealloc(sv->v, sv->room, sizeof(*sv->v));
	}
	sv->v[sv->n++] = xstrdup(s);
	sv->v[sv->n] = NULL;
}

void strv_addf(struct strv *sv, const char *fmt, ...)
{
	autofree char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	va_end(ap);
	strv_add(sv, got(s));
}

void strv_cut(struct strv *sv, size_t n)
{
	while (sv->n > n)
		free(sv->v[--sv->n]);
	sv->v[sv->n] = NULL;
}

bool strv_has(const struct strv *sv, const char *s)
{
	for (size_t i = 0; i < sv->n; i++)
		if (streq(sv->v[i], s))
			return true;
	return false;
}

void strv_free(struct strv *sv)
{
	for (size_t i = 0; i < sv->n; i++)
		free(sv->v[i]);
	free(sv->v);
	*sv = (struct strv){ 0 };
}

static void buf_room(struct buf *b, size_t more)
{
	if (b->n + more + 1 <= b->room)
		return;
	b->room = (b->n + more + 1) * 2;
	b->p = xrealloc(b->p, b->room, 1);
}

void buf_add(struct buf *b, const void *data, size_t n)
{
	buf_room(b, n);
	if (n)
		memcpy(b->p + b->n, data, n);
	b->n += n;
	b->p[b->n] = '\0';
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	autofree char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	va_end(ap);
	buf_add(b, got(s), strlen(s));
}

void buf_free(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ 0 };
}

int fd_read(int fd, const char *what, size_t limit, struct buf *b, struct err *e)
{
	for (;;) {
		buf_room(b, 4096);
		ssize_t n = read(fd, b->p + b->n, b->room - b->n - 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, "%s", what);
		b->n += n;
		b->p[b->n] = '\0';
		if (b->n > limit)
			return err_set(e, NU_USAGE, "%s: larger than the %zu bytes allowed", what,
				       limit);
		if (n == 0)
			return 0;
	}
}

int file_read(int dirfd, const char *path, size_t limit, struct buf *b, struct err *e)
{
	autoclose int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(e, "%s", path);
	return fd_read(fd, path, limit, b, e);
}

ssize_t file_peek(const char *path, char *dst, size_t size)
{
	return file_peek_at(AT_FDCWD, path, dst, size);
}

ssize_t file_peek_at(int dirfd, const char *path, char *dst, size_t size)
{
	autoclose int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	do
		n = read(fd, dst, size - 1);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -1;
	if (n > 0 && dst[n - 1] == '\n')
		n--;
	dst[n] = '\0';
	return n;
}

int fd_write(int fd, const void *data, size_t n)
{
	const char *p = data;

	while (n) {
		ssize_t k = write(fd, p, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -1;
		p += k;
		n -= k;
	}
	return 0;
}

int fd_copy(int in, int out)
{
	char block[65536];

	for (;;) {
		ssize_t n = read(in, block, sizeof(block));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n;
		if (fd_write(out, block, n) < 0)
			return -1;
	}
}

/* The directory must reach the disk too, or a power cut forgets the rename. */
static int sync_parent(int dirfd, const char *path)
{
	const char *slash = strrchr(path, '/');
	autofree char *dir = slash ? xstrndup(path, slash == path ? 1 : slash - path) : xstrdup(".");
	autoclose int fd = openat(dirfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -1 : fsync(fd);
}

int file_replace(int dirfd, const char *path, const void *data, size_t n, mode_t mode,
		 struct err *e)
{
	autofree char *tmp = xfmt("%s.new.%d", path, getpid());

	unlinkat(dirfd, tmp, 0); /* of a process that had our number and was killed */
	autoclose int fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return err_errno(e, "%s", tmp);
	if (fd_write(fd, data, n) < 0 || fsync(fd) < 0 || renameat(dirfd, tmp, dirfd, path) < 0 ||
	    sync_parent(dirfd, path) < 0) {
		err_errno(e, "%s", path);
		unlinkat(dirfd, tmp, 0);
		return -1;
	}
	return 0;
}

int link_replace(int dirfd, const char *path, const char *target, struct err *e)
{
	autofree char *tmp = xfmt("%s.new.%d", path, getpid());

	unlinkat(dirfd, tmp, 0);
	if (symlinkat(target, dirfd, tmp) < 0)
		return err_errno(e, "%s", tmp);
	if (renameat(dirfd, tmp, dirfd, path) < 0 || sync_parent(dirfd, path) < 0) {
		err_errno(e, "%s", path);
		unlinkat(dirfd, tmp, 0);
		return -1;
	}
	return 0;
}

/* A directory nested this deep is moved up before it is entered: each level under way
 * takes a descriptor, and a container can nest more than we have. */
#define DEEP 64

struct removal {
	int top; /* the directory to be removed, once it is open */
	uint64_t mount; /* that all of it is in */
	unsigned int moved; /* directories moved up into it */
};

/* The mount that a file is in. Where the kernel doesn't tell (before Linux 5.8), its filesystem:
 * not elsewhere, since to stat(2) a subvolume of btrfs is one of its own. */
static int mount_of(int dirfd, const char *path, mode_t *mode, uint64_t *mount)
{
	struct mntid m;

	if (mntid(dirfd, path, &m) < 0)
		return -1;
	*mode = m.mode;
	*mount = m.id ? m.id : m.dev;
	return 0;
}

static int move_up(struct removal *r, int at, const char *name)
{
	for (;;) {
		char up[32];

		snprintf(up, sizeof(up), ".nu-deep.%u", r->moved++);
		/* (musl has no renameat2().) */
		if (syscall(SYS_renameat2, at, name, r->top, up, 1 /* RENAME_NOREPLACE */) == 0)
			return 0;
		if (errno != EEXIST)
			return -1;
	}
}

static int remove_at(struct removal *r, int at, const char *name, int depth,
		     const char *shown, struct err *e)
{
	unsigned int moved;
	uint64_t mount;
	mode_t mode;

	if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_errno(e, "%s", shown);

	autoclose int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, "%s", shown);
	if (mount_of(fd, "", &mode, &mount) < 0 || mount != r->mount) {
		errno = EXDEV;
		return err_errno(e, "%s: is a mount point, nothing below it is touched", shown);
	}
	/* A directory of the nix store has no write permission, not even for its
	 * owner, who need not be an all-powerful root. */
	if (!(mode & S_IWUSR))
		fchmod(fd, (mode & 07777) | S_IRWXU);
	if (depth == DEEP)
		return move_up(r, at, name) < 0 ? err_errno(e, "%s", shown) : 0;
	if (depth == 0)
		r->top = fd;

	DIR *dir = fdopendir(fd);
	if (!dir)
		return err_errno(e, "%s", shown);
	steal_fd(&fd);
	int failed = 0;
	do {
		moved = r->moved;
		rewinddir(dir);
		for (struct dirent *d; !failed && (d = readdir(dir));) {
			if (streq(d->d_name, ".") || streq(d->d_name, ".."))
				continue;
			autofree char *below = xfmt("%s/%s", shown, d->d_name);
			failed = remove_at(r, dirfd(dir), d->d_name, depth + 1, below, e);
		}
	} while (!failed && depth == 0 && r->moved > moved);
	closedir(dir);
	if (failed)
		return -1;
	if (unlinkat(at, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_errno(e, "%s", shown);
	return 0;
}

int tree_remove(int dirfd, const char *path, struct err *e)
{
	/* A mount point is in another mount than its parent, so the parent's counts. */
	autofree char *parent = xfmt("%s/..", path);
	struct removal r = { .top = -1 };
	mode_t mode;

	if (mount_of(dirfd, path, &mode, &r.mount) < 0)
		return errno == ENOENT ? 0 : err_errno(e, "%s", path);
	if (S_ISDIR(mode) && mount_of(dirfd, parent, &mode, &r.mount) < 0)
		return err_errno(e, "%s", parent);
	return remove_at(&r, dirfd, path, 0, path, e);
}

int make_dirs(const char *path, mode_t mode, struct err *e)
{
	autofree char *p = xstrdup(path);

	/* Mostly it is there, or its parent is. */
	if (mkdir(path, mode) == 0 || errno == EEXIST)
		return 0;
	for (char *s = p + 1;; s++) {
		if (*s && *s != '/')
			continue;
		char was = *s;

		*s = '\0';
		if (mkdir(p, mode) < 0 && errno != EEXIST)
			return err_errno(e, "%s", p);
		*s = was;
		if (!was)
			return 0;
	}
}

bool lock_whole(int fd, int command)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, command, &lock) == 0 && (command == F_OFD_SETLK || lock.l_type != F_UNLCK);
}

int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int lock_within(int fd, int operation, int wait_ms)
{
	int pause = 5;

	/* flock(2) has no timeout: try, and wait a little longer each time. */
	while (flock(fd, operation | LOCK_NB) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK || wait_ms <= 0)
			return -1;
		poll(NULL, 0, pause);
		wait_ms -= pause;
		pause = pause < 100 ? pause * 2 : 100;
	}
	return 0;
}

bool await_change(int watch, int alive, int64_t end)
{
	char events[4096];

	for (;;) {
		/* poll(2) passes over a descriptor of -1. */
		struct pollfd p[] = { { .fd = watch, .events = POLLIN },
				      { .fd = alive, .events = POLLIN } };
		int64_t left = end - now_ms();

		if (left <= 0 || (poll(p, 2, left) > 0 && p[1].revents))
			return false;
		if (!p[0].revents)
			continue;
		while (read(watch, events, sizeof(events)) > 0)
			;
		return true;
	}
}

static bool is_leap(unsigned int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

void utc_text(int64_t seconds, char dst[UTC_TEXT])
{
	static const unsigned char days_of[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	unsigned int day = seconds / 86400, second = seconds % 86400, year = 1970, month = 0;

	for (unsigned int length; day >= (length = is_leap(year) ? 366 : 365); year++)
		day -= length;
	for (unsigned int length; day >= (length = days_of[month] + (month == 1 && is_leap(year))); month++)
		day -= length;
	snprintf(dst, UTC_TEXT, "%u-%02u-%02u %02u:%02u:%02u", year, month + 1, day + 1,
		 second / 3600, second / 60 % 60, second % 60);
}
