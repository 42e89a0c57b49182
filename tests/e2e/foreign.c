// SPDX-License-Identifier: GPL-2.0-or-later
/* What others send to a process that is delayed: SIGCONT does not help, and their stops last. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enforcer/util.h"
#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/shelf.h"
#include "tests/harness/tap.h"

#define NOBODY 65534

/* Who sends SIGCONT all the time, and what the kernel said to that. */
struct nagger {
	pid_t pid;
	struct {
		unsigned long sent, refused;
	} * counts;
};

/* As @uid, until it is killed: whoever has ended can be sent signals until somebody has waited. */
static void nagger_start(struct nagger *nagger, pid_t victim, uid_t uid)
{
	nagger->counts = mmap(NULL, sizeof(*nagger->counts), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(nagger->counts != MAP_FAILED, "%s", strerror(errno));
	nagger->pid = fork();
	if (nagger->pid)
		return;
	if (setgid(uid) || setuid(uid))
		_exit(1);
	for (;;) {
		if (kill(victim, SIGCONT))
			nagger->counts->refused += errno == EPERM;
		else
			nagger->counts->sent++;
	}
}

static void nagger_end(struct nagger *nagger)
{
	kill(nagger->pid, SIGKILL);
	waitpid(nagger->pid, NULL, 0);
}

/* Three lines more than usual, with delays of 200, 400 and 800 ms, and somebody who nags. */
static void nagged_run(struct daemon *daemon, const char *response, const char *rung,
		       struct child *child, struct nagger *nagger)
{
	const struct child_how nobody = {.uid = NOBODY};
	const struct daemon_conf conf = {.response = response};
	const char *path = strdup(program_path(PROGRAM("lines")));

	chmod("/ebph", 0755);
	daemon_start_with(daemon, "enforce", &conf,
			  rung ? (const char *const[]){"--best-rung", rung, NULL} : NULL);
	train(daemon, path, (const char *const[]){path, NULL});
	child_start(child, (const char *const[]){path, "a", "b", "c", NULL}, &nobody);
	nagger_start(nagger, child->pid, NOBODY);
	CHECK(child_wait(child) == 0, "%s", child->output);
	CHECK(!strcmp(child->output, "one\ntwo\ntwo\ntwo\n"), "%s", child->output);
	nagger_end(nagger);
}

/*
 * Milliseconds from the first line too many to the program's exit, which is the last anomaly. Not
 * to the last release: whoever continues the process when its time is over may be the nagger.
 */
static double served_ms(struct daemon *daemon, pid_t pid)
{
	size_t n = events_count(daemon, "anomaly", pid);
	json_t *first = event_at(daemon, "anomaly", pid, 0);
	json_t *last = n ? event_at(daemon, "anomaly", pid, n - 1) : NULL;

	REQUIRE(n > 1 && !strcmp(event_text(last, "call"), "exit_group"), "%zu anomalies", n);
	return 1e3 * (json_real_value(json_object_get(last, "time")) -
		      json_real_value(json_object_get(first, "time")));
}

#define DELAYS "delay_base = 100ms\nmax_delay = 1s\n"

/* Where there is a hook, it is refused: the process does not even wake up. */
static void refused_by(const char *rung)
{
	struct nagger nagger;
	struct daemon daemon;
	struct child child;
	json_t *counters;
	char hooks[48], *log;

	nagged_run(&daemon, "deferral = yes\n" DELAYS, rung, &child, &nagger);
	counters = counters_ask(&daemon);
	daemon_stop(&daemon);
	log = daemon_log(&daemon);
	snprintf(hooks, sizeof(hooks), "before the call takes effect (%s)", rung);
	CHECK(strstr(log, hooks), "not by these hooks: %s", log);
	note("%lu times SIGCONT, %lu of them refused", nagger.counts->sent + nagger.counts->refused,
	     nagger.counts->refused);
	CHECK(nagger.counts->refused > 10, "refused %lu times", nagger.counts->refused);
	CHECK(event_number(counters, "continue_refused") >= (long)nagger.counts->refused,
	      "counted %ld times", event_number(counters, "continue_refused"));
	/* One that was let through before the delay began may arrive within it, and is undone. */
	CHECK(events_count(&daemon, "stop", child.pid) * 100 < nagger.counts->refused,
	      "%zu stops: it was woken up", events_count(&daemon, "stop", child.pid));
	CHECK(served_ms(&daemon, child.pid) >= 1390, "only %.0f ms", served_ms(&daemon, child.pid));
}

static void refused(void)
{
	refused_by("fmod_ret");
}

static void refused_by_lsm(void)
{
	if (!lsm_has_bpf())
		skip("this kernel does not have it");
	refused_by("lsm");
}

/* Elsewhere the call that waits is deferred again, each time: none gets through. */
static void undone(void)
{
	struct nagger nagger;
	struct daemon daemon;
	struct child child;

	nagged_run(&daemon, "deferral = yes\n" DELAYS, "none", &child, &nagger);
	daemon_stop(&daemon);
	note("%lu times SIGCONT, stopped %zu times", nagger.counts->sent,
	     events_count(&daemon, "stop", child.pid));
	CHECK(nagger.counts->refused == 0, "refused %lu times", nagger.counts->refused);
	CHECK(events_count(&daemon, "stop", child.pid) > 3, "it was never woken up");
	CHECK(served_ms(&daemon, child.pid) >= 1390, "only %.0f ms", served_ms(&daemon, child.pid));
}

/* ---- stops of others --------------------------------------------------------------------------
 */

/* Has the example stopped for two seconds. */
static void delayed_start(struct daemon *daemon, struct child *child)
{
	const struct daemon_conf conf = {.response = "deferral = yes\ndelay_base = 1s\n"};

	daemon_start_delaying(daemon, &conf, child);
}

/* Whom somebody has stopped meanwhile is not continued when his time is over. */
static void stop_lasts(void)
{
	struct daemon daemon;
	struct child child;
	json_t *release;
	int status;

	delayed_start(&daemon, &child);
	kill(child.pid, SIGSTOP);
	release = event_wait(&daemon, "release", NULL);
	CHECK(json_is_true(json_object_get(release, "stopped_by_others")), "nothing was noted");
	CHECK(!waitpid(child.pid, &status, WCONTINUED | WNOHANG), "it was continued");
	CHECK(!kill(child.pid, SIGCONT), "%s", strerror(errno)); /* its time is over */
	delayed_runs_on(&child);
	daemon_stop(&daemon);
}

/*
 * Ctrl-Z: the process may have a handler for it, so it gets the signal after its time. It may have
 * made some calls by then; this one waits for a line.
 */
static void suspended(void)
{
	const struct daemon_conf conf = {.response = "delay_base = 1s\ndelay_on = anomaly\n"};
	const struct child_how how = {.wants_input = true};
	struct daemon daemon;
	struct child child;
	const char *shell;
	int status;

	daemon_start(&daemon, "enforce", &conf);
	shell = program_copy("/usr/bin/dash", daemon.folder, "shell");
	train(&daemon, shell, (const char *const[]){shell, "-c", "read line || :", NULL});
	child_start(&child, (const char *const[]){shell, "-c", "echo one; read line || :", NULL},
		    &how);
	REQUIRE(child_wait_stopped(&child), "it was not stopped: %s", child.output);
	kill(child.pid, SIGTSTP);
	do
		REQUIRE(waitpid(child.pid, &status, WUNTRACED) == child.pid && WIFSTOPPED(status),
			"status %#x", (unsigned int)status);
	while (WSTOPSIG(status) != SIGTSTP);
	event_wait(&daemon, "release", NULL);
	CHECK(!kill(child.pid, SIGCONT), "%s", strerror(errno));
	child_ask(&child, "\n");
	CHECK(!strcmp(child.output, "one\n"), "%s", child.output);
	CHECK(child_wait(&child) == 0, "%s", child.output);
	daemon_stop(&daemon);
}

/*
 * A stop that its author has taken back does not last. Where his SIGCONT is refused, he has taken
 * back no more than that; elsewhere the process runs on, and waits again at its next call.
 */
static void taken_back(const char *rung, bool is_refused)
{
	const struct daemon_conf conf = {.response = "deferral = yes\ndelay_base = 1s\n"};
	const char *path = strdup(program_path(PROGRAM("lines")));
	struct daemon daemon;
	struct child child;
	json_t *release;

	daemon_start_with(&daemon, "enforce", &conf,
			  (const char *const[]){"--best-rung", rung, NULL});
	train(&daemon, path, (const char *const[]){path, NULL});
	child_start(&child, (const char *const[]){path, "x", NULL}, NULL);
	REQUIRE(child_wait_stopped(&child), "it was not stopped: %s", child.output);
	event_wait(&daemon, "stop", NULL);
	kill(child.pid, SIGSTOP);
	CHECK((kill(child.pid, SIGCONT) && errno == EPERM) == is_refused, "%s", strerror(errno));
	if (!is_refused)
		event_wait(&daemon, "stop", NULL);
	release = event_wait(&daemon, "release", NULL);
	CHECK(!json_object_get(release, "stopped_by_others"), "it is still noted");
	delayed_runs_on(&child);
	daemon_stop(&daemon);
}

static void stop_taken_back(void)
{
	taken_back("bpf_override_return", true); /* the best there is */
}

static void stop_taken_back_elsewhere(void)
{
	taken_back("none", false);
}

/* Who looks at it with a debugger does not stop it for good. */
static void traced(void)
{
	struct daemon daemon;
	struct child child;
	json_t *release;
	int status;

	delayed_start(&daemon, &child);
	REQUIRE(!ptrace(PTRACE_ATTACH, child.pid, NULL, NULL), "%s", strerror(errno));
	REQUIRE(waitpid(child.pid, &status, 0) == child.pid && WIFSTOPPED(status), "status %#x",
		(unsigned int)status);
	REQUIRE(!ptrace(PTRACE_DETACH, child.pid, NULL, NULL), "%s", strerror(errno));
	release = event_wait(&daemon, "release", NULL);
	CHECK(!json_object_get(release, "stopped_by_others"), "the debugger's stop is noted");
	delayed_runs_on(&child);
	daemon_stop(&daemon);
}

const struct test foreign_tests[] = {
	{.name = "foreign: SIGCONT to a delayed process is refused", .run = refused},
	{.name = "foreign: likewise by lsm", .run = refused_by_lsm, .is_once = true},
	{.name = "foreign: where it is not, no call gets through", .run = undone, .is_once = true},
	{.name = "foreign: a stop lasts when the delay is over",
	 .run = stop_lasts,
	 .is_once = true},
	{.name = "foreign: Ctrl-Z counts after the delay", .run = suspended, .is_once = true},
	{.name = "foreign: a stop that is taken back does not last",
	 .run = stop_taken_back,
	 .is_once = true,
	 .is_long = true},
	{.name = "foreign: nor where nothing refuses it",
	 .run = stop_taken_back_elsewhere,
	 .is_once = true},
	{.name = "foreign: a debugger's stop does not last", .run = traced},
	{},
};
