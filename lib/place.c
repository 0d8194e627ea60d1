/* place - where the things of a unit lie, made ready for a start. */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hosts.h"
#include "nspawn.h"
#include "store.h"

#define JOURNAL_DIR "/var/log/journal"

int place_find(const struct unit *u, struct place *p, struct err *e)
{
	char path[4096];

	*p = (struct place){ .in_nixos = store_in_nixos(u->id) };
	p->dir = store_unit_path(u->id);
	p->root = xfmt("%s/root", p->dir);
	p->merged = xfmt("%s/merged", p->dir);
	/* The generation itself, not the link to it: the link may move on while we run. */
	autofree char *json = store_unit_json(u->id, "current");
	if (!realpath(json, path))
		return err_errno(e, "%s", json);
	p->unit_json = xstrdup(path);
	if (u->net.hosts)
		p->hosts = hosts_dir(u->id);
	nspawn_machine_id(u->id, p->machine_id);
	/* The generation's own over the base, or on a NixOS host that declares the unit, the
	 * host's. */
	if (p->in_nixos) {
		strv_add(&p->layers, "/nix/store");
		return 0;
	}
	*strrchr(path, '/') = '\0';
	strv_addf(&p->layers, "%s/nix/store", path);
	strv_addf(&p->layers, "%s/store/default/root/nix/store", store_dir());
	return 0;
}

/* Only where the host keeps a journal. The container's root owns what is in its journal,
 * set-user-ID programs if it likes: so it lies where no user gets at it, and what stands
 * in the host's journal is a link. */
static int make_journal(const struct unit *u, struct place *p, struct err *e)
{
	autofree char *link = xfmt(JOURNAL_DIR "/%s", p->machine_id);
	struct err why;

	if (access(JOURNAL_DIR, F_OK) < 0)
		return 0;
	p->journal = xfmt("%s/journal", p->dir);
	if (make_dirs(p->journal, 0755, e) < 0)
		return -1;
	if (link_replace(AT_FDCWD, link, p->journal, &why) < 0)
		warn("%s: journalctl -m will not show its journal: %s", u->id, why.text);
	return 0;
}

int place_make(const struct unit *u, struct place *p, struct err *e)
{
	autoclose int dir = store_open(u->id, true, NULL, e);
	if (dir < 0)
		return -1;
	/* See store_open(): an older version, or a hand, may have made it otherwise. */
	if (fchmod(dir, 0700) < 0)
		return err_errno(e, "%s", p->dir);
	if (make_dirs(p->root, 0755, e) < 0 || make_dirs(p->merged, 0755, e) < 0)
		return -1;
	return hosts_start(u, e) < 0 ? -1 : make_journal(u, p, e);
}

void place_free(struct place *p)
{
	char *all[] = { p->dir, p->root, p->merged, p->unit_json, p->journal, p->hosts };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		free(all[i]);
	strv_free(&p->layers);
}
