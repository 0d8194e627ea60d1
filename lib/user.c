/* user - users and groups by name, from /etc/passwd and /etc/group alone. */
#include "user.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

/* The highest number, -1, means "as it is" to setresuid(2): nobody has it. */
static bool is_number(const char *text, uint32_t *n)
{
	uint64_t value;

	if (!take_number(&text, &value) || *text || value >= UINT32_MAX)
		return false;
	*n = value;
	return true;
}

/* Cuts the next line of passwd(5) or group(5) out of *rest: "name:password:number:what". */
enum { NAME, PASSWORD, NUMBER, WHAT, FIELDS };
static bool next_entry(char **rest, char *field[FIELDS])
{
	for (char *line; *rest && (line = strsep(rest, "\n"));) {
		for (int i = 0; i < FIELDS; i++)
			field[i] = strsep(&line, ":");
		if (field[WHAT])
			return true;
	}
	return false;
}

/* What follows from the user's own line; *name (the caller's) stays NULL where there is none. */
static int find_user(const char *text, struct user *u, char **name, struct err *e)
{
	autobuf struct buf file = { 0 };
	char *field[FIELDS];
	uint32_t number;
	struct err unreadable = { .text = "not in /etc/passwd" };
	bool by_number = is_number(text, &u->uid);

	file_read(AT_FDCWD, "/etc/passwd", 64 << 20, &file, &unreadable);
	for (char *rest = file.p; next_entry(&rest, field);) {
		if (!is_number(field[NUMBER], &number) ||
		    !(by_number ? number == u->uid : streq(field[NAME], text)))
			continue;
		if (!is_number(field[WHAT], &u->gid))
			return err_set(e, NU_USAGE, "/etc/passwd: %s: no group", quoted(text));
		u->uid = number;
		*name = xstrdup(field[NAME]);
		return 0;
	}
	u->gid = u->uid;
	return by_number ? 0 : err_set(e, NU_USAGE, "user %s: %s", quoted(text), unreadable.text);
}

static int find_group(const char *text, gid_t *gid, struct err *e)
{
	autobuf struct buf file = { 0 };
	char *field[FIELDS];
	struct err unreadable = { .text = "not in /etc/group" };

	if (is_number(text, gid))
		return 0;
	file_read(AT_FDCWD, "/etc/group", 64 << 20, &file, &unreadable);
	for (char *rest = file.p; next_entry(&rest, field);)
		if (streq(field[NAME], text) && is_number(field[NUMBER], gid))
			return 0;
	return err_set(e, NU_USAGE, "group %s: %s", quoted(text), unreadable.text);
}

static void find_groups(const char *name, struct user *u)
{
	autobuf struct buf file = { 0 };
	char *field[FIELDS];
	struct err ignored; /* without the file there are no groups */
	gid_t gid;

	file_read(AT_FDCWD, "/etc/group", 64 << 20, &file, &ignored);
	for (char *rest = file.p; next_entry(&rest, field);)
		for (char *member; (member = strsep(&field[WHAT], ","));)
			if (streq(member, name) && is_number(field[NUMBER], &gid)) {
				u->groups = xrealloc(u->groups, u->n_groups + 1, sizeof(gid));
				u->groups[u->n_groups++] = gid;
				break;
			}
}

int user_parse(const char *text, struct user *u, struct err *e)
{
	const char *colon = strchr(text, ':');
	autofree char *user = xstrndup(text, strcspn(text, ":"));
	autofree char *name = NULL;

	*u = (struct user){ 0 };
	if (find_user(user, u, &name, e) < 0)
		return -1;
	if (colon)
		return find_group(colon + 1, &u->gid, e);
	if (name)
		find_groups(name, u);
	return 0;
}

void user_free(struct user *u)
{
	free(u->groups);
	*u = (struct user){ 0 };
}
