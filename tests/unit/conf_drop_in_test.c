/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Several files: which are read, in which order, who wins, and who is blamed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "conf_place.h"

/* What is printed about the file and its drop-ins; the directory is left out. To be freed. */
static char *printed(const struct place *place, struct conf **ret_conf, int *ret_err)
{
	const size_t dir_len = strlen(place->dir);
	struct conf_diag diag = {0};
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	*ret_err = conf_load(place->file, ret_conf, &diag);
	conf_diag_print(&diag, out);
	conf_diag_clear(&diag);
	fclose(out);
	for (char *at = text; (at = strstr(at, place->dir));)
		memmove(at, at + dir_len, strlen(at + dir_len) + 1);
	return text;
}

static void expect(const struct place *place, int err, const char *text)
{
	CONF_CLEANUP struct conf *conf = NULL;
	int got;
	char *told = printed(place, &conf, &got);

	assert_string_equal(told, text);
	assert_int_equal(got, err);
	assert_true(!err == !!conf);
	free(told);
}

static struct conf *taken_from(const struct place *place)
{
	struct conf *conf = NULL;
	int err;
	char *told = printed(place, &conf, &err);

	assert_string_equal(told, "");
	assert_non_null(conf);
	free(told);
	return conf;
}

static void later_files_win_option_by_option(void **state)
{
	const struct place *place = *state;
	CONF_CLEANUP struct conf *conf = NULL;

	file_write(place, "[response]\ntolerance = 1\ndelay_base = 2ms\nmax_delay = 3ms\n", 0);
	drop_in_write(place, "b.conf", "[response]\ntolerance = 3\n");
	drop_in_write(place, "B.conf", "[response]\ntolerance = 4\nmax_delay = 5ms\n");
	drop_in_write(place, "a.conf", "[response]\ntolerance = 2\n");
	conf = taken_from(place);
	assert_int_equal(conf->response.tolerance, 3);
	assert_int_equal(conf->response.delay_base_ns, 2000000);
	assert_int_equal(conf->response.max_delay_ns, 5000000);
	assert_int_equal(conf->n_files, 4);
}

static void other_names_are_not_read(void **state)
{
	const struct place *place = *state;
	CONF_CLEANUP struct conf *conf = NULL;

	file_write(place, "", 0);
	drop_in_write(place, ".hidden.conf", "rubbish");
	drop_in_write(place, "a.conf~", "rubbish");
	drop_in_write(place, "a.conf.bak", "rubbish");
	drop_in_write(place, ".conf", "rubbish");
	drop_in_write(place, "README", "rubbish");
	conf = taken_from(place);
	assert_int_equal(conf->n_files, 1);
}

static void errors_name_their_file_and_all_are_told(void **state)
{
	const struct place *place = *state;

	file_write(place, "[log]\nx = 1\n", 0);
	drop_in_write(place, "a.conf", "[log]\n\nevents = a\n");
	drop_in_write(place, "b.conf", "mode = monitor\n");
	expect(place, -EINVAL,
	       "/ebph.conf:2:1: unknown option 'x' in [log]; ebph.conf.example lists all options\n"
	       "    x = 1\n    ^\n"
	       "/ebph.conf.d/a.conf:3:10: events: 'a' does not begin with '/'; "
	       "expected an absolute path of at most 170 bytes, or nothing\n"
	       "    events = a\n             ^\n"
	       "/ebph.conf.d/b.conf:1:1: option 'mode' before any section; "
	       "expected a line such as [enforcer] above\n    mode = monitor\n    ^\n");
}

static void duplicate_is_an_error_in_one_file_only(void **state)
{
	const struct place *place = *state;

	file_write(place, "[store]\nmax_saved = 20\n", 0);
	drop_in_write(place, "a.conf", "[store]\nmax_saved = 30\nmax_saved = 40\n[store]\n");
	expect(place, -EINVAL,
	       "/ebph.conf.d/a.conf:3:1: option 'max_saved' was there before, in line 2; "
	       "expected it once\n    max_saved = 40\n    ^\n"
	       "/ebph.conf.d/a.conf:4:2: section [store] was there before, in line 1; "
	       "put its options there\n    [store]\n     ^\n");
}

static void values_of_several_files_must_fit_together(void **state)
{
	const struct place *place = *state;

	file_write(place, "[response]\ndelay_base = 20ms\n", 0);
	drop_in_write(place, "a.conf", "\xef\xbb\xbf# x\n[response]\nmax_delay = 5ms\n");
	drop_in_write(place, "b.conf", "[response]\ntolerance = 0\n");
	expect(place, -EINVAL,
	       "/ebph.conf.d/a.conf:3:13: delay_base exceeds max_delay; lower it or raise the "
	       "other\n    max_delay = 5ms\n                ^\n");
}

static void drop_in_that_others_can_write_is_refused(void **state)
{
	const struct place *place = *state;
	char path[256];

	file_write(place, "[log]\nx = 1\n", 0);
	drop_in_write(place, "a.conf", "");
	snprintf(path, sizeof(path), "%s/a.conf", place->drop_ins);
	assert_int_equal(chmod(path, 0620), 0);
	expect(place, -EPERM,
	       "/ebph.conf.d/a.conf: can be written by its group (mode 0620); "
	       "forbid it (chmod go-w)\n"
	       "/ebph.conf:2:1: unknown option 'x' in [log]; ebph.conf.example lists all options\n"
	       "    x = 1\n    ^\n");
}

static void directory_that_others_can_write_is_refused(void **state)
{
	const struct place *place = *state;

	file_write(place, "", 0);
	drop_in_write(place, "a.conf", "");
	assert_int_equal(chmod(place->drop_ins, 0777), 0);
	expect(place, -EPERM,
	       "/ebph.conf.d: can be written by everyone (mode 0777); forbid it (chmod go-w)\n");
}

static void file_in_place_of_the_directory_is_refused(void **state)
{
	const struct place *place = *state;
	FILE *file = fopen(place->drop_ins, "w");

	file_write(place, "", 0);
	assert_non_null(file);
	fclose(file);
	expect(place, -ENOTDIR,
	       "/ebph.conf.d: cannot be opened: Not a directory; "
	       "give another file with --config FILE\n");
	unlink(place->drop_ins);
}

static void too_many_drop_ins_are_refused(void **state)
{
	const struct place *place = *state;
	char name[32];

	file_write(place, "", 0);
	for (int i = 0; i <= CONF_DROP_INS_MAX; i++) {
		snprintf(name, sizeof(name), "%d.conf", i);
		drop_in_write(place, name, "");
	}
	expect(place, -EFBIG, "/ebph.conf.d: has 257 files; expected at most 256\n");
}

static void dump_says_which_line_decided(void **state)
{
	static const char *const expected[] = {
		"# the command line\nmode = monitor\n",
		"# the default\nrequire = no\n",
		"# /ebph.conf:2\ntolerance = 1\n",
		"# /ebph.conf.d/a.conf:3\nmax_delay = 5ms\n",
	};
	const struct place *place = *state;
	CONF_CLEANUP struct conf *conf = NULL;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	file_write(place, "[response]\ntolerance = 1\nmax_delay = 3ms\n", 0);
	drop_in_write(place, "a.conf", "\n[response]\nmax_delay = 5ms\ndelay_base = 1ms\n");
	conf = taken_from(place);
	conf_set_mode(conf, CONF_MODE_MONITOR);
	conf_dump(conf, true, out);
	fclose(out);
	for (char *at = text; (at = strstr(at, place->dir));)
		memmove(at, at + strlen(place->dir), strlen(at + strlen(place->dir)) + 1);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		if (!strstr(text, expected[i]))
			fail_msg("not in the dump: %s%s", expected[i], text);
	free(text);
}

int main(void)
{
#define FILES_TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
	static const struct CMUnitTest tests[] = {
		FILES_TEST(later_files_win_option_by_option),
		FILES_TEST(other_names_are_not_read),
		FILES_TEST(errors_name_their_file_and_all_are_told),
		FILES_TEST(duplicate_is_an_error_in_one_file_only),
		FILES_TEST(values_of_several_files_must_fit_together),
		FILES_TEST(drop_in_that_others_can_write_is_refused),
		FILES_TEST(directory_that_others_can_write_is_refused),
		FILES_TEST(file_in_place_of_the_directory_is_refused),
		FILES_TEST(too_many_drop_ins_are_refused),
		FILES_TEST(dump_says_which_line_decided),
	};

	return cmocka_run_group_tests_name("conf_drop_in", tests, NULL, NULL);
}
