/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests that run programs as root: each in a process of its own with a time limit, its result as
 * a line of TAP. A check that fails says so and the test goes on; a test that leaves a program
 * attached, a map pinned or a process stopped has failed, whatever it checked.
 */
#ifndef EBPH_TAP_H
#define EBPH_TAP_H

#include <stdbool.h>
#include <stddef.h>

struct test {
	const char *name;
	void (*run)(void);
	bool is_long;	 /* only with --long */
	bool is_once;	 /* the same on every kernel: not with --again */
	bool is_counted; /* only with --counted, and others not: the clock counts instructions */
};

/* The tests of one concern: a table in its file, ended by an empty row; listed in main.c. */
extern const struct test story_tests[], answer_tests[], death_tests[], refusal_tests[],
	learning_tests[], attack_tests[], feed_tests[], task_tests[], fault_tests[], missed_tests[],
	strace_tests[], deferral_tests[], differential_tests[], concurrency_tests[],
	keeping_tests[], store_tests[], store_kill_tests[], store_slow_tests[],
	store_manage_tests[], store_bad_tests[], cost_tests[];

/* The story of `make demo`, in tests/e2e/demo.c. */
void demo_play(void);

/* Fails the test unless @condition; the rest is a printf format that says what was seen. */
#define CHECK(condition, ...) check((condition), #condition, __FILE__, __LINE__, __VA_ARGS__)
bool check(bool condition, const char *text, const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* As CHECK, but without it the test cannot go on. */
#define REQUIRE(condition, ...)                                                                    \
	do {                                                                                       \
		if (!CHECK(condition, __VA_ARGS__))                                                \
			test_end();                                                                \
	} while (0)

/* Ends the test at once, with what its checks have found. */
void test_end(void) __attribute__((noreturn));

/* Ends the test as skipped. */
void skip(const char *reason) __attribute__((noreturn));

/* A line of diagnostics. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
