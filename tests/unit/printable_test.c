/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What others have named reaches no terminal as it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/ctl.h"

static void control_characters_are_none_any_more(void **state)
{
	(void)state;
	assert_string_equal(printable("/a\033]0;x\a/b\t\177", false), "/a?]0;x?/b??");
	assert_string_equal(printable("\xc2\x9b"
				      "31m\xc2\x85\xc2\xa0",
				      false),
			    "??31m??\xc2\xa0");
	assert_string_equal(printable("gr\xc3\xbc\xc3\x9f", false), "gr\xc3\xbc\xc3\x9f");
	assert_string_equal(printable(NULL, false), "");
}

static void a_path_makes_no_lines(void **state)
{
	json_t *object = json_pack("{s:s}", "path", "/a\n  1 root");

	(void)state;
	assert_string_equal(text_of(object, "path"), "/a?  1 root");
	assert_string_equal(printable("two\nlines\033", true), "two\nlines?");
	json_decref(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(control_characters_are_none_any_more),
		cmocka_unit_test(a_path_makes_no_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
