/* mnt - idmapped mounts and overlays, by the file descriptors of the mount API
 * (open_tree(2), mount_setattr(2), fsopen(2), move_mount(2)).
 *
 * No path ever becomes part of an option string: a layer may be called anything.
 */
#ifndef NU_MNT_H
#define NU_MNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "say.h"

/* A user namespace that maps count ids from 0 to base, as a file descriptor: what
 * mount_setattr(2) wants. -1 and e. */
int mnt_userns(uint32_t base, uint32_t count, struct err *e);
/* A detached clone of the tree at path: read-only if asked; the ids on disk shifted
 * by userns_fd (-1: as they are). -1 and e. */
int mnt_clone(const char *path, int userns_fd, bool read_only, struct err *e);
/* Attaches a detached mount on the directory target. 0, or -1 and e. */
int mnt_attach(int mount_fd, const char *target, struct err *e);

/* A detached read-only mount of the file system of that type which lies in source, a block
 * device or, where the kernel can, a file. -1 and e, with errno as the kernel gave it. */
int mnt_image(const char *type, const char *source, struct err *e);
/* The same with all that is mounted below path, which is as for openat(2) and may be a file
 * or "", for dirfd itself. -1 and e. */
int mnt_clone_all(int dirfd, const char *path, int userns_fd, bool read_only, struct err *e);
/* A detached mount of a new filesystem: `options` are pairs of key and value (NULL: the key
 * is a flag), ended by NULL; `attr` is of MOUNT_ATTR_* (mount_setattr(2)). -1 and e: NU_MISSING
 * where the kernel has no such filesystem. */
int mnt_new(const char *type, const char *const *options, unsigned int attr, struct err *e);
/* Attaches a detached mount on what fd `target` has open, a directory or a file. 0, or -1
 * with errno. */
int mnt_attach_at(int mount_fd, int target);

struct overlay {
	const int *lowers; /* the topmost first; attached mounts or plain directories */
	size_t n_lowers;
	int upper, work; /* -1, -1: read-only */
	/* What they are called, for those who list mounts: absolute paths, or NULL. */
	const char *const *names;
	const char *upper_name, *work_name;
};

/* A detached overlay mount. Before Linux 6.8 it takes no more than ten lowers. -1 and e. */
int mnt_overlay(const struct overlay *o, struct err *e);

/* What becomes one directory. */
struct merge {
	const char *const *dirs; /* the topmost first */
	size_t n;		 /* 500 at most, by the kernel */
	const char *upper, *work; /* directories on one file system; NULL: read-only */
	int userns; /* shifts the ids on disk, of all of them; -1: as they are */
	uint32_t base; /* what id 0 then is; needed with an upper layer only */
};

/* Mounts it on the directory target, in the caller's mount namespace. 0, or -1 and e: then
 * nothing stays mounted. */
int mnt_merge(const struct merge *m, const char *target, struct err *e);
/* The same for `n` directories, read-only. */
int mnt_union(const char *const *dirs, size_t n, int userns_fd, const char *target,
	      struct err *e);

/* The mount that a path is in, as /proc/self/mountinfo has it. */
struct mnt_info {
	uint64_t id;
	bool root; /* the path is where it is mounted */
	bool read_only;
	char type[32]; /* "ext4" */
	char *options; /* the file system's own; mnt_unescape() each */
};

/* 0, or -1 and e. The caller frees i->options. */
int mnt_info(const char *path, struct mnt_info *i, struct err *e);
/* proc_pid_mountinfo(5) writes a space as \040, and so on. In place. */
void mnt_unescape(char *s);

/* Makes the tree at path read-only in the caller's mount namespace. 0, or -1 and e. */
int mnt_read_only(const char *path, struct err *e);

/* Gives the calling process a mount namespace of its own, into which what the host
 * mounts and unmounts still comes, and out of which nothing goes. */
int mnt_unshare(struct err *e);

#endif
