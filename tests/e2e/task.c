// SPDX-License-Identifier: GPL-2.0-or-later
/* A task's life: who it is after all the ways to execute, and what it does without system calls. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/tap.h"

/* `lines x` has two anomalies, see story.c. Were they @pid's, and under the name of @path? */
static void lines_anomalies_check(struct daemon *daemon, const char *path, pid_t pid,
				  const char *how)
{
	size_t n = 0;

	/* Before, it was another program, which may have had some of its own. */
	for (size_t i = 0; i < events_count(daemon, "anomaly", pid); i++)
		n += !strcmp(event_text(event_at(daemon, "anomaly", pid, i), "path"), path);
	CHECK(n == 2, "%s: %zu anomalies of pid %d", how, n, pid);
}

/* However a program is executed, its calls are judged by its own profile. */
static void executions(void)
{
	static const char *const ways[] = {"execve", "execveat", "fexecve",
					   "thread", "vfork",	 "pidns"};
	const size_t n_ways = sizeof(ways) / sizeof(*ways);
	const char *lines = strdup(program_path(PROGRAM("lines")));
	struct child children[sizeof(ways) / sizeof(*ways)];
	struct daemon daemon;

	daemon_start(&daemon, "dry-run", NULL);
	train(&daemon, lines, (const char *const[]){lines, NULL});
	for (size_t i = 0; i < n_ways; i++)
		CHECK(RUN(&children[i], PROGRAM("exec"), ways[i], lines, "x") == 0, "%s: %s",
		      ways[i], children[i].output);
	daemon_stop(&daemon);
	for (size_t i = 0; i < n_ways; i++) {
		const char *told = strstr(children[i].output, "pid ");
		pid_t pid = told ? atoi(told + 4) : children[i].pid;

		/* In a pid namespace of its own it is process 1; events number as the host does. */
		CHECK(!strcmp(ways[i], "vfork") || !strcmp(ways[i], "pidns") ? told != NULL : !told,
		      "%s: %s", ways[i], children[i].output);
		lines_anomalies_check(&daemon, lines, pid, ways[i]);
	}
}

/* A script is its interpreter: here one that writes a second line because it has an argument. */
static void script(void)
{
	const char *lines = strdup(program_path(PROGRAM("lines")));
	struct daemon daemon;
	struct child child;
	char path[128];
	FILE *file;

	daemon_start(&daemon, "dry-run", NULL);
	train(&daemon, lines, (const char *const[]){lines, NULL});
	snprintf(path, sizeof(path), "%s/script", daemon.folder);
	file = fopen(path, "we");
	REQUIRE(file, "cannot make %s", path);
	fprintf(file, "#!%s\n", lines);
	fclose(file);
	chmod(path, 0755);
	CHECK(RUN(&child, path) == 0, "%s", child.output);
	CHECK(!strcmp(child.output, "one\ntwo\n"), "it wrote %s", child.output);
	daemon_stop(&daemon);
	lines_anomalies_check(&daemon, lines, child.pid, "script");
}

/* A process that ran before the daemon is followed, under its own program's profile. */
static void adopted(void)
{
	const struct child_how how = {.wants_input = true};
	const char *serve = strdup(program_path(PROGRAM("serve")));
	const char *lines = strdup(program_path(PROGRAM("lines")));
	struct child old, young;
	struct daemon daemon;
	json_t *anomaly;

	child_start(&old, (const char *const[]){serve, lines, NULL}, &how);
	child_ask(&old, "hello\n");
	daemon_start(&daemon, "dry-run", NULL);
	child_ask(&old, "hello\n");
	for (int i = 0; i < 4; i++) {
		child_start(&young, (const char *const[]){serve, NULL}, &how);
		for (int j = 0; j < 10; j++)
			child_ask(&young, "hello\n");
		close(young.in_fd);
		CHECK(child_wait(&young) == 0, "%s", young.output);
	}
	event_wait(&daemon, "state", "path", serve, "after", "normal", NULL);
	child_ask(&old, "hello\n");
	child_ask(&old, "shell\n");
	close(old.in_fd);
	CHECK(child_wait(&old) == 0, "%s", old.output);
	daemon_stop(&daemon);
	anomaly = event_at(&daemon, "anomaly", old.pid, 0);
	REQUIRE(anomaly, "no anomaly");
	CHECK(!strcmp(event_text(anomaly, "call"), "execve"), "%s", event_text(anomaly, "call"));
	CHECK(!strcmp(event_text(anomaly, "path"), serve), "%s", event_text(anomaly, "path"));
}

/* An operation that no training ever handed to io_uring. Return: the anomaly at it. */
static json_t *uring_anomaly(struct daemon *daemon, const char *how, const char *mode,
			     struct child *child)
{
	const char *path = strdup(program_path(PROGRAM("uring")));
	/* A wait that a delay has interrupted begins anew, which is one more call to be delayed. */
	const struct daemon_conf conf = {.response = "delay_base = 500ms\nmax_delay = 500ms\n"};
	json_t *anomaly;
	size_t i = 0;

	daemon_start(daemon, mode, &conf);
	train(daemon, path, (const char *const[]){path, how, NULL});
	CHECK(RUN(child, path, how) == 0, "%s", child->output);
	CHECK(events_count(daemon, "anomaly", 0) == 0, "the usual run has anomalies");
	CHECK(RUN(child, path, how, "x") == 0, "%s", child->output);
	daemon_stop(daemon);
	do {
		anomaly = event_at(daemon, "anomaly", child->pid, i++);
	} while (anomaly && strcmp(event_text(anomaly, "call"), "uring:openat") != 0);
	REQUIRE(anomaly, "no anomaly at uring:openat, %zu in all",
		events_count(daemon, "anomaly", child->pid));
	CHECK(!strcmp(event_text(anomaly, "path"), path), "by %s", event_text(anomaly, "path"));
	return anomaly;
}

static void uring_plain(void)
{
	struct daemon daemon;
	struct child child;
	json_t *anomaly = uring_anomaly(&daemon, "PLAIN", "dry-run", &child);

	CHECK(event_number(anomaly, "tid") == child.pid, "thread %ld",
	      event_number(anomaly, "tid"));
	/* The call that has submitted it stands before it. */
	CHECK(!strcmp(json_string_value(json_array_get(json_object_get(anomaly, "earlier"), 0)),
		      "io_uring_enter"),
	      "after %s",
	      json_string_value(json_array_get(json_object_get(anomaly, "earlier"), 0)));
}

static void uring_polled(void)
{
	struct daemon daemon;
	struct child child;
	json_t *anomaly = uring_anomaly(&daemon, "SQPOLL", "enforce", &child);

	CHECK(event_number(anomaly, "tid") != child.pid, "it was the program's own thread");
	CHECK(!strcmp(json_string_value(json_array_get(json_object_get(anomaly, "earlier"), 0)),
		      "uring:nop"),
	      "after %s",
	      json_string_value(json_array_get(json_object_get(anomaly, "earlier"), 0)));
	/* The kernel's thread takes the stop, and with it the whole process. */
	CHECK(child.stops >= 1, "never stopped");
}

const struct test task_tests[] = {
	{.name = "task: executed in all ways, judged by its own profile", .run = executions},
	{.name = "task: a script is its interpreter", .run = script, .is_once = true},
	{.name = "task: who ran before the daemon is followed", .run = adopted},
	{.name = "task: an operation handed to io_uring", .run = uring_plain},
	{.name = "task: io_uring with a polling thread", .run = uring_polled},
	{},
};
