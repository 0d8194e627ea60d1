/* util - memory, strings, small files, and cleanup at the end of a scope. */
#ifndef NU_UTIL_H
#define NU_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "say.h"

/* autofree char *s, autoclose int fd: released when the variable's scope ends. steal_fd() hands
 * ownership on. */
void cleanup_free(void *p);
void cleanup_close(int *fd);
#define autofree __attribute__((cleanup(cleanup_free)))
#define autoclose __attribute__((cleanup(cleanup_close)))
int steal_fd(int *fd);

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Memory that is there, or the end of the process: none of these return NULL. */
void *xalloc(size_t size); /* zeroed */
void *xrealloc(void *p, size_t n, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
char *xfmt(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

bool streq(const char *a, const char *b);
bool starts_with(const char *s, const char *prefix);
bool ends_with(const char *s, const char *suffix);
/* The line after the one that p is in; NULL: there is none. */
const char *next_line(const char *p);
/* For text that a program wrote. Each takes what it is named after from the start of *p,
 * moves *p past it and says whether it was there; otherwise it leaves all as it was.
 * Nothing is skipped or guessed: a blank or a sign is no digit, and a number that the
 * type can't hold is none. */
bool take_char(const char **p, char c);
bool take_blanks(const char **p); /* at least one, spaces and tabs */
bool take_number(const char **p, uint64_t *n);
bool take_signed(const char **p, long long *n); /* a number with or without "-" */
bool take_hex(const char **p, uint64_t *n);	/* without 0x */
/* Up to the next blank or the end of the line: 1 to size - 1 bytes. */
bool take_word(const char **p, char *dst, size_t size);
/* All there is of these characters: 1 to size - 1. */
bool take_all_of(const char **p, const char *these, char *dst, size_t size);
#define ID_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789-"

/* A string for a message: what is not printable shown as \xNN, and a long one
 * cut with "...". Returns one of four static buffers. */
const char *quoted(const char *s);
/* A name that others gave, for a terminal: as it is, or quoted() where it holds what a
 * terminal would obey. */
const char *plain(const char *s);

/* A NULL-terminated vector of owned strings. Start it as { 0 }. */
struct strv {
	char **v;
	size_t n, room;
};
void strv_add(struct strv *sv, const char *s);
void strv_addf(struct strv *sv, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strv_cut(struct strv *sv, size_t n); /* leaves the first n */
bool strv_has(const struct strv *sv, const char *s);
void strv_free(struct strv *sv);
#define autostrv __attribute__((cleanup(strv_free)))

/* A growing string. Start it as { 0 }; p is always terminated once written to. */
struct buf {
	char *p;
	size_t n, room;
};
void buf_add(struct buf *b, const void *data, size_t n);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_free(struct buf *b);
#define autobuf __attribute__((cleanup(buf_free)))

/* Reads a whole file, or fd to its end, into b. More than limit bytes is an
 * error. Return 0, or -1 and e. dirfd as for openat(2). */
int file_read(int dirfd, const char *path, size_t limit, struct buf *b, struct err *e);
int fd_read(int fd, const char *what, size_t limit, struct buf *b, struct err *e);
/* Reads a small file of the kernel's (/proc, /sys) into dst, without its final
 * newline. Returns the length, or -1 with errno. */
ssize_t file_peek(const char *path, char *dst, size_t size);
ssize_t file_peek_at(int dirfd, const char *path, char *dst, size_t size);
/* Writes a new file and moves it into place: after a crash at any moment path
 * holds the old content or the new one. Return 0, or -1 and e. */
int file_replace(int dirfd, const char *path, const void *data, size_t n, mode_t mode,
		 struct err *e);
/* As file_replace, but a symlink to target. */
int link_replace(int dirfd, const char *path, const char *target, struct err *e);
/* Writes all n bytes. 0, or -1 with errno. */
int fd_write(int fd, const void *data, size_t n);
/* Copies in to out until the end. 0, or -1 with errno. */
int fd_copy(int in, int out);

/* Removes path and all below it. It never follows a symlink and never crosses
 * into another mount: a mount point below is an error (EXDEV), and what is
 * mounted there stays whole. A subvolume of btrfs is none, and goes too. 0 if path is not there. -1 and e otherwise. */
int tree_remove(int dirfd, const char *path, struct err *e);
/* mkdir -p. Return 0, or -1 and e. */
int make_dirs(const char *path, mode_t mode, struct err *e);

/* flock(2), at most wait_ms. 0; -1 and errno: EWOULDBLOCK, somebody else has it. */
int lock_within(int fd, int operation, int wait_ms);
/* fcntl(2) with F_OFD_SETLK: takes the lock of a whole file, unless somebody has it; with
 * F_OFD_GETLK: whether somebody has it, asked without taking it, which would bar others. To
 * flock(2) it is another lock. */
bool lock_whole(int fd, int command);
/* A monotonic clock, in milliseconds. */
int64_t now_ms(void);
/* Waits for an event of the inotify(7) descriptor watch, and takes it. False: there is none
 * until `end` (of now_ms()), or as long as the process of the pidfd `alive` lives (-1: any). */
bool await_change(int watch, int alive, int64_t end);
/* Seconds since 1970 as "2026-11-23 13:05:59" in UTC. Local time would be a quarter of
 * what a small program needs of libc: time zones are read with scanf. */
#define UTC_TEXT 40
void utc_text(int64_t seconds, char dst[UTC_TEXT]);

#endif
