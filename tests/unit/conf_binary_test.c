/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sections [binary PATH]: which of them are for a program, and what that makes of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../../conf/option.h"
#include "conf_place.h"
#include "conf_report.h"

static struct conf_effective effective(const struct conf *conf, const char *path)
{
	struct conf_effective result;

	conf_for_path(conf, path, &result);
	return result;
}

static struct conf_origin origin(const struct conf_effective *effective, const char *name)
{
	return effective
		->origins[conf_option_find(CONF_SECTION_BINARY, name) - conf_binary_option(0)];
}

static void options_of_programs_are_like_those_for_all(void **state)
{
	const struct conf_option *option, *for_all;
	size_t n = 0;

	(void)state;
	for (; (option = conf_binary_option(n)); n++) {
		assert_string_equal(option->section, CONF_SECTION_BINARY);
		for_all = conf_option_for_all(option);
		assert_true(!for_all == !!option->default_text);
		if (!for_all)
			continue;
		assert_int_equal(option->type, for_all->type);
		assert_int_equal(option->min, for_all->min);
		assert_ptr_equal(option->names, for_all->names);
		if (option->type != CONF_TYPE_ENUM)
			assert_int_equal(option->max, for_all->max);
	}
	assert_in_range(n, 10, CONF_BINARY_OPTIONS_MAX);
}

static void what_is_left_out_is_as_for_all(void **state)
{
	CONF_CLEANUP struct conf *conf = taken(
		"[binary /bin/a]\ntolerance = 7\n[response]\ntolerance = 3\ndelay_base = 2ms\n"
		"[enforcer]\nmode = enforce\n[detection]\nnormal_wait = 1h\n",
		"");
	struct conf_effective a = effective(conf, "/bin/a"), b = effective(conf, "/bin/b");

	(void)state;
	assert_true(a.listed);
	assert_int_equal(a.settings.tolerance, 7);
	assert_int_equal(origin(&a, "tolerance").line, 2);
	assert_int_equal(a.settings.delay_base_ns, 2000000);
	assert_int_equal(origin(&a, "delay_base").line, 5);
	assert_int_equal(a.settings.mode, CONF_MODE_ENFORCE);
	assert_int_equal(a.settings.normal_wait_ns, UINT64_C(3600000000000));
	assert_int_equal(a.settings.max_delay_ns, UINT64_C(300000000000));
	assert_int_equal(origin(&a, "max_delay").line, 0);
	assert_false(b.listed);
	assert_int_equal(b.settings.tolerance, 3);
	assert_memory_equal(&b.settings, &conf->binary, sizeof(b.settings));
}

static void every_option_of_a_program_is_stored(void **state)
{
	CONF_CLEANUP struct conf *conf = taken(
		"[binary /a]\nmode = ignore\ntolerance = 1\ndelay_base = 2ms\nmax_delay = 3ms\n"
		"delay_curve = linear\ndelay_on = anomaly\nexec_abort_limit = 4\nanomaly_limit = "
		"5\ntolerize_limit = 6\n"
		"normal_wait = 7s\nallow_calls = read write\nallow_exec = /b /c*\n"
		"containers = box.service\n",
		"");
	struct conf_effective a = effective(conf, "/a");

	(void)state;
	assert_int_equal(a.settings.mode, CONF_MODE_IGNORE);
	assert_int_equal(a.settings.tolerance, 1);
	assert_int_equal(a.settings.delay_base_ns, 2000000);
	assert_int_equal(a.settings.max_delay_ns, 3000000);
	assert_int_equal(a.settings.delay_curve, CONF_CURVE_LINEAR);
	assert_int_equal(a.settings.delay_on, CONF_DELAY_ON_ANOMALY);
	assert_int_equal(a.settings.exec_abort_limit, 4);
	assert_int_equal(a.settings.anomaly_limit, 5);
	assert_int_equal(a.settings.tolerize_limit, 6);
	assert_int_equal(a.settings.normal_wait_ns, UINT64_C(7000000000));
	assert_int_equal(a.settings.allow_calls.n, 2);
	assert_true(conf_list_matches(&a.settings.allow_exec, "/cd"));
	assert_int_equal(a.settings.containers.n, 1);
	for (size_t i = 0; conf_binary_option(i); i++)
		assert_int_equal(a.origins[i].line, i + 2);
}

static void the_most_specific_section_decides_option_by_option(void **state)
{
	CONF_CLEANUP struct conf *conf =
		taken("[binary /usr/bin/python3.11]\nmode = enforce\n"
		      "[binary /usr/bin/python*]\nmode = monitor\ntolerance = 5\n"
		      "[binary /usr/*/*]\nmode = dry-run\ntolerance = 6\nmax_delay = 1s\n"
		      "[binary /usr/b*/p*]\nmax_delay = 2s\n",
		      "");
	struct conf_effective exact = effective(conf, "/usr/bin/python3.11");
	struct conf_effective glob = effective(conf, "/usr/bin/python2");
	struct conf_effective wide = effective(conf, "/usr/bin/qemu");
	struct conf_effective none = effective(conf, "/usr/local/bin/python3");

	(void)state;
	assert_int_equal(exact.settings.mode, CONF_MODE_ENFORCE);
	assert_int_equal(origin(&exact, "mode").line, 2);
	assert_int_equal(exact.settings.tolerance, 5);
	assert_int_equal(origin(&exact, "tolerance").line, 5);
	assert_int_equal(exact.settings.max_delay_ns, 2000000000);
	assert_int_equal(glob.settings.mode, CONF_MODE_MONITOR);
	assert_int_equal(wide.settings.mode, CONF_MODE_DRY_RUN);
	assert_int_equal(wide.settings.tolerance, 6);
	assert_int_equal(wide.settings.max_delay_ns, 1000000000);
	assert_false(none.listed);
}

static void of_two_alike_the_one_further_down_counts(void **state)
{
	static const char first[] = "[binary /a/*x]\ntolerance = 1\n[binary /a/?]\ntolerance = 2\n";
	static const char second[] = "[binary /a/*x]\ntolerance = 3\n";
	const struct conf_source sources[] = {
		{"first", first, sizeof(first) - 1},
		{"second", second, sizeof(second) - 1},
	};
	CONF_CLEANUP struct conf *conf = taken(first, ""), *both = NULL;
	struct conf_diag diag = {0};
	struct conf_effective result = effective(conf, "/a/x");

	(void)state;
	assert_int_equal(result.settings.tolerance, 2);
	assert_int_equal(conf_parse_all(sources, 2, &both, &diag), 0);
	assert_int_equal(both->n_binaries, 2);
	result = effective(both, "/a/x");
	assert_int_equal(result.settings.tolerance, 3);
	assert_int_equal(origin(&result, "tolerance").file, 1);
}

static void drop_ins_change_single_options_of_a_section(void **state)
{
	static const char first[] =
		"[binary /a]\ntolerance = 1\nmax_delay = 1s\nallow_calls = read\n";
	static const char second[] = "[binary /a]\ntolerance = 2\nallow_calls = write\n";
	const struct conf_source sources[] = {
		{"first", first, sizeof(first) - 1},
		{"second", second, sizeof(second) - 1},
	};
	CONF_CLEANUP struct conf *conf = NULL;
	struct conf_diag diag = {0};
	struct conf_effective result;

	(void)state;
	assert_int_equal(conf_parse_all(sources, 2, &conf, &diag), 0);
	result = effective(conf, "/a");
	assert_int_equal(result.settings.tolerance, 2);
	assert_int_equal(result.settings.max_delay_ns, 1000000000);
	assert_int_equal(result.settings.allow_calls.n, 2);
	assert_int_equal(conf->binaries[0]->origin.file, 1);
}

static void paths_may_have_blanks_and_brackets(void **state)
{
	CONF_CLEANUP struct conf *conf =
		taken("[binary /usr/bin/[]\ntolerance = 1\n[binary /opt/My App/x]\ntolerance = 2\n"
		      "[binary /bin/[a-c]z]\ntolerance = 3\n[binary \t/t \t]\ntolerance = 4\n",
		      "");

	(void)state;
	assert_int_equal(effective(conf, "/usr/bin/[").settings.tolerance, 1);
	assert_int_equal(effective(conf, "/opt/My App/x").settings.tolerance, 2);
	assert_int_equal(effective(conf, "/bin/bz").settings.tolerance, 3);
	assert_int_equal(effective(conf, "/t").settings.tolerance, 4);
	/* What is written as a glob is one, also for a program that is called so. */
	assert_false(effective(conf, "/bin/[a-c]z").listed);
}

static void dump_and_explanation_name_the_lines(void **state)
{
	static const char text[] = "[binary /b*]\ntolerance = 1\n[binary /a b]\nmode = ignore\n"
				   "allow_exec =\n[binary /c]\n";
	CONF_CLEANUP struct conf *conf = taken(text, ""), *again = NULL;
	char *dumped = NULL, *explained = NULL;
	size_t size;
	FILE *out = open_memstream(&dumped, &size);

	(void)state;
	conf_dump(conf, true, out);
	fclose(out);
	assert_non_null(strstr(dumped, "\n\n# f:1\n[binary /b*]\n# f:2\ntolerance = 1\n"
				       "\n# f:3\n[binary /a b]\n# f:4\nmode = ignore\n"
				       "# f:5\nallow_exec =\n\n# f:6\n[binary /c]\n"));
	again = taken(dumped, "");
	assert_int_equal(again->n_binaries, 3);
	free(dumped);
	out = open_memstream(&explained, &size);
	conf_explain(conf, "/a b", out);
	fclose(out);
	assert_non_null(strstr(explained, "/a b:\nmode = ignore  (f:4)\n"
					  "tolerance = 0  (the default)\n"));
	free(explained);
}

static void mode_of_the_command_line_bounds_all(void **state)
{
	CONF_CLEANUP struct conf *conf =
		taken("[enforcer]\nmode = enforce\n[binary /e]\nmode = enforce\n[binary /m]\n"
		      "mode = monitor\n[binary /i]\nmode = ignore\n",
		      "");
	struct conf_effective e;

	(void)state;
	assert_true(conf_enforces(conf));
	conf_set_mode(conf, CONF_MODE_DRY_RUN);
	assert_false(conf_enforces(conf));
	e = effective(conf, "/e");
	assert_int_equal(conf->enforcer.mode, CONF_MODE_DRY_RUN);
	assert_int_equal(e.settings.mode, CONF_MODE_DRY_RUN);
	assert_int_equal(origin(&e, "mode").line, CONF_ORIGIN_COMMAND_LINE.line);
	assert_int_equal(effective(conf, "/m").settings.mode, CONF_MODE_MONITOR);
	assert_int_equal(effective(conf, "/i").settings.mode, CONF_MODE_IGNORE);
	assert_int_equal(effective(conf, "/other").settings.mode, CONF_MODE_DRY_RUN);
}

static void one_section_is_enough_to_enforce(void **state)
{
	CONF_CLEANUP struct conf *none = taken("[binary /a]\n", "");
	CONF_CLEANUP struct conf *one = taken("[binary /a]\n[binary /b]\nmode = enforce\n", "");

	(void)state;
	assert_false(conf_enforces(none));
	assert_true(conf_enforces(one));
}

static void tolerance_of_a_program_is_warned_of_once(void **state)
{
	conf_free(taken("[binary /a]\ntolerance = 10\n[binary /b]\nmode = monitor\n",
			"f:2:13: warning: tolerance is not less than exec_abort_limit: "
			"execve fails before any call is delayed\n"
			"    tolerance = 10\n                ^\n"));
	(void)state;
}

/* ---- on this host --------------------------------------------------------------------------- */

static struct conf *loaded_with(const struct place *place, const char *text, const char *warnings)
{
	struct conf *conf = NULL;
	struct conf_diag diag = {0};
	char *printed = NULL;
	size_t size;
	FILE *out = open_memstream(&printed, &size);

	file_write(place, text, 0);
	assert_int_equal(conf_load(place->file, &conf, &diag), 0);
	conf_diag_print(&diag, out);
	fclose(out);
	conf_diag_clear(&diag);
	for (char *at = printed; (at = strstr(at, place->dir));)
		memmove(at, at + strlen(place->dir), strlen(at + strlen(place->dir)) + 1);
	assert_string_equal(printed, warnings);
	free(printed);
	return conf;
}

static void path_that_does_not_exist_is_warned_of(void **state)
{
	CONF_CLEANUP struct conf *conf = loaded_with(
		*state,
		"[binary /no/such]\n[allow]\nexec = /proc/self/status /no/one\n[binary /no/*]\n",
		"/ebph.conf:1:9: warning: there is no /no/such yet\n"
		"    [binary /no/such]\n            ^\n"
		"/ebph.conf:3:26: warning: there is no /no/one yet\n"
		"    exec = /proc/self/status /no/one\n                             ^\n"
		"/ebph.conf:4:9: warning: there is no directory /no yet\n"
		"    [binary /no/*]\n            ^\n");

	assert_true(effective(conf, "/no/such").listed);
}

static void symbolic_links_are_followed(void **state)
{
	const struct place *place = *state;
	char text[512], link[128], real[128];
	CONF_CLEANUP struct conf *conf = NULL;

	snprintf(real, sizeof(real), "%s/real", place->dir);
	snprintf(link, sizeof(link), "%s/link", place->dir);
	fclose(fopen(real, "w"));
	assert_int_equal(symlink("real", link), 0);
	snprintf(text, sizeof(text),
		 "[binary %s]\ntolerance = 1\nmax_delay = 1s\n[binary %s]\ntolerance = 2\n"
		 "[allow]\nexecutables = %s\n",
		 link, real, link);
	conf = loaded_with(place, text, "");
	/* The very path comes before the link's. */
	assert_int_equal(effective(conf, real).settings.tolerance, 2);
	assert_int_equal(effective(conf, real).settings.max_delay_ns, 1000000000);
	assert_true(conf_list_matches(&conf->allow.executables, real));
}

static void glob_through_a_link_is_warned_of(void **state)
{
	const struct place *place = *state;
	char text[256], link[128];

	snprintf(link, sizeof(link), "%s/link", place->dir);
	assert_int_equal(symlink("/usr", link), 0);
	snprintf(text, sizeof(text), "[binary %s/b*]\n[binary /usr/b*]\n", link);
	conf_free(
		loaded_with(place, text,
			    "/ebph.conf:1:9: warning: /link leads to /usr, and programs are known "
			    "by where they lie; expected /usr/b*\n"
			    "    [binary /link/b*]\n            ^\n"));
}

/* ---- many ----------------------------------------------------------------------------------- */

enum { MANY = 1000, LOOKUPS = 10000 };

static double ms_since(const struct timespec *before)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - before->tv_sec) * 1e3 +
	       (double)(now.tv_nsec - before->tv_nsec) / 1e6;
}

static void change_count(void *context, const char *line, bool at_start)
{
	(void)line;
	(void)at_start;
	++*(unsigned int *)context;
}

static void a_thousand_sections_are_cheap(void **state)
{
	const struct place *place = *state;
	char *text = calloc(MANY, 160);
	CONF_CLEANUP struct conf *conf = NULL, *defaults = taken("", "");
	struct conf_diag diag = {0};
	struct timespec before;
	unsigned int n_changes = 0;
	size_t len = 0;
	char path[64];

	assert_non_null(text);
	for (int i = 0; i < MANY; i++)
		len += (size_t)sprintf(text + len,
				       "[binary /usr/lib/%d/%s]\ntolerance = %d\nmode = monitor\n"
				       "allow_calls = read write openat close mmap futex execve\n",
				       i, i % 10 ? "program" : "pro*m", i);
	file_write(place, text, 0);
	free(text);
	clock_gettime(CLOCK_MONOTONIC, &before);
	assert_int_equal(conf_load(place->file, &conf, &diag), 0);
	print_message("# %d sections are read in %.1f ms\n", MANY, ms_since(&before));
	conf_diag_clear(&diag);
	clock_gettime(CLOCK_MONOTONIC, &before);
	for (int i = 0; i < LOOKUPS; i++) {
		snprintf(path, sizeof(path), "/usr/lib/%d/program", i % MANY);
		assert_int_equal(effective(conf, path).settings.tolerance, i % MANY);
	}
	print_message("# a program's settings are found in %.2f us\n",
		      ms_since(&before) * 1e3 / LOOKUPS);
	clock_gettime(CLOCK_MONOTONIC, &before);
	assert_int_equal(conf_diff(defaults, conf, change_count, &n_changes), 0);
	print_message("# %u changes are found in %.1f ms\n", n_changes, ms_since(&before));
	assert_int_equal(n_changes, 4 * MANY);
}

int main(void)
{
#define HOST_TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_of_programs_are_like_those_for_all),
		cmocka_unit_test(what_is_left_out_is_as_for_all),
		cmocka_unit_test(every_option_of_a_program_is_stored),
		cmocka_unit_test(the_most_specific_section_decides_option_by_option),
		cmocka_unit_test(of_two_alike_the_one_further_down_counts),
		cmocka_unit_test(drop_ins_change_single_options_of_a_section),
		cmocka_unit_test(paths_may_have_blanks_and_brackets),
		cmocka_unit_test(dump_and_explanation_name_the_lines),
		cmocka_unit_test(mode_of_the_command_line_bounds_all),
		cmocka_unit_test(one_section_is_enough_to_enforce),
		cmocka_unit_test(tolerance_of_a_program_is_warned_of_once),
		HOST_TEST(path_that_does_not_exist_is_warned_of),
		HOST_TEST(symbolic_links_are_followed),
		HOST_TEST(glob_through_a_link_is_warned_of),
		HOST_TEST(a_thousand_sections_are_cheap),
	};

	return cmocka_run_group_tests_name("conf_binary", tests, NULL, NULL);
}
