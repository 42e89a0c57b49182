/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists: what is taken, how several lines and files make one, what a path or glob matches. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../conf/option.h"
#include "bpf/callid.h"
#include "conf_report.h"
#include "enforcer/callname.h"

static char *dumped(const struct conf *conf)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	conf_dump(conf, false, out);
	fclose(out);
	return text;
}

static void words_have_ids(void **state)
{
	CONF_CLEANUP struct conf *conf = taken("[allow]\ncalls = write\tia32:write  uring:nop\n"
					       "users = root 1000\ncgroups = ssh.service /a/*\n",
					       "");

	(void)state;
	assert_int_equal(conf->allow.calls.n, 3);
	assert_int_equal(conf->allow.calls.words[0].id, 1);
	assert_int_equal(conf->allow.calls.words[1].id, EBPH_CALL_IA32 + 4);
	assert_int_equal(conf->allow.calls.words[2].id, EBPH_CALL_URING);
	assert_true(conf_list_has_id(&conf->allow.calls, 1));
	assert_false(conf_list_has_id(&conf->allow.calls, 0));
	assert_int_equal(conf->allow.users.words[0].id, 0);
	assert_int_equal(conf->allow.users.words[1].id, 1000);
	assert_false(conf->allow.cgroups.words[0].is_glob);
	assert_true(conf->allow.cgroups.words[1].is_glob);
}

static void every_call_name_is_found(void **state)
{
	char buffer[CALLNAME_MAX];
	size_t n = 0;

	(void)state;
	for (uint32_t id = 0; id < CALLNAME_TABLE_SIZE; id++) {
		uint32_t found = UINT32_MAX;

		if (!callname_table[id])
			continue;
		assert_int_equal(callname_find(callname(id, buffer), &found), 0);
		assert_int_equal(found, id);
		n++;
	}
	assert_true(n > 700);
	assert_int_equal(callname_find("", NULL), -ENOENT);
	assert_int_equal(callname_find("call 467", NULL), -ENOENT);
}

static void lines_of_one_list_add_up_without_doubles(void **state)
{
	CONF_CLEANUP struct conf *conf =
		taken("[allow]\nexec = /b /a\nexec=/c /b\nexec = /d\n", "");
	static const char *const expected[] = {"/b", "/a", "/c", "/d"};

	(void)state;
	assert_int_equal(conf->allow.exec.n, 4);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(conf->allow.exec.words[i].text, expected[i]);
}

/* Two texts, the second as a drop-in; the words of exec, joined. */
static char *of_two(const char *first, const char *second)
{
	const struct conf_source sources[] = {
		{"a", first, strlen(first)},
		{"b", second, strlen(second)},
	};
	CONF_CLEANUP struct conf *conf = NULL;
	struct conf_diag diag = {0};
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(conf_parse_all(sources, 2, &conf, &diag), 0);
	conf_option_print(conf_option_find("allow", "exec"), conf, out);
	fclose(out);
	return text;
}

static void drop_ins_add_unless_they_empty_first(void **state)
{
	char *added = of_two("[allow]\nexec = /a\n", "[allow]\nexec = /b /a\n");
	char *replaced = of_two("[allow]\nexec = /a\n", "[allow]\nexec =\nexec = /b\n");
	char *emptied = of_two("[allow]\nexec = /a\n", "[allow]\nexec =\n");

	(void)state;
	assert_string_equal(added, "/a /b");
	assert_string_equal(replaced, "/b");
	assert_string_equal(emptied, "");
	free(added);
	free(replaced);
	free(emptied);
}

static void long_list_is_dumped_in_many_lines_and_read_back(void **state)
{
	char *text = calloc(1, 30 * CONF_LIST_MAX), *once, *twice;
	size_t len = (size_t)sprintf(text, "[allow]\n");

	(void)state;
	for (size_t i = 0; i < CONF_LIST_MAX; i++)
		len += (size_t)sprintf(text + len, "exec = /opt/%zu/*\n", i);
	{
		CONF_CLEANUP struct conf *first = taken(text, "");
		once = dumped(first);
		CONF_CLEANUP struct conf *second = taken(once, "");
		twice = dumped(second);

		assert_string_equal(once, twice);
		assert_int_equal(second->allow.exec.n, CONF_LIST_MAX);
	}
	free(once);
	free(twice);
	sprintf(text + len, "exec = /one/more\n");
	{
		CONF_CLEANUP struct conf *none = NULL;
		int err;

		once = report(text, strlen(text), &err, &none);
		assert_int_equal(err, -EINVAL);
		assert_non_null(strstr(once, "'/one/more' is too much: there are 4096 already"));
	}
	free(once);
	free(text);
}

static void paths_and_globs_match_as_expected(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool is_glob, matches;
	} cases[] = {
		{"/bin/a", "/bin/a", false, true},	  {"/bin/a", "/bin/ab", false, false},
		{"/bin/[", "/bin/[", false, true},	  {"/bin/[", "/bin/x", false, false},
		{"/bin/*", "/bin/a", true, true},	  {"/bin/*", "/bin/a/b", true, false},
		{"/bin/*/b", "/bin/a/b", true, true},	  {"/bin/?", "/bin/a", true, true},
		{"/bin/?", "/bin/", true, false},	  {"/bin/[a-c]x", "/bin/bx", true, true},
		{"/bin/[!a-c]x", "/bin/bx", true, false}, {"/bin/\\*", "/bin/*", true, true},
		{"/bin/\\*", "/bin/a", true, false},	  {"/*", "/a", true, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conf_word word = {.text = (char *)cases[i].pattern};

		assert_null(conf_pattern_wrong(word.text));
		conf_word_classify(&word);
		if (word.is_glob != cases[i].is_glob ||
		    conf_word_matches(&word, cases[i].path) != cases[i].matches)
			fail_msg("%s and %s", cases[i].pattern, cases[i].path);
	}
}

static void path_matches_where_its_link_leads(void **state)
{
	const struct conf_word word = {.text = "/bin/sh", .real = "/usr/bin/dash"};

	(void)state;
	assert_true(conf_word_matches(&word, "/usr/bin/dash"));
	assert_true(conf_word_matches(&word, "/bin/sh"));
	assert_false(conf_word_matches(&word, "/usr/bin/sh"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_have_ids),
		cmocka_unit_test(every_call_name_is_found),
		cmocka_unit_test(lines_of_one_list_add_up_without_doubles),
		cmocka_unit_test(drop_ins_add_unless_they_empty_first),
		cmocka_unit_test(long_list_is_dumped_in_many_lines_and_read_back),
		cmocka_unit_test(paths_and_globs_match_as_expected),
		cmocka_unit_test(path_matches_where_its_link_leads),
	};

	return cmocka_run_group_tests_name("conf_list", tests, NULL, NULL);
}
