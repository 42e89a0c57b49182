// SPDX-License-Identifier: GPL-2.0-or-later
/* However the daemon ends: whom it stopped runs on. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enforcer/util.h"
#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/tap.h"

/* Far longer than a test may take: who goes on in it was released, and not in time. */
static const struct daemon_conf long_delays = {
	.response = "delay_base = 10s\nmax_delay = 1h\n",
};

/* Starts an enforcing daemon and has it stop the example. */
static void delayed_start(struct daemon *daemon, struct child *child)
{
	daemon_start_delaying(daemon, &long_delays, child);
}

static void killed(void)
{
	struct daemon daemon;
	struct child child;

	delayed_start(&daemon, &child);
	kill(daemon.pid, SIGKILL);
	CHECK(WIFSIGNALED(daemon_wait(&daemon)), "it did not die");
	delayed_runs_on(&child);
}

static void ended(void)
{
	struct daemon daemon;
	struct child child;

	delayed_start(&daemon, &child);
	daemon_stop(&daemon);
	delayed_runs_on(&child);
}

static void guardian_killed(void)
{
	struct daemon daemon;
	struct child child;
	pid_t guardian, renewed;

	delayed_start(&daemon, &child);
	guardian = daemon_child(&daemon, GUARDIAN);
	REQUIRE(guardian > 0, "there is no guardian");
	kill(guardian, SIGKILL);
	/* By its pid, not by its name: it may not have given itself one yet. */
	renewed = (pid_t)event_number(event_wait(&daemon, "guardian", NULL), "pid");
	CHECK(renewed > 0 && renewed != guardian && !kill(renewed, 0), "there is no other");
	kill(daemon.pid, SIGKILL);
	CHECK(WIFSIGNALED(daemon_wait(&daemon)), "it did not die");
	delayed_runs_on(&child);
}

static void guardian_stopped(void)
{
	struct daemon daemon;
	struct child child;
	pid_t guardian;

	delayed_start(&daemon, &child);
	guardian = daemon_child(&daemon, GUARDIAN);
	REQUIRE(guardian > 0, "there is no guardian");
	kill(guardian, SIGSTOP);
	daemon_log_await(&daemon, "the guardian was stopped: it goes on");
	kill(daemon.pid, SIGKILL);
	CHECK(WIFSIGNALED(daemon_wait(&daemon)), "it did not die");
	delayed_runs_on(&child);
}

static void both_killed_release(void)
{
	struct daemon daemon;
	struct child child, release;
	char conf[128];

	delayed_start(&daemon, &child);
	daemon_kill_both(&daemon);
	CHECK(child_is_stopped(&child), "it runs although nobody released it");
	snprintf(conf, sizeof(conf), "%s/ebph.conf", daemon.folder);
	CHECK(RUN(&release, "build/ebphd", "--config", conf, "--release") == 0, "%s",
	      release.output);
	CHECK(strstr(release.output, "released 1 delayed processes"), "%s", release.output);
	delayed_runs_on(&child);
}

static void both_killed_restart(void)
{
	struct daemon daemon, next;
	struct child child;
	char *log;

	delayed_start(&daemon, &child);
	daemon_kill_both(&daemon);
	CHECK(child_is_stopped(&child), "it runs although nobody released it");
	daemon_start(&next, "dry-run", NULL);
	delayed_runs_on(&child);
	daemon_stop(&next);
	log = daemon_log(&next);
	CHECK(strstr(log, "released 1 processes that a dead ebphd had delayed"), "%s", log);
}

static const struct daemon_conf short_delays = {.response = "delay_base = 2s\n"};

/* A daemon that hangs releases nobody; the guardian does it when the delay is over. */
static void stopped(void)
{
	struct daemon daemon;
	struct child child;

	daemon_start_delaying(&daemon, &short_delays, &child);
	kill(daemon.pid, SIGSTOP);
	delayed_runs_on(&child);
	kill(daemon.pid, SIGCONT);
	daemon_stop(&daemon);
}

/* Where the kernel can do it, on processors that are not idle, it needs neither. */
static void both_stopped(void)
{
	struct daemon daemon;
	struct child child;
	pid_t guardian;

	daemon_start_delaying(&daemon, &short_delays, &child);
	if (!json_is_true(json_object_get(event_at(&daemon, "start", 0, 0), "kernel_releases"))) {
		daemon_stop(&daemon);
		skip("this kernel has no bpf_send_signal_task()");
	}
	guardian = daemon_child(&daemon, GUARDIAN);
	REQUIRE(guardian > 0, "there is no guardian");
	kill(daemon.pid, SIGSTOP);
	kill(guardian, SIGSTOP);
	processors_load(true);
	delayed_runs_on(&child);
	processors_load(false);
	kill(guardian, SIGCONT);
	kill(daemon.pid, SIGCONT);
	daemon_stop(&daemon);
}

/* Who is killed while it is delayed is gone, at once. */
static void delayed_killed(void)
{
	struct daemon daemon;
	struct child child;
	int status;

	delayed_start(&daemon, &child);
	kill(child.pid, SIGKILL);
	status = child_wait(&child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %#x",
	      (unsigned int)status);
	daemon_stop(&daemon);
}

/* Executes one after the other, until it is killed. */
static pid_t executor_start(const char *const *one, const char *const *other)
{
	struct child child;
	pid_t pid = fork();

	REQUIRE(pid >= 0, "fork: %s", strerror(errno));
	if (pid)
		return pid;
	for (;;) {
		run(&child, one, NULL);
		run(&child, other, NULL);
	}
}

/*
 * At its end it takes its programs away one by one, which with all guards is seconds. Whoever
 * begins meanwhile, where another thread has ended, is not taken for that one.
 */
static void nobody_is_another(void)
{
	const struct daemon_conf conf = {.response = "deferral = yes\n"};
	const char *const lines[] = {strdup(program_path(PROGRAM("lines"))), NULL};
	const char *const frames[] = {strdup(program_path(PROGRAM("frames"))), "ff", NULL};
	struct daemon daemon;
	pid_t executors[2];

	daemon_start(&daemon, "enforce", &conf);
	train(&daemon, lines[0], lines);
	train(&daemon, frames[0], frames);
	for (size_t i = 0; i < ARRAY_SIZE(executors); i++)
		executors[i] = executor_start(lines, frames);
	daemon_stop(&daemon);
	for (size_t i = 0; i < ARRAY_SIZE(executors); i++)
		kill(executors[i], SIGKILL);
	while (wait(NULL) > 0)
		;
	CHECK(events_count(&daemon, "anomaly", 0) == 0, "%zu anomalies",
	      events_count(&daemon, "anomaly", 0));
}

const struct test death_tests[] = {
	{.name = "death: kill -9 of ebphd releases the delayed", .run = killed},
	{.name = "death: SIGTERM to ebphd releases the delayed", .run = ended, .is_once = true},
	{.name = "death: a killed guardian is replaced", .run = guardian_killed},
	{.name = "death: a stopped guardian goes on", .run = guardian_stopped, .is_once = true},
	{.name = "death: both killed, ebphd --release releases",
	 .run = both_killed_release,
	 .is_once = true},
	{.name = "death: both killed, the next start releases", .run = both_killed_restart},
	{.name = "death: ebphd hangs, its guardian releases who is due", .run = stopped},
	{.name = "death: both hang, the kernel releases who is due", .run = both_stopped},
	{.name = "death: SIGKILL ends a delayed process at once", .run = delayed_killed},
	{.name = "death: at its end nobody is taken for another",
	 .run = nobody_is_another,
	 .is_once = true},
	{},
};
