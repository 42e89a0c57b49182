// SPDX-License-Identifier: GPL-2.0-or-later
/* Delays for nothing: a program that is drilled does what it does without. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/shelf.h"
#include "tests/harness/tap.h"

#define BUSYBOX "/usr/bin/busybox"

/* All of it is busybox in the machine that tests run in: the shell, and each part of a pipeline. */
#define SHELL_DOES                                                                                 \
	"rm -rf /tmp/drill; mkdir /tmp/drill; cd /tmp/drill; i=0\n"                                \
	"while [ $i -lt 12 ]; do echo line $i; i=$((i+1)); done | sort -r | sed s/line/row/ |"     \
	" head -n 5\n"                                                                             \
	"for f in a b c; do echo $f > $f; ln $f $f.2; mv $f.2 $f.3; done; cat a b c; ls | tr a-z"  \
	" A-Z\n"                                                                                   \
	"seq 100 | wc -l; (sleep 0.01; echo late) & wait; echo $(echo a b | wc -w)\n"              \
	"trap 'echo got it' USR1; kill -USR1 $$; false || echo no; md5sum a; rm a && ls a"

/* Drills seen so far: stops that say so. */
static size_t drills_count(struct daemon *daemon)
{
	size_t n = events_count(daemon, "stop", 0), drills = 0;

	for (size_t i = 0; i < n; i++)
		drills += json_is_true(json_object_get(event_at(daemon, "stop", 0, i), "drill"));
	return drills;
}

/* Starts a daemon that drills @path, and has it learn whose path that is. */
static void drill_begin(struct daemon *daemon, const char *mode, const char *response,
			const char *path, const char *more)
{
	/* It learns all the time: no anomalies. */
	struct daemon_conf conf = {.detection = "normal_wait = 1d\n", .response = response};
	char drill[256];

	snprintf(drill, sizeof(drill), "executable = %s\none_in = 3\ndelay = 1ms\n%s", path, more);
	conf.drill = drill;
	daemon_start(daemon, mode, &conf);
	CHECK(!strcmp(event_text(event_at(daemon, "drill", 0, 0), "path"), path), "no drill");
}

/* Runs @argv without and with a drill of @path. @min: drills that there must have been */
static void alike(const char *response, const char *path, const char *const *argv, size_t min)
{
	struct child child, without, with;
	struct daemon daemon;
	int status = run(&without, argv, NULL);
	size_t n;

	drill_begin(&daemon, "enforce", response, path, "");
	CHECK(RUN(&child, path, "true") == 0, "%s", child.output);
	event_wait(&daemon, "drill", "state", "found", NULL);
	CHECK(run(&with, argv, NULL) == status, "%s", with.output);
	CHECK(!strcmp(with.output, without.output), "%s\nwithout:\n%s", with.output,
	      without.output);
	daemon_stop(&daemon);
	n = drills_count(&daemon);
	CHECK(n >= min, "%zu drills only", n);
	CHECK(n == events_count(&daemon, "stop", 0), "%zu of %zu stops were drills", n,
	      events_count(&daemon, "stop", 0));
	CHECK(events_count(&daemon, "release", 0) <= n, "more releases than stops");
}

static void shell(void)
{
	static const char *const argv[] = {"/bin/sh", "-c", SHELL_DOES, NULL};

	alike("deferral = yes\n", BUSYBOX, argv, 100);
}

static void shell_after(void)
{
	static const char *const argv[] = {"/bin/sh", "-c", SHELL_DOES, NULL};

	alike("deferral = no\n", BUSYBOX, argv, 100);
}

static void patient(void)
{
	const char *path = strdup(program_path(PROGRAM("patient")));

	alike("deferral = yes\n", path, (const char *const[]){path, NULL}, 200);
}

/* In the other modes nobody is stopped, and it is counted. */
static void dry_run(void)
{
	const char *path = strdup(program_path(PROGRAM("patient")));
	struct daemon daemon;
	struct child child;
	char *log;

	drill_begin(&daemon, "dry-run", NULL, path, "");
	CHECK(RUN(&child, path) == 0, "%s", child.output);
	event_wait(&daemon, "drill", "state", "found", NULL);
	CHECK(RUN(&child, path) == 0, "%s", child.output);
	CHECK(child.stops == 0, "stopped %d times", child.stops);
	daemon_stop(&daemon);
	CHECK(events_count(&daemon, "stop", 0) == 0, "%zu stops", events_count(&daemon, "stop", 0));
	log = daemon_log(&daemon);
	CHECK(strstr(log, " calls would have been delayed for nothing"), "%s", log);
	CHECK(!strstr(log, "drill: 0 calls"), "%s", log);
}

static void ends(void)
{
	const char *path = strdup(program_path(PROGRAM("patient")));
	struct daemon daemon;
	struct child child;
	json_t *end;

	drill_begin(&daemon, "enforce", NULL, path, "duration = 8s\n");
	CHECK(RUN(&child, path) == 0, "%s", child.output);
	CHECK(RUN(&child, path) == 0, "%s", child.output);
	end = event_wait(&daemon, "drill", "state", "ends", NULL);
	CHECK(event_number(end, "delays") > 0, "%ld delays", event_number(end, "delays"));
	CHECK(RUN(&child, path) == 0, "%s", child.output);
	CHECK(child.stops == 0, "stopped %d times", child.stops);
	daemon_stop(&daemon);
}

#define PROTECTED "/usr/sbin/sshd"

static void protected(void)
{
	struct daemon daemon;
	struct child child;

	mkdir("/usr/sbin", 0755);
	program_copy(program_path(PROGRAM("patient")), "/usr/sbin", "sshd");
	drill_begin(&daemon, "enforce", NULL, PROTECTED, "");
	CHECK(RUN(&child, PROTECTED) == 0, "%s", child.output);
	event_wait(&daemon, "drill", "state", "refused", NULL);
	CHECK(RUN(&child, PROTECTED) == 0, "%s", child.output);
	CHECK(child.stops == 0, "stopped %d times", child.stops);
	daemon_stop(&daemon);
	CHECK(events_count(&daemon, "stop", 0) == 0, "%zu stops", events_count(&daemon, "stop", 0));
	unlink(PROTECTED);
}

const struct test drill_tests[] = {
	{.name = "drill: a shell and its pipelines do what they do without",
	 .run = shell,
	 .is_once = true},
	{.name = "drill: likewise when stops come after the call",
	 .run = shell_after,
	 .is_once = true},
	{.name = "drill: whoever waits is not disturbed", .run = patient, .is_once = true},
	{.name = "drill: dry-run counts and stops nobody", .run = dry_run, .is_once = true},
	{.name = "drill: it ends on time", .run = ends, .is_once = true, .is_long = true},
	{.name = "drill: never of a protected program", .run = protected, .is_once = true},
	{},
};
