/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes as text and back; and text that stands for no bytes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "enforcer/base64.h"
#include "enforcer/util.h"

/* RFC 4648, section 10, and what has all bits. */
static const struct {
	const char *bytes, *text;
} vectors[] = {
	{"", ""},
	{"f", "Zg=="},
	{"fo", "Zm8="},
	{"foo", "Zm9v"},
	{"foob", "Zm9vYg=="},
	{"fooba", "Zm9vYmE="},
	{"foobar", "Zm9vYmFy"},
	{"\xff\xfe\xfd", "//79"},
	{"\xfb\xef", "++8="},
};

static void the_vectors_of_the_standard(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		size_t n = strlen(vectors[i].bytes), bytes = 99;
		AUTO_FREE char *text = base64_text(vectors[i].bytes, n);
		AUTO_FREE void *back = NULL;

		assert_string_equal(text, vectors[i].text);
		assert_int_equal(base64_bytes(text, &back, &bytes), 0);
		assert_int_equal(bytes, n);
		assert_memory_equal(back, vectors[i].bytes, n);
	}
}

static void all_bytes_come_back(void **state)
{
	uint8_t all[256 * 3];

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)(i * 7 + i / 256);
	for (size_t n = 0; n <= sizeof(all); n++) {
		AUTO_FREE char *text = base64_text(all, n);
		AUTO_FREE void *back = NULL;
		size_t bytes = 0;

		assert_int_equal(base64_bytes(text, &back, &bytes), 0);
		assert_int_equal(bytes, n);
		assert_memory_equal(back, all, n);
	}
}

static void what_is_no_base64(void **state)
{
	static const char *const texts[] = {
		"Z",	"Zg",	"Zg=",	  "Zg===", "=Zg=", "====",     "Z===",	   "Zg=a",
		"Zh==", "Zm9=", "Zm9v\n", " m9v",  "Zm9-", "Zg==Zm9v", "Zm8=Zm9v", "\xc3\xa4zz",
	};
	void *back = NULL;
	size_t bytes = 5;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (base64_bytes(texts[i], &back, &bytes) != -EBADMSG)
			fail_msg("\"%s\" was taken", texts[i]);
	assert_null(back);
	assert_int_equal(bytes, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vectors_of_the_standard),
		cmocka_unit_test(all_bytes_come_back),
		cmocka_unit_test(what_is_no_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
