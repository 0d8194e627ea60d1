/* cap - the capabilities a container keeps, from what its declaration allows. */
#include "cap.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util.h"

/* Strict by default, opened on purpose. What is not here (chown, setuid, kill,
 * net_bind_service, ...) a service manager can't do without, and inside a user
 * namespace it reaches the container's own objects only. */
static const char *const dropped[] = {
	"CAP_AUDIT_CONTROL", "CAP_AUDIT_WRITE",	    "CAP_DAC_READ_SEARCH", "CAP_IPC_LOCK",
	"CAP_IPC_OWNER",     "CAP_LEASE",	    "CAP_LINUX_IMMUTABLE", "CAP_MAC_OVERRIDE",
	"CAP_MKNOD",	     "CAP_NET_ADMIN",	    "CAP_NET_BROADCAST",   "CAP_NET_RAW",
	"CAP_SYS_ADMIN",     "CAP_SYS_BOOT",	    "CAP_SYS_MODULE",	   "CAP_SYS_NICE",
	"CAP_SYS_PACCT",     "CAP_SYS_PTRACE",	    "CAP_SYS_RAWIO",	   "CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",	     "CAP_SYS_TTY_CONFIG",
};

const char *cap_dropped_by_default(size_t i)
{
	return i < ARRAY_SIZE(dropped) ? dropped[i] : NULL;
}

int cap_count(void)
{
	return cap_max_bits();
}

const char *cap_label(int number)
{
	static char label[40];
	char *name = cap_to_name(number);
	size_t i = 0;

	if (name && !isdigit((unsigned char)name[0]))
		for (; name[i] && i < sizeof(label) - 1; i++)
			label[i] = toupper((unsigned char)name[i]);
	label[i] = '\0';
	cap_free(name);
	if (i == 0)
		snprintf(label, sizeof(label), "CAP_%d", number);
	return label;
}

/* Levenshtein's distance, case aside; names are short. */
static size_t distance(const char *a, const char *b)
{
	size_t row[64], n = strlen(b);

	if (n >= ARRAY_SIZE(row))
		return 99;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; *a; a++, i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t best = diagonal + (toupper((unsigned char)*a) != b[j - 1]);

			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[n];
}

static const char *bare(const char *name)
{
	return strncasecmp(name, "cap_", 4) ? name : name + 4;
}

static int cap_value(const char *name)
{
	char full[48];
	cap_value_t value;

	snprintf(full, sizeof(full), "cap_%.40s", bare(name));
	return cap_from_name(full, &value) == 0 ? (int)value : -1;
}

int cap_number(const char *name, struct err *e)
{
	const char *last = "";
	char nearest[40] = "";
	size_t best = strlen(name) < 6 ? strlen(name) : 6;
	int value = strlen(name) < 40 && !strpbrk(name, " =,+") ? cap_value(name) : -1;

	if (value >= 0)
		return value;
	for (int i = 0; i <= CAP_LAST_CAP; i++) {
		const char *label = cap_label(i);
		size_t d = distance(bare(name), bare(label));

		if (d < best) {
			best = d;
			snprintf(nearest, sizeof(nearest), "%s", label);
		}
	}
	if (*nearest)
		last = "; did you mean ";
	return err_set(e, NU_USAGE, "%s: not a capability%s%s", quoted(name), last, nearest);
}

int cap_any_number(const char *name, struct err *e)
{
	const char *digits = bare(name);
	uint64_t n;

	if (!take_number(&digits, &n) || *digits)
		return cap_number(name, e);
	if (n < 64)
		return n;
	return err_set(e, NU_USAGE, "%s: no kernel has a capability of a number above 63",
		       quoted(name));
}

int cap_list(const char *text, uint64_t all, uint64_t *set, struct err *e)
{
	autofree char *copy = xstrdup(text);
	char *rest = copy;

	for (const char *word; (word = strsep(&rest, ","));) {
		bool out = take_char(&word, '-');
		uint64_t these;

		if (streq(word, "all"))
			these = all;
		else if (streq(word, "none"))
			these = 0;
		else {
			int number = cap_any_number(word, e);

			if (number < 0)
				return -1;
			these = 1ull << number;
		}
		*set = out ? *set & ~these : *set | these;
	}
	return 0;
}

const char *const cap_set_names[] = { "bounding", "permitted", "effective", "inheritable",
				      "ambient" };

/* The value of "Key:\tvalue", a line of /proc/PID/status; "" where there is none. A
 * process can give itself a name, but none with a newline in it. */
static const char *status_value(const char *status, const char *key)
{
	for (const char *p = status; p; p = next_line(p))
		if (starts_with(p, key)) {
			p += strlen(key);
			take_blanks(&p);
			return p;
		}
	return "";
}

/* The second of the four ids in such a line is the effective one. */
static uint32_t effective_id(const char *ids)
{
	uint64_t id = 0;

	if (take_number(&ids, &id) && take_blanks(&ids))
		take_number(&ids, &id);
	return id;
}

int cap_state(int dirfd, const char *path, struct cap_state *state)
{
	static const char *const keys[] = { "CapBnd:", "CapPrm:", "CapEff:", "CapInh:", "CapAmb:" };
	char text[8192];

	*state = (struct cap_state){ 0 };
	if (file_peek_at(dirfd, path, text, sizeof(text)) < 0)
		return -1;
	for (int i = 0; i < CAP_SETS; i++) {
		const char *value = status_value(text, keys[i]);

		if (!take_hex(&value, &state->set[i])) {
			errno = EPROTO;
			return -1;
		}
	}
	const char *name = status_value(text, "Name:");
	snprintf(state->name, sizeof(state->name), "%.*s", (int)strcspn(name, "\n"), name);
	for (char *c = state->name; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	state->dead = strchr("ZX", *status_value(text, "State:"));
	state->uid = effective_id(status_value(text, "Uid:"));
	state->gid = effective_id(status_value(text, "Gid:"));
	state->no_new_privs = *status_value(text, "NoNewPrivs:") == '1';
	state->seccomp = atoi(status_value(text, "Seccomp:"));
	return 0;
}

int cap_bound(uint64_t set)
{
	/* To take out what is out already is refused as well, to who can't take out any. */
	for (int cap = 0; cap < cap_count(); cap++)
		if (!(set & 1ull << cap) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 &&
		    prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1) {
			errno = EPERM;
			return -1;
		}
	return 0;
}

/* Not libcap's calls: these take memory and a detour for each capability. */
int cap_assign(uint64_t permitted, uint64_t effective, uint64_t inheritable)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++)
		data[i] = (struct __user_cap_data_struct){ .permitted = permitted >> 32 * i,
							   .effective = effective >> 32 * i,
							   .inheritable = inheritable >> 32 * i };
	return syscall(SYS_capset, &head, data);
}

uint64_t cap_permitted(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	syscall(SYS_capget, &head, data);
	return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

bool cap_allowed(const char *name, const char *const *allowed, size_t n)
{
	int number = cap_value(name);

	for (size_t i = 0; i < n; i++)
		if (cap_value(allowed[i]) == number)
			return true;
	return false;
}
