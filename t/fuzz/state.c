/* What we read back of our own: the inputs of a build's record, and any JSON at all, under
 * libFuzzer (t/fuzz/run). Whatever the bytes, they are refused with a message, or mean the
 * same when they are written and read again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/addr.h"
#include "../../lib/inputs.h"
#include "../../lib/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool sound)
{
	if (!sound)
		abort();
}

static void inputs(const char *text)
{
	autoinputs struct inputs in = { 0 }, again = { 0 };
	autobuf struct buf once = { 0 }, twice = { 0 };
	struct err e = { 0 };

	if (inputs_parse(&in, text, &e) < 0) {
		check(e.text[0]);
		return;
	}
	inputs_print(&in, &once);
	check(inputs_parse(&again, once.p, &e) == 0 && again.n == in.n);
	inputs_print(&again, &twice);
	check(once.n == twice.n && (!once.n || memcmp(once.p, twice.p, once.n) == 0));
}

static void json(const char *text, size_t n)
{
	struct err e = { 0 };
	autojson cJSON *j = json_parse(text, n, &e), *back = NULL;

	if (!j) {
		check(e.text[0] && e.code == NU_USAGE);
		return;
	}
	autofree char *printed = cJSON_PrintUnformatted(j);
	check(printed && (back = json_parse(printed, strlen(printed), &e)));
}

static void addresses(const char *text)
{
	unsigned char mac[6];
	struct addr a, b;
	struct err e = { 0 };
	char back[ADDR_TEXT];

	mac_parse(text, mac, &e);
	if (addr_parse(text, 0, &a, &e) == 0)
		check(addr_parse(addr_text(&a, true, back), 0, &b, &e) == 0 && addr_same(&a, &b));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autofree char *text = size ? xstrndup((const char *)data + 1, size - 1) : NULL;

	if (!size)
		return 0;
	switch (data[0]) {
	case 'i':
		inputs(text);
		break;
	case 'a':
		addresses(text);
		break;
	default:
		json((const char *)data + 1, size - 1);
	}
	return 0;
}
