/* sha256: the examples of FIPS 180-4, and input in pieces. */
#include "../../lib/sha256.h"

#include "tap.h"

static const char *hex(const char *text, size_t n, size_t piece)
{
	static char digits[65];
	struct sha256 s;

	sha256_init(&s);
	for (size_t i = 0; i < n; i += piece)
		sha256_add(&s, text + i, n - i < piece ? n - i : piece);
	sha256_end_hex(&s, digits, 64);
	return digits;
}

int main(void)
{
	static const char two[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
	static const char *const million =
		"cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
	static char a[1000000];
	struct sha256 s, t;
	unsigned char digest[32];
	char cut[65], whole[65];

	is(hex("abc", 3, 3), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
	   "abc");
	is(hex("", 0, 1), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	   "the empty string");
	is(hex(two, sizeof(two) - 1, 64),
	   "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1", "two blocks");
	memset(a, 'a', sizeof(a));
	is(hex(a, sizeof(a), sizeof(a)), million, "a million times a");
	is(hex(a, sizeof(a), 7), million, "in pieces of 7 bytes");
	is(hex(a, sizeof(a), 64), million, "in pieces of one block");

	/* Every length around the two block borders, against byte by byte. */
	bool same = true;
	for (size_t n = 50; n < 135; n++) {
		strcpy(whole, hex(a, n, n));
		same = same && strcmp(whole, hex(a, n, 1)) == 0;
	}
	ok(same, "lengths from 50 to 134: the same in one piece and by bytes");

	sha256_init(&s);
	sha256_init(&t);
	sha256_add_str(&s, "ab");
	sha256_add_str(&s, "c");
	sha256_add_str(&t, "a");
	sha256_add_str(&t, "bc");
	sha256_end_hex(&s, cut, 12);
	sha256_end_hex(&t, whole, 12);
	is_int(strlen(cut), 12, "as many digits as asked for");
	ok(strcmp(cut, whole) != 0, "two strings are not run together");
	sha256_init(&s);
	sha256_add(&s, "abc", 3);
	sha256_end(&s, digest);
	ok(digest[0] == 0xba && digest[31] == 0xad, "the digest as bytes");
	return tap_done();
}
