// SPDX-License-Identifier: GPL-2.0-or-later
/* The thesis's own example, from training to the end. */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/tap.h"

#define LINES PROGRAM("lines")

static const char *lines_path;

/* So long that a machine which stands still meanwhile does not hide a stop: 2 s at one anomaly. */
static const struct daemon_conf long_delay = {.response = "delay_base = 1s\n"};

static void lines_train(struct daemon *daemon)
{
	lines_path = strdup(program_path(LINES));
	train(daemon, lines_path, (const char *const[]){lines_path, NULL});
}

/* The anomalies of the example: at the second write and at exit_group, and nowhere else. */
static void anomalies_check(struct daemon *daemon, pid_t pid)
{
	json_t *write = event_at(daemon, "anomaly", pid, 0);
	json_t *exit = event_at(daemon, "anomaly", pid, 1);

	CHECK(events_count(daemon, "anomaly", 0) == 2, "%zu anomalies",
	      events_count(daemon, "anomaly", 0));
	CHECK(!strcmp(event_text(write, "call"), "write"), "first at %s",
	      event_text(write, "call"));
	CHECK(!strcmp(event_text(exit, "call"), "exit_group"), "second at %s",
	      event_text(exit, "call"));
	CHECK(!strcmp(event_text(write, "path"), lines_path), "%s", event_text(write, "path"));
	CHECK(event_number(write, "mismatches") > 0 && event_number(write, "mismatches") <= 8,
	      "%ld mismatches", event_number(write, "mismatches"));
	/* write after write, at distance 1, is what is new; so is it in each answer. */
	CHECK(json_integer_value(json_array_get(json_object_get(write, "distances"), 0)) == 1,
	      "the nearest unseen pair is not at distance 1");
	CHECK(event_number(write, "recent") == 1 && event_number(exit, "recent") == 2,
	      "recent anomalies %ld, %ld", event_number(write, "recent"),
	      event_number(exit, "recent"));
}

static void monitored(void)
{
	struct daemon daemon;
	struct child child;

	daemon_start(&daemon, "monitor", NULL);
	lines_train(&daemon);
	CHECK(run(&child, (const char *const[]){lines_path, NULL}, NULL) == 0, "%s", child.output);
	CHECK(run(&child, (const char *const[]){lines_path, "x", NULL}, NULL) == 0, "%s",
	      child.output);
	CHECK(!strcmp(child.output, "one\ntwo\n"), "it wrote %s", child.output);
	CHECK(child.stops == 0, "stopped %d times", child.stops);
	daemon_stop(&daemon);
	anomalies_check(&daemon, child.pid);
}

static void dry_run(void)
{
	struct daemon daemon;
	struct child child;
	json_t *anomaly;
	char *log;

	daemon_start(&daemon, "dry-run", NULL);
	lines_train(&daemon);
	CHECK(run(&child, (const char *const[]){lines_path, "x", NULL}, NULL) == 0, "%s",
	      child.output);
	CHECK(!strcmp(child.output, "one\ntwo\n"), "it wrote %s", child.output);
	CHECK(child.stops == 0, "stopped %d times", child.stops);
	daemon_stop(&daemon);
	anomalies_check(&daemon, child.pid);
	anomaly = event_at(&daemon, "anomaly", child.pid, 0);
	CHECK(json_is_true(json_object_get(anomaly, "stop")), "no stop was decided");
	CHECK(event_number(anomaly, "delay_ms") == 20, "%ld ms", event_number(anomaly, "delay_ms"));
	CHECK(!strcmp(event_text(anomaly, "mode"), "dry-run"), "%s", event_text(anomaly, "mode"));
	CHECK(events_count(&daemon, "stop", 0) == 0, "something was stopped");
	/* exit_group never returns, so no delay is decided there: one in all, of 20 ms. */
	log = daemon_log(&daemon);
	CHECK(strstr(log, "2 anomalies, 1 delays decided (0.02 s)"), "not counted: %s", log);
}

static void enforced(void)
{
	struct daemon daemon;
	struct child child;
	json_t *stop, *release;
	double held;

	daemon_start(&daemon, "enforce", &long_delay);
	lines_train(&daemon);
	CHECK(run(&child, (const char *const[]){lines_path, NULL}, NULL) == 0, "%s", child.output);
	CHECK(child.stops == 0, "the usual run was stopped %d times", child.stops);
	CHECK(run(&child, (const char *const[]){lines_path, "x", NULL}, NULL) == 0, "%s",
	      child.output);
	CHECK(!strcmp(child.output, "one\ntwo\n"), "it wrote %s", child.output);
	CHECK(child.stops == 1, "stopped %d times", child.stops);
	daemon_stop(&daemon);
	anomalies_check(&daemon, child.pid);
	stop = event_at(&daemon, "stop", child.pid, 0);
	release = event_at(&daemon, "release", child.pid, 0);
	REQUIRE(stop && release, "no stop or no release was reported");
	CHECK(!strcmp(event_text(stop, "call"), "write"), "stopped at %s",
	      event_text(stop, "call"));
	CHECK(event_number(stop, "delay_ms") == 2000, "%ld ms", event_number(stop, "delay_ms"));
	held = json_real_value(json_object_get(release, "time")) -
	       json_real_value(json_object_get(stop, "time"));
	/* Counted from the decision: the stop may come later, on a machine that stands still. */
	CHECK(held > 1.5, "released %.3f s after it was stopped", held);
}

/* A write to a terminal gives up when a signal is pending, and is made again afterwards. */
static void restarted(void)
{
	const struct child_how how = {.on_terminal = true};
	struct daemon daemon;
	struct child child;

	daemon_start(&daemon, "enforce", &long_delay);
	lines_train(&daemon);
	CHECK(run(&child, (const char *const[]){lines_path, "x", NULL}, &how) == 0, "%s",
	      child.output);
	CHECK(!strcmp(child.output, "one\ntwo\n"), "it wrote %s", child.output);
	CHECK(child.stops == 1, "stopped %d times", child.stops);
	daemon_stop(&daemon);
	anomalies_check(&daemon, child.pid);
}

const struct test story_tests[] = {
	{.name = "story: monitor reports write and exit_group, nothing before",
	 .run = monitored,
	 .is_once = true},
	{.name = "story: dry-run touches nothing and counts the answer", .run = dry_run},
	{.name = "story: enforce delays the program, which then completes", .run = enforced},
	{.name = "story: a call that is made again after the delay is no new call",
	 .run = restarted},
	{},
};
