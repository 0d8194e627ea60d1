/* rootfs - the file tree of a container, for who makes its namespaces himself.
 *
 * It is made by the host's root in a mount namespace of the host's, before the container
 * has one: the container's own is a copy of it that belongs to its user namespace, and in
 * such a copy no mount can be taken off, moved or made writable (user_namespaces(7),
 * mount_namespaces(7)). The host's tree is not below it, nor behind it.
 */
#ifndef NU_ROOTFS_H
#define NU_ROOTFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "say.h"
#include "unit.h"

/* Makes in a root directory what a start needs there, as user uid, the container's root:
 * /etc/machine-id, /etc/resolv.conf, directories; the mount points of what the kernel shows,
 * where these are wanted. 0, or -1 and e. */
int rootfs_populate(int root, const struct unit *u, const char *machine_id, uint32_t uid,
		    bool points, struct err *e);
/* A detached mount of a bind's source, found as lib/hostpath does it, the ids on disk shifted by
 * userns (-1: as they are) unless it is a device: what that lies on (devtmpfs) can't be, and its
 * mode says who may use it. -1 and e. */
int rootfs_bind_open(const struct bind *b, int userns, struct err *e);
/* Makes the target of a bind whose source is open. 0, or -1 and e. */
int rootfs_bind_point(int root, const struct bind *b, int source, uint32_t uid, struct err *e);

struct rootfs {
	const struct unit *u;
	const char *machine_id;
	const char *root;           /* its writable directory; NULL: a tmpfs */
	bool ephemeral;             /* writes go to a tmpfs instead */
	const char *const *layers;  /* of /nix/store, the topmost first; none: as it is in root */
	size_t n_layers;
	const char *unit_json;      /* the file that holds u; NULL: there is none */
	const char *journal, *hosts; /* directories of the host's for these; NULL: not wanted */
	const char *cgroup;         /* directory of its cgroup; NULL: it sees none */
	int userns;                 /* what shifts the ids on disk; -1: nothing does */
	uint32_t uid;               /* of the container's root, on the host */
	bool rootless;              /* by an ordinary user: no device can be made */
	bool console;               /* /dev/console is wanted, */
	bool notify;                /* word that its init is ready */
	bool image;                 /* the layers are an image's, whose ids need not be shifted */
	/* e says what is not there: 0 to go on without, -1 and e not to. */
	int (*lacks)(const char *lost, struct err *e);
};

struct rootfs_made {
	int root;    /* its root directory */
	int pool;    /* what of it is in memory */
	int console; /* the master's side of /dev/console; -1: not wanted */
	int notify;  /* where its init says that it is ready (sd_notify(3)); -1: not wanted */
	int *binds;  /* detached mounts, -1 where one is in its place */
	size_t n_binds;
};
#define ROOTFS_NONE { -1, -1, -1, -1, NULL, 0 }

/* What $NOTIFY_SOCKET is inside. */
#define ROOTFS_NOTIFY "/run/nixunits/notify"

/* Make it in the caller's mount namespace, which must be one of his own; the last step makes
 * it the root of that. `inmate` is a pidfd of a process in the container's PID namespace, which
 * /proc is of, and by the second step in its network and IPC namespace, which /sys and
 * /dev/mqueue are of. 0, or -1 and e: the caller's mount namespace is then good for nothing. */
int rootfs_begin(const struct rootfs *r, int inmate, struct rootfs_made *made, struct err *e);
int rootfs_kernel(const struct rootfs *r, int inmate, const struct rootfs_made *made,
		  struct err *e);
int rootfs_finish(const struct rootfs *r, struct rootfs_made *made, struct err *e);
/* Closes what is open of it, whatever became of it. */
void rootfs_close(struct rootfs_made *made);

#endif
