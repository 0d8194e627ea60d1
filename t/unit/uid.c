/* uid: the registry of UID ranges, in a directory of its own. */
#include "../../lib/uid.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../lib/util.h"
#include "tap.h"

static char dir[] = "/tmp/nixunits-uid.XXXXXX";

static void put(const char *text)
{
	struct err e;

	if (file_replace(AT_FDCWD, fmt("%s/uidmap", dir), text, strlen(text), 0644, &e) < 0)
		puts(e.text);
}

static const char *content(void)
{
	autobuf struct buf b = { 0 };
	struct err e;

	return fmt("%s", file_read(AT_FDCWD, fmt("%s/uidmap", dir), 10000, &b, &e) < 0 ? e.text : b.p);
}

static const char *broken(const char *text)
{
	static struct err e;
	uint32_t base;

	put(text);
	return uid_alloc("web2", &base, &e) < 0 ? strstr(e.text, "uidmap: ") + 8 : "taken";
}

/* Many at once, each its own process: none may get another's range. */
static void race(void)
{
	struct uid_range *list;
	struct err e;
	bool distinct = true;
	pid_t children[40];

	put("");
	for (int i = 0; i < 40; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			uint32_t base;
			char id[16];

			snprintf(id, sizeof(id), "u%d", i);
			_exit(uid_alloc(id, &base, &e) < 0);
		}
	}
	for (int i = 0; i < 40; i++)
		waitpid(children[i], NULL, 0);
	int n = uid_list(&list, &e);
	is_int(n, 40, "40 processes that allocate at once get 40 ranges");
	for (int i = 1; i < n; i++)
		distinct = distinct && list[i].base > list[i - 1].base;
	ok(distinct, "no two the same");
	free(list);
}

int main(void)
{
	uint32_t base = 0, other = 0;
	struct err e;

	if (!mkdtemp(dir))
		return 1;
	setenv("NIXUNITS_DIR", dir, 1);

	is_int(uid_get("web2", &base, &e), 0, "no range before there is one");
	is_int(uid_free("web2", &e), 0, "and none to free");
	is_int(uid_alloc("web2", &base, &e), 1, "one is allocated");
	ok(base >= UID_FIRST && base <= UID_LAST && base % UID_COUNT == 0, "aligned and in bounds");
	uid_alloc("web2", &other, &e);
	is_int(other, base, "the same unit keeps its range");
	uid_alloc("web3", &other, &e);
	is_int(other, base + UID_COUNT, "the next unit gets the next");
	is_int(uid_free("web2", &e), 1, "freed");
	uid_alloc("web4", &other, &e);
	is_int(other, base, "and given to the next that asks");
	is(content(), fmt("%u web4\n%u web3\n", base, base + UID_COUNT), "the registry is in order");

	is(broken("524288 web1\n524288 web3\n"), "line 2 is not \"BASE ID\" in ascending order",
	   "a range given twice is an error");
	is(broken("524288 web1\n589824 we"), "line 2 is not \"BASE ID\" in ascending order",
	   "so is a line that is cut");
	is(broken("hello\n"), "line 1 is not \"BASE ID\" in ascending order", "so is another line");
	is(broken("524289 web1\n"), "line 1 is not \"BASE ID\" in ascending order",
	   "and a range that is not one");
	is(content(), "524289 web1\n", "and the file is left as it is");
	race();

	tree_remove(AT_FDCWD, dir, &e);
	return tap_done();
}
