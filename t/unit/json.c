/* json: strict parsing, and errors that say where. */
#include <unistd.h>

#include "../../lib/json.h"

#include <stdlib.h>

#include "tap.h"

static const char *parse(const char *text, size_t n)
{
	static struct err e;

	e = (struct err){ 0 };
	autojson cJSON *j = json_parse(text, n, &e);
	return j ? "good" : e.text;
}

static void parse_is(const char *text, const char *want, const char *name)
{
	is(parse(text, strlen(text)), want, name);
}

static void test_parse(void)
{
	autobuf struct buf deep = { 0 };

	parse_is("{\"a\": [1, 2.5, \"x\", null, true]}", "good", "a document");
	parse_is(" \n[] \n", "good", "blanks around it");
	parse_is("", "line 1, column 1: the JSON text ends too early", "nothing");
	parse_is("{", "line 1, column 2: the JSON text ends too early", "an open brace");
	parse_is("{\"a\": 1", "line 1, column 8: the JSON text ends too early", "a cut object");
	parse_is("\"abc", "line 1, column 5: the JSON text ends too early", "a cut string");
	parse_is("{\n  \"a\": nix\n}", "line 2, column 8: not JSON", "a bare word, by line and column");
	parse_is("[1}", "line 1, column 3: not JSON", "a list closed as an object");
	parse_is("]", "line 1, column 1: not JSON", "an end without a beginning");
	parse_is("{} {}", "line 1, column 4: something after the end of the JSON value", "two values");
	parse_is("{\"a\": 1, \"a\": 2}", "a: given twice", "a key given twice");
	parse_is("{\"x\": [{\"b\": 1, \"b\": 2}]}", "x[0].b: given twice", "deep inside");
	parse_is("\"\\u0000\"", "line 1, column 2: a NUL character in a string", "an escaped NUL");
	parse_is("\"\\\\u0000\"", "good", "an escaped backslash before u0000");
	is(parse("{\0}", 3), "line 1, column 2: a NUL byte", "a NUL byte");

	for (int i = 0; i < 100; i++)
		buf_addf(&deep, "[");
	for (int i = 0; i < 100; i++)
		buf_addf(&deep, "]");
	parse_is(deep.p, "good", "nested 100 deep");
	deep.n = 0;
	for (int i = 0; i < 10000; i++)
		buf_addf(&deep, "{\"a\":");
	parse_is(deep.p, "line 1, column 501: nested more than 100 deep", "nested 10,000 deep");
}

static const char *get(const char *text, const char *key, char type)
{
	static char out[1200];
	autojson cJSON *j = NULL;
	struct jnode root, n;
	const char *s = "(absent)";
	bool b = false;
	long i = -1;
	struct err e;
	int ret;

	j = json_parse(text, strlen(text), &e);
	if (!j || json_root(j, &root, &e) < 0)
		return strcpy(out, e.text);
	n = json_at(&root, key);
	switch (type) {
	case 's':
		ret = json_str(&n, &s, &e);
		snprintf(out, sizeof(out), "%s", s);
		break;
	case 'b':
		ret = json_bool(&n, &b, &e);
		snprintf(out, sizeof(out), "%d", b);
		break;
	case 'i':
		ret = json_int(&n, 1, 4094, &i, &e);
		snprintf(out, sizeof(out), "%ld", i);
		break;
	case 'a':
		ret = json_array(&n, &e);
		strcpy(out, "a list");
		break;
	case 'o':
		ret = json_object(&n, &e);
		strcpy(out, "an object");
		break;
	default:
		ret = json_need(&n, &e);
		strcpy(out, "there");
	}
	return ret < 0 ? strcpy(out, e.text) : out;
}

static void test_types(void)
{
	is(get("{\"k\": \"v\"}", "k", 's'), "v", "a string");
	is(get("{\"k\": 1}", "k", 's'), "k: expected a string, got a number", "a number instead");
	is(get("{}", "k", 's'), "(absent)", "an absent one leaves the default");
	is(get("{\"k\": null}", "k", 's'), "(absent)", "and so does null");
	is(get("{\"k\": true}", "k", 'b'), "1", "true");
	is(get("{\"k\": \"true\"}", "k", 'b'), "k: expected true or false, got a string",
	   "a string instead");
	is(get("{\"k\": 356}", "k", 'i'), "356", "a number");
	is(get("{\"k\": 4356}", "k", 'i'), "k: 4356: expected a whole number from 1 to 4094",
	   "too large");
	is(get("{\"k\": 0}", "k", 'i'), "k: 0: expected a whole number from 1 to 4094", "too small");
	is(get("{\"k\": -7}", "k", 'i'), "k: -7: expected a whole number from 1 to 4094", "negative");
	is(get("{\"k\": 1.5}", "k", 'i'), "k: 1.5: expected a whole number from 1 to 4094",
	   "a fraction");
	is(get("{\"k\": 1e300}", "k", 'i'),
	   "k: 1.0000000000000001e+300: expected a whole number from 1 to 4094", "beyond any integer");
	is(get("{\"k\": \"356\"}", "k", 'i'), "k: expected a number, got a string",
	   "a string of digits");
	is(get("{\"k\": {}}", "k", 'a'), "k: expected a list, got an object", "no list");
	is(get("{\"k\": []}", "k", 'o'), "k: expected an object, got a list", "no object");
	is(get("{}", "k", 'n'), "k: missing", "missing");
	is(get("[]", "k", 's'), "expected an object, got a list", "the root");
}

static void test_walk(void)
{
	static const char *const keys[] = { "a", NULL };
	struct jnode root, a, one = { 0 };
	struct err e;
	int n = 0;
	autojson cJSON *j = json_parse("{\"a\": [10, 20, 30]}", 19, &e);

	json_root(j, &root, &e);
	is_int(json_only(&root, keys, &e), 0, "only known keys");
	a = json_at(&root, "a");
	for (struct jnode m = { 0 }; json_next(&a, &m); n++)
		one = m;
	is_int(n, 3, "three members");
	json_err(&one, &e, "%d is bad", one.value->valueint);
	is(e.text, "a[2]: 30 is bad", "an error tells the way");
	is_int(e.code, 2, "as a usage error");
	n = 0;
	for (struct jnode m = { 0 }; json_next(&one, &m);)
		n++;
	is_int(n, 0, "a number has no members");

	autojson cJSON *bad = json_parse("{\"a\": 1, \"b.c\": 2}", 18, &e);
	json_root(bad, &root, &e);
	json_only(&root, keys, &e);
	ok(strstr(e.text, "unknown field"), "an unknown field");
}

/* 60,000 keys, compared each with each, would take a minute here. */
static void test_many_keys(void)
{
	autobuf struct buf b = { 0 };
	struct err e;

	buf_addf(&b, "{\"last\": 0");
	for (int i = 0; i < 60000; i++)
		buf_addf(&b, ",\"%d\":0", i);
	buf_addf(&b, "}");
	alarm(20);
	autojson cJSON *j = json_parse(b.p, b.n, &e);
	ok(j != NULL, "an object of 60,000 keys is read in time");
	b.n--;
	buf_addf(&b, ",\"last\":1}");
	ok(!json_parse(b.p, b.n, &e) && streq(e.text, "last: given twice"), "a key twice is found");
	alarm(0);
}

int main(void)
{
	test_many_keys();
	test_parse();
	test_types();
	test_walk();
	return tap_done();
}
