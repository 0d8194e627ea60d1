/* nspawn - the systemd-nspawn(1) command line of a unit. */
#include "nspawn.h"

#include <string.h>

#include "cap.h"
#include "sha256.h"

void nspawn_machine_id(const char *id, char dst[33])
{
	struct sha256 s;
	char host[64] = "";

	file_peek("/etc/machine-id", host, sizeof(host));
	sha256_init(&s);
	sha256_add_str(&s, "nixunits machine-id");
	sha256_add_str(&s, host);
	sha256_add_str(&s, id);
	sha256_end_hex(&s, dst, 32);
}

/* nspawn splits SOURCE:TARGET:OPTIONS at ":" and reads "\" as an escape. */
static void add_path(struct buf *b, const char *path)
{
	for (; *path; path++) {
		if (*path == ':' || *path == '\\')
			buf_add(b, "\\", 1);
		buf_add(b, path, 1);
	}
}

static void add_bind(struct strv *argv, const char *source, const char *target, bool read_only,
		     bool idmap)
{
	autobuf struct buf b = { 0 };

	buf_addf(&b, "--bind%s=", read_only ? "-ro" : "");
	add_path(&b, source);
	buf_add(&b, ":", 1);
	add_path(&b, target);
	buf_addf(&b, "%s", idmap ? ":idmap" : "");
	strv_add(argv, b.p);
}

static void add_caps(struct strv *argv, const struct unit *u)
{
	autobuf struct buf drop = { 0 }, keep = { 0 };
	const char *name;

	for (size_t i = 0; (name = cap_dropped_by_default(i)); i++)
		if (!cap_allowed(name, u->caps, u->n_caps))
			buf_addf(&drop, "%s%s", drop.n ? "," : "", name);
	for (size_t i = 0; i < u->n_caps; i++) {
		struct err ignored; /* the document was checked */

		buf_addf(&keep, "%s%s", keep.n ? "," : "",
			 cap_label(cap_number(u->caps[i], &ignored)));
	}
	if (drop.n)
		strv_addf(argv, "--drop-capability=%s", drop.p);
	if (keep.n)
		strv_addf(argv, "--capability=%s", keep.p);
}

void nspawn_argv(const struct unit *u, const struct nspawn *n, struct strv *argv)
{
	strv_add(argv, "systemd-nspawn");
	strv_add(argv, "--quiet");
	/* The declaration alone: no web2.nspawn file that lies about. */
	strv_add(argv, "--settings=no");
	if (n->keep_unit)
		strv_add(argv, "--keep-unit");
	strv_addf(argv, "--machine=%s", u->id);
	strv_addf(argv, "--uuid=%s", n->machine_id);
	strv_addf(argv, "--directory=%s", n->root);
	strv_add(argv, "--notify-ready=yes");
	strv_add(argv, "--kill-signal=SIGRTMIN+3");
	strv_add(argv, "--no-new-privileges=yes");
	if (u->private_users) {
		strv_addf(argv, "--private-users=%u:65536", n->uid_base);
		strv_add(argv, "--private-users-ownership=map");
	} else {
		strv_add(argv, "--private-users=no");
	}
	add_caps(argv, u);

	if (u->net.netns)
		strv_addf(argv, "--network-namespace-path=%s", u->net.netns);
	else if (u->net.private)
		strv_add(argv, "--private-network");
	/* nu-run writes these itself, or leaves them to the guest. */
	strv_add(argv, "--resolv-conf=off");
	strv_add(argv, "--timezone=off");

	/* nspawn's own --link-journal binds the directory without an idmap: the guest's
	 * journald could not write there. */
	strv_add(argv, "--link-journal=no");
	if (n->journal) {
		autofree char *inside = xfmt("/var/log/journal/%s", n->machine_id);
		add_bind(argv, n->journal, inside, false, u->private_users);
	}
	/* Debian's systemd mounts this at its start, and gives up where it can't: without
	 * CAP_SYS_ADMIN it has to be there already. */
	strv_add(argv, "--tmpfs=/run/lock:mode=1777,size=5242880");
	add_bind(argv, n->store, "/nix/store", true, false);
	add_bind(argv, n->unit_json, "/run/nixunits/unit.json", true, false);
	for (size_t i = 0; i < u->n_binds; i++)
		add_bind(argv, u->binds[i].source, u->binds[i].target, u->binds[i].read_only,
			 u->private_users);
	for (const char **arg = u->nspawn_args; arg && *arg; arg++)
		strv_add(argv, *arg);
	strv_add(argv, u->init);
}
