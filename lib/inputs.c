/* inputs - what an evaluation read, to know later whether it would read the same. */
#include "inputs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sha256.h"

#define COPY_LIMIT (64ll << 20) /* bytes of a user's declaration kept in a generation */

static const char kinds[] = "fdet"; /* in the order of enum input_kind */

void inputs_add(struct inputs *in, enum input_kind kind, bool users, const char *path)
{
	for (size_t i = 0; i < in->n; i++)
		if (in->v[i].kind == kind && streq(in->v[i].path, path))
			return;
	in->v = xrealloc(in->v, in->n + 1, sizeof(*in->v));
	in->v[in->n++] = (struct input){ .kind = kind, .users = users, .path = xstrdup(path) };
}

static char type_of(const struct stat *st)
{
	return S_ISREG(st->st_mode) ? (st->st_mode & 0100 ? 'x' : 'f') :
	       S_ISDIR(st->st_mode) ? 'd' :
	       S_ISLNK(st->st_mode) ? 'l' :
				      'o';
}

static int hash_content(const char *path, struct sha256 *s)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char block[32768];
	ssize_t n;

	if (fd < 0)
		return -1;
	while ((n = read(fd, block, sizeof(block))) > 0)
		sha256_add(s, block, n);
	return n;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int not_dots(const struct dirent *d)
{
	return !streq(d->d_name, ".") && !streq(d->d_name, "..");
}

/* The names and types of a directory's entries; with deep, their contents too. */
static int hash_dir(const char *path, bool deep, struct sha256 *s)
{
	struct dirent **entries;
	int n = scandir(path, &entries, not_dots, by_name), failed = n < 0 ? -1 : 0;

	for (int i = 0; i < n; i++) {
		autofree char *below = xfmt("%s/%s", path, entries[i]->d_name);
		char type[] = { 'u', 0 }, target[4096];
		struct stat st;

		if (lstat(below, &st) == 0)
			type[0] = type_of(&st);
		sha256_add_str(s, type);
		sha256_add_str(s, entries[i]->d_name);
		free(entries[i]);
		if (!deep)
			continue;
		ssize_t length = type[0] == 'l' ? readlink(below, target, sizeof(target)) : 0;
		if (length > 0)
			sha256_add(s, target, length);
		if (type[0] == 'd')
			failed |= hash_dir(below, true, s);
		else if (type[0] == 'f' || type[0] == 'x')
			failed |= hash_content(below, s);
	}
	if (n >= 0)
		free(entries);
	return failed;
}

/* A number that changes with the inode data of anything below path. */
static long long tree_stamp(const char *path, int depth)
{
	struct dirent **entries;
	int n = depth < 64 ? scandir(path, &entries, not_dots, by_name) : 0;
	unsigned char digest[32];
	long long number;
	struct sha256 s;

	sha256_init(&s);
	for (int i = 0; i < n; i++) {
		autofree char *below = xfmt("%s/%s", path, entries[i]->d_name);
		struct stat st = { 0 };

		lstat(below, &st);
		long long data[] = { st.st_ino, st.st_size, st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
				     st.st_ctim.tv_sec, st.st_ctim.tv_nsec,
				     S_ISDIR(st.st_mode) ? tree_stamp(below, depth + 1) : 0 };
		sha256_add_str(&s, entries[i]->d_name);
		sha256_add(&s, data, sizeof(data));
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	sha256_end(&s, digest);
	memcpy(&number, digest, sizeof(number));
	return number & LLONG_MAX;
}

static void stamp(struct input *i, const char *path, const struct stat *st)
{
	i->size = st->st_size;
	i->mtime_ns = st->st_mtim.tv_sec * 1000000000ll + st->st_mtim.tv_nsec;
	i->ctime_ns = st->st_ctim.tv_sec * 1000000000ll + st->st_ctim.tv_nsec;
	i->ino = i->kind == INPUT_TREE ? tree_stamp(path, 0) : (long long)st->st_ino;
}

/* Where an input of the user's is to be read: in a copy that has it, or at its path. */
static char *place(const struct input *i, const char *copy)
{
	autofree char *there = copy && i->users ? xfmt("%s%s", copy, i->path) : NULL;

	return xstrdup(there && access(there, F_OK) == 0 ? there : i->path);
}

/* As nix looks at it: whether something is there is asked of a symlink itself. */
static int look(const struct input *i, const char *path, struct stat *st)
{
	return i->kind == INPUT_EXISTS ? lstat(path, st) : stat(path, st);
}

/* Where the symlink at path leads, by its name outside of the copy. NULL: it is none. */
static char *link_target(const char *path, const char *copy)
{
	char real[PATH_MAX], base[PATH_MAX];
	struct stat st;
	size_t n;

	if (lstat(path, &st) < 0 || !S_ISLNK(st.st_mode) || !realpath(path, real))
		return NULL;
	if (copy && realpath(copy, base) && (n = strlen(base)) && starts_with(real, base) &&
	    real[n] == '/')
		return xstrdup(real + n);
	return xstrdup(real);
}

/* Hashes i as it is now at `path`. What can't be read counts as not there. */
static void hash_now(struct input *i, const char *path, const char *copy)
{
	autofree char *target = NULL;
	struct sha256 s;
	struct stat st;
	int failed = 0;

	strcpy(i->hash, "-");
	i->size = i->mtime_ns = i->ctime_ns = i->ino = 0;
	if (look(i, path, &st) < 0)
		return;
	stamp(i, path, &st);
	sha256_init(&s);
	/* What a file imports by a relative path lies where it really is. */
	if (i->kind == INPUT_FILE && (target = link_target(path, copy)))
		sha256_add_str(&s, target);
	if (i->kind == INPUT_EXISTS)
		sha256_add(&s, &(char){ type_of(&st) }, 1);
	if (i->kind == INPUT_FILE || (i->kind == INPUT_TREE && !S_ISDIR(st.st_mode)))
		failed = hash_content(path, &s);
	else if (i->kind != INPUT_EXISTS)
		failed = hash_dir(path, i->kind == INPUT_TREE, &s);
	if (!failed)
		sha256_end_hex(&s, i->hash, 64);
}

long long inputs_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

int inputs_hash(struct inputs *in, const char *copy, long long since, struct err *e)
{
	for (size_t k = 0; k < in->n; k++) {
		struct input *i = &in->v[k];
		autofree char *path = place(i, copy);

		hash_now(i, path, copy);
		/* A time that is still to come is from before the clock was set back. */
		if (i->kind != INPUT_EXISTS && streq(path, i->path) && i->ctime_ns > since &&
		    i->ctime_ns <= inputs_time())
			return err_set(e, NU_FAILED,
				       "%s changed while it was being evaluated; build again",
				       i->path);
	}
	return 0;
}

static bool input_same(const struct input *was)
{
	struct input now = *was;
	struct stat st;

	if (look(was, was->path, &st) == 0) {
		stamp(&now, was->path, &st);
		if (now.size == was->size && now.mtime_ns == was->mtime_ns &&
		    now.ctime_ns == was->ctime_ns && now.ino == was->ino)
			return true;
	}
	hash_now(&now, was->path, NULL);
	return streq(now.hash, was->hash);
}

bool inputs_same(const struct inputs *in, bool skip_users, char **what)
{
	for (size_t i = 0; i < in->n; i++)
		if (!(skip_users && in->v[i].users) && !input_same(&in->v[i])) {
			*what = xstrdup(in->v[i].path);
			return false;
		}
	return true;
}

static int copy_at(const char *from, const char *to, bool deep, long long *left, struct err *e);

static int copy_entries(const char *from, const char *to, bool deep, long long *left,
			struct err *e)
{
	struct dirent **entries;
	int n = scandir(from, &entries, not_dots, by_name), failed = 0;

	if (n < 0)
		return err_errno(e, "%s", from);
	for (int i = 0; i < n; i++) {
		autofree char *f = xfmt("%s/%s", from, entries[i]->d_name);
		autofree char *t = xfmt("%s/%s", to, entries[i]->d_name);

		if (!failed)
			failed = copy_at(f, t, deep, left, e);
		free(entries[i]);
	}
	free(entries);
	return failed;
}

/* A file with its content, a symlink as it is, a directory with its entries if deep. */
static int copy_at(const char *from, const char *to, bool deep, long long *left, struct err *e)
{
	struct stat st;
	char target[4096];

	if (lstat(from, &st) < 0)
		return errno == ENOENT ? 0 : err_errno(e, "%s", from);
	if (S_ISDIR(st.st_mode)) {
		if (mkdir(to, 0755) < 0 && errno != EEXIST)
			return err_errno(e, "%s", to);
		return deep ? copy_entries(from, to, true, left, e) : 0;
	}
	if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlink(from, target, sizeof(target) - 1);

		if (n < 0)
			return err_errno(e, "%s", from);
		target[n] = '\0';
		return symlink(target, to) < 0 && errno != EEXIST ? err_errno(e, "%s", to) : 0;
	}
	if (!S_ISREG(st.st_mode))
		return 0;
	*left -= st.st_size;
	if (*left < 0)
		return err_set(e, NU_FAILED,
			       "%s: the declaration reads more than %lld MiB of files, too much to "
			       "keep with every generation",
			       from, COPY_LIMIT >> 20);
	autoclose int in = open(from, O_RDONLY | O_CLOEXEC);
	if (in < 0)
		return err_errno(e, "%s", from);
	autoclose int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644 | (st.st_mode & 0111));
	if (out < 0)
		return errno == EEXIST ? 0 : err_errno(e, "%s", to);
	return fd_copy(in, out) < 0 ? err_errno(e, "%s", to) : 0;
}

static int make_parents(const char *path, struct err *e)
{
	autofree char *dir = xstrndup(path, strrchr(path, '/') - path);

	return make_dirs(dir, 0755, e);
}

/* Something of that type, for whoever only asks whether it is there. */
static int copy_presence(const char *from, const char *to, struct err *e)
{
	char target[PATH_MAX] = "";
	struct stat st;

	if (lstat(from, &st) < 0)
		return 0;
	if (S_ISDIR(st.st_mode))
		return make_dirs(to, 0755, e);
	if (S_ISLNK(st.st_mode) && readlink(from, target, sizeof(target) - 1) > 0)
		return symlink(target, to) < 0 && errno != EEXIST ? err_errno(e, "%s", to) : 0;
	autoclose int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	return fd < 0 && errno != EEXIST ? err_errno(e, "%s", to) : 0;
}

/* A symlink in the copy, from one of its paths to another: however the copy itself is
 * called, now and later. */
static int link_within(const char *at, const char *dir, const char *target, struct err *e)
{
	autofree char *place = xfmt("%s%s", dir, at);
	autobuf struct buf way = { 0 };

	for (const char *p = at + 1; (p = strchr(p, '/')); p++)
		buf_addf(&way, "../");
	buf_addf(&way, "%s", target + 1);
	if (make_parents(place, e) < 0)
		return -1;
	return symlink(way.p, place) < 0 && errno != EEXIST ? err_errno(e, "%s", place) : 0;
}

static int copy_input(const struct input *i, const char *copy, const char *dir, long long *left,
		      struct err *e)
{
	autofree char *path = place(i, copy);
	autofree char *target = i->kind == INPUT_FILE ? link_target(path, copy) : NULL;
	autofree char *to = xfmt("%s%s", dir, target ? target : i->path);
	char real[PATH_MAX];

	if (make_parents(to, e) < 0 || (target && link_within(i->path, dir, target, e) < 0))
		return -1;
	if (i->kind == INPUT_EXISTS)
		return copy_presence(path, to, e);
	const char *from = realpath(path, real) ? real : path;
	if (copy_at(from, to, i->kind == INPUT_TREE, left, e) < 0)
		return -1;
	return i->kind == INPUT_DIR ? copy_entries(from, to, false, left, e) : 0;
}

int inputs_copy(const struct inputs *in, const char *copy, const char *dir, struct err *e)
{
	long long left = COPY_LIMIT;

	/* What was read first: nothing empty may stand in its place. */
	for (int presence = 0; presence < 2; presence++)
		for (size_t k = 0; k < in->n; k++) {
			const struct input *i = &in->v[k];

			if (i->users && !streq(i->hash, "-") &&
			    (i->kind == INPUT_EXISTS) == presence &&
			    copy_input(i, copy, dir, &left, e) < 0)
				return -1;
		}
	return 0;
}

void inputs_print(const struct inputs *in, struct buf *b)
{
	for (size_t k = 0; k < in->n; k++) {
		const struct input *i = &in->v[k];

		/* A path that a line can't hold is written so that it never matches. */
		buf_addf(b, "input %c%c %s %lld %lld %lld %lld %s\n", kinds[i->kind],
			 i->users ? 'u' : '-', i->hash, i->size, i->mtime_ns, i->ctime_ns, i->ino,
			 strchr(i->path, '\n') ? "/dev/null/newline-in-path" : i->path);
	}
}

/* What stands before the path. */
static bool take_input(const char **p, struct input *i)
{
	long long *const numbers[] = { &i->size, &i->mtime_ns, &i->ctime_ns, &i->ino };
	char kind[3];

	if (!take_word(p, kind, sizeof(kind)) || !strchr(kinds, kind[0]) || !kind[1] ||
	    !take_char(p, ' ') || !take_word(p, i->hash, sizeof(i->hash)))
		return false;
	for (size_t k = 0; k < ARRAY_SIZE(numbers); k++)
		if (!take_char(p, ' ') || !take_signed(p, numbers[k]))
			return false;
	i->kind = strchr(kinds, kind[0]) - kinds;
	i->users = kind[1] == 'u';
	return take_char(p, ' ');
}

int inputs_parse(struct inputs *in, const char *text, struct err *e)
{
	for (const char *p = text; p && *p; p = next_line(p)) {
		struct input i = { 0 };

		if (!starts_with(p, "input "))
			continue;
		const char *rest = p + strlen("input ");
		if (!take_input(&rest, &i))
			return err_set(e, NU_FAILED, "not a line of inputs: %.40s", p);
		i.path = xstrndup(rest, strcspn(rest, "\n"));
		in->v = xrealloc(in->v, in->n + 1, sizeof(i));
		in->v[in->n++] = i;
	}
	return 0;
}

void inputs_free(struct inputs *in)
{
	for (size_t i = 0; i < in->n; i++)
		free(in->v[i].path);
	free(in->v);
	*in = (struct inputs){ 0 };
}
