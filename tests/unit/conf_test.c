/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration: what is taken, and what is written. EBPH_SOURCE_DIR (environment) is the top
 * of the tree; default ".". */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../conf/option.h"
#include "conf_report.h"

/* The dump, or without a configuration the example. */
static char *written(const struct conf *conf)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	if (conf)
		conf_dump(conf, false, out);
	else
		conf_write_example(out);
	fclose(out);
	return text;
}

static void empty_text_gives_the_defaults(void **state)
{
	CONF_CLEANUP struct conf *conf = taken("", "");

	(void)state;
	assert_int_equal(conf->enforcer.mode, CONF_MODE_DRY_RUN);
	assert_int_equal(conf->enforcer.scope, CONF_SCOPE_ALL);
	assert_false(conf->enforcer.require);
	assert_string_equal(conf->enforcer.run_dir, "/run/ebph");
	assert_string_equal(conf->enforcer.bpf_dir, "/sys/fs/bpf/ebph");
	assert_int_equal(conf->enforcer.control_group.n, 0);
	assert_int_equal(conf->detection.min_calls, 1000);
	assert_int_equal(conf->detection.min_runs, 3);
	assert_int_equal(conf->detection.normal_wait_ns, UINT64_C(604800000000000));
	assert_int_equal(conf->detection.normal_factor, 128);
	assert_int_equal(conf->detection.normal_factor_den, 32);
	assert_int_equal(conf->response.delay_base_ns, 10000000);
	assert_int_equal(conf->response.max_delay_ns, UINT64_C(300000000000));
	assert_int_equal(conf->response.delay_curve, CONF_CURVE_EXPONENTIAL);
	assert_int_equal(conf->response.delay_on, CONF_DELAY_ON_FRAME);
	assert_int_equal(conf->response.tolerance, 0);
	assert_int_equal(conf->response.exec_abort_limit, 10);
	assert_int_equal(conf->response.breaker_limit, 10);
	assert_int_equal(conf->response.breaker_window_ns, UINT64_C(60000000000));
	assert_int_equal(conf->response.breaker_pause_ns, UINT64_C(300000000000));
	assert_string_equal(conf->drill.executable, "");
	assert_int_equal(conf->drill.one_in, 100);
	assert_int_equal(conf->drill.delay_ns, 20000000);
	assert_int_equal(conf->drill.duration_ns, UINT64_C(600000000000));
	assert_int_equal(conf->store.max_profiles, 4096);
	assert_int_equal(conf->store.memory_limit, 67108864);
	assert_string_equal(conf->store.state_dir, "/var/lib/ebph");
	assert_int_equal(conf->store.save_interval_ns, UINT64_C(300000000000));
	assert_int_equal(conf->store.on_upgrade, CONF_UPGRADE_INHERIT);
	assert_int_equal(conf->store.max_saved, 65536);
	assert_string_equal(conf->log.events, "/var/log/ebph/events.jsonl");
}

/* No value is a default, and no two fields of one type have the same. */
static const char all_set[] =
	"[enforcer]\nmode = enforce\nscope = listed\nrequire = yes\nrun_dir = /r\n"
	"bpf_dir = /b\ncontrol_group = root 4711\n[detection]\nmin_calls = 4294967296\nmin_runs = "
	"5\n"
	"normal_wait = 90s\nnormal_factor = 64\nnormal_factor_den = 17\n"
	"[response]\ndelay_base = 2ms\nmax_delay = 1h\ntolerance = 6\n"
	"delay_curve = linear\ndelay_on = anomaly\n"
	"exec_abort_limit = 20\nbreaker_limit = 21\nbreaker_window = 22s\n"
	"breaker_pause = 23s\n[drill]\nexecutable = /e\none_in = 24\n"
	"delay = 25ms\nduration = 26s\n[store]\nmax_profiles = 512\n"
	"memory_limit = 3072M\nstate_dir = /s\nsave_interval = 120s\n"
	"on_upgrade = fresh\nmax_saved = 10000000\n"
	"[log]\nevents =\n";

static void every_option_is_stored_in_its_field(void **state)
{
	CONF_CLEANUP struct conf *conf = taken(all_set, "");

	(void)state;
	assert_int_equal(conf->enforcer.mode, CONF_MODE_ENFORCE);
	assert_int_equal(conf->enforcer.scope, CONF_SCOPE_LISTED);
	assert_true(conf->enforcer.require);
	assert_string_equal(conf->enforcer.run_dir, "/r");
	assert_string_equal(conf->enforcer.bpf_dir, "/b");
	assert_int_equal(conf->enforcer.control_group.n, 2);
	assert_true(conf_list_has_id(&conf->enforcer.control_group, 4711));
	assert_int_equal(conf->detection.min_calls, UINT64_C(4294967296));
	assert_int_equal(conf->detection.min_runs, 5);
	assert_int_equal(conf->detection.normal_wait_ns, UINT64_C(90000000000));
	assert_int_equal(conf->detection.normal_factor, 64);
	assert_int_equal(conf->detection.normal_factor_den, 17);
	assert_int_equal(conf->response.delay_base_ns, 2000000);
	assert_int_equal(conf->response.max_delay_ns, UINT64_C(3600000000000));
	assert_int_equal(conf->response.delay_curve, CONF_CURVE_LINEAR);
	assert_int_equal(conf->response.delay_on, CONF_DELAY_ON_ANOMALY);
	assert_int_equal(conf->response.tolerance, 6);
	assert_int_equal(conf->response.exec_abort_limit, 20);
	assert_int_equal(conf->response.breaker_limit, 21);
	assert_int_equal(conf->response.breaker_window_ns, UINT64_C(22000000000));
	assert_int_equal(conf->response.breaker_pause_ns, UINT64_C(23000000000));
	assert_string_equal(conf->drill.executable, "/e");
	assert_int_equal(conf->drill.one_in, 24);
	assert_int_equal(conf->drill.delay_ns, 25000000);
	assert_int_equal(conf->drill.duration_ns, UINT64_C(26000000000));
	assert_int_equal(conf->store.max_profiles, 512);
	assert_int_equal(conf->store.memory_limit, UINT64_C(3221225472));
	assert_string_equal(conf->store.state_dir, "/s");
	assert_int_equal(conf->store.save_interval_ns, UINT64_C(120000000000));
	assert_int_equal(conf->store.on_upgrade, CONF_UPGRADE_FRESH);
	assert_int_equal(conf->store.max_saved, 10000000);
	assert_string_equal(conf->log.events, "");
}

static void dump_is_read_back_the_same(void **state)
{
	CONF_CLEANUP struct conf *first = taken(all_set, "");
	char *once = written(first), *twice;
	CONF_CLEANUP struct conf *second = taken(once, "");

	(void)state;
	twice = written(second);
	assert_string_equal(once, twice);
	assert_non_null(strstr(
		once, "[enforcer]\nmode = enforce\nscope = listed\nrequire = yes\nrun_dir = /r\n"));
	assert_non_null(
		strstr(once, "\nmin_calls = 4294967296\nmin_runs = 5\nnormal_wait = 90s\n"));
	assert_non_null(strstr(once, "\n[store]\nmax_profiles = 512\nmemory_limit = 3G\n"
				     "state_dir = /s\nsave_interval = 2min\non_upgrade = fresh\n"
				     "max_saved = 10000000\n"));
	free(once);
	free(twice);
}

static void longest_paths_survive_the_dump(void **state)
{
	char path[CONF_PATH_LEN_MAX + 1] = "/", text[CONF_LINE_MAX + 20];

	(void)state;
	memset(path + 1, 'x', CONF_PATH_LEN_MAX - 1);
	for (size_t i = 0; i < conf_n_options; i++) {
		const struct conf_option *option = &conf_options[i];

		if (option->type != CONF_TYPE_PATH)
			continue;
		snprintf(text, sizeof(text), "[%s]\n%s=%.*s", option->section, option->name,
			 (int)option->max, path);
		CONF_CLEANUP struct conf *conf = taken(text, "");
		char *dumped = written(conf);
		CONF_CLEANUP struct conf *again = taken(dumped, "");

		assert_string_equal(*(char **)((char *)again + option->offset),
				    strchr(text, '=') + 1);
		free(dumped);
	}
}

static void each_option_is_dumped_at_its_default_text(void **state)
{
	CONF_CLEANUP struct conf *conf = NULL;
	char *dumped, line[256];

	(void)state;
	assert_int_equal(conf_new_default(&conf), 0);
	dumped = written(conf);
	for (size_t i = 0; i < conf_n_options; i++) {
		if (!strcmp(conf_options[i].section, CONF_SECTION_BINARY))
			continue;
		snprintf(line, sizeof(line), "\n%s =%s%s\n", conf_options[i].name,
			 *conf_options[i].default_text ? " " : "", conf_options[i].default_text);
		if (!strstr(dumped, line))
			fail_msg("not in the dump: %s", line);
	}
	free(dumped);
}

static void each_option_has_a_section_and_a_name_of_its_own(void **state)
{
	(void)state;
	for (size_t i = 0; i < conf_n_options; i++) {
		const struct conf_option *option = &conf_options[i];

		if (!conf_section_find(option->section))
			fail_msg("no section [%s]", option->section);
		if (conf_option_find(option->section, option->name) != option)
			fail_msg("twice: %s in [%s]", option->name, option->section);
	}
}

static void example_file_is_what_the_table_says(void **state)
{
	const char *dir = getenv("EBPH_SOURCE_DIR");
	char path[4096], *expected = written(NULL), *text;
	FILE *file;

	(void)state;
	snprintf(path, sizeof(path), "%s/ebph.conf.example", dir ? dir : ".");
	file = fopen(path, "r");
	if (!file)
		fail_msg("%s: %s", path, strerror(errno));
	text = calloc(1, CONF_FILE_MAX);
	assert_non_null(text);
	assert_in_range(fread(text, 1, CONF_FILE_MAX - 1, file), 1, CONF_FILE_MAX - 2);
	fclose(file);
	assert_string_equal(text, expected);
	free(text);
	free(expected);
}

static void example_with_all_options_uncommented_is_the_default(void **state)
{
	CONF_CLEANUP struct conf *defaults = taken("", ""), *conf = NULL;
	char *text = written(NULL), *expected = written(defaults), *dumped;
	struct conf_effective effective;
	size_t n = 0;

	(void)state;
	for (char *c = strstr(text, "\n#"); c; c = strstr(c + 1, "\n#")) {
		if ((c[2] < 'a' || c[2] > 'z') && c[2] != '[')
			continue;
		c[1] = '\n';
		n++;
	}
	assert_int_equal(n, conf_n_options + 1);
	conf = taken(text, "");
	dumped = written(conf);
	/* The section of the example comes last. */
	assert_memory_equal(dumped, expected, strlen(expected));
	assert_int_equal(conf->n_binaries, 1);
	conf_for_path(conf, "/usr/sbin/nginx", &effective);
	assert_memory_equal(&effective.settings, &conf->binary, sizeof(conf->binary));
	free(text);
	free(expected);
	free(dumped);
}

static void blanks_comments_and_line_ends_do_not_matter(void **state)
{
	CONF_CLEANUP struct conf *conf =
		taken("\xef\xbb\xbf# x\r\n;y\n \t # z\n \t\n[store] \t\r\nmax_profiles=\t77 \t\r\n"
		      "[log]\nevents   =   /a b;c#d",
		      "");

	(void)state;
	assert_int_equal(conf->store.max_profiles, 77);
	assert_string_equal(conf->log.events, "/a b;c#d");
}

/* inih alone would read the tail of such a comment as a line. */
static void overlong_comment_stays_a_comment(void **state)
{
	CONF_CLEANUP struct conf *conf = NULL;
	char text[300];

	(void)state;
	snprintf(text, sizeof(text), "[enforcer]\n#%0198dmode = enforce\n", 0);
	conf = taken(text, "");
	assert_int_equal(conf->enforcer.mode, CONF_MODE_DRY_RUN);
}

static void least_and_greatest_memory_limit_are_taken(void **state)
{
	CONF_CLEANUP struct conf *least = taken("[store]\nmemory_limit = 4M\n", "");
	CONF_CLEANUP struct conf *greatest = taken("[store]\nmemory_limit = 68719476736\n", "");
	char *dumped = written(greatest);

	(void)state;
	assert_int_equal(least->store.memory_limit, 4194304);
	assert_int_equal(greatest->store.memory_limit, UINT64_C(68719476736));
	assert_non_null(strstr(dumped, "\nmemory_limit = 64G\n"));
	free(dumped);
}

static void bounds_of_the_store_are_taken(void **state)
{
	CONF_CLEANUP struct conf *least =
		taken("[store]\nmax_profiles = 16\nsave_interval = 1000ms\nmax_saved = 16\n", "");
	CONF_CLEANUP struct conf *greatest = taken(
		"[store]\nmax_profiles = 65536\nsave_interval = 24h\nmax_saved = 10000000\n", "");

	(void)state;
	assert_int_equal(least->store.max_profiles, 16);
	assert_int_equal(least->store.save_interval_ns, UINT64_C(1000000000));
	assert_int_equal(least->store.max_saved, 16);
	assert_int_equal(greatest->store.max_profiles, 65536);
	assert_int_equal(greatest->store.save_interval_ns, UINT64_C(86400000000000));
	assert_int_equal(greatest->store.max_saved, 10000000);
}

static void no_state_dir_survives_the_dump(void **state)
{
	CONF_CLEANUP struct conf *conf = taken("[store]\nstate_dir =\n", "");
	char *dumped = written(conf);
	CONF_CLEANUP struct conf *again = taken(dumped, "");

	(void)state;
	assert_string_equal(conf->store.state_dir, "");
	assert_non_null(strstr(dumped, "\nstate_dir =\n"));
	assert_string_equal(again->store.state_dir, "");
	free(dumped);
}

static void modes_have_names(void **state)
{
	enum conf_mode mode = CONF_MODE_DRY_RUN;

	(void)state;
	assert_int_equal(conf_mode_from_name("enforce", &mode), 0);
	assert_int_equal(mode, CONF_MODE_ENFORCE);
	assert_int_equal(conf_mode_from_name("Monitor", &mode), -EINVAL);
	assert_int_equal(mode, CONF_MODE_ENFORCE);
	assert_string_equal(conf_mode_name(CONF_MODE_MONITOR), "monitor");
	assert_string_equal(conf_mode_name(CONF_MODE_DRY_RUN), "dry-run");
	assert_string_equal(conf_mode_name(CONF_MODE_ENFORCE), "enforce");
	assert_string_equal(conf_mode_name(CONF_MODE_IGNORE), "ignore");
	assert_int_equal(conf_mode_from_name("ignore", &mode), -EINVAL);
	assert_string_equal(conf_mode_name((enum conf_mode)4), "unknown");
}

static void longest_line_is_read(void **state)
{
	CONF_CLEANUP struct conf *conf = NULL;
	char path[CONF_PATH_LEN_MAX + 1] = "/", text[300];

	(void)state;
	memset(path + 1, 'x', CONF_PATH_LEN_MAX - 1);
	snprintf(text, sizeof(text), "[log]\nevents%*s%s", (int)(CONF_LINE_MAX - 6 - strlen(path)),
		 "= ", path);
	assert_int_equal(strlen(text), strlen("[log]\n") + CONF_LINE_MAX);
	conf = taken(text, "");
	assert_string_equal(conf->log.events, path);
}

static void tolerance_above_the_abort_limit_is_warned_of(void **state)
{
	conf_free(taken("[response]\ntolerance = 10\n",
			"f:2:13: warning: tolerance is not less than exec_abort_limit: "
			"execve fails before any call is delayed\n"
			"    tolerance = 10\n                ^\n"));
	conf_free(taken("[response]\ntolerance = 9\n", ""));
	conf_free(taken("[response]\ntolerance = 128\n", ""));
	(void)state;
}

static void factor_of_one_is_warned_of(void **state)
{
	conf_free(taken("[detection]\nnormal_factor_den = 128\n",
			"f:2:21: warning: normal_factor is not more than normal_factor_den: "
			"a profile freezes as soon as one call brings nothing new\n"
			"    normal_factor_den = 128\n                        ^\n"));
	conf_free(taken("[detection]\nnormal_factor_den = 127\n", ""));
	(void)state;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_text_gives_the_defaults),
		cmocka_unit_test(every_option_is_stored_in_its_field),
		cmocka_unit_test(dump_is_read_back_the_same),
		cmocka_unit_test(longest_paths_survive_the_dump),
		cmocka_unit_test(each_option_is_dumped_at_its_default_text),
		cmocka_unit_test(each_option_has_a_section_and_a_name_of_its_own),
		cmocka_unit_test(example_file_is_what_the_table_says),
		cmocka_unit_test(example_with_all_options_uncommented_is_the_default),
		cmocka_unit_test(blanks_comments_and_line_ends_do_not_matter),
		cmocka_unit_test(overlong_comment_stays_a_comment),
		cmocka_unit_test(least_and_greatest_memory_limit_are_taken),
		cmocka_unit_test(bounds_of_the_store_are_taken),
		cmocka_unit_test(no_state_dir_survives_the_dump),
		cmocka_unit_test(modes_have_names),
		cmocka_unit_test(longest_line_is_read),
		cmocka_unit_test(tolerance_above_the_abort_limit_is_warned_of),
		cmocka_unit_test(factor_of_one_is_warned_of),
	};

	return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
