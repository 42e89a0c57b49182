/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What changes from one configuration to another, and how one takes the place of the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf_report.h"

static void change_print(void *context, const char *line, bool at_start)
{
	fprintf(context, "%s%s\n", line, at_start ? " (start)" : "");
}

static void expect(const char *before, const char *after, const char *expected)
{
	CONF_CLEANUP struct conf *a = taken(before, ""), *b = taken(after, "");
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(conf_diff(a, b, change_print, out), 0);
	fclose(out);
	assert_string_equal(text, expected);
	free(text);
}

static void equal_files_have_no_difference(void **state)
{
	(void)state;
	expect("", "", "");
	expect("[binary /a]\nmode = ignore\n[response]\ntolerance = 8\n",
	       "# x\n\n[response]\ntolerance = 08\n[binary /a]\nmode = ignore\n", "");
	expect("", "[response]\ntolerance = 0\n", "");
	expect("[allow]\ncalls = read write\n", "[allow]\ncalls = write read\n", "");
}

static void changes_are_told_line_by_line(void **state)
{
	(void)state;
	expect("[response]\ntolerance = 8\n[log]\nevents = /a\n[detection]\nnormal_wait = 60s\n",
	       "[response]\ntolerance = 9\n[log]\nevents =\n[enforcer]\nmode = enforce\n",
	       "[enforcer] mode: dry-run -> enforce\n"
	       "[detection] normal_wait: 1min -> 7d\n"
	       "[response] tolerance: 8 -> 9\n"
	       "[log] events: /a -> nothing\n");
}

static void what_takes_a_restart_is_marked(void **state)
{
	(void)state;
	expect("", "[store]\nmax_profiles = 20\nmax_saved = 20\nstate_dir = /s\n",
	       "[store] max_profiles: 4096 -> 20 (start)\n"
	       "[store] state_dir: /var/lib/ebph -> /s (start)\n"
	       "[store] max_saved: 65536 -> 20\n");
}

static void lists_tell_what_comes_and_goes(void **state)
{
	(void)state;
	expect("[allow]\ncalls = read write\nusers = root\n",
	       "[allow]\ncalls = write open close\nexec = /a\n",
	       "[allow] users: -root\n[allow] calls: -read +open +close\n[allow] exec: +/a\n");
}

static void sections_come_go_and_change(void **state)
{
	(void)state;
	expect("[binary /gone]\nmode = ignore\n[binary /a]\ntolerance = 1\nmax_delay = 1s\n"
	       "allow_calls = read\n",
	       "[binary /new*]\nmode = monitor\nallow_exec = /x\n[binary /a]\ntolerance = 2\n"
	       "mode = enforce\nallow_calls = read write\n",
	       "[binary /gone]: gone\n"
	       "[binary /new*]: new\n"
	       "[binary /new*] mode: as for all -> monitor\n"
	       "[binary /new*] allow_exec: as for all -> /x\n"
	       "[binary /a] mode: as for all -> enforce\n"
	       "[binary /a] tolerance: 1 -> 2\n"
	       "[binary /a] max_delay: 1s -> as for all\n"
	       "[binary /a] allow_calls: +write\n");
}

static void what_takes_a_restart_is_kept(void **state)
{
	CONF_CLEANUP struct conf *current =
		taken("[store]\nstate_dir = /old\nmax_saved = 20\n", "");
	CONF_CLEANUP struct conf *next = taken("[store]\nstate_dir = /new\nmax_saved = 30\n"
					       "[binary /a]\ntolerance = 5\n",
					       "");
	struct conf *const address = current;
	struct conf_effective effective;

	(void)state;
	conf_keep(next, current, NULL, NULL);
	conf_exchange(current, next);
	assert_ptr_equal(current, address);
	assert_string_equal(current->store.state_dir, "/old");
	assert_int_equal(current->store.max_saved, 30);
	assert_string_equal(next->store.state_dir, "/new");
	assert_int_equal(next->n_binaries, 0);
	conf_for_path(current, "/a", &effective);
	assert_int_equal(effective.settings.tolerance, 5);
}

static void single_options_are_kept(void **state)
{
	CONF_CLEANUP struct conf *current = taken("[enforcer]\nmode = monitor\n", "");
	CONF_CLEANUP struct conf *next = taken("[enforcer]\nmode = enforce\nscope = listed\n", "");

	(void)state;
	conf_keep(next, current, "enforcer", "mode");
	assert_int_equal(next->enforcer.mode, CONF_MODE_MONITOR);
	assert_int_equal(next->enforcer.scope, CONF_SCOPE_LISTED);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_files_have_no_difference),
		cmocka_unit_test(changes_are_told_line_by_line),
		cmocka_unit_test(what_takes_a_restart_is_marked),
		cmocka_unit_test(lists_tell_what_comes_and_goes),
		cmocka_unit_test(sections_come_go_and_change),
		cmocka_unit_test(what_takes_a_restart_is_kept),
		cmocka_unit_test(single_options_are_kept),
	};

	return cmocka_run_group_tests_name("conf_diff", tests, NULL, NULL);
}
