/* direct - the direct engine: from a unit, a document or an image to a sandbox. */
#include "direct.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image.h"
#include "inmate.h"
#include "machine.h"
#include "mnt.h"
#include "nspawn.h"
#include "place.h"
#include "sandbox.h"
#include "setup.h"
#include "store.h"
#include "uid.h"

/* Where an image is mounted, in a mount namespace of ours. */
#define IMAGE_DIR "/run/nixunits/.image"

static bool degrade;

static int lacks(const char *lost, struct err *e)
{
	if (!degrade) {
		struct err why = *e;

		return err_set(e, NU_MISSING, "%.800s; lost would be %s (--degrade accepts that)",
			       why.text, lost);
	}
	warn("%s; lost is %s", e->text, lost);
	return 0;
}

bool direct_is_path(const char *what)
{
	return strpbrk(what, "./");
}

/* An ordinary user is root in a user namespace of his own, and has there what he needs to
 * make others. */
static int become_rootless(struct err *e)
{
	autofree char *uid = xfmt("0 %u 1", geteuid());
	autofree char *gid = xfmt("0 %u 1", getegid());
	const char *const maps[][2] = {
		{ "/proc/self/uid_map", uid },
		{ "/proc/self/setgroups", "deny" },
		{ "/proc/self/gid_map", gid },
	};

	if (unshare(CLONE_NEWUSER) < 0)
		return err_errno(e, "a user namespace for an ordinary user");
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		autoclose int fd = open(maps[i][0], O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, maps[i][1], strlen(maps[i][1])) < 0)
			return err_errno(e, "%s", maps[i][0]);
	}
	return 0;
}

/* What only the host's root can make for it. */
static int do_without(const struct direct *d, struct unit *u, struct err *e)
{
	if ((u->net.n_ifaces || u->net.n_forwards) &&
	    err_set(e, NU_MISSING, "an ordinary user can't make interfaces on the host") < 0 &&
	    lacks("its network but for the loopback", e) < 0)
		return -1;
	if ((u->net.nft || u->n_sysctls) &&
	    err_set(e, NU_MISSING, "an ordinary user has no way back from the container's network") < 0 &&
	    lacks("its firewall and its kernel parameters", e) < 0)
		return -1;
	if (u->net.netns)
		return err_set(e, NU_FAILED, "network.netns: an ordinary user can't join %s",
			       quoted(u->net.netns));
	if (!u->net.private)
		return err_set(e, NU_FAILED, "network.private: false: an ordinary user can't mount "
			       "the /sys of the host's network");
	if (u->extra && !d->command &&
	    err_set(e, NU_MISSING, "an ordinary user can't enter what runs") < 0 &&
	    lacks("its extra", e) < 0)
		return -1;
	u->extra = u->net.nft = NULL;
	u->n_sysctls = 0;
	u->net.n_ifaces = u->net.n_forwards = u->net.n_routes = 0;
	u->net.route4.family = u->net.route6.family = 0;
	return 0;
}

static bool is_document(const char *path)
{
	struct stat st;

	/* A shell's "<(COMMAND)": what was read of a pipe would be missed later. */
	if ((starts_with(path, "/dev/fd/") || starts_with(path, "/proc/self/fd/")) &&
	    stat(path, &st) == 0 && S_ISFIFO(st.st_mode))
		return true;
	autoclose int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char first;

	return fd >= 0 && read(fd, &first, 1) == 1 && first == '{';
}

struct run {
	const struct direct *d;
	bool document; /* d->what is a file with one */
	struct unit *u; /* the image's, or ours */
	struct image image;
	struct place at;
	bool imaged;
	struct sandbox box;
};

/* As a start does it: what was built last is what runs. */
static int switch_generation(const char *id, struct err *e)
{
	struct machine m;

	if (machine_find(id, &m, e) != 0)
		return m.leader ? err_set(e, NU_BUSY, "%s: is running already", id) : -1;
	return store_switch_pending(id, e);
}

static int load(struct run *r, struct err *e)
{
	const struct direct *d = r->d;

	if (!direct_is_path(d->what)) {
		if (!streq(d->what, "-") &&
		    (id_check(d->what, e) < 0 || switch_generation(d->what, e) < 0))
			return -1;
		r->u = store_unit_or_stdin(d->what, "current", e);
		return r->u ? 0 : -1;
	}
	if (r->document) {
		r->u = unit_load_file(AT_FDCWD, d->what, e);
		return r->u ? 0 : -1;
	}
	if (d->rootless)
		return err_set(e, NU_FAILED, "%s: --rootless can't mount an image", d->what);
	if (make_dirs(IMAGE_DIR, 0755, e) < 0 || mnt_unshare(e) < 0 ||
	    image_open(d->what, IMAGE_DIR, &r->image, e) < 0)
		return -1;
	r->imaged = true;
	r->u = r->image.unit;
	return 0;
}

/* A stored unit has its own; an image is its store; a document alone has what it is given. */
static int find_files(struct run *r, struct err *e)
{
	struct rootfs *fs = &r->box.fs;
	const struct direct *d = r->d;
	bool stored = !r->imaged && !d->root && !d->layers.n && store_exists(r->u->id);

	nspawn_machine_id(r->u->id, r->at.machine_id);
	if (stored) {
		if (place_find(r->u, &r->at, e) < 0 || place_make(r->u, &r->at, e) < 0)
			return -1;
		fs->root = r->at.root;
		if (!direct_is_path(d->what) && !streq(d->what, "-"))
			fs->unit_json = r->at.unit_json;
		fs->journal = d->ephemeral ? NULL : r->at.journal;
		fs->hosts = r->at.hosts;
	} else {
		fs->root = d->root;
		for (size_t i = 0; i < d->layers.n; i++)
			strv_add(&r->at.layers, d->layers.v[i]);
		if (r->imaged)
			strv_add(&r->at.layers, r->image.store);
	}
	fs->ephemeral = d->ephemeral;
	fs->image = r->imaged;
	fs->layers = (const char *const *)r->at.layers.v;
	fs->n_layers = r->at.layers.n;
	fs->machine_id = r->at.machine_id;
	if (!r->u->private_users || d->rootless)
		return 0;
	if (stored && uid_alloc(r->u->id, &fs->uid, e) < 0)
		return -1;
	r->box.lease = stored ? uid_hold(fs->uid, e) : uid_lease(&fs->uid, e);
	return r->box.lease < 0 ? -1 : 0;
}

static int run(struct run *r, struct err *e)
{
	const struct direct *d = r->d;

	if ((!r->u->private_users && inmate_from_copy(e) < 0) ||
	    (d->rootless && do_without(d, r->u, e) < 0) || setup_check(r->u, e) < 0)
		return -1;
	r->box = (struct sandbox){
		.fs = { .u = r->u, .rootless = d->rootless, .lacks = lacks },
		.command = d->command,
		.stop_s = d->stop_s,
		.ready = d->ready,
		.lease = -1,
		.enrolled = ENROLLED_NONE,
	};
	/* From here on nobody deletes it, or gives its UID range away. */
	if (!d->rootless && machine_enroll(&r->box.enrolled, r->u->id, e) < 0)
		return -1;
	return find_files(r, e) < 0 ? -1 : sandbox_run(&r->box, e);
}

/* What can be read again: an id's document, or a file's. */
static bool is_lasting(const struct run *r)
{
	const char *what = r->d->what;
	struct stat st;

	if (!direct_is_path(what))
		return !streq(what, "-");
	return r->document && stat(what, &st) == 0 && S_ISREG(st.st_mode);
}

int direct_run(const struct direct *d, struct err *e)
{
	struct run r = { .d = d, .box = { .lease = -1, .enrolled = ENROLLED_NONE } };

	degrade = d->degrade;
	if (!d->rootless && geteuid() != 0)
		return err_set(e, NU_FAILED, "only root can run a unit (--rootless: as far as an "
					     "ordinary user can)");
	r.document = direct_is_path(d->what) && is_document(d->what);
	/* The program may be the ordinary user's own, who is root inside. */
	if ((d->rootless || !is_lasting(&r)) && inmate_from_copy(e) < 0)
		return -1;
	if (d->rootless && become_rootless(e) < 0)
		return -1;
	int status = load(&r, e) < 0 ? -1 : run(&r, e);
	if (status < 0 && r.u)
		err_wrap(e, "%s: ", r.u->id);
	if (r.box.lease >= 0)
		uid_release(r.box.lease, r.box.fs.uid);
	machine_withdraw(&r.box.enrolled);
	place_free(&r.at);
	if (r.imaged)
		image_close(&r.image);
	else
		unit_free(r.u);
	sandbox_await(&r.box);
	return status;
}
