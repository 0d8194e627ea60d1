/* hosts: the file of names that a unit gets, from the documents of all. */
#include "../../lib/hosts.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../lib/store.h"
#include "../../lib/util.h"
#include "tap.h"

static char dir[] = "/tmp/nixunits-hosts.XXXXXX";

/* A generation that this link names, with a document in which ' stands for ". */
static void built(const char *id, const char *link, int n, const char *network)
{
	const char *unit = fmt("%s/containers/%s", dir, id);
	autofree char *json = xfmt("{'version': 1, 'id': '%s', 'system': '/nix/store/s', 'init': "
				   "'/nix/store/s/init', 'network': %s}", id, network);
	struct err e;

	for (char *p = json; *p; p++)
		if (*p == '\'')
			*p = '"';
	make_dirs(fmt("%s/generations/%d", unit, n), 0755, &e);
	file_replace(AT_FDCWD, fmt("%s/generations/%d/unit.json", unit, n), json, strlen(json), 0644,
		     &e);
	if (link_replace(AT_FDCWD, fmt("%s/%s", unit, link), fmt("generations/%d", n), &e) < 0)
		puts(e.text);
}

static const char *file(const char *id)
{
	autofree char *path = hosts_dir(id);
	autobuf struct buf b = { 0 };
	struct err e;

	if (file_read(AT_FDCWD, fmt("%s/hosts", path), 65536, &b, &e) < 0)
		return "none";
	return fmt("%s", b.n ? b.p : "");
}

static int start(const char *id)
{
	struct err e = { 0 };
	autounit struct unit *u = store_unit(id, "current", &e);
	int ret = u ? hosts_start(u, &e) : -1;

	if (ret < 0)
		puts(e.text);
	return ret;
}

#define VETH(v4, v6) "'interfaces': {'veth': {'kind': 'veth', 'ip4': [" v4 "], 'ip6': [" v6 "]}}"
#define OWN "127.0.0.1 localhost\n"

int main(void)
{
	struct stat was = { 0 }, now = { 0 };
	struct err e;

	if (!mkdtemp(dir))
		return 1;
	setenv("NIXUNITS_DIR", dir, 1);
	setenv("NIXUNITS_ETC", dir, 1);
	is_int(hosts_update(&e), 0, "without units there is nothing to do");

	built("web2", "current", 1, "{" VETH("'10.0.0.2/31'", "'fe80::2/64', 'fd00::2/64'") "}");
	is_int(start("web2"), 0, "one that does not ask");
	is(file("web2"), "none", "gets none");

	built("asks", "current", 1, "{'hosts': '127.0.0.1 localhost'}");
	is_int(start("asks"), 0, "one that asks");
	is(file("asks"), OWN "10.0.0.2 web2\nfd00::2 web2\n",
	   "gets its own lines and all names, without link-local addresses");

	built("web2", "next", 2, "{" VETH("'10.0.0.4/31'", "") "}");
	built("db", "next", 1, "{" VETH("'10.0.0.6/31'", "") "}");
	built("late", "current", 1, "{'hosts': ''}");
	built("bad", "current", 1, "{'nothing': 1}");
	is_int(hosts_update(&e), 0, "more units, one of them broken");
	is(file("asks"), OWN "10.0.0.6 db\n10.0.0.2 web2\nfd00::2 web2\n",
	   "what runs counts, and of what never ran what will");
	is(file("late"), "none", "who asks gets it with the next start");

	stat(fmt("%s/containers/asks/hosts/hosts", dir), &was);
	hosts_refresh();
	stat(fmt("%s/containers/asks/hosts/hosts", dir), &now);
	ok(was.st_ino && was.st_ino == now.st_ino, "what is as it should be is not written");
	is_int(now.st_mode & 0777, 0644, "and is for all to read");

	tree_remove(AT_FDCWD, fmt("%s/containers/db", dir), &e);
	built("asks", "current", 2, "{}");
	is_int(start("asks"), 0, "who asks no more");
	is(file("asks"), "none", "gets none");
	is_int(hosts_remove("asks", &e), 0, "to remove it again is no error");

	tree_remove(AT_FDCWD, dir, &e);
	return tap_done();
}
