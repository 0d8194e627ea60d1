/* The unit document's parser and the network plan, under libFuzzer:
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -o unit t/fuzz/unit.c lib/....c
 *   ./unit -max_total_time=60 CORPUS t/fuzz/corpus
 *
 * t/fuzz/run does both. Whatever the bytes, they are refused with a message or make a
 * document that can be planned and printed.
 */
#include <stdint.h>
#include <stdlib.h>

#include "../../lib/netplan.h"
#include "../../lib/unit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoplan struct net_plan p = { 0 };
	char text[NET_OP_TEXT];
	struct err e = { 0 };
	autounit struct unit *u = unit_parse((const char *)data, size, &e);

	if (!u) {
		if (!e.text[0] || e.code != NU_USAGE)
			abort();
		return 0;
	}
	if (net_plan(u, &p, &e) < 0) {
		if (!e.text[0] || e.code != NU_USAGE)
			abort();
		return 0;
	}
	for (size_t i = 0; i < p.n; i++)
		net_op_text(&p.v[i], text);
	cJSON_Delete(net_plan_json(&p));
	return 0;
}
