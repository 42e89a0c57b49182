// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * usage: e2e [--long] [--again] [--counted] [--list] [WORD...]
 *        e2e --demo [SCENE]
 * Runs the tests whose names hold one of the WORDs, or all, and prints TAP; or plays the demo.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enforcer/util.h"

#include "tests/harness/leftover.h"
#include "tests/harness/tap.h"

/* A machine that is emulated is slow: three starts of ebphd are 80 s. */
#define TEST_LIMIT_MS	   180000
#define LONG_TEST_LIMIT_MS 1800000
#define LEFTOVER_LIMIT_MS  20000

/* What a test reports to the process that runs it. */
struct outcome {
	int failed;
	char skip_reason[256];
};

static struct outcome *outcome;

#define TEST_TABLE_NAME(name) name##_tests,

static const struct test *const all_tests[] = {TEST_TABLES(TEST_TABLE_NAME)};

#define N_TABLES (sizeof(all_tests) / sizeof((all_tests)[0]))

bool check(bool condition, const char *text, const char *file, int line, const char *format, ...)
{
	char seen[512];
	va_list args;

	if (condition)
		return true;
	va_start(args, format);
	vsnprintf(seen, sizeof(seen), format, args);
	va_end(args);
	printf("# %s:%d: not so: %s: %s\n", file, line, text, seen);
	outcome->failed++;
	return false;
}

void test_end(void)
{
	fflush(stdout);
	_exit(0);
}

void skip(const char *reason)
{
	snprintf(outcome->skip_reason, sizeof(outcome->skip_reason), "%s", reason);
	test_end();
}

void note(const char *format, ...)
{
	va_list args;

	fputs("# ", stdout);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

/* Waits for a test. Everything it started is in its process group, and ends with it. */
static bool test_wait(pid_t pid, int limit_ms)
{
	struct pollfd ended = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
	int status, n;

	n = poll(&ended, 1, limit_ms);
	close(ended.fd);
	if (n != 1)
		printf("# time limit of %d s reached\n", limit_ms / 1000);
	kill(-pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid || n != 1)
		return false;
	if (WIFSIGNALED(status))
		printf("# the test died by signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool test_run(const struct test *test, int number)
{
	uint64_t begin_ns = now_ns(CLOCK_MONOTONIC);
	bool good;
	pid_t pid;

	memset(outcome, 0, sizeof(*outcome));
	fflush(stdout);
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		test->run();
		test_end();
	}
	setpgid(pid, pid);
	good = test_wait(pid, test->is_long ? LONG_TEST_LIMIT_MS : TEST_LIMIT_MS);
	good &= leftover_none(LEFTOVER_LIMIT_MS);
	good &= !outcome->failed;
	printf("# took %.1f s\n", (double)(now_ns(CLOCK_MONOTONIC) - begin_ns) / NSEC_PER_SEC);
	if (good && outcome->skip_reason[0])
		printf("ok %d %s # SKIP %s\n", number, test->name, outcome->skip_reason);
	else
		printf("%s %d %s\n", good ? "ok" : "not ok", number, test->name);
	fflush(stdout);
	return good;
}

/* What the command line asks for. */
struct choice {
	int with_long, again, counted, list, demo; /* as getopt_long() wants them: 0 or 1 */
	char **words;
};

/* Ends the program where it is not understood: it would run everything else, on this host. */
static void choose(int argc, char **argv, struct choice *ret)
{
	const struct option options[] = {
		{"long", no_argument, &ret->with_long, 1},  {"again", no_argument, &ret->again, 1},
		{"counted", no_argument, &ret->counted, 1}, {"list", no_argument, &ret->list, 1},
		{"demo", no_argument, &ret->demo, 1},	    {}};
	int r;

	do
		r = getopt_long(argc, argv, "+", options, NULL);
	while (!r);
	if (r == '?') {
		fputs("usage: e2e [--long] [--again] [--counted] [--list] [WORD...]\n"
		      "       e2e --demo [SCENE]\n",
		      stderr);
		exit(2);
	}
	ret->words = argv + optind;
}

static bool is_wanted(const struct test *test, const struct choice *choice)
{
	if ((test->is_long && !choice->with_long) || (test->is_once && choice->again) ||
	    test->is_counted != choice->counted)
		return false;
	for (char **word = choice->words; *word; word++)
		if (strstr(test->name, *word))
			return true;
	return !*choice->words;
}

int main(int argc, char **argv)
{
	struct choice choice = {};
	int n = 0, number = 0;
	bool good = true;

	choose(argc, argv, &choice);
	outcome = mmap(NULL, sizeof(*outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (outcome == MAP_FAILED)
		return 1;
	if (choice.demo) {
		demo_play(*choice.words);
		return outcome->failed ? 1 : 0;
	}
	for (size_t i = 0; i < N_TABLES; i++)
		for (const struct test *test = all_tests[i]; test->name; test++)
			n += is_wanted(test, &choice);
	if (!choice.list)
		printf("1..%d\n", n);
	for (size_t i = 0; i < N_TABLES; i++) {
		for (const struct test *test = all_tests[i]; test->name; test++) {
			if (!is_wanted(test, &choice))
				continue;
			if (choice.list)
				puts(test->name);
			else
				good &= test_run(test, ++number);
		}
	}
	return good ? 0 : 1;
}
