// SPDX-License-Identifier: GPL-2.0-or-later
/* What may be executed whatever happens, and whose control group is left alone. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/e2e/group.h"
#include "tests/e2e/serve.h"
#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/tap.h"

/* ---- what is executed ----------------------------------------------------------------------- */

/* A program, a symbolic link to it, and a script that it interprets. */
#define FOLDER	    "/tmp/ebph-allow/"
#define TARGET	    FOLDER "target"
#define LINK	    FOLDER "link"
#define SCRIPT	    FOLDER "script"
#define REPLACEMENT FOLDER "replacement"
#define OTHER_FILE  FOLDER "other"

static void file_make(const char *path, const char *line)
{
	FILE *file = fopen(path, "we");

	REQUIRE(file, "%s: %s", path, strerror(errno));
	fputs(line, file);
	fclose(file);
	chmod(path, 0755);
}

/* Makes @path the example: a new file each time. */
static void target_make(const char *path)
{
	struct child child;

	REQUIRE(RUN(&child, "cp", program_path(PROGRAM("lines")), REPLACEMENT) == 0 &&
			rename(REPLACEMENT, path) == 0,
		"%s: %s", path, child.output);
}

static void files_make(void)
{
	mkdir(FOLDER, 0700);
	target_make(TARGET);
	unlink(LINK);
	REQUIRE(!symlink(TARGET, LINK), "%s", strerror(errno));
	file_make(SCRIPT, "#!" TARGET "\n");
}

struct server {
	struct daemon daemon;
	const char *path;
};

static void server_start(struct server *server, const struct daemon_conf *conf, const char *rung)
{
	files_make();
	daemon_start_with(&server->daemon, NULL, conf,
			  (const char *const[]){"--best-rung", rung, NULL});
	if (strcmp(event_text(event_at(&server->daemon, "start", 0, 0), "abort_rung"), rung)) {
		daemon_stop(&server->daemon);
		skip("this kernel does not have it");
	}
	server->path = serve_train(&server->daemon);
}

/* What came of an execve that was never made in training. */
struct outcome {
	pid_t pid;
	bool ran;
	json_t *anomaly; /* at the execve */
};

static struct outcome execute(struct server *server, const char *target)
{
	struct outcome ret = {0};
	struct child child;

	serve_start(&child, server->path, (const char *const[]){target, NULL});
	child_ask(&child, "hello\n");
	REQUIRE(write(child.in_fd, "shell\n", 6) == 6, "it does not listen");
	CHECK(child_wait(&child) == 0, "%s", child.output);
	ret.pid = child.pid;
	ret.ran = strstr(child.output, "one\n");
	if (!ret.ran)
		CHECK(strstr(child.output, "refused: Operation not permitted\n"), "%s",
		      child.output);
	do
		ret.anomaly = event_wait(&server->daemon, "anomaly", "path", server->path, "call",
					 "execve", NULL);
	while (event_number(ret.anomaly, "pid") != child.pid);
	return ret;
}

static bool says(const json_t *event, const char *member)
{
	return json_is_true(json_object_get(event, member));
}

/* Stops of the server itself; what it executes has a life of its own. */
static size_t stops_of(struct server *server, pid_t pid)
{
	json_t *stop;
	size_t n = 0;

	for (size_t i = 0; (stop = event_at(&server->daemon, "stop", pid, i)); i++)
		n += !strcmp(event_text(stop, "path"), server->path);
	return n;
}

/* It runs if that is allowed, and the anomaly is reported in any case. */
static void check_outcome(struct server *server, const struct outcome *outcome, bool allowed,
			  bool enforced)
{
	const size_t n_stops = stops_of(server, outcome->pid);

	CHECK(outcome->ran == (allowed || !enforced), "it %s",
	      outcome->ran ? "ran" : "did not run");
	CHECK(says(outcome->anomaly, "abort") == !allowed, "an abort was decided: %d", allowed);
	CHECK(says(outcome->anomaly, "stop") == !allowed, "a stop was decided: %d", allowed);
	CHECK((n_stops > 0) == (!allowed && enforced), "%zu stops", n_stops);
}

/* %s is the path of the server. */
static const struct {
	const char *text, *target;
	bool allowed;
} cases[] = {
	{"# %s\n", TARGET, false},
	{"[allow]\nexec = /no/such " TARGET "\n# %s\n", TARGET, true},
	{"[allow]\nexec = " TARGET "\n# %s\n", LINK, true},
	{"[allow]\nexec = " TARGET "\n# %s\n", SCRIPT, false},
	{"[allow]\nexec = " SCRIPT "\n# %s\n", SCRIPT, true},
	{"[allow]\nexec = " LINK "\n# %s\n", TARGET, true},
	{"[allow]\nexec = " FOLDER "t[a-b]rge?\n# %s\n", TARGET, true},
	{"[allow]\nexec = " FOLDER "*/target\n# %s\n", TARGET, false},
	{"[binary %s]\nallow_exec = " TARGET "\n", TARGET, true},
	{"[binary %s]\ntolerance = 0\n[binary /no/such]\nallow_exec = " TARGET "\n", TARGET, false},
};

static void configure(struct server *server, const char *format)
{
	daemon_reload_for(&server->daemon, format, server->path);
}

/* The first @n_cases of them. */
static void targets(const char *mode, const char *rung, size_t n_cases)
{
	const struct daemon_conf conf = {.enforcer = mode, .response = "exec_abort_limit = 5\n"};
	const bool enforced = strstr(mode, "enforce");
	struct server server;

	server_start(&server, &conf, rung);
	for (size_t i = 0; i < n_cases; i++) {
		struct outcome outcome;

		note("%s", cases[i].target);
		configure(&server, cases[i].text);
		outcome = execute(&server, cases[i].target);
		daemon_reload(&server.daemon, "", "taken"); /* all events are there */
		check_outcome(&server, &outcome, cases[i].allowed, enforced);
	}
	daemon_stop(&server.daemon);
}

static void by_override(void)
{
	targets("mode = enforce\n", "bpf_override_return", 2);
}

static void by_fmod_ret(void)
{
	targets("mode = enforce\n", "fmod_ret", sizeof(cases) / sizeof(cases[0]));
}

static void by_lsm(void)
{
	targets("mode = enforce\n", "lsm", 2);
}

static void in_dry_run(void)
{
	targets("mode = dry-run\n", "fmod_ret", 2);
}

/* Another file at the same path is allowed as soon as it has been looked for again. */
static void replaced(void)
{
	const struct daemon_conf conf = {.enforcer = "mode = enforce\n"};
	struct server server;
	pid_t finder;

	server_start(&server, &conf, "fmod_ret");
	configure(&server, "[allow]\nexec = " TARGET "\n# %s\n");
	CHECK(execute(&server, TARGET).ran, "refused");
	target_make(TARGET);
	while (!execute(&server, TARGET).ran) /* the time limit of the test ends it */
		;
	/* Who looks for it dies: there is another. */
	finder = daemon_child(&server.daemon, "ebph-finder");
	REQUIRE(finder && !kill(finder, SIGKILL), "nobody looks for it");
	target_make(TARGET);
	while (!execute(&server, TARGET).ran)
		;
	CHECK(daemon_child(&server.daemon, "ebph-finder") != finder, "it lives");
	/* And no more of it when nothing is to be looked for. */
	configure(&server, "# nothing for %s\n");
	CHECK(!execute(&server, TARGET).ran, "still allowed");
	daemon_stop(&server.daemon);
}

/*
 * While an execve of an allowed file waits for a delay from before, its path leads elsewhere. By
 * the rung whose hook is the last to be attached, and so the first to be asked.
 */
static void exchanged(void)
{
	const struct daemon_conf conf = {.enforcer = "mode = enforce\n",
					 .response = "deferral = yes\ndelay_base = 1s\n"
						     "max_delay = 1s\n"};
	struct server server;
	struct child child;

	server_start(&server, &conf, "bpf_override_return");
	target_make(OTHER_FILE);
	configure(&server, "[allow]\nexec = " TARGET "\n# %s\n");
	serve_start(&child, server.path, (const char *const[]){LINK, NULL});
	child_ask(&child, "hello\n");
	REQUIRE(write(child.in_fd, "wait\n", 5) == 5, "it does not listen");
	REQUIRE(child_wait_stopped(&child), "%s", child.output);
	REQUIRE(!unlink(LINK) && !symlink(OTHER_FILE, LINK), "%s", strerror(errno));
	CHECK(child_wait(&child) == 0, "%s", child.output);
	CHECK(strstr(child.output, "refused: Operation not permitted\n"), "%s", child.output);
	CHECK(says(event_at(&server.daemon, "stop", child.pid, 0), "deferred"),
	      "it was not the execve that waited");
	daemon_stop(&server.daemon);
}

/* Where nothing asks what is executed, that is said, and nothing is allowed. */
static void without_a_hook(void)
{
	const struct daemon_conf conf = {.enforcer = "mode = enforce\n"};
	struct server server;
	struct outcome outcome;
	char *log;

	server_start(&server, &conf, "none");
	configure(&server, "[allow]\nexec = " TARGET "\n# %s\n");
	log = daemon_log(&server.daemon);
	CHECK(strstr(log, "[ALLOW] EXEC AND ALLOW_EXEC HAVE NO EFFECT"), "%s", log);
	free(log);
	outcome = execute(&server, TARGET);
	CHECK(says(outcome.anomaly, "stop") && says(outcome.anomaly, "abort"), "it is allowed");
	daemon_stop(&server.daemon);
}

/* ---- control groups ------------------------------------------------------------------------- */

/* Is the example, with a line more than it was trained to write, stopped in this group? */
static bool is_stopped_in(struct daemon *daemon, const char *path, const char *group)
{
	const struct child_how how = {.prepare = group_enter};
	struct child child;
	json_t *anomaly;

	group_for_next_child(group);
	CHECK(run(&child, (const char *const[]){path, "x", NULL}, &how) == 0, "%s", child.output);
	do
		anomaly = event_wait(daemon, "anomaly", "path", path, "call", "write", NULL);
	while (event_number(anomaly, "pid") != child.pid);
	return says(anomaly, "stop");
}

#define SLICE	"/ebph-test.slice"
#define SERVICE SLICE "/ebph-test.service"
#define BELOW	SERVICE "/below"
#define OTHER	SLICE "/other"

static void control_groups(void)
{
	const struct daemon_conf conf = {.enforcer = "mode = enforce\n"};
	const char *path = strdup(program_path(PROGRAM("lines")));
	struct daemon daemon;

	groups_find();
	group_make(SLICE);
	group_make(SERVICE);
	group_make(BELOW);
	group_make(OTHER);
	daemon_start(&daemon, NULL, &conf);
	train(&daemon, path, (const char *const[]){path, NULL});
	CHECK(is_stopped_in(&daemon, path, SERVICE), "nothing is allowed");

	daemon_reload(&daemon, "[allow]\ncgroups = ebph-test.service\n", "taken");
	CHECK(!is_stopped_in(&daemon, path, SERVICE), "not the unit");
	CHECK(!is_stopped_in(&daemon, path, BELOW), "not below the unit");
	CHECK(is_stopped_in(&daemon, path, OTHER), "another group");
	CHECK(is_stopped_in(&daemon, path, SLICE), "the slice above");
	daemon_reload(&daemon, "[allow]\ncgroups = " SLICE "/o*\n", "taken");
	CHECK(!is_stopped_in(&daemon, path, OTHER), "not the path");
	CHECK(is_stopped_in(&daemon, path, SERVICE), "the unit still");

	/* The service is started again: a group of the same name. */
	daemon_reload(&daemon, "[allow]\ncgroups = ebph-test.service\n", "taken");
	group_remove(BELOW);
	group_remove(SERVICE);
	group_make(SERVICE);
	while (is_stopped_in(&daemon, path, SERVICE)) /* the time limit of the test ends it */
		;
	daemon_stop(&daemon);
	group_remove(SERVICE);
	group_remove(OTHER);
	group_remove(SLICE);
}

const struct test allow_tests[] = {
	{.name = "allow: what is executed, by bpf_override_return", .run = by_override},
	{.name = "allow: what is executed, by fmod_ret", .run = by_fmod_ret, .is_once = true},
	{.name = "allow: what is executed, by lsm", .run = by_lsm, .is_once = true},
	{.name = "allow: what is executed, in dry-run", .run = in_dry_run, .is_once = true},
	{.name = "allow: a file that is replaced", .run = replaced, .is_once = true},
	{.name = "allow: a path that is exchanged", .run = exchanged},
	{.name = "allow: without a hook that is said", .run = without_a_hook, .is_once = true},
	{.name = "allow: control groups, and those below", .run = control_groups, .is_once = true},
	{},
};
