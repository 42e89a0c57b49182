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

/* The tests of one concern: a table NAME_tests in its file, ended by an empty row. */
/* clang-format off */
#define TEST_TABLES(X) \
	X(feed) \
	X(seat) \
	X(delay) \
	X(differential) \
	X(decision) \
	X(concurrency) \
	X(missed) \
	X(task) \
	X(fault) \
	X(story) \
	X(answer) \
	X(no_signal) \
	X(deferral) \
	X(trap) \
	X(death) \
	X(hang) \
	X(refusal) \
	X(learning) \
	X(attack) \
	X(injection) \
	X(strace) \
	X(store) \
	X(store_kill) \
	X(store_slow) \
	X(store_manage) \
	X(store_bad) \
	X(keeping) \
	X(keeping_step) \
	X(cost) \
	X(reload) \
	X(binary) \
	X(allow) \
	X(breaker) \
	X(drill) \
	X(foreign) \
	X(transparency) \
	X(control) \
	X(control_exchange) \
	X(control_load) \
	X(control_top)
/* clang-format on */

#define TEST_TABLE_DECLARE(name) extern const struct test name##_tests[];
TEST_TABLES(TEST_TABLE_DECLARE)

/* The story of `make demo`, in tests/e2e/demo.c; or only the scene of this name. */
void demo_play(const char *scene);

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
