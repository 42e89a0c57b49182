// SPDX-License-Identifier: GPL-2.0-or-later
/* Attacks on the enforcer itself, each of which has worked once. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/tap.h"

#define NOBODY 65534

/* A handler's first call has no call before it; it is judged all the same. */
static void handler_execve(void)
{
	const char *path = strdup(program_path(PROGRAM("handler")));
	const char *lines = strdup(program_path(PROGRAM("lines")));
	struct daemon daemon;
	struct child child;

	daemon_start(&daemon, "enforce", NULL);
	train(&daemon, path, (const char *const[]){path, NULL});
	CHECK(RUN(&child, path) == 0, "%s", child.output);
	CHECK(events_count(&daemon, "anomaly", child.pid) == 0, "the usual run is an anomaly");
	CHECK(RUN(&child, path, lines) == 0, "%s", child.output);
	CHECK(!strcmp(child.output, "handled\n"), "it wrote %s", child.output);
	daemon_stop(&daemon);
	CHECK(events_count(&daemon, "abort", child.pid) == 1, "%zu aborts",
	      events_count(&daemon, "abort", child.pid));
}

/* Stopping one thread is nothing new for the others. */
static void sleeping_threads(void)
{
	const char *path = strdup(program_path(PROGRAM("threads")));
	struct daemon daemon;
	struct child child;
	size_t n;

	daemon_start(&daemon, "enforce", NULL);
	train(&daemon, path, (const char *const[]){path, NULL});
	CHECK(RUN(&child, path, "x") == 0, "%s", child.output);
	CHECK(!strcmp(child.output, "line\nline\n"), "it wrote %s", child.output);
	daemon_stop(&daemon);
	n = events_count(&daemon, "anomaly", child.pid);
	CHECK(n >= 1, "no anomaly");
	for (size_t i = 0; i < n; i++) {
		json_t *anomaly = event_at(&daemon, "anomaly", child.pid, i);

		CHECK(event_number(anomaly, "tid") == child.pid, "thread %ld: %s",
		      event_number(anomaly, "tid"), event_text(anomaly, "call"));
	}
}

#define FALSE_NAME "/usr/sbin/sshd"

static const char *serve;

static void false_name_prepare(void)
{
	if (setgid(NOBODY) || setuid(NOBODY) || unshare(CLONE_NEWUSER | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount(serve, FALSE_NAME, NULL, MS_BIND, NULL))
		_exit(125);
}

static void serve_run(struct child *child, const char *argument)
{
	const struct child_how how = {.wants_input = true};

	child_start(child, (const char *const[]){serve, argument, NULL}, &how);
	for (int i = 0; i < 10; i++)
		child_ask(child, "hello\n");
}

/* In a mount namespace of one's own, any file has any name; here it is not believed. */
static void false_name(void)
{
	const struct child_how how = {.prepare = false_name_prepare};
	const char *lines = strdup(program_path(PROGRAM("lines")));
	struct daemon daemon;
	struct child child;
	int fd;

	serve = strdup(program_path(PROGRAM("serve")));
	mkdir("/usr/sbin", 0755);
	fd = open(FALSE_NAME, O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
	CHECK(fd >= 0, "%s", strerror(errno));
	close(fd);
	daemon_start(&daemon, "enforce", NULL);
	REQUIRE(run(&child, (const char *const[]){FALSE_NAME, NULL}, &how) == 0,
		"the attack itself fails: %s", child.output);
	event_wait(&daemon, "profile", "hint", FALSE_NAME " (unverified)", NULL);
	for (int i = 0; i < 4; i++) {
		serve_run(&child, NULL);
		CHECK(child_wait(&child) == 0, "%s", child.output);
	}
	event_wait(&daemon, "state", "path", serve, "after", "normal", NULL);
	serve_run(&child, lines);
	child_ask(&child, "shell\n");
	CHECK(!strcmp(child.output, "refused: Operation not permitted\n"), "%s", child.output);
	child_wait(&child);
	daemon_stop(&daemon);
	unlink(FALSE_NAME);
}

/* The reader of our log may be whom we have stopped: nothing waits for it. */
static void unread_log(void)
{
	const char *path = strdup(program_path(PROGRAM("lines")));
	struct daemon_conf conf = {.response = "delay_base = 250ms\nmax_delay = 250ms\n"};
	struct daemon daemon;
	struct child child;
	int ends[2];

	REQUIRE(!pipe2(ends, O_CLOEXEC), "%s", strerror(errno));
	REQUIRE(fcntl(ends[1], F_SETPIPE_SZ, 4096) >= 4096, "%s", strerror(errno));
	conf.log_fd = ends[1];
	daemon_start(&daemon, "enforce", &conf);
	train(&daemon, path, (const char *const[]){path, NULL});
	for (int i = 0; i < 12; i++) { /* three lines of some 150 bytes for each */
		CHECK(RUN(&child, path, "x", "y") == 0, "%s", child.output);
		CHECK(child.stops == 2, "run %d: stopped %d times", i, child.stops);
	}
	daemon_stop(&daemon);
}

/* Whoever floods the daemon with news does not keep it from releasing others. */
static void flood(void)
{
	const struct child_how nobody = {.uid = NOBODY};
	const struct daemon_conf conf = {.response = "delay_base = 1s\n"};
	const char *path = strdup(program_path(PROGRAM("lines")));
	const char *flood_path = strdup(program_path(PROGRAM("flood")));
	struct child child, flooding;
	struct daemon daemon;
	json_t *stop, *release;
	double late;

	daemon_start(&daemon, "enforce", &conf);
	train(&daemon, path, (const char *const[]){path, NULL});
	chmod("/ebph", 0755);
	child_start(&flooding, (const char *const[]){flood_path, NULL}, &nobody);
	event_wait(&daemon, "profile", "path", flood_path, NULL);
	for (int i = 0; i < 3; i++)
		CHECK(RUN(&child, path, "x") == 0, "%s", child.output);
	kill(flooding.pid, SIGKILL);
	child_wait(&flooding);
	daemon_stop(&daemon);
	stop = event_at(&daemon, "stop", child.pid, 0);
	release = event_at(&daemon, "release", child.pid, 0);
	REQUIRE(stop && release, "no stop or no release was reported");
	late = json_real_value(json_object_get(release, "time")) -
	       json_real_value(json_object_get(stop, "time"));
	CHECK(late < 20, "a delay of 2 s lasted %.1f s", late); /* generous: it was endless */
}

const struct test attack_tests[] = {
	{.name = "attack: execve as the first call of a signal handler", .run = handler_execve},
	{.name = "attack: sleeping threads of a delayed process", .run = sleeping_threads},
	{.name = "attack: a false name from a foreign mount namespace", .run = false_name},
	{.name = "attack: a log that nobody reads", .run = unread_log, .is_once = true},
	{.name = "attack: a flood of events", .run = flood, .is_once = true},
	{},
};
