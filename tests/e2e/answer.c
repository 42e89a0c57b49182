// SPDX-License-Identifier: GPL-2.0-or-later
/* The answers: delays that grow, execves that fail, and what is left alone. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enforcer/util.h"
#include "tests/e2e/serve.h"
#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/tap.h"

/* ---- delays ------------------------------------------------------------------------------ */

/* Runs the example with four more lines than it was trained to write: anomalies 1, 2, 3, 4. */
static pid_t lines_excess(struct daemon *daemon, const char *mode, const struct daemon_conf *conf)
{
	const char *path = strdup(program_path(PROGRAM("lines")));
	struct child child;

	daemon_start(daemon, mode, conf);
	train(daemon, path, (const char *const[]){path, NULL});
	CHECK(run(&child, (const char *const[]){path, "a", "b", "c", "d", NULL}, NULL) == 0, "%s",
	      child.output);
	daemon_stop(daemon);
	return child.pid;
}

static void delays_check(struct daemon *daemon, pid_t pid, const long *delays_ms, size_t n)
{
	size_t releases;

	CHECK(events_count(daemon, "stop", pid) == n, "%zu stops",
	      events_count(daemon, "stop", pid));
	for (size_t i = 0; i < n; i++) {
		json_t *stop = event_at(daemon, "stop", pid, i);

		CHECK(event_number(stop, "delay_ms") == delays_ms[i], "stop %zu: %ld ms", i,
		      event_number(stop, "delay_ms"));
	}
	releases = events_count(daemon, "release", pid);
	/* Whom the kernel has released may be stopped anew before ebphd hears of it. */
	if (json_is_true(json_object_get(event_at(daemon, "start", 0, 0), "kernel_releases")))
		CHECK(releases > 0 && releases <= n, "%zu releases", releases);
	else
		CHECK(releases == n, "%zu releases", releases);
}

static void growing(void)
{
	struct daemon daemon;
	pid_t pid = lines_excess(&daemon, "enforce", NULL);

	delays_check(&daemon, pid, (const long[]){20, 40, 80, 160}, 4);
}

static void bounded(void)
{
	const struct daemon_conf conf = {.response = "max_delay = 50ms\n"};
	struct daemon daemon;
	pid_t pid = lines_excess(&daemon, "enforce", &conf);

	delays_check(&daemon, pid, (const long[]){20, 40, 50, 50}, 4);
}

static void tolerated(void)
{
	const struct daemon_conf conf = {.response = "tolerance = 2\n"};
	struct daemon daemon;
	pid_t pid = lines_excess(&daemon, "enforce", &conf);

	delays_check(&daemon, pid, (const long[]){80, 160}, 2);
	CHECK(events_count(&daemon, "anomaly", pid) == 5, "%zu anomalies",
	      events_count(&daemon, "anomaly", pid));
}

static void linear(void)
{
	const struct daemon_conf conf = {.response = "delay_curve = linear\nmax_delay = 35ms\n"};
	struct daemon daemon;
	pid_t pid = lines_excess(&daemon, "enforce", &conf);

	delays_check(&daemon, pid, (const long[]){10, 20, 30, 35}, 4);
}

/* Anomalies, and usual calls after them. @ret_anomalies: but for the last call, its exit */
static size_t stops_of(const char *response, size_t *ret_anomalies)
{
	const struct daemon_conf conf = {.response = response};
	const char *path = strdup(program_path(PROGRAM("frames")));
	struct daemon daemon;
	struct child child;
	size_t n;

	daemon_start(&daemon, "enforce", &conf);
	train(&daemon, path, (const char *const[]){path, "ff", NULL});
	CHECK(RUN(&child, path, "fhfff") == 0, "%s", child.output);
	daemon_stop(&daemon);
	n = events_count(&daemon, "anomaly", child.pid);
	*ret_anomalies = 0;
	for (size_t i = 0; i < n; i++)
		*ret_anomalies += json_is_true(
			json_object_get(event_at(&daemon, "anomaly", child.pid, i), "stop"));
	return events_count(&daemon, "stop", child.pid);
}

static void delayed_calls(void)
{
	size_t anomalies, stops = stops_of("max_delay = 50ms\n", &anomalies);

	CHECK(anomalies > 0 && stops > anomalies, "%zu anomalies, %zu stops", anomalies, stops);
	stops = stops_of("max_delay = 50ms\ndelay_on = anomaly\n", &anomalies);
	CHECK(anomalies > 0 && stops == anomalies, "%zu anomalies, %zu stops", anomalies, stops);
}

/* Dry-run and enforce take the same decisions on the same input. */
static void alike(void)
{
	static const char *const members[] = {"call",	"mismatches", "distances", "earlier",
					      "recent", "stop",	      "abort",	   "delay_ms"};
	struct daemon dry, enforcing;
	pid_t dry_pid = lines_excess(&dry, "dry-run", NULL);
	pid_t enforced_pid = lines_excess(&enforcing, "enforce", NULL);
	size_t n = events_count(&dry, "anomaly", dry_pid);

	CHECK(n == 5 && n == events_count(&enforcing, "anomaly", enforced_pid), "%zu and %zu", n,
	      events_count(&enforcing, "anomaly", enforced_pid));
	for (size_t i = 0; i < n; i++) {
		json_t *a = event_at(&dry, "anomaly", dry_pid, i);
		json_t *b = event_at(&enforcing, "anomaly", enforced_pid, i);

		for (size_t j = 0; j < sizeof(members) / sizeof(*members); j++)
			CHECK(json_equal(json_object_get(a, members[j]),
					 json_object_get(b, members[j])),
			      "anomaly %zu differs in %s", i, members[j]);
	}
}

/* ---- execve ------------------------------------------------------------------------------ */

static const char *const shell[] = {SERVE_SHELL, NULL};

static void aborted_by(const char *rung)
{
	struct daemon daemon;
	struct child child;
	const char *path;

	daemon_start_with(&daemon, "enforce", NULL,
			  (const char *const[]){"--best-rung", rung, NULL});
	if (strcmp(event_text(event_at(&daemon, "start", 0, 0), "abort_rung"), rung)) {
		daemon_stop(&daemon);
		skip("this kernel does not have it");
	}
	unlink(SHELL_WAS_HERE);
	path = serve_train(&daemon);
	serve_start(&child, path, shell);
	child_ask(&child, "hello\n");
	CHECK(!strcmp(child.output, "served\n"), "%s", child.output);
	child_ask(&child, "shell\n");
	CHECK(!strcmp(child.output, "refused: Operation not permitted\n"), "%s", child.output);
	CHECK(child_wait(&child) == 0, "%s", child.output);
	CHECK(access(SHELL_WAS_HERE, F_OK) != 0, "the shell ran");
	daemon_stop(&daemon);
	CHECK(events_count(&daemon, "abort", child.pid) == 1, "%zu aborts",
	      events_count(&daemon, "abort", child.pid));
	CHECK(!strcmp(event_text(event_at(&daemon, "abort", child.pid, 0), "call"), "execve"),
	      "not at execve");
	CHECK(events_count(&daemon, "abort", 0) == 1, "others were refused too");
}

static void aborted_by_override(void)
{
	aborted_by("bpf_override_return");
}

static void aborted_by_fmod_ret(void)
{
	aborted_by("fmod_ret");
}

static void aborted_by_lsm(void)
{
	aborted_by("lsm");
}

/* Each way to execute, with the call as events name it. */
static void ways_refused(const char *rung)
{
	static const char *const ways[][2] = {
		{"execve", "execve"},
		{"execveat", "execveat"},
		{"fexecve", "execveat"},
		{"execve32", "ia32:execve"},
		{"execveat32", "ia32:execveat"},
	};
	const struct daemon_conf conf = {.response = "max_delay = 10ms\n"};
	const char *path = strdup(program_path(PROGRAM("exec")));
	const char *lines = strdup(program_path(PROGRAM("lines")));
	struct daemon daemon;
	struct child child;

	daemon_start_with(&daemon, "enforce", &conf,
			  (const char *const[]){"--best-rung", rung, NULL});
	if (strcmp(event_text(event_at(&daemon, "start", 0, 0), "abort_rung"), rung)) {
		note("not by %s, which this kernel does not have", rung);
		daemon_stop(&daemon);
		return;
	}
	note("by %s", rung);
	train(&daemon, path, (const char *const[]){path, "nothing", lines, NULL});
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		int status = RUN(&child, path, ways[i][0], lines);
		json_t *abort = event_wait(&daemon, "abort", "call", ways[i][1], NULL);

		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == (i ? 2 : 126) && !child.n_output,
		      "%s: status %#x, %s", ways[i][0], (unsigned int)status, child.output);
		CHECK(event_number(abort, "pid") == child.pid, "another's");
	}
	daemon_stop(&daemon);
	CHECK(events_count(&daemon, "abort", 0) == ARRAY_SIZE(ways), "%zu aborts",
	      events_count(&daemon, "abort", 0));
}

static void all_ways_refused(void)
{
	ways_refused("bpf_override_return");
	ways_refused("fmod_ret");
	ways_refused("lsm");
}

/* The last rung: it does not survive its execve, of which nothing comes. */
static void killed(void)
{
	const struct daemon_conf conf = {.response = "abort_kill = yes\n"};
	struct daemon daemon;
	struct child child;
	const char *path;
	int status;

	daemon_start_with(&daemon, "enforce", &conf,
			  (const char *const[]){"--best-rung", "kill", NULL});
	path = serve_train(&daemon);
	status = serve_shell(path, &child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %#x, %s",
	      (unsigned int)status, child.output);
	CHECK(access(SHELL_WAS_HERE, F_OK) != 0, "the shell ran");
	daemon_stop(&daemon);
	CHECK(events_count(&daemon, "abort", child.pid) == 1, "%zu aborts",
	      events_count(&daemon, "abort", child.pid));
	CHECK(events_count(&daemon, "stop", child.pid) == 0, "it was to be delayed, too");
}

/* What the server does in monitor or dry-run mode, or where nothing can refuse the execve. */
static void shell_runs(const char *mode, const char *const *arguments)
{
	struct daemon daemon;
	struct child child;
	json_t *anomaly;
	const char *path;
	int status;

	daemon_start_with(&daemon, mode, NULL, arguments);
	path = serve_train(&daemon);
	status = serve_shell(path, &child);
	CHECK(status == 0, "%s", child.output);
	CHECK(access(SHELL_WAS_HERE, F_OK) == 0, "the shell did not run");
	daemon_stop(&daemon);
	anomaly = event_at(&daemon, "anomaly", child.pid, 0);
	CHECK(!strcmp(event_text(anomaly, "call"), "execve"), "at %s", event_text(anomaly, "call"));
	CHECK(json_is_true(json_object_get(anomaly, "abort")), "no abort was decided");
	CHECK(events_count(&daemon, "abort", 0) == 0, "something was refused");
}

static void dry_run_refuses_nothing(void)
{
	shell_runs("dry-run", NULL);
}

static void no_rung_alerts(void)
{
	shell_runs("enforce", (const char *const[]){"--best-rung", "none", NULL});
}

/* An execve that the program has always made is nobody's business. */
static void usual_execve(void)
{
	const char *path, *lines;
	struct daemon daemon;
	struct child child;

	daemon_start(&daemon, "enforce", NULL);
	path = strdup(program_path(PROGRAM("launch")));
	lines = strdup(program_path(PROGRAM("lines")));
	train(&daemon, path, (const char *const[]){path, lines, NULL});
	CHECK(run(&child, (const char *const[]){path, lines, NULL}, NULL) == 0, "%s", child.output);
	CHECK(!strcmp(child.output, "one\n"), "%s", child.output);
	daemon_stop(&daemon);
	CHECK(events_count(&daemon, "anomaly", 0) == 0, "%zu anomalies",
	      events_count(&daemon, "anomaly", 0));
	CHECK(events_count(&daemon, "abort", 0) == 0, "something was refused");
}

const struct test answer_tests[] = {
	{.name = "answer: delays double with each recent anomaly", .run = growing},
	{.name = "answer: max_delay bounds each delay", .run = bounded, .is_once = true},
	{.name = "answer: tolerance lets the first anomalies pass",
	 .run = tolerated,
	 .is_once = true},
	{.name = "answer: a linear curve", .run = linear, .is_once = true},
	{.name = "answer: all calls of a frame are delayed, or only anomalies",
	 .run = delayed_calls,
	 .is_once = true},
	{.name = "answer: dry-run and enforce decide alike", .run = alike, .is_once = true},
	{.name = "answer: execve aborted by bpf_override_return", .run = aborted_by_override},
	{.name = "answer: execve aborted by fmod_ret", .run = aborted_by_fmod_ret},
	{.name = "answer: execve aborted by lsm", .run = aborted_by_lsm},
	{.name = "answer: each way to execute is refused, by each rung", .run = all_ways_refused},
	{.name = "answer: without a hook an execve kills", .run = killed, .is_once = true},
	{.name = "answer: dry-run refuses no execve",
	 .run = dry_run_refuses_nothing,
	 .is_once = true},
	{.name = "answer: without a rung an execve is reported", .run = no_rung_alerts},
	{.name = "answer: the usual execve goes on", .run = usual_execve},
	{},
};
