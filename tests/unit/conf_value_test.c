/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values of options, type by type: what is taken, and how it is written. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../conf/option.h"
#include "conf_report.h"

/* The value of one option, as in the dump. */
static char *printed_option(const struct conf_option *option, const void *record)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	conf_option_print(option, record, out);
	fclose(out);
	return text;
}

static void every_unit_of_duration_is_known(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} cases[] = {
		{"0", 0},
		{"0s", 0},
		{"7ns", 7},
		{"7us", 7000},
		{"7ms", 7000000},
		{"7s", UINT64_C(7000000000)},
		{"7min", UINT64_C(420000000000)},
		{"7h", UINT64_C(25200000000000)},
		{"365d", UINT64_C(31536000000000000)},
		{"31536000000000000ns", UINT64_C(31536000000000000)},
	};
	char text[100];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "[detection]\nnormal_wait = %s\n", cases[i].text);
		CONF_CLEANUP struct conf *conf = taken(text, "");

		assert_int_equal(conf->detection.normal_wait_ns, cases[i].ns);
	}
}

/* An option of a size, as conf_options could have it; it borrows the field of memory_limit. */
static struct conf_option size_option(uint64_t min, uint64_t max)
{
	struct conf_option option = *conf_option_find("store", "memory_limit");

	option.min = min;
	option.max = max;
	return option;
}

static void sizes_are_written_in_the_greatest_unit_that_divides_them(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
		const char *dumped;
	} cases[] = {
		{"0", 0, "0"},
		{"0G", 0, "0"},
		{"1", 1, "1"},
		{"007", 7, "7"},
		{"1023", 1023, "1023"},
		{"1024", 1024, "1K"},
		{"1025", 1025, "1025"},
		{"1K", 1024, "1K"},
		{"1536K", 1572864, "1536K"},
		{"1M", 1048576, "1M"},
		{"1048577", 1048577, "1048577"},
		{"1025K", 1049600, "1025K"},
		{"2048K", 2097152, "2M"},
		{"1023M", 1072693248, "1023M"},
		{"1024M", 1073741824, "1G"},
		{"1G", 1073741824, "1G"},
		{"1048576K", 1073741824, "1G"},
		{"17179869183G", UINT64_C(18446744072635809792), "17179869183G"},
		{"18446744073709551614", UINT64_MAX - 1, "18446744073709551614"},
	};
	const struct conf_option option = size_option(0, UINT64_MAX - 1);
	CONF_CLEANUP struct conf *conf = taken("", "");
	struct conf_reason reason;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *dumped;

		assert_int_equal(conf_option_set(&option, conf, cases[i].text, &reason), 0);
		assert_int_equal(conf->store.memory_limit, cases[i].bytes);
		dumped = printed_option(&option, conf);
		assert_string_equal(dumped, cases[i].dumped);
		assert_int_equal(conf_option_set(&option, conf, dumped, &reason), 0);
		assert_int_equal(conf->store.memory_limit, cases[i].bytes);
		free(dumped);
	}
}

static void size_that_overflows_is_refused_and_not_stored(void **state)
{
	static const char *const texts[] = {
		"18446744073709551615",	 "18446744073709551616", "99999999999999999999999999",
		"18014398509481984K",	 "17592186044416M",	 "17179869184G",
		"18446744073709551615G",
	};
	const struct conf_option option = size_option(0, UINT64_MAX - 1);
	CONF_CLEANUP struct conf *conf = taken("", "");

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct conf_reason reason = {0};

		assert_int_equal(conf_option_set(&option, conf, texts[i], &reason), -EINVAL);
		assert_non_null(strstr(reason.text, "' is too large; expected a size from 0 to "));
		assert_int_equal(conf->store.memory_limit, 67108864);
	}
}

static void each_name_of_an_enum_is_taken_and_dumped(void **state)
{
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < conf_n_options; i++) {
		const struct conf_option *option = &conf_options[i];

		for (unsigned int j = 0; option->names && j <= option->max; j++) {
			CONF_CLEANUP struct conf *conf = taken("", "");
			struct conf_reason reason;
			char *dumped;
			void *record;

			record = conf_option_record(option, conf, NULL);
			assert_int_equal(conf_option_set(option, record, option->names[j], &reason),
					 0);
			assert_int_equal(*(unsigned int *)((char *)conf + option->offset), j);
			dumped = printed_option(option, record);
			assert_string_equal(dumped, option->names[j]);
			free(dumped);
			n++;
		}
		assert_true((option->type == CONF_TYPE_ENUM) == !!option->names);
	}
	assert_true(n > 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_unit_of_duration_is_known),
		cmocka_unit_test(sizes_are_written_in_the_greatest_unit_that_divides_them),
		cmocka_unit_test(size_that_overflows_is_refused_and_not_stored),
		cmocka_unit_test(each_name_of_an_enum_is_taken_and_dumped),
	};

	return cmocka_run_group_tests_name("conf_value", tests, NULL, NULL);
}
