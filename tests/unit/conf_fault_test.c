/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * No memory: whichever allocation fails, the configuration is not taken, nothing is lost, and what
 * is in effect stays. ld --wrap puts the functions below between conf/ and the C library.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf_place.h"

static long until_failure = -1; /* negative: none fails */

static bool fails(void)
{
	if (until_failure < 0 || until_failure--)
		return false;
	errno = ENOMEM;
	return true;
}

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): ld --wrap wants them so */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t len);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t len);

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t len)
{
	return fails() ? NULL : __real_strndup(text, len);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

static const char first[] = "[allow]\ncalls = read write open\nusers = root\nexec = /a /b*\n"
			    "[binary /a]\nmode = ignore\n[binary /b*]\nallow_exec = /c /d\n";
static const char second[] = "[binary /a]\nallow_calls = read\n[log]\nevents = /e\n";

static void taken_when_nothing_fails_any_more(void **state)
{
	const struct place *place = *state;
	struct conf_diag diag = {0};
	struct conf *conf = NULL;
	long n = 0;
	int err;

	file_write(place, first, 0);
	drop_in_write(place, "a.conf", second);
	do {
		until_failure = n++;
		err = conf_load(place->file, &conf, &diag);
		if (err) {
			assert_int_equal(err, -ENOMEM);
			assert_null(conf);
		}
		/* The text of a warning may be what failed; the configuration is whole then. */
		conf_free(conf);
		conf = NULL;
		conf_diag_clear(&diag);
	} while (until_failure < 0);
	until_failure = -1;
	assert_int_equal(err, 0);
	assert_in_range(n, 50, 10000);
}

static void errors_are_counted_without_memory(void **state)
{
	struct conf_diag diag = {0};
	struct conf *conf = NULL;

	(void)state;
	until_failure = -1;
	for (long n = 0; n < 200; n++) {
		int err;

		until_failure = n;
		err = conf_parse("f", "[log]\nx = 1\n", 12, &conf, &diag);
		until_failure = -1;
		assert_true(err == -EINVAL || err == -ENOMEM);
		assert_null(conf);
		assert_true(err == -ENOMEM || diag.n_errors == 1);
		conf_diag_clear(&diag);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(taken_when_nothing_fails_any_more, place_setup,
						place_teardown),
		cmocka_unit_test(errors_are_counted_without_memory),
	};

	until_failure = -1;
	return cmocka_run_group_tests_name("conf_fault", tests, NULL, NULL);
}
