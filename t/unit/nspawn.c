/* nspawn: the command line of a unit; resolv: its resolv.conf. */
#include "../../lib/nspawn.h"

#include "../../lib/resolv.h"
#include "tap.h"

#define HEAD "{\"version\": 1, \"id\": \"web2\", \"system\": \"/nix/store/s\", \"init\": \"/nix/store/s/init\""

static const char *command(const char *rest)
{
	autobuf struct buf out = { 0 };
	autostrv struct strv argv = { 0 };
	struct err e;
	struct nspawn n = { .root = "/r", .store = "/m", .unit_json = "/u.json", .machine_id = "0123",
			    .hosts = "/h", .uid_base = 524288 };

	autofree char *text = xfmt(HEAD "%s}", rest);
	autounit struct unit *u = unit_parse(text, strlen(text), &e);
	if (!u)
		return fmt("%s", e.text);
	nspawn_argv(u, &n, &argv);
	for (size_t i = 0; i < argv.n; i++)
		buf_addf(&out, "%s\n", argv.v[i]);
	return fmt("%s", out.p);
}

static bool has(const char *text, const char *line)
{
	autofree char *whole = xfmt("\n%s\n", line);
	bool found = strstr(text, whole);

	if (!found)
		tap_show("no such argument", text);
	return found;
}

int main(void)
{
	const char *plain = command("");
	char id[33], again[33];

	ok(has(plain, "--private-network"), "no network declared: a private one");
	ok(has(plain, "--private-users=524288:65536"), "a user namespace");
	ok(has(plain, "--private-users-ownership=map"), "by idmapped mounts, not by chown");
	ok(has(plain, "--no-new-privileges=yes"), "no new privileges");
	ok(has(plain, "--settings=no"), "no .nspawn file counts");
	ok(has(plain, "--drop-capability=CAP_AUDIT_CONTROL,CAP_AUDIT_WRITE,CAP_DAC_READ_SEARCH,"
		      "CAP_IPC_LOCK,CAP_IPC_OWNER,CAP_LEASE,CAP_LINUX_IMMUTABLE,CAP_MAC_OVERRIDE,"
		      "CAP_MKNOD,CAP_NET_ADMIN,CAP_NET_BROADCAST,CAP_NET_RAW,CAP_SYS_ADMIN,"
		      "CAP_SYS_BOOT,CAP_SYS_MODULE,CAP_SYS_NICE,CAP_SYS_PACCT,CAP_SYS_PTRACE,"
		      "CAP_SYS_RAWIO,CAP_SYS_RESOURCE,CAP_SYS_TIME,CAP_SYS_TTY_CONFIG"),
	   "nothing declared: the whole list is dropped");
	ok(!strstr(plain, "--capability="), "and nothing added");
	ok(has(plain, "--bind-ro=/m:/nix/store"), "the merged store, read-only");
	ok(has(plain, "--bind-ro=/h:/run/nixunits/hosts"), "the names of units, where they are given");
	ok(strstr(plain, "\n/nix/store/s/init\n") &&
		   strlen(strstr(plain, "\n/nix/store/s/init\n")) == strlen("\n/nix/store/s/init\n"),
	   "the init comes last");

	const char *caps = command(", \"caps\": [\"CAP_NET_ADMIN\", \"cap_net_raw\"]");
	ok(strstr(caps, "--drop-capability=") && !strstr(caps, "CAP_NET_ADMIN,CAP_NET_BROADCAST"),
	   "a declared capability is not dropped");
	ok(has(caps, "--capability=CAP_NET_ADMIN,CAP_NET_RAW"), "but granted, whatever its spelling");

	const char *binds = command(", \"bind\": [{\"source\": \"/srv/a:b\", \"target\": \"/x\", "
				    "\"readOnly\": true}, {\"source\": \"/y\", \"target\": \"/y\"}]");
	ok(has(binds, "--bind-ro=/srv/a\\:b:/x:idmap"), "a colon in a path is escaped; idmapped");
	ok(has(binds, "--bind=/y:/y:idmap"), "a writable bind is idmapped too");

	const char *shared = command(", \"network\": {\"private\": false}");
	ok(!strstr(shared, "--private-network"), "the host's network only when declared");
	const char *joined = command(", \"privateUsers\": false, \"network\": {\"netns\": \"/run/netns/a\"}");
	ok(has(joined, "--network-namespace-path=/run/netns/a"), "a namespace is joined");
	ok(has(joined, "--private-users=no"), "then without a user namespace");
	ok(strstr(command(", \"network\": {\"netns\": \"/run/netns/a\"}"), "can't have a user namespace"),
	   "both together are refused");
	ok(has(command(", \"nspawnArgs\": [\"--tmpfs=/a b\", \"-q\"]"), "--tmpfs=/a b"),
	   "further arguments pass as they are");

	nspawn_machine_id("web2", id);
	nspawn_machine_id("web3", again);
	ok(strcmp(id, again) != 0 && strspn(id, "0123456789abcdef") == 32,
	   "each unit has a machine id of its own");

	autobuf struct buf others = { 0 };
	ok(!resolv_others("nameserver 127.0.0.53\n", &others), "a loopback resolver is of no use");
	ok(!resolv_others("# nameserver 9.9.9.9\nsearch example.org\n", &others), "nor is a comment");
	ok(!resolv_others("nameserver\t::1", &others), "nor ::1");
	ok(!resolv_others("nameserver ::1\n", &others), "at the end of a line neither");
	others.n = 0;
	ok(resolv_others("nameserver 127.0.0.53\n nameserver 9.9.9.9\nsearch a", &others),
	   "one that can be reached is");
	buf_addf(&others, "%s", "");
	is(others.p, " nameserver 9.9.9.9\nsearch a", "without the other");
	return tap_done();
}
