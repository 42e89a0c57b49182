// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The faults of pH and ebpH, each as a test that fails on it. Elsewhere are: children that nobody
 * followed (learning: forked children are followed), a profile that changed before its exec had
 * succeeded (learning: an exec that fails changes nothing) and updates lost between CPUs
 * (concurrency).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/tap.h"

static const char *frames;

/* Trains frames on @usual, then runs it with @phases. */
static void frames_run(struct daemon *daemon, const struct daemon_conf *conf, const char *usual,
		       const char *phases, struct child *child)
{
	frames = strdup(program_path(PROGRAM("frames")));
	daemon_start(daemon, "dry-run", conf);
	train(daemon, frames, (const char *const[]){frames, usual, NULL});
	CHECK(RUN(child, frames, usual) == 0, "%s", child->output);
	CHECK(events_count(daemon, "anomaly", 0) == 0, "the usual run has %zu anomalies",
	      events_count(daemon, "anomaly", 0));
	CHECK(RUN(child, frames, phases) == 0, "%s", child->output);
}

/* ebpH cleared the window of the LFC but kept its sum. */
static void stale_lfc(void)
{
	long lfc[2] = {-1, -1};
	struct daemon daemon;
	struct child child;
	size_t n = 0;

	/* Between the two unusual phases are 150 usual calls, more than a locality frame. */
	frames_run(&daemon, NULL, "ffffffffffffffff", "fhfffffffffffffffhf", &child);
	daemon_stop(&daemon);
	for (size_t i = 0; i < events_count(&daemon, "anomaly", child.pid); i++) {
		json_t *anomaly = event_at(&daemon, "anomaly", child.pid, i);

		if (!strcmp(event_text(anomaly, "call"), "getgid") && n < 2)
			lfc[n++] = event_number(anomaly, "lfc");
	}
	CHECK(n == 2, "%zu times", n);
	CHECK(lfc[0] == 1 && lfc[1] == 1, "LFC %ld, then %ld", lfc[0], lfc[1]);
}

/*
 * After handlers that ended in an unusual way, and ten calls that push these out of sight, all is
 * as ever: no call that only a usual handler makes, or follows, is an anomaly.
 */
static void usual_calls_check(struct daemon *daemon, pid_t pid)
{
	static const char *const usual[] = {"getgid", "getegid", "getuid", "geteuid"};
	size_t n = events_count(daemon, "anomaly", pid);

	CHECK(n > 0, "nothing was unusual");
	for (size_t i = 0; i < n; i++) {
		json_t *anomaly = event_at(daemon, "anomaly", pid, i);

		for (size_t j = 0; j < sizeof(usual) / sizeof(*usual); j++)
			CHECK(strcmp(event_text(anomaly, "call"), usual[j]) != 0,
			      "anomaly at %s: a frame was mixed up", usual[j]);
	}
}

/* A frame more than ebpH's stack of them held made all later returns restore the wrong one. */
static void nested_handlers(void)
{
	struct daemon daemon;
	struct child child;
	json_t *counters;

	frames_run(&daemon, NULL, "fhfaf", "fhfnfhfnfhfaf", &child);
	counters = counters_ask(&daemon);
	/* Six handlers deep, four windows are kept: two are lost, both times, and it is said. */
	CHECK(event_number(counters, "frame_lost") == 4, "frame_lost %ld",
	      event_number(counters, "frame_lost"));
	daemon_stop(&daemon);
	usual_calls_check(&daemon, child.pid);
}

/* A handler that is left by siglongjmp() never returns; the kernel does not see it. */
static void jumping_handlers(void)
{
	struct daemon daemon;
	struct child child;

	frames_run(&daemon, NULL, "fhfaf", "fjfhfjfafhfaf", &child);
	daemon_stop(&daemon);
	usual_calls_check(&daemon, child.pid);
}

#define SLOTS 16

/* Maps that were full failed silently. */
static void full_maps(void)
{
	const struct daemon_conf conf = {.store = "max_profiles = 16\n", .state_dir = ""};
	const char *lines = strdup(program_path(PROGRAM("lines")));
	char path[128], *log;
	struct daemon daemon;
	struct child child;
	json_t *counters;

	daemon_start(&daemon, "dry-run", &conf);
	for (int i = 0; i <= SLOTS; i++) {
		snprintf(path, sizeof(path), "%s/copy%d", daemon.folder, i);
		CHECK(RUN(&child, "/bin/cp", lines, path) == 0, "%s", child.output);
		CHECK(RUN(&child, path) == 0, "%s", child.output);
	}
	counters = counters_ask(&daemon);
	CHECK(event_number(counters, "no_slot") > 0, "no_slot %ld",
	      event_number(counters, "no_slot"));
	/* It looks for room ten times in a second at most. */
	daemon_log_await(&daemon, "no room for new programs: without state_dir");
	daemon_stop(&daemon);
	log = daemon_log(&daemon);
	CHECK(strstr(log, "no_slot = "), "not counted: %s", log);
}

/* How many anomalies the phase `h` has after training on `f`. */
static size_t attack_anomalies(void)
{
	struct daemon daemon;
	struct child child;

	frames_run(&daemon, NULL, "ff", "fhf", &child);
	daemon_stop(&daemon);
	return events_count(&daemon, "anomaly", child.pid);
}

/* Runs the attack on a daemon whose anomaly_limit it passes with its last anomaly, then again. */
static void slow_anomalies(bool auto_tolerize, size_t attack, struct daemon *daemon)
{
	struct daemon_conf conf = {};
	struct child first, second;
	char detection[256];
	json_t *doubt;

	snprintf(detection, sizeof(detection),
		 DETECTION_QUICK "anomaly_limit = %zu\nauto_tolerize = %s\n", attack - 1,
		 auto_tolerize ? "yes" : "no");
	conf.detection = detection;
	frames_run(daemon, &conf, "ff", "fhf", &first);
	doubt = event_wait(daemon, "doubt", "path", frames, NULL);
	CHECK(json_is_true(json_object_get(doubt, "tolerized")) == auto_tolerize, "tolerized");
	if (auto_tolerize) {
		CHECK(RUN(&second, frames, "ff") == 0, "%s", second.output);
		event_wait(daemon, "state", "path", frames, "after", "normal", NULL);
	}
	CHECK(RUN(&second, frames, "fhf") == 0, "%s", second.output);
	daemon_stop(daemon);
	CHECK(events_count(daemon, "anomaly", second.pid) == attack,
	      "%zu anomalies instead of %zu: some were learned",
	      events_count(daemon, "anomaly", second.pid), attack);
}

/* Over 30 anomalies, however slow, sent a profile back to training, and the attack became normal.
 */
static void limit_reports(void)
{
	size_t attack = attack_anomalies();
	struct daemon daemon;

	REQUIRE(attack > 1, "%zu anomalies", attack);
	slow_anomalies(false, attack, &daemon);
	for (size_t i = 0; i < events_count(&daemon, "state", 0); i++)
		CHECK(strcmp(event_text(event_at(&daemon, "state", 0, i), "before"), "normal") != 0,
		      "it went back to training");
}

static void limit_tolerizes(void)
{
	size_t attack = attack_anomalies();
	struct daemon daemon;

	REQUIRE(attack > 1, "%zu anomalies", attack);
	slow_anomalies(true, attack, &daemon);
}

/*
 * The attack on lpr of the UNM data: many processes with two anomalies each. None of them alone
 * looks bad; the heat of their program tells.
 */
static void heat(void)
{
	const struct daemon_conf conf = {
		.detection = "min_calls = 10\nmin_runs = 3\nnormal_wait = 0s\n"
			     "heat_half_life = 30d\n",
	};
	const char *lines = strdup(program_path(PROGRAM("lines")));
	struct daemon daemon;
	struct child child;

	daemon_start(&daemon, "dry-run", &conf);
	train(&daemon, lines, (const char *const[]){lines, NULL});
	for (int i = 0; i < 5; i++) {
		json_t *write, *exit;

		CHECK(RUN(&child, lines, "x") == 0, "%s", child.output);
		write = event_wait(&daemon, "anomaly", "call", "write", NULL);
		exit = event_wait(&daemon, "anomaly", "call", "exit_group", NULL);
		CHECK(event_number(write, "lfc") == 1 && event_number(exit, "lfc") == 2,
		      "LFC %ld, %ld", event_number(write, "lfc"), event_number(exit, "lfc"));
		CHECK(event_number(write, "heat") == 2 * i + 1, "heat %ld in run %d",
		      event_number(write, "heat"), i);
		CHECK(event_number(write, "delay_ms") == 10L << (2 * i + 1), "%ld ms in run %d",
		      event_number(write, "delay_ms"), i);
	}
	daemon_stop(&daemon);
}

const struct test fault_tests[] = {
	{.name = "fault: an LFC that outlives its anomalies", .run = stale_lfc, .is_once = true},
	{.name = "fault: nested handlers beyond the stack of windows",
	 .run = nested_handlers,
	 .is_once = true},
	{.name = "fault: handlers left by siglongjmp", .run = jumping_handlers},
	{.name = "fault: full maps that say nothing", .run = full_maps, .is_once = true},
	{.name = "fault: slow anomalies, reported", .run = limit_reports, .is_once = true},
	{.name = "fault: slow anomalies, tolerized without what they did",
	 .run = limit_tolerizes,
	 .is_once = true},
	{.name = "fault: many processes with few anomalies each", .run = heat, .is_once = true},
	{},
};
