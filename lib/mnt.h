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
};

/* A detached overlay mount. -1 and e. */
int mnt_overlay(const struct overlay *o, struct err *e);

/* Mounts, in the caller's mount namespace and on the directory target, the union of
 * `n` directories, the topmost first, read-only, with the ids on disk shifted by
 * userns_fd (-1: as they are). 0, or -1 and e: then nothing stays mounted. */
int mnt_union(const char *const *dirs, size_t n, int userns_fd, const char *target,
	      struct err *e);

/* Makes the tree at path read-only in the caller's mount namespace. 0, or -1 and e. */
int mnt_read_only(const char *path, struct err *e);

/* Gives the calling process a mount namespace of its own, into which what the host
 * mounts and unmounts still comes, and out of which nothing goes. */
int mnt_unshare(struct err *e);

#endif
