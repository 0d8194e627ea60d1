/* cap: names, numbers and lists, and what is read of a process. */
#include "../../lib/cap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../lib/util.h"
#include "tap.h"

static const char *list(const char *text)
{
	uint64_t set = 1;
	struct err e;

	return cap_list(text, 0xff, &set, &e) < 0 ? fmt("%s", e.text) :
						    fmt("%llx", (unsigned long long)set);
}

static void lists(void)
{
	is(list("net_bind_service"), "401", "a name is added to what there is");
	is(list("CAP_KILL,Cap_Chown,5"), "21", "names in any case, and numbers");
	is(list("63"), "8000000000000001", "up to 63");
	is(list("CAP_63"), "8000000000000001", "after CAP_ as well");
	is(list("all"), "ff", "all of what is to be had");
	is(list("none"), "1", "and nothing of it");
	is(list("all,-kill,-0"), "de", "taken out again");
	is(list("-all,kill"), "20", "from left to right");
	is(list("64"), "\"64\": no kernel has a capability of a number above 63", "64 is too much");
	is(list("18446744073709551616"), "\"18446744073709551616\": not a capability",
	   "nor is more any");
	is(list(""), "\"\": not a capability", "nothing is none");
	is(list("kill,"), "\"\": not a capability", "nor is it behind a comma");
	is(list("--kill"), "\"-kill\": not a capability; did you mean CAP_KILL", "one \"-\" is enough");
	is(list("CAP_SYS_ADMN"), "\"CAP_SYS_ADMN\": not a capability; did you mean CAP_SYS_ADMIN",
	   "the nearest is named");
	is(list("xyzzy-quux-frobnicate"), "\"xyzzy-quux-frobnicate\": not a capability",
	   "if any is near");
	is(cap_label(47), "CAP_47", "one without a name has its number");
	ok(cap_count() > 37 && cap_count() <= 64, "the kernel has some of them");
}

static char file[] = "/tmp/nixunits-cap.XXXXXX";

static int read_back(const char *text, struct cap_state *s)
{
	struct err e;

	if (file_replace(AT_FDCWD, file, text, strlen(text), 0600, &e) < 0)
		puts(e.text);
	return cap_state(AT_FDCWD, file, s);
}

#define CAPS "CapInh:\t0000000000000001\nCapPrm:\t0000000000000002\nCapEff:\t0000000000000004\n" \
	     "CapBnd:\tffffffffffffffff\nCapAmb:\t0000000000000010\n"

static void states(void)
{
	struct cap_state s;

	is_int(read_back("Name:\ta \\n\033b\377\nState:\tS (sleeping)\nUid:\t1\t2\t3\t4\n"
			 "Gid:\t5\t6\t7\t8\n" CAPS "NoNewPrivs:\t1\nSeccomp:\t2\n", &s),
	       0, "a status is read");
	is(s.name, "a \\n?b?", "the name, without what a terminal would obey");
	ok(s.set[CAP_INH] == 1 && s.set[CAP_PRM] == 2 && s.set[CAP_EFF] == 4 &&
		   s.set[CAP_BND] == UINT64_MAX && s.set[CAP_AMB] == 16,
	   "each set");
	ok(s.uid == 2 && s.gid == 6, "the effective ids");
	ok(!s.dead && s.no_new_privs && s.seccomp == 2, "and the rest");
	is_int(read_back("Name:\tCapBnd:\nState:\tZ (zombie)\n" CAPS, &s), 0, "a kernel without the rest");
	ok(s.dead && !s.no_new_privs && s.seccomp == 0 && s.set[CAP_BND] == UINT64_MAX,
	   "has none, and a zombie is dead");
	is_int(read_back("Name:\tx\nCapBnd:\t-1\n", &s), -1, "what is no set is an error");
	is_int(read_back("", &s), -1, "so is nothing");
	is_int(cap_state(AT_FDCWD, "/proc/0/status", &s), -1, "and no file");
	is_int(errno, ENOENT, "which is told apart");
	is_int(cap_state(AT_FDCWD, "/proc/self/status", &s), 0, "ours can be read");
	is_int(s.uid, geteuid(), "it is us");
}

int main(void)
{
	lists();
	close(mkstemp(file));
	states();
	unlink(file);
	return tap_done();
}
