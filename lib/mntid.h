/* mntid - the mount that a file is in. */
#ifndef NU_MNTID_H
#define NU_MNTID_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct mntid {
	uint64_t id;  /* of the mount; 0: the kernel doesn't tell, before Linux 5.8 */
	uint64_t dev; /* of its filesystem, some number that no other has */
	bool root;    /* the file is where it is mounted */
	mode_t mode;  /* of the file */
};

/* Of path, or of dirfd itself where that is "". A symlink is not followed. 0, or -1 and errno. */
int mntid(int dirfd, const char *path, struct mntid *m);

#endif
