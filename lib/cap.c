/* cap - the capabilities a container keeps, from what its declaration allows. */
#include "cap.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>

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

static int cap_value(const char *name)
{
	char full[48];
	cap_value_t value;

	snprintf(full, sizeof(full), "%s%.40s", strncasecmp(name, "cap_", 4) ? "cap_" : "", name);
	return cap_from_name(full, &value) == 0 ? (int)value : -1;
}

int cap_number(const char *name, struct err *e)
{
	const char *last = "";
	char nearest[40] = "";
	size_t best = 6;
	int value = strlen(name) < 40 && !strpbrk(name, " =,+") ? cap_value(name) : -1;

	if (value >= 0)
		return value;
	for (int i = 0; i <= CAP_LAST_CAP; i++) {
		const char *label = cap_label(i);
		size_t d = distance(name, strncasecmp(name, "cap_", 4) ? label + 4 : label);

		if (d < best) {
			best = d;
			snprintf(nearest, sizeof(nearest), "%s", label);
		}
	}
	if (*nearest)
		last = "; did you mean ";
	return err_set(e, NU_USAGE, "%s: not a capability%s%s", quoted(name), last, nearest);
}

const char *const cap_set_names[] = { "bounding", "effective", "permitted", "inheritable",
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

int cap_state(pid_t pid, struct cap_state *state)
{
	static const char *const keys[] = { "CapBnd:", "CapEff:", "CapPrm:", "CapInh:", "CapAmb:" };
	char path[64], text[8192];

	*state = (struct cap_state){ 0 };
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (file_peek(path, text, sizeof(text)) < 0)
		return -1;
	for (int i = 0; i < CAP_SETS; i++) {
		const char *value = status_value(text, keys[i]);

		if (!take_hex(&value, &state->set[i])) {
			errno = EPROTO;
			return -1;
		}
	}
	state->no_new_privs = *status_value(text, "NoNewPrivs:") == '1';
	state->seccomp = atoi(status_value(text, "Seccomp:"));
	return 0;
}

bool cap_allowed(const char *name, const char *const *allowed, size_t n)
{
	int number = cap_value(name);

	for (size_t i = 0; i < n; i++)
		if (cap_value(allowed[i]) == number)
			return true;
	return false;
}
