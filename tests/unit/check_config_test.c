/* SPDX-License-Identifier: GPL-2.0-or-later */
/* build/ebphd --check-config and its kin, as a person or a script meets them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "conf_place.h"

enum { SAID_MAX = 65536 };

static void ebphd_exec(const struct place *place, const char *const *arguments, int out)
{
	const char *dir = getenv("EBPH_SOURCE_DIR");
	const char *argv[8] = {"ebphd", "--config", place->file};
	char path[4096];

	for (size_t i = 0; arguments[i]; i++)
		argv[3 + i] = arguments[i];
	snprintf(path, sizeof(path), "%s/build/ebphd", dir ? dir : ".");
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	execv(path, (char *const *)argv);
	_exit(127);
}

/* Run ebphd on the file of the place, and return what it says without the name of the directory. */
static char *said(const struct place *place, const char *const *arguments, int *ret_status)
{
	char *text = calloc(1, SAID_MAX);
	int ends[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	assert_non_null(text);
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (!pid)
		ebphd_exec(place, arguments, ends[1]);
	close(ends[1]);
	while ((n = read(ends[0], text + len, SAID_MAX - 1 - len)) > 0)
		len += (size_t)n;
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	*ret_status = WEXITSTATUS(status);
	for (char *at = text; (at = strstr(at, place->dir));)
		memmove(at, at + strlen(place->dir), strlen(at + strlen(place->dir)) + 1);
	return text;
}

#define ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define CHECK_CONFIG   ARGUMENTS("--check-config")

static void expect(const struct place *place, const char *const *arguments, int status,
		   const char *text)
{
	int got;
	char *told = said(place, arguments, &got);

	assert_string_equal(told, text);
	assert_int_equal(got, status);
	free(told);
}

static void good_file_is_passed_in_silence(void **state)
{
	const struct place *place = *state;

	file_write(place, "[enforcer]\nmode = enforce\n", 0);
	expect(place, CHECK_CONFIG, 0, "");
}

static void mistakes_of_all_files_are_told_at_once(void **state)
{
	const struct place *place = *state;

	file_write(place,
		   "[response]\ntolerence = 5\nmax_delay = 5m\ndelay_base = 1ms\ndelay_base = 2ms\n"
		   "  exec_abort_limit = 3\n[binary nginx]\nmode = ignore\n[log]\nevents = \x01\n",
		   0);
	drop_in_write(place, "host.conf", "[allow]\nusers = root no-such-user\n");
	expect(place, CHECK_CONFIG, 1,
	       "/ebph.conf:2:1: unknown option 'tolerence' in [response]; did you mean "
	       "'tolerance'?\n"
	       "    tolerence = 5\n    ^\n"
	       "/ebph.conf:3:13: max_delay: '5m' has an unknown unit, give one of ns, us, ms, s, "
	       "min, h, d; expected a duration from 1ms to 1h\n"
	       "    max_delay = 5m\n                ^\n"
	       "/ebph.conf:5:1: option 'delay_base' was there before, in line 4; expected it once\n"
	       "    delay_base = 2ms\n    ^\n"
	       "/ebph.conf:6:1: indented line; expected it to begin in the first column\n"
	       "      exec_abort_limit = 3\n    ^\n"
	       "/ebph.conf:7:9: 'nginx' does not begin with '/'; expected [binary PATH] with an "
	       "absolute path or glob\n"
	       "    [binary nginx]\n            ^\n"
	       "/ebph.conf:10:10: control character 0x01; expected plain text\n"
	       "    events = ?\n             ^\n"
	       "/ebph.conf.d/host.conf:2:14: users: 'no-such-user' is no user in /etc/passwd; "
	       "expected names or numbers of users, with blanks between them\n"
	       "    users = root no-such-user\n                 ^\n");
}

static void file_that_others_can_write_is_refused(void **state)
{
	const struct place *place = *state;

	file_write(place, "", 0);
	assert_int_equal(chmod(place->file, 0666), 0);
	expect(place, CHECK_CONFIG, 1,
	       "/ebph.conf: can be written by everyone (mode 0666); forbid it (chmod go-w)\n");
}

/* Ten megabytes: refused before they are read. One: read, and its mistakes counted. */
static void rubbish_is_refused_in_a_few_lines(void **state)
{
	const struct place *place = *state;
	char *rubbish = malloc(CONF_FILE_MAX), *told;
	uint32_t x = 1;
	size_t n_lines = 0;
	FILE *file;
	int status;

	assert_non_null(rubbish);
	for (size_t i = 0; i < CONF_FILE_MAX; i++)
		rubbish[i] = (char)((x = x * 1664525 + 1013904223) >> 24);
	file_write(place, "", 0);
	file = fopen(place->file, "w");
	assert_non_null(file);
	for (int i = 0; i < 10; i++)
		assert_int_equal(fwrite(rubbish, 1, CONF_FILE_MAX, file), CONF_FILE_MAX);
	fclose(file);
	expect(place, CHECK_CONFIG, 1, "/ebph.conf: is larger than 1048576 bytes\n");

	assert_int_equal(truncate(place->file, CONF_FILE_MAX), 0);
	told = said(place, CHECK_CONFIG, &status);
	assert_int_equal(status, 1);
	for (const char *c = told; *c; c++)
		n_lines += *c == '\n';
	assert_in_range(n_lines, CONF_DIAG_MAX, 3 * CONF_DIAG_MAX + 1);
	assert_non_null(strstr(told, "\n... and "));
	free(told);
	free(rubbish);
}

static void what_is_not_there_yet_is_warned_of(void **state)
{
	const struct place *place = *state;

	file_write(place,
		   "[enforcer]\nscope = listed\n[allow]\nexec = /proc/version /no/one\n"
		   "[binary /proc/version]\ntolerance = 1\n[binary /no/such]\n"
		   "allow_exec = /proc/version\n",
		   0);
	expect(place, CHECK_CONFIG, 0,
	       "/ebph.conf:4:22: warning: there is no /no/one yet\n"
	       "    exec = /proc/version /no/one\n                         ^\n"
	       "/ebph.conf:7:9: warning: there is no /no/such yet\n"
	       "    [binary /no/such]\n            ^\n");
}

/* Of a control group, in other words where there are none of version 2. */
static void control_groups_are_looked_for(void **state)
{
	const struct place *place = *state;
	int status;
	char *told;

	file_write(place, "[allow]\ncgroups = no-such-one.service\n", 0);
	told = said(place, CHECK_CONFIG, &status);
	assert_int_equal(status, 0);
	assert_non_null(strstr(told, "/ebph.conf:2:11: warning: "));
	assert_non_null(strstr(told, conf_cgroup_root() ?
					     "there is no control group no-such-one.service yet\n" :
					     "has no effect: this host has no control groups"));
	free(told);
}

static void warnings_hide_no_error(void **state)
{
	const struct place *place = *state;
	char text[8192] = "", *told;
	size_t len = 0;
	int status;

	for (int i = 0; i < 100; i++)
		len += (size_t)sprintf(text + len, "[binary /no/such/%d]\n", i);
	sprintf(text + len, "mode = wrong\n");
	file_write(place, text, 0);
	told = said(place, CHECK_CONFIG, &status);
	assert_int_equal(status, 1);
	assert_non_null(strstr(told, "/ebph.conf:101:8: mode: 'wrong' is unknown"));
	assert_non_null(strstr(told, "\n... and 80 more\n"));
	free(told);
}

static void settings_of_a_program_are_explained(void **state)
{
	const struct place *place = *state;
	char *told;
	int status;

	file_write(place, "[binary /no/*]\ntolerance = 7\n[response]\nmax_delay = 1s\n", 0);
	drop_in_write(place, "a.conf", "[binary /no/such]\nmode = monitor\n");
	told = said(place, ARGUMENTS("--explain", "/no/such"), &status);
	assert_int_equal(status, 0);
	assert_non_null(strstr(told, "/no/such:\n"
				     "mode = monitor  (/ebph.conf.d/a.conf:2)\n"
				     "tolerance = 7  (/ebph.conf:2)\n"
				     "delay_base = 10ms  (the default)\n"
				     "max_delay = 1s  (/ebph.conf:4)\n"));
	free(told);
	told = said(place, ARGUMENTS("--mode", "dry-run", "--explain", "/other"), &status);
	assert_non_null(strstr(told, "/other: no section is for it\n"
				     "mode = dry-run  (the command line)\n"));
	free(told);
}

int main(void)
{
#define PLACE_TEST(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)
	static const struct CMUnitTest tests[] = {
		PLACE_TEST(good_file_is_passed_in_silence),
		PLACE_TEST(mistakes_of_all_files_are_told_at_once),
		PLACE_TEST(file_that_others_can_write_is_refused),
		PLACE_TEST(rubbish_is_refused_in_a_few_lines),
		PLACE_TEST(what_is_not_there_yet_is_warned_of),
		PLACE_TEST(control_groups_are_looked_for),
		PLACE_TEST(warnings_hide_no_error),
		PLACE_TEST(settings_of_a_program_are_explained),
	};

	return cmocka_run_group_tests_name("check_config", tests, NULL, NULL);
}
