/* nspawn - the systemd-nspawn(1) command line of a unit. */
#include "nspawn.h"

#include <ctype.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/stat.h>

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

/* As of now. One is bound as it is: see rootfs_bind_open(). */
static bool is_device(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode));
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

static void add_rlimit(struct strv *argv, const struct rlimits *l)
{
	autobuf struct buf b = { 0 };

	buf_addf(&b, "--rlimit=RLIMIT_");
	for (const char *c = l->name; *c; c++)
		buf_addf(&b, "%c", toupper((unsigned char)*c));
	buf_addf(&b, l->soft < 0 ? "=infinity" : "=%ld", l->soft);
	buf_addf(&b, l->hard < 0 ? ":infinity" : ":%ld", l->hard);
	strv_add(argv, b.p);
}

void nspawn_argv(const struct unit *u, const struct nspawn *n, struct strv *argv)
{
	strv_add(argv, "systemd-nspawn");
	strv_add(argv, "--quiet");
	/* The declaration alone: no web2.nspawn file that lies about. */
	strv_add(argv, "--settings=no");
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

	for (size_t i = 0; i < u->limits.n; i++)
		add_rlimit(argv, &u->limits.v[i]);
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
	if (n->hosts)
		add_bind(argv, n->hosts, "/run/nixunits/hosts", true, false);
	for (size_t i = 0; i < u->n_binds; i++) {
		const struct bind *b = &u->binds[i];
		autofree char *source = n->binds ? xfmt("%s/%zu", n->binds, i) : xstrdup(b->source);

		add_bind(argv, source, b->target, b->read_only, u->private_users && !is_device(source));
	}
	for (const char **arg = u->nspawn_args; arg && *arg; arg++)
		strv_add(argv, *arg);
	strv_add(argv, u->init);
}

#define BIT(cap) (1ull << (cap))

/* What systemd-nspawn(1) leaves a container, see --capability= there; with a private
 * network CAP_NET_ADMIN as well. */
static const unsigned long long nspawn_default =
	BIT(CAP_AUDIT_CONTROL) | BIT(CAP_AUDIT_WRITE) | BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) |
	BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_FOWNER) | BIT(CAP_FSETID) | BIT(CAP_IPC_OWNER) |
	BIT(CAP_KILL) | BIT(CAP_LEASE) | BIT(CAP_LINUX_IMMUTABLE) | BIT(CAP_MKNOD) |
	BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_NET_BROADCAST) | BIT(CAP_NET_RAW) |
	BIT(CAP_SETFCAP) | BIT(CAP_SETGID) | BIT(CAP_SETPCAP) | BIT(CAP_SETUID) |
	BIT(CAP_SYS_ADMIN) | BIT(CAP_SYS_BOOT) | BIT(CAP_SYS_CHROOT) | BIT(CAP_SYS_NICE) |
	BIT(CAP_SYS_PTRACE) | BIT(CAP_SYS_RESOURCE) | BIT(CAP_SYS_TTY_CONFIG);

/* "CAP_A,CAP_B" or "all"; names nspawn would refuse are its own to refuse. */
static unsigned long long named_set(const char *text)
{
	autofree char *copy = xstrdup(text);
	unsigned long long set = 0;
	struct err ignored;
	char *save;

	for (char *name = strtok_r(copy, ", ", &save); name; name = strtok_r(NULL, ", ", &save)) {
		int cap = streq(name, "all") ? -1 : cap_any_number(name, &ignored);

		if (streq(name, "all"))
			set = ~0ull;
		else if (cap >= 0)
			set |= BIT(cap);
	}
	return set;
}

/* The value of argument i when it is `option`: "--option=VALUE" or "--option VALUE". */
static const char *value_of(const struct strv *argv, size_t i, const char *option)
{
	const char *a = argv->v[i];
	size_t n = strlen(option);

	if (strncmp(a, option, n) != 0 || (a[n] && a[n] != '='))
		return NULL;
	return a[n] ? a + n + 1 : i + 1 < argv->n ? argv->v[i + 1] : "";
}

/* The bounding set that this command line makes, and which of its arguments say so. */
unsigned long long nspawn_bounding(const struct strv *argv, struct strv *flags)
{
	unsigned long long plus = 0, minus = 0;

	for (size_t i = 0; i < argv->n; i++) {
		const char *keep = value_of(argv, i, "--capability");
		const char *drop = value_of(argv, i, "--drop-capability");

		if (keep)
			plus |= named_set(keep);
		if (drop)
			minus |= named_set(drop);
		if (keep || drop)
			strv_addf(flags, "--%scapability=%s", keep ? "" : "drop-",
				  keep ? keep : drop);
		else if (starts_with(argv->v[i], "--no-new-privileges="))
			strv_add(flags, argv->v[i]);
		else if (streq(argv->v[i], "--private-network"))
			plus |= BIT(CAP_NET_ADMIN);
	}
	return (nspawn_default | plus) & ~minus;
}

unsigned long long nspawn_unit_bounding(const struct unit *u)
{
	static const struct nspawn nowhere = { .root = "", .store = "", .unit_json = "", .machine_id = "" };
	autostrv struct strv argv = { 0 }, flags = { 0 };

	nspawn_argv(u, &nowhere, &argv);
	return nspawn_bounding(&argv, &flags);
}

unsigned long long nspawn_ambient(const struct strv *argv, struct strv *flags)
{
	unsigned long long set = 0;

	for (size_t i = 0; i < argv->n; i++) {
		const char *ambient = value_of(argv, i, "--ambient-capability");

		if (ambient) {
			set |= named_set(ambient);
			strv_addf(flags, "--ambient-capability=%s", ambient);
		}
	}
	return set;
}
