/* json - cJSON documents read strictly, with errors that say where.
 *
 * A struct jnode is a value and the way to it. Nodes live on the stack of the
 * functions that walk down; an error prints the whole way:
 * "network.interfaces.lan.ip4[0]: expected a string, got a number".
 */
#ifndef NU_JSON_H
#define NU_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "say.h"
#include "util.h"

struct jnode {
	const cJSON *value; /* NULL: absent, or null */
	const struct jnode *up;
	const char *key; /* in an object; NULL in an array */
	int index;
};

/* Parses text, which must be one JSON value nested at most 100 deep, without a
 * repeated key and without a NUL in a string. The caller owns the result
 * (cJSON_Delete). NULL and e (NU_USAGE), with line and column, when it is not. */
cJSON *json_parse(const char *text, size_t n, struct err *e);
void cleanup_json(cJSON **j);
#define autojson __attribute__((cleanup(cleanup_json)))

/* e becomes "WAY: message", NU_USAGE. Returns -1. */
int json_err(const struct jnode *n, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The root must be an object. */
int json_root(const cJSON *j, struct jnode *root, struct err *e);
/* An object may have no key besides these (ended by NULL). */
int json_only(const struct jnode *n, const char *const keys[], struct err *e);
/* The member `key` of the object n; value NULL when it is absent or null. */
struct jnode json_at(const struct jnode *n, const char *key);
/* The value as its type; an absent one leaves *dst as it is, so set the default
 * before. Strings belong to the document. Return 0, or -1 and e. */
int json_str(const struct jnode *n, const char **dst, struct err *e);
int json_bool(const struct jnode *n, bool *dst, struct err *e);
/* A whole number from min to max, and of at most 53 bits: more is not exact in a double. */
int json_int(const struct jnode *n, long min, long max, long *dst, struct err *e);
int json_object(const struct jnode *n, struct err *e);
int json_array(const struct jnode *n, struct err *e);
/* An error when the value is absent. */
int json_need(const struct jnode *n, struct err *e);

/* Goes through the members of an object or an array: start with it->value NULL.
 *   for (struct jnode m = { 0 }; json_next(&n, &m);) */
bool json_next(const struct jnode *n, struct jnode *m);

/* Prints j, indented by two spaces, and a newline, to stdout. */
void json_print(const cJSON *j);

#endif
