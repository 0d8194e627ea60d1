/* json - cJSON documents read strictly, with errors that say where. */
#include "json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 100

void cleanup_json(cJSON **j)
{
	cJSON_Delete(*j);
}

static int json_bad(const char *text, size_t at, struct err *e, const char *what)
{
	size_t line = 1, column = 1;

	for (size_t i = 0; i < at; i++) {
		column = text[i] == '\n' ? 1 : column + 1;
		line += text[i] == '\n';
	}
	return err_set(e, NU_USAGE, "line %zu, column %zu: %s", line, column, what);
}

/* What cJSON would accept or would report badly: deep nesting (it gives up at
 * 1,000 without saying so) and \u0000, which would cut a C string short. *open:
 * a string, list or object has no end. */
static int json_scan(const char *text, size_t n, bool *open, struct err *e)
{
	size_t depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < n; i++) {
		char c = text[i];

		if (c == '\0')
			return json_bad(text, i, e, "a NUL byte");
		if (in_string && c == '\\') {
			if (n - i > 5 && strncmp(text + i, "\\u0000", 6) == 0)
				return json_bad(text, i, e, "a NUL character in a string");
			i++;
		} else if (c == '"') {
			in_string = !in_string;
		} else if (!in_string && (c == '{' || c == '[')) {
			if (++depth > MAX_DEPTH)
				return json_bad(text, i, e, "nested more than 100 deep");
		} else if (!in_string && depth && (c == '}' || c == ']')) {
			depth--;
		}
	}
	*open = in_string || depth || n == 0;
	return 0;
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp((*(const cJSON *const *)a)->string, (*(const cJSON *const *)b)->string);
}

/* A key given twice has two meanings; which one counts depends on the reader. Sorted, not
 * each with each: a megabyte holds 100,000 keys. */
static int json_unique(const struct jnode *n, struct err *e)
{
	bool object = cJSON_IsObject(n->value);
	int count = object ? cJSON_GetArraySize(n->value) : 0;
	autofree const cJSON **keys = xalloc(count * sizeof(*keys));
	int i = 0;

	for (struct jnode m = { 0 }; json_next(n, &m);) {
		if (object)
			keys[i++] = m.value;
		if (json_unique(&m, e) < 0)
			return -1;
	}
	qsort(keys, count, sizeof(*keys), compare_keys);
	for (i = 1; i < count; i++)
		if (compare_keys(&keys[i - 1], &keys[i]) == 0)
			return json_err(&(struct jnode){ keys[i], n, keys[i]->string, 0 }, e,
					"given twice");
	return 0;
}

cJSON *json_parse(const char *text, size_t n, struct err *e)
{
	const char *end = NULL;
	bool open = false;

	if (json_scan(text, n, &open, e) < 0)
		return NULL;
	cJSON *j = cJSON_ParseWithLengthOpts(text, n, &end, false);
	if (!j && open)
		json_bad(text, n, e, "the JSON text ends too early");
	else if (!j)
		json_bad(text, end ? (size_t)(end - text) : 0, e, "not JSON");
	if (!j)
		return NULL;
	while (end < text + n && strchr(" \t\r\n", *end))
		end++;
	struct jnode root = { .value = j };
	if (end < text + n) {
		json_bad(text, end - text, e, "something after the end of the JSON value");
	} else if (json_unique(&root, e) == 0) {
		return j;
	}
	cJSON_Delete(j);
	return NULL;
}

static void way(const struct jnode *n, struct buf *b)
{
	if (!n->up)
		return;
	way(n->up, b);
	if (!n->key)
		buf_addf(b, "[%d]", n->index);
	else if (strpbrk(n->key, ". \""))
		buf_addf(b, "%s%s", b->n ? "." : "", quoted(n->key));
	else
		buf_addf(b, "%s%.100s", b->n ? "." : "", n->key);
}

int json_err(const struct jnode *n, struct err *e, const char *fmt, ...)
{
	autobuf struct buf b = { 0 };
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	way(n, &b);
	return err_set(e, NU_USAGE, "%s%s%s", b.n ? b.p : "", b.n ? ": " : "", text);
}

static const char *kind(const cJSON *j)
{
	return cJSON_IsString(j) ? "a string" :
	       cJSON_IsNumber(j) ? "a number" :
	       cJSON_IsBool(j)	 ? "a boolean" :
	       cJSON_IsArray(j)	 ? "a list" :
	       cJSON_IsObject(j) ? "an object" :
				   "null";
}

static int json_expected(const struct jnode *n, struct err *e, const char *what)
{
	return json_err(n, e, "expected %s, got %s", what, kind(n->value));
}

int json_root(const cJSON *j, struct jnode *root, struct err *e)
{
	*root = (struct jnode){ .value = j };
	return cJSON_IsObject(j) ? 0 : json_expected(root, e, "an object");
}

int json_only(const struct jnode *n, const char *const keys[], struct err *e)
{
	for (struct jnode m = { 0 }; json_next(n, &m);) {
		size_t i = 0;

		while (keys[i] && !streq(keys[i], m.key))
			i++;
		if (!keys[i])
			return json_err(&m, e, "unknown field");
	}
	return 0;
}

struct jnode json_at(const struct jnode *n, const char *key)
{
	const cJSON *j = cJSON_GetObjectItemCaseSensitive(n->value, key);

	return (struct jnode){ .value = cJSON_IsNull(j) ? NULL : j, .up = n, .key = key };
}

int json_need(const struct jnode *n, struct err *e)
{
	return n->value ? 0 : json_err(n, e, "missing");
}

int json_str(const struct jnode *n, const char **dst, struct err *e)
{
	if (!n->value)
		return 0;
	if (!cJSON_IsString(n->value))
		return json_expected(n, e, "a string");
	*dst = n->value->valuestring;
	return 0;
}

int json_bool(const struct jnode *n, bool *dst, struct err *e)
{
	if (!n->value)
		return 0;
	if (!cJSON_IsBool(n->value))
		return json_expected(n, e, "true or false");
	*dst = cJSON_IsTrue(n->value);
	return 0;
}

/* A number of JSON is read into a double, which beyond these skips some. */
#define EXACT 9007199254740991

int json_int(const struct jnode *n, long min, long max, long *dst, struct err *e)
{
	min = min < -EXACT ? -EXACT : min;
	max = max > EXACT ? EXACT : max;
	if (!n->value)
		return 0;
	if (!cJSON_IsNumber(n->value))
		return json_expected(n, e, "a number");
	double d = n->value->valuedouble;
	if (!(d >= min && d <= max) || d != (double)(long)d)
		return json_err(n, e, "%.17g: expected a whole number from %ld to %ld", d, min,
				max);
	*dst = d;
	return 0;
}

int json_object(const struct jnode *n, struct err *e)
{
	return !n->value || cJSON_IsObject(n->value) ? 0 : json_expected(n, e, "an object");
}

int json_array(const struct jnode *n, struct err *e)
{
	return !n->value || cJSON_IsArray(n->value) ? 0 : json_expected(n, e, "a list");
}

bool json_next(const struct jnode *n, struct jnode *m)
{
	bool first = !m->up;

	if (!n->value || (!cJSON_IsObject(n->value) && !cJSON_IsArray(n->value)))
		return false;
	const cJSON *j = first ? n->value->child : m->value->next;
	if (!j)
		return false;
	*m = (struct jnode){ .value = j,
			     .up = n,
			     .key = cJSON_IsObject(n->value) ? j->string : NULL,
			     .index = first ? 0 : m->index + 1 };
	return true;
}

/* What a terminal would obey, cJSON escapes in part: DEL and U+0080 to U+009F it leaves. */
static void print_text(const char *text)
{
	for (const char *p = text; *p; p++) {
		unsigned char c = p[0], next = p[1];
		bool second = c == 0xc2 && next >= 0x80 && next < 0xa0;

		if (second || c == 0x7f)
			printf("\\u%04x", second ? next : c);
		else
			putchar(c);
		p += second;
	}
}

static void print_value(const cJSON *j, int depth)
{
	bool object = cJSON_IsObject(j);

	if ((!object && !cJSON_IsArray(j)) || !j->child) {
		autofree char *text = cJSON_PrintUnformatted(j);
		print_text(text ? text : "null");
		return;
	}
	putchar(object ? '{' : '[');
	for (const cJSON *c = j->child; c; c = c->next) {
		printf("\n%*s", 2 * depth + 2, "");
		if (object) {
			cJSON key = { .type = cJSON_String, .valuestring = c->string };
			print_value(&key, 0);
			fputs(": ", stdout);
		}
		print_value(c, depth + 1);
		if (c->next)
			putchar(',');
	}
	printf("\n%*s%c", 2 * depth, "", object ? '}' : ']');
}

/* cJSON's own printer indents by tabs and has no other way. */
void json_print(const cJSON *j)
{
	print_value(j, 0);
	putchar('\n');
}
