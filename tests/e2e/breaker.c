// SPDX-License-Identifier: GPL-2.0-or-later
/* The circuit breaker: when everybody is to be delayed, nobody is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/shelf.h"
#include "tests/harness/tap.h"

#define BROKEN 20
#define LIMIT  10

/* The example under another name, which is to be another program; trained to write one line. */
static char *copy_train(struct daemon *daemon, const char *name)
{
	char *path = program_copy(program_path(PROGRAM("lines")), daemon->folder, name);

	train(daemon, path, (const char *const[]){path, NULL});
	return path;
}

/* Starts a program whose profile knows nothing of what it does: each line more is an anomaly. */
static void broken_start(struct child *child, const char *path)
{
	child_start(child, (const char *const[]){path, "a", "b", "c", "d", "e", "f", NULL}, NULL);
}

#define SHELL_DOES "for i in 1 2 3; do echo $i; done; /bin/ls / > /dev/null && echo here"

static void shell_works(const char *shell, int round)
{
	struct child child;

	CHECK(RUN(&child, shell, "-c", SHELL_DOES) == 0, "round %d: %s", round, child.output);
	CHECK(!strcmp(child.output, "1\n2\n3\nhere\n"), "round %d: %s", round, child.output);
	CHECK(child.stops == 0, "round %d: stopped %d times", round, child.stops);
}

/* How many of them were stopped at least once. */
static int stopped_count(struct daemon *daemon, const struct child *children, int n)
{
	int stopped = 0;

	for (int i = 0; i < n; i++)
		stopped += events_count(daemon, "stop", children[i].pid) > 0;
	return stopped;
}

static bool was_dry_run(struct daemon *daemon, pid_t pid)
{
	return !strcmp(event_text(event_at(daemon, "anomaly", pid, 0), "mode"), "dry-run");
}

/* Without it the last of them would be done after a quarter of an hour. */
static void opens(void)
{
	const struct daemon_conf conf = {
		.response = "delay_base = 10s\nmax_delay = 1h\nbreaker_limit = 10\n"
			    "breaker_window = 1h\nbreaker_pause = 1h\n"};
	const char *paths[BROKEN], *shell;
	struct child children[BROKEN];
	struct daemon daemon;
	json_t *counters;
	int stopped;
	char name[24];

	daemon_start(&daemon, "enforce", &conf);
	for (int i = 0; i < BROKEN; i++) {
		snprintf(name, sizeof(name), "broken%d", i);
		paths[i] = copy_train(&daemon, name);
	}
	shell = program_copy("/usr/bin/dash", daemon.folder, "shell");
	train(&daemon, shell, (const char *const[]){shell, "-c", SHELL_DOES, NULL});
	for (int i = 0; i < BROKEN; i++) {
		broken_start(&children[i], paths[i]);
		if (i < LIMIT) /* the breaker is still closed: it is delayed, and the shell not */
			CHECK(child_wait_stopped(&children[i]), "%s", children[i].output);
		shell_works(shell, i);
	}
	for (int i = 0; i < BROKEN; i++) {
		CHECK(child_wait(&children[i]) == 0, "%s: %s", paths[i], children[i].output);
		CHECK(!strcmp(children[i].output, "one\ntwo\ntwo\ntwo\ntwo\ntwo\ntwo\n"), "%s: %s",
		      paths[i], children[i].output);
	}
	event_wait(&daemon, "breaker", "state", "open", NULL);
	counters = counters_ask(&daemon);
	CHECK(event_number(counters, "breaker_opened") == 1, "it opened %ld times",
	      event_number(counters, "breaker_opened"));
	CHECK(event_number(counters, "breaker") > 0, "nothing was left unanswered");
	daemon_stop(&daemon);
	stopped = stopped_count(&daemon, children, BROKEN);
	CHECK(stopped == LIMIT, "%d programs were stopped", stopped);
	for (int i = LIMIT; i < BROKEN; i++)
		CHECK(was_dry_run(&daemon, children[i].pid), "%s: no dry-run", paths[i]);
}

/* Two programs of which one is too many, until the breaker opens: there may be another window. */
static void two_answered(struct daemon *daemon, const char *one, const char *other)
{
	struct child child;

	while (!events_count(daemon, "breaker", 0)) {
		CHECK(RUN(&child, one, "x") == 0, "%s", child.output);
		CHECK(RUN(&child, other, "x") == 0, "%s", child.output);
	}
}

static void closes(void)
{
	const struct daemon_conf conf = {
		.response = "delay_base = 500ms\nbreaker_limit = 1\nbreaker_window = 6s\n"
			    "breaker_pause = 6s\n"};
	const char *one, *other;
	struct daemon daemon;
	struct child child;
	json_t *anomaly;

	daemon_start(&daemon, "enforce", &conf);
	one = copy_train(&daemon, "one");
	other = copy_train(&daemon, "other");
	two_answered(&daemon, one, other);
	event_wait(&daemon, "breaker", "state", "closed", NULL);
	CHECK(RUN(&child, one, "x") == 0, "%s", child.output);
	CHECK(child.stops == 1, "stopped %d times", child.stops);
	daemon_stop(&daemon);
	anomaly = event_at(&daemon, "anomaly", child.pid, 0);
	CHECK(!strcmp(event_text(anomaly, "mode"), "enforce"), "mode %s",
	      event_text(anomaly, "mode"));
}

/* Dry-run says what enforce would have come to. */
static void dry_run(void)
{
	const struct daemon_conf conf = {
		.response = "breaker_limit = 1\nbreaker_window = 1h\nbreaker_pause = 1h\n"};
	const char *one, *other;
	struct daemon daemon;
	char *log;

	daemon_start(&daemon, "dry-run", &conf);
	one = copy_train(&daemon, "one");
	other = copy_train(&daemon, "other");
	two_answered(&daemon, one, other);
	daemon_stop(&daemon);
	log = daemon_log(&daemon);
	CHECK(strstr(log, "THE CIRCUIT BREAKER WOULD HAVE OPENED"), "%s", log);
}

const struct test breaker_tests[] = {
	{.name = "breaker: twenty broken profiles open it, and a shell works",
	 .run = opens,
	 .is_once = true},
	{.name = "breaker: it closes, and answers are given again", .run = closes, .is_once = true},
	{.name = "breaker: dry-run says that it would have opened",
	 .run = dry_run,
	 .is_once = true},
	{},
};
