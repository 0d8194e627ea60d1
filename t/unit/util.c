/* util: readers of what programs wrote, and the date. */
#include "../../lib/util.h"

#include <stdlib.h>
#include <time.h>

#include "tap.h"

/* What the reader made of text, and what it left: "12 rest: x"; "no" where it took nothing. */
static const char *number(const char *text)
{
	const char *p = text;
	uint64_t n;

	return take_number(&p, &n) ? fmt("%llu rest:%s", (unsigned long long)n, p) :
	       p == text	   ? "no" :
				     "moved";
}

static const char *sign(const char *text)
{
	const char *p = text;
	long long n;

	return take_signed(&p, &n) ? fmt("%lld rest:%s", n, p) : p == text ? "no" : "moved";
}

static const char *hex(const char *text)
{
	const char *p = text;
	uint64_t n;

	return take_hex(&p, &n) ? fmt("%llx rest:%s", (unsigned long long)n, p) :
	       p == text	? "no" :
				  "moved";
}

static const char *word(const char *text)
{
	const char *p = text;
	char w[5];

	return take_word(&p, w, sizeof(w)) ? fmt("%s rest:%s", w, p) : p == text ? "no" : "moved";
}

static const char *all_of(const char *text)
{
	const char *p = text;
	char w[5];

	return take_all_of(&p, "abcdez-", w, sizeof(w)) ? fmt("%s rest:%s", w, p) :
	       p == text			 ? "no" :
						   "moved";
}

static void numbers(void)
{
	is(number("0"), "0 rest:", "zero");
	is(number("0042:7"), "42 rest::7", "a number ends at what is no digit");
	is(number("18446744073709551615"), "18446744073709551615 rest:", "the largest");
	is(number("18446744073709551616"), "no", "one more is none");
	is(number(""), "no", "nothing is no number");
	is(number(" 1"), "no", "a blank is no digit");
	is(number("+1"), "no", "nor is a plus");
	is(number("-1"), "no", "nor a minus");
	is(number("x"), "no", "nor a letter");

	is(sign("-7 "), "-7 rest: ", "a signed number");
	is(sign("7"), "7 rest:", "or without a sign");
	is(sign("-9223372036854775807"), "-9223372036854775807 rest:", "of 64 bits");
	is(sign("9223372036854775808"), "no", "but not more");
	is(sign("-"), "no", "a sign alone is none");
	is(sign("--1"), "no", "nor are two");
	is(sign("- 1"), "no", "nor one before a blank");

	is(hex("00000001a80425fbg"), "1a80425fb rest:g", "hexadecimal");
	is(hex("FFFFFFFFFFFFFFFF"), "ffffffffffffffff rest:", "in capitals");
	is(hex("10000000000000000"), "no", "too large");
	is(hex("0x1f"), "no", "0x is not part of it");
	is(hex("-1"), "no", "nor is a sign");
}

static void words(void)
{
	const char *p = "a \tb";

	is(word("abcd e"), "abcd rest: e", "a word");
	is(word("ab\tc"), "ab rest:\tc", "up to a tab");
	is(word("ab\nc"), "ab rest:\nc", "or the end of the line");
	is(word("abcde"), "no", "one that there is no room for");
	is(word(" a"), "no", "no word is before a blank");
	is(word(""), "no", "or at the end");
	is(all_of("a-z0_9"), "a-z rest:0_9", "letters of a set");
	is(all_of("abcd"), "abcd rest:", "as many as there is room for");
	is(all_of("abcde"), "no", "not more");
	is(all_of("_a"), "no", "and at least one");
	ok(!take_blanks(&p) && !take_char(&p, 'b') && *p == 'a', "nothing that isn't there");
	ok(take_char(&p, 'a') && take_blanks(&p) && *p == 'b', "blanks, all of them");
	ok(take_char(&p, 'b') && !take_char(&p, 'b') && !*p, "and never beyond the end");
}

/* As libc has it, over the days of 230 years. */
static void dates(void)
{
	char mine[UTC_TEXT], libc[UTC_TEXT];
	time_t wrong = -1;

	for (time_t t = 0; t < 230LL * 366 * 86400 && wrong < 0; t += 86399) {
		utc_text(t, mine);
		strftime(libc, sizeof(libc), "%Y-%m-%d %H:%M:%S", gmtime(&t));
		if (strcmp(mine, libc) != 0)
			wrong = t;
	}
	is_int(wrong, -1, "no date differs from libc's");
}

int main(void)
{
	numbers();
	words();
	dates();
	return tap_done();
}
