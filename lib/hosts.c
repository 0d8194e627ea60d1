/* hosts - the names of the units of this host, for those that ask for them. */
#include "hosts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "netcheck.h"
#include "store.h"
#include "util.h"

#define LIMIT (16 << 20)

char *hosts_dir(const char *id)
{
	autofree char *unit = store_unit_path(id);

	return xfmt("%s/hosts", unit);
}

static void add_names(const char *id, const struct addrs *v, struct buf *b)
{
	char text[ADDR_TEXT];

	for (size_t i = 0; i < v->n; i++)
		if (!net_link_local(&v->v[i]))
			buf_addf(b, "%s %s\n", addr_text(&v->v[i], false, text), id);
}

/* What runs, or where nothing has been started yet what will. One that can't be read has
 * no names: that is its own trouble, and said when it is started. */
static struct unit *unit_of(const char *id)
{
	struct err ignored;
	struct unit *u = store_unit(id, "current", &ignored);

	return u ? u : store_unit(id, "next", &ignored);
}

static int write_for(const struct unit *u, const struct buf *names, struct err *e)
{
	autofree char *dir_path = hosts_dir(u->id);
	autoclose int dir = open(dir_path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	autobuf struct buf text = { 0 }, was = { 0 };
	struct err ignored;

	if (dir < 0) /* wanted from its next start on */
		return errno == ENOENT ? 0 : err_errno(e, "%s", dir_path);
	buf_addf(&text, "%s", u->net.hosts);
	if (text.n && text.p[text.n - 1] != '\n')
		buf_add(&text, "\n", 1);
	if (names->n)
		buf_add(&text, names->p, names->n);
	if (file_read(dir, "hosts", LIMIT, &was, &ignored) == 0 && was.n == text.n &&
	    memcmp(was.p, text.p, was.n) == 0)
		return 0;
	return file_replace(dir, "hosts", text.p, text.n, 0644, e);
}

static int update_locked(const struct strv *ids, struct err *e)
{
	struct unit **units = xalloc((ids->n + 1) * sizeof(*units));
	autobuf struct buf names = { 0 };
	int ret = 0;

	for (size_t i = 0; i < ids->n; i++) {
		const struct unit *u = units[i] = unit_of(ids->v[i]);

		for (size_t k = 0; u && k < u->net.n_ifaces; k++) {
			add_names(u->id, &u->net.ifaces[k].ip4, &names);
			add_names(u->id, &u->net.ifaces[k].ip6, &names);
		}
	}
	for (size_t i = 0; i < ids->n; i++) {
		if (ret == 0 && units[i] && units[i]->net.hosts)
			ret = write_for(units[i], &names, e);
		unit_free(units[i]);
	}
	free(units);
	return ret;
}

int hosts_update(struct err *e)
{
	autostrv struct strv ids = { 0 };
	bool wanted = false;

	store_ids(&ids);
	for (size_t i = 0; i < ids.n && !wanted; i++) {
		autofree char *dir = hosts_dir(ids.v[i]);

		wanted = access(dir, F_OK) == 0;
	}
	if (!wanted)
		return 0;
	/* One at a time: who comes last has read what those before have changed. */
	autoclose int fd = store_lock_file("hosts", LOCK_EX, STORE_WAIT, e);
	if (fd < 0)
		return -1;
	/* Once more: units may have come and gone while we waited. */
	strv_free(&ids);
	store_ids(&ids);
	return update_locked(&ids, e);
}

void hosts_refresh(void)
{
	struct err e;

	if (hosts_update(&e) < 0)
		warn("the names of units (network.hosts) are not up to date: %s", e.text);
}

int hosts_remove(const char *id, struct err *e)
{
	autofree char *dir = hosts_dir(id);

	if (access(dir, F_OK) < 0)
		return 0;
	/* One at a time: who comes last has read what those before have changed. */
	autoclose int fd = store_lock_file("hosts", LOCK_EX, STORE_WAIT, e);
	return fd < 0 ? -1 : tree_remove(AT_FDCWD, dir, e);
}

int hosts_start(const struct unit *u, struct err *e)
{
	autofree char *dir = hosts_dir(u->id);

	if (!u->net.hosts) {
		if (hosts_remove(u->id, e) < 0)
			return -1;
		hosts_refresh();
		return 0;
	}
	return make_dirs(dir, 0755, e) < 0 ? -1 : hosts_update(e);
}
