// SPDX-License-Identifier: GPL-2.0-or-later
/* What is learned: of children, of execs that fail, of programs with many pairs. */
#include <stdlib.h>
#include <string.h>

#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/tap.h"

/* Trains @program without arguments, then runs it with one. Return: the anomalies it had. */
static size_t excess(struct daemon *daemon, const char *program, struct child *child)
{
	const char *path = strdup(program_path(program));

	daemon_start(daemon, "dry-run", NULL);
	train(daemon, path, (const char *const[]){path, NULL});
	CHECK(run(child, (const char *const[]){path, NULL}, NULL) == 0, "%s", child->output);
	CHECK(run(child, (const char *const[]){path, "x", NULL}, NULL) == 0, "%s", child->output);
	daemon_stop(daemon);
	for (size_t i = 0; i < events_count(daemon, "anomaly", 0); i++)
		CHECK(!strcmp(event_text(event_at(daemon, "anomaly", 0, i), "path"), path), "by %s",
		      event_text(event_at(daemon, "anomaly", 0, i), "path"));
	return events_count(daemon, "anomaly", 0);
}

static void children(void)
{
	struct daemon daemon;
	struct child child;
	size_t n = excess(&daemon, PROGRAM("forked"), &child);
	pid_t pid = atoi(child.output); /* the grandchild's own word */

	CHECK(n == 2, "%zu anomalies", n);
	CHECK(pid > 0 && pid != child.pid, "it says %s", child.output);
	CHECK(events_count(&daemon, "anomaly", pid) == n, "%zu of them by the forked process",
	      events_count(&daemon, "anomaly", pid));
}

static void failed_exec(void)
{
	struct daemon daemon;
	struct child child;
	size_t n = excess(&daemon, PROGRAM("noexec"), &child);

	CHECK(n == 2, "%zu anomalies", n); /* write after write, exit_group after both */
	CHECK(!strcmp(child.output, "still me\nstill me\n"), "%s", child.output);
}

/* The first size, 8 blocks, that holds the 1,024 pairs of ids of 32 calls with ease. */
#define ROOM 1728

/* The pair set grows several times while the program runs; nothing that it held is lost. */
static void growth(void)
{
	/* One run teaches it all, though it is over before the set has grown. */
	const struct daemon_conf conf = {
		.detection = "min_calls = 10\nmin_runs = 2\nnormal_wait = 0s\n",
	};
	const char *path = strdup(program_path(PROGRAM("various")));
	struct daemon daemon;
	struct child child;
	json_t *normal;

	daemon_start(&daemon, "dry-run", &conf);
	CHECK(RUN(&child, path) == 0, "%s", child.output);
	while (event_number(event_wait(&daemon, "grow", "path", path, NULL), "room") < ROOM)
		;
	CHECK(RUN(&child, path) == 0, "%s", child.output);
	normal = event_wait(&daemon, "state", "path", path, "after", "normal", NULL);
	/* 32 calls that come in a random order: nearly all of the 1,024 pairs of ids occur. */
	CHECK(event_number(normal, "words") > 1000, "%ld words", event_number(normal, "words"));
	for (int i = 0; i < 3; i++)
		CHECK(RUN(&child, path) == 0, "%s", child.output);
	daemon_stop(&daemon);
	CHECK(events_count(&daemon, "anomaly", 0) == 0, "%zu anomalies",
	      events_count(&daemon, "anomaly", 0));
}

/* normal_wait is kept, and who is due becomes normal without running again. */
static void waiting(void)
{
	const struct daemon_conf conf = {
		.detection = "min_calls = 10\nmin_runs = 3\nnormal_wait = 3s\n",
	};
	const char *path = strdup(program_path(PROGRAM("lines")));
	struct daemon daemon;
	struct child child;
	json_t *frozen = NULL, *normal;
	double waited;

	daemon_start(&daemon, "dry-run", &conf);
	for (int i = 0; i < 4; i++)
		CHECK(RUN(&child, path) == 0, "%s", child.output);
	normal = event_wait(&daemon, "state", "path", path, "after", "normal", NULL);
	for (size_t i = 0; i < events_count(&daemon, "state", 0); i++) {
		json_t *event = event_at(&daemon, "state", 0, i);

		if (!strcmp(event_text(event, "path"), path) &&
		    !strcmp(event_text(event, "after"), "frozen"))
			frozen = event;
	}
	REQUIRE(frozen, "it was never frozen");
	waited = json_real_value(json_object_get(normal, "time")) -
		 json_real_value(json_object_get(frozen, "time"));
	/* An emulated processor may stand still between the decision and the event about it. */
	CHECK(waited > 2.5, "it waited %.2f s", waited);
	daemon_stop(&daemon);
}

const struct test learning_tests[] = {
	{.name = "learning: forked children are followed", .run = children, .is_once = true},
	{.name = "learning: an exec that fails changes nothing", .run = failed_exec},
	{.name = "learning: a growing pair set loses no pair", .run = growth, .is_once = true},
	{.name = "learning: frozen becomes normal after normal_wait",
	 .run = waiting,
	 .is_once = true},
	{},
};
