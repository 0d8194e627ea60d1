/* image - a unit in one file: its closure and its document, to be run where it lies.
 *
 * An image is a file system (squashfs, or erofs) that holds
 *
 *   /unit.json    the unit document
 *   /nix/store    the closure of its system, and nothing else
 *
 * and behind it a trailer of 512 bytes, text filled up with NULs, that names the unit
 * and has the SHA-256 of all before it and of its own first two lines:
 *
 *   nixunits image 1
 *   id web2
 *   sha256 5feceb66ffc86f38...
 *
 * The kernel does not mind what lies behind a file system. The digest tells a damaged
 * file from a whole one; it is no signature: who can write the file can write another.
 */
#ifndef NU_IMAGE_H
#define NU_IMAGE_H

#include <stdint.h>

#include "say.h"
#include "unit.h"

#define IMAGE_TRAILER 512

/* Behind the name of an image in an initramfs: a file of the links of the host that its unit
 * needs, one a line. */
#define IMAGE_LINKS ".links"

/* What the trailer says. */
struct image_info {
	const char *fs; /* "squashfs" or "erofs"; not owned */
	uint64_t bytes; /* of the whole file */
	char id[ID_MAX + 1], sha256[65];
};

/* Reads the image open at fd to its end and compares it with its trailer. 0, or -1 and
 * e: not an image, cut short, damaged, or of a version that this one doesn't know; path
 * is for the message. */
int image_verify(int fd, const char *path, struct image_info *info, struct err *e);
/* Puts the trailer behind the file system that fd is open on, for reading and writing, and
 * says what an image_verify() of it would. 0, or -1 and e. */
int image_seal(int fd, const char *id, struct image_info *info, struct err *e);

/* An opened image: verified, and mounted read-only in the mount namespace of this
 * process. All is the image's, freed by image_close(). */
struct image {
	struct unit *unit;
	char *dir;   /* where it is mounted */
	char *store; /* DIR/nix/store: what is /nix/store in the unit */
	char *json;  /* DIR/unit.json */
};

/* Opens the image at path and mounts it on the directory dir, which the caller made. An
 * image that is replaced meanwhile is not noticed: what was verified is what is mounted.
 * 0, or -1 and e (a kernel without the file system or a loop device: NU_MISSING); then
 * nothing is mounted. */
int image_open(const char *path, const char *dir, struct image *i, struct err *e);
/* Frees i and unmounts it, for this namespace: who uses it still goes on. */
void image_close(struct image *i);

#endif
