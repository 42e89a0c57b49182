/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which files conf_load() believes; what is in them is the business of conf_test.c. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf_place.h"

static void file_is_read(void **state)
{
	const struct place *place = *state;
	CONF_CLEANUP struct conf *conf = NULL;
	struct conf_diag diag = {0};

	file_write(place, "[enforcer]\nmode = monitor\n", 0);
	assert_int_equal(conf_load(place->file, &conf, &diag), 0);
	assert_int_equal(conf->enforcer.mode, CONF_MODE_MONITOR);
	assert_int_equal(diag.n_items, 0);
}

static int lowest_free_fd(void)
{
	const int fd = dup(STDOUT_FILENO);

	assert_true(fd >= 0);
	close(fd);
	return fd;
}

static void file_is_closed_read_or_refused(void **state)
{
	const struct place *place = *state;
	const int before = lowest_free_fd();

	loaded(place->dir, ": is a directory; give a file\n");
	assert_int_equal(lowest_free_fd(), before);
	file_write(place, "", 0);
	loaded(place->file, "");
	assert_int_equal(lowest_free_fd(), before);
}

static void file_is_named_in_diagnostics(void **state)
{
	const struct place *place = *state;

	file_write(place, "[enforcer]\nmodus = monitor\n", 0);
	assert_int_equal(loaded(place->file, ":2:1: unknown option 'modus' in [enforcer]; "
					     "did you mean 'mode'?\n    modus = monitor\n    ^\n"),
			 -EINVAL);
}

static void missing_file_says_what_to_do(void **state)
{
	const struct place *place = *state;

	assert_int_equal(loaded(place->file,
				": cannot be opened: No such file or directory; copy "
				"ebph.conf.example there or give another with --config FILE\n"),
			 -ENOENT);
}

static void unreadable_file_says_what_to_do(void **state)
{
	const struct place *place = *state;
	const uid_t euid = geteuid();
	int err;

	file_write(place, "", 0);
	assert_int_equal(chmod(place->file, 0), 0);
	/* Root reads everything, so be someone else for a moment. */
	if (!euid && seteuid(65534))
		skip();
	err = loaded(place->file, ": cannot be opened: Permission denied; "
				  "run as root or give another file with --config FILE\n");
	assert_int_equal(seteuid(euid), 0);
	assert_int_equal(err, -EACCES);
}

static void directory_is_refused(void **state)
{
	const struct place *place = *state;

	assert_int_equal(loaded(place->dir, ": is a directory; give a file\n"), -EISDIR);
}

static void fifo_is_refused_without_waiting(void **state)
{
	const struct place *place = *state;

	assert_int_equal(mkfifo(place->file, 0600), 0);
	alarm(10);
	assert_int_equal(loaded(place->file, ": is not a regular file\n"), -EINVAL);
	alarm(0);
}

static void file_that_others_can_write_is_refused(void **state)
{
	const struct place *place = *state;

	file_write(place, "", 0);
	assert_int_equal(chmod(place->file, 0602), 0);
	assert_int_equal(loaded(place->file, ": can be written by everyone (mode 0602); "
					     "forbid it (chmod go-w)\n"),
			 -EPERM);
	assert_int_equal(chmod(place->file, 0620), 0);
	assert_int_equal(loaded(place->file, ": can be written by its group (mode 0620); "
					     "forbid it (chmod go-w)\n"),
			 -EPERM);
	assert_int_equal(chmod(place->file, 0644), 0);
	assert_int_equal(loaded(place->file, ""), 0);
}

static void file_of_another_user_is_refused(void **state)
{
	struct stat st = {.st_mode = S_IFREG | 0644, .st_uid = 1000};
	struct conf_diag diag = {0};

	(void)state;
	assert_int_equal(conf_check_file("f", &st, 0, &diag), -EPERM);
	assert_int_equal(diag.n_errors, 1);
	assert_string_equal(diag.items[0].message, "belongs to user 1000, who could change it at "
						   "will; make root its owner (chown root)");
	conf_diag_clear(&diag);
	assert_int_equal(conf_check_file("f", &st, 1000, &diag), 0);
	st.st_uid = 0;
	assert_int_equal(conf_check_file("f", &st, 1000, &diag), 0);
	assert_int_equal(diag.n_errors, 0);
}

static void file_too_large_is_refused(void **state)
{
	const struct place *place = *state;

	file_write(place, "", CONF_FILE_MAX + 1);
	assert_int_equal(loaded(place->file, ": is larger than 1048576 bytes\n"), -EFBIG);
}

static void largest_file_is_read(void **state)
{
	const struct place *place = *state;
	char *text = calloc(1, CONF_FILE_MAX + 1);

	assert_non_null(text);
	memset(text, '#', CONF_FILE_MAX - 1);
	text[CONF_FILE_MAX - 1] = 'x';
	text[CONF_FILE_MAX - 2] = '\n';
	file_write(place, text, 0);
	free(text);
	assert_int_equal(
		loaded(place->file, ":2:2: no '='; expected NAME = VALUE\n    x\n     ^\n"),
		-EINVAL);
}

int main(void)
{
#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
	static const struct CMUnitTest tests[] = {
		FILE_TEST(file_is_read),
		FILE_TEST(file_is_closed_read_or_refused),
		FILE_TEST(file_is_named_in_diagnostics),
		FILE_TEST(missing_file_says_what_to_do),
		FILE_TEST(unreadable_file_says_what_to_do),
		FILE_TEST(directory_is_refused),
		FILE_TEST(fifo_is_refused_without_waiting),
		FILE_TEST(file_that_others_can_write_is_refused),
		FILE_TEST(file_of_another_user_is_refused),
		FILE_TEST(file_too_large_is_refused),
		FILE_TEST(largest_file_is_read),
	};

	return cmocka_run_group_tests_name("conf_file", tests, NULL, NULL);
}
