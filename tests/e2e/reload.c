// SPDX-License-Identifier: GPL-2.0-or-later
/* A new configuration while ebphd runs: all of it, or none. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <unistd.h>

#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/tap.h"

static const struct daemon_conf plain;

/* Starts it as its file says, and trains the example. Return: its path. */
static const char *trained_start(struct daemon *daemon, struct daemon_conf conf,
				 const char *const *arguments)
{
	const char *path = strdup(program_path(PROGRAM("lines")));

	conf.enforcer = "mode = dry-run\n";
	daemon_start_with(daemon, NULL, &conf, arguments);
	train(daemon, path, (const char *const[]){path, NULL});
	return path;
}

/* Runs the example with two lines more than it was trained to write. Return: the last anomaly. */
static json_t *excess(struct daemon *daemon, const char *path)
{
	struct child child;

	CHECK(run(&child, (const char *const[]){path, "a", "b", NULL}, NULL) == 0, "%s",
	      child.output);
	event_wait(daemon, "anomaly", "path", path, "call", "write", NULL);
	return event_wait(daemon, "anomaly", "path", path, "call", "write", NULL);
}

static void check_logged(struct daemon *daemon, const char *line)
{
	char *log = daemon_log(daemon);

	CHECK(strstr(log, line), "not in the log: %s; but: %s", line, log);
	free(log);
}

static void modes(void)
{
	struct daemon daemon;
	const char *path = trained_start(&daemon, plain, NULL);

	CHECK(!strcmp(event_text(excess(&daemon, path), "mode"), "dry-run"), "not in dry-run");
	CHECK(events_count(&daemon, "stop", 0) == 0, "dry-run stopped somebody");

	daemon_reload(&daemon, "[enforcer]\nmode = enforce\n", "taken");
	check_logged(&daemon, "[enforcer] mode: dry-run -> enforce");
	CHECK(daemon_child(&daemon, GUARDIAN), "there is no guardian");
	CHECK(!strcmp(event_text(excess(&daemon, path), "mode"), "enforce"), "not enforcing");
	event_wait(&daemon, "stop", "path", path, NULL);
	event_wait(&daemon, "release", NULL);

	daemon_reload(&daemon, "[enforcer]\nmode = monitor\n", "taken");
	CHECK(!strcmp(event_text(excess(&daemon, path), "mode"), "monitor"), "not monitoring");
	daemon_reload(&daemon, "[enforcer]\nmode = enforce\n", "taken");
	CHECK(!strcmp(event_text(excess(&daemon, path), "mode"), "enforce"), "not enforcing");
	event_wait(&daemon, "stop", "path", path, NULL);
	daemon_stop(&daemon);
}

/* The guards are loaded in dry-run, and attached when it ends. */
static void deferral(void)
{
	const struct daemon_conf conf = {.response = "deferral = yes\n"};
	struct daemon daemon;
	const char *path = trained_start(&daemon, conf, NULL);
	json_t *stop;

	excess(&daemon, path);
	CHECK(events_count(&daemon, "stop", 0) == 0, "dry-run stopped somebody");
	daemon_reload(&daemon, "[enforcer]\nmode = enforce\n", "taken");
	excess(&daemon, path);
	stop = event_wait(&daemon, "stop", "path", path, NULL);
	CHECK(json_is_true(json_object_get(stop, "deferred")), "the call was made first");
	daemon_stop(&daemon);
}

static void enforcing_ends_while_someone_is_delayed(void)
{
	const struct daemon_conf conf = {.response = "delay_base = 1s\n"};
	struct daemon daemon;
	const char *path = trained_start(&daemon, conf, NULL);
	struct child child;

	daemon_reload(&daemon, "[enforcer]\nmode = enforce\n", "taken");
	child_start(&child, (const char *const[]){path, "x", NULL}, NULL);
	REQUIRE(child_wait_stopped(&child), "it was not stopped: %s", child.output);
	daemon_reload(&daemon, "[enforcer]\nmode = dry-run\n", "taken");
	event_wait(&daemon, "release", NULL);
	CHECK(child_wait(&child) == 0, "%s", child.output);
	CHECK(events_count(&daemon, "stop", child.pid) == 1, "%zu stops",
	      events_count(&daemon, "stop", child.pid));
	daemon_stop(&daemon);
}

static void settings(void)
{
	struct daemon daemon;
	const char *path = trained_start(&daemon, plain, NULL);

	CHECK(event_number(excess(&daemon, path), "delay_ms") == 40, "not the default delay");
	daemon_reload(&daemon, "[response]\ndelay_base = 20ms\n", "taken");
	check_logged(&daemon, "[response] delay_base: 10ms -> 20ms");
	CHECK(event_number(excess(&daemon, path), "delay_ms") == 80, "not the new delay");
	daemon_reload(&daemon, "[store]\nmax_profiles = 20\n[response]\ntolerance = 1\n", "taken");
	check_logged(&daemon, "[store] max_profiles: 4096 -> 20: not done, it takes a restart");
	CHECK(event_number(excess(&daemon, path), "delay_ms") == 40, "not the default again");
	daemon_stop(&daemon);
}

static void all_or_nothing(void)
{
	static const struct {
		const char *text, *logged;
	} bad[] = {
		{"[response]\ndelay_base = 20ms\ntolerance = x\n",
		 "ebph.conf.d/test.conf:3:13: tolerance: 'x' is not a whole number"},
		{"[response]\ndelay_base = 20ms\n[store]\nmemory_limit = 4M\n",
		 "memory_limit is too little"},
		{"[response]\ndelay_base = 20ms\n[enforcer]\nmode = enforce\nrequire = yes\n",
		 "this kernel cannot abort an execve, and require = yes"},
		{"[response]\ndelay_base = 20ms\n[log]\nevents = /proc/no/such\n",
		 "cannot open the event file /proc/no/such"},
	};
	struct daemon daemon;
	const char *path =
		trained_start(&daemon, (struct daemon_conf){.store = "max_profiles = 65536\n"},
			      (const char *const[]){"--best-rung", "none", NULL});

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		daemon_reload(&daemon, bad[i].text, "refused");
		check_logged(&daemon, bad[i].logged);
		CHECK(event_number(excess(&daemon, path), "delay_ms") == 40, "%s", bad[i].text);
	}
	check_logged(&daemon, "the configuration is not taken, all stays as it was");
	daemon_stop(&daemon);
}

static double time_of(const json_t *event)
{
	return json_real_value(json_object_get(event, "time"));
}

/*
 * Whoever opens the drop-in waits until we allow it, as on a file system that does not answer. The
 * daemon goes on: who is delayed meanwhile is released on time.
 */
static void a_file_that_does_not_answer(void)
{
	const struct daemon_conf conf = {.response = "delay_base = 500ms\n"};
	struct daemon daemon;
	const char *path = trained_start(&daemon, conf, NULL);
	char drop_in[128];
	struct child child;
	double waited;
	int fd;

	daemon_reload(&daemon, "[enforcer]\nmode = enforce\n", "taken");
	snprintf(drop_in, sizeof(drop_in), "%s/ebph.conf.d/test.conf", daemon.folder);
	fd = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY);
	if (fd < 0)
		skip("this kernel cannot keep anybody from opening a file");
	REQUIRE(!fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD, drop_in), "%s: %s",
		drop_in, strerror(errno));
	child_start(&child, (const char *const[]){path, "x", NULL}, NULL);
	REQUIRE(child_wait_stopped(&child), "it was not stopped: %s", child.output);
	kill(daemon.pid, SIGHUP);
	event_wait(&daemon, "reload", "result", "refused", NULL);
	check_logged(&daemon, "does a file system not answer");
	waited = time_of(event_wait(&daemon, "release", NULL)) -
		 time_of(event_at(&daemon, "stop", child.pid, 0));
	CHECK(waited < 3, "released after %.1f s, not 1", waited);
	CHECK(child_wait(&child) == 0, "%s", child.output);
	close(fd); /* all is allowed */
	kill(daemon.pid, SIGHUP);
	event_wait(&daemon, "reload", "result", "taken", NULL);
	daemon_stop(&daemon);
}

static size_t n_descriptors(const struct daemon *daemon)
{
	char path[64];
	size_t n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", daemon->pid);
	dir = opendir(path);
	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

static void nothing_is_left_behind(void)
{
	struct daemon daemon;
	size_t before;

	trained_start(&daemon, plain, NULL);
	daemon_reload(&daemon, "[enforcer]\nmode = enforce\n", "taken");
	before = n_descriptors(&daemon);
	for (int i = 0; i < 5; i++) {
		daemon_reload(&daemon, "[enforcer]\nmode = dry-run\n", "taken");
		daemon_reload(&daemon, "[enforcer]\nmode = enforce\n", "taken");
		daemon_reload(&daemon, "[enforcer]\nmode = none\n", "refused");
	}
	CHECK(n_descriptors(&daemon) == before, "%zu descriptors, and then %zu", before,
	      n_descriptors(&daemon));
	daemon_stop(&daemon);
}

const struct test reload_tests[] = {
	{.name = "reload: the mode changes, to enforce too", .run = modes},
	{.name = "reload: from dry-run to delays before the call",
	 .run = deferral,
	 .is_once = true},
	{.name = "reload: enforcing ends while someone is delayed",
	 .run = enforcing_ends_while_someone_is_delayed,
	 .is_once = true},
	{.name = "reload: settings take effect, or wait for a restart",
	 .run = settings,
	 .is_once = true},
	{.name = "reload: with any mistake all stays as it was",
	 .run = all_or_nothing,
	 .is_once = true},
	{.name = "reload: a file that does not answer",
	 .run = a_file_that_does_not_answer,
	 .is_once = true},
	{.name = "reload: nothing is left behind", .run = nothing_is_left_behind, .is_once = true},
	{},
};
