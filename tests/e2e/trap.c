// SPDX-License-Identifier: GPL-2.0-or-later
/* Where a call that is deferred could be made twice, half, or never. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enforcer/util.h"
#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/tap.h"

static const char *trapped, *lines; /* the program, and what it may execute */
static char folder[96];		    /* where it works */

static void folder_enter(void)
{
	if (setpgid(0, 0) || chdir(folder)) /* a group of its own: it may signal that */
		_exit(125);
}

static const struct child_how in_folder = {.prepare = folder_enter};

/* Bytes of what it writes, and writes nowhere else. */
static long written(void)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/file", folder);
	return stat(path, &st) ? -1 : (long)st.st_size;
}

/* One run of the program in a folder of its own. */
static void case_start(struct daemon *daemon, struct child *child, const char *name,
		       const char *odd)
{
	snprintf(folder, sizeof(folder), "%s/%s%s", daemon->folder, name, odd ? odd : "");
	mkdir(folder, 0700);
	child_start(child, (const char *const[]){trapped, name, lines, odd, NULL}, &in_folder);
}

/* Starts ebphd, and the cases without what is odd about them, until that is usual. */
static void cases_train(struct daemon *daemon, const char *const *names, const char *response)
{
	/* So many runs that each case has been among them when the profile becomes normal. */
	const struct daemon_conf conf = {
		.detection =
			"min_calls = 10\nmin_runs = 12\nnormal_wait = 0s\nheat_half_life = 0s\n",
		.response = response,
	};
	struct child child;

	trapped = strdup(program_path(PROGRAM("trapped")));
	lines = strdup(program_path(PROGRAM("lines")));
	daemon_start(daemon, "enforce", &conf);
	while (!event_seen(daemon, "state", trapped, "normal"))
		for (const char *const *name = names; *name; name++) {
			case_start(daemon, &child, *name, NULL);
			REQUIRE(child_wait(&child) == 0, "%s: %s", *name, child.output);
		}
}

/* The odd run ends well, having said @text. */
static void case_end(struct child *child, const char *text)
{
	CHECK(child_wait(child) == 0, "%s", child->output);
	CHECK(!strcmp(child->output, text), "it said %s", child->output);
}

/* How many stops there were at @call. */
static size_t stops_at(struct daemon *daemon, pid_t pid, const char *call, bool deferred)
{
	json_t *stop;
	size_t n = 0;

	for (size_t i = 0; (stop = event_at(daemon, "stop", pid, i)); i++)
		n += !strcmp(event_text(stop, "call"), call) &&
		     json_is_true(json_object_get(stop, "deferred")) == deferred;
	return n;
}

/* ---- short delays: what happens in which order ------------------------------------------- */

/* A signal to several processes is not held back: some may have it already. */
static void several_receivers(struct daemon *daemon, const char *name)
{
	struct child child;

	case_start(daemon, &child, name, "odd");
	case_end(&child, "good\n");
	CHECK(stops_at(daemon, child.pid, "kill", true) == 0, "%s: deferred", name);
	/* It waits afterwards, before it does anything else. */
	CHECK(!strcmp(event_text(event_at(daemon, "stop", child.pid, 0), "call"), "kill") &&
		      stops_at(daemon, child.pid, "kill", false) == 1,
	      "%s: first stopped at %s", name,
	      event_text(event_at(daemon, "stop", child.pid, 0), "call"));
}

/* execve reads the file through a hook of read(), where a second deferral would be an ENOEXEC. */
static void execve_once(struct daemon *daemon)
{
	struct child child;

	case_start(daemon, &child, "execute", "odd");
	case_end(&child, "one\ntwo\n");
	CHECK(stops_at(daemon, child.pid, "execve", true) == 1, "%zu times",
	      stops_at(daemon, child.pid, "execve", true));
	CHECK(events_count(daemon, "abort", 0) == 0, "it was refused");
}

/* The same where it hangs on what is executed; and if that is allowed, never. */
static void execve_by_target(struct daemon *daemon)
{
	struct child child;
	char text[256];

	daemon_reload(daemon, "[allow]\nexec = /no/such\n", "taken");
	execve_once(daemon);
	snprintf(text, sizeof(text), "[allow]\nexec = %s\n", lines);
	daemon_reload(daemon, text, "taken");
	case_start(daemon, &child, "execute", "odd");
	case_end(&child, "one\ntwo\n");
	CHECK(stops_at(daemon, child.pid, "execve", true) == 0, "it was stopped at it");
}

/* io_uring has its own results: what a guard says would be one of them. */
static void uring_never(struct daemon *daemon)
{
	const char *path = strdup(program_path(PROGRAM("uring")));
	struct child child;

	train(daemon, path, (const char *const[]){path, "PLAIN", NULL});
	CHECK(RUN(&child, path, "PLAIN", "x") == 0, "status 6: its file was not opened");
	CHECK(stops_at(daemon, child.pid, "uring:openat", false) >= 1, "not stopped");
	CHECK(stops_at(daemon, child.pid, "uring:openat", true) == 0, "deferred");
}

static void undeferred(void)
{
	const char *const names[] = {"group", "everybody", "execute", NULL};
	struct daemon daemon;

	cases_train(&daemon, names, "deferral = yes\ndelay_base = 50ms\nmax_delay = 50ms\n");
	several_receivers(&daemon, "group");
	several_receivers(&daemon, "everybody");
	execve_once(&daemon);
	execve_by_target(&daemon);
	uring_never(&daemon);
	daemon_stop(&daemon);
}

/* ---- long delays: what happens meanwhile ------------------------------------------------- */

/* The child of a vfork waits, and its parent for it. */
static void vfork_waits(struct daemon *daemon)
{
	struct child child;

	case_start(daemon, &child, "vforked", "odd");
	event_wait(daemon, "stop", "call", "write", NULL);
	CHECK(written() == 0, "%ld bytes while the child stood still", written());
	case_end(&child, "good\n");
	CHECK(written() == 4, "%ld bytes", written());
}

/* A signal with a handler comes while the process waits: the write is made, once, afterwards. */
static void handler_meanwhile(struct daemon *daemon)
{
	struct child child;

	case_start(daemon, &child, "handler", "odd");
	CHECK(child_wait_stopped(&child), "never stopped");
	CHECK(kill(child.pid, SIGUSR1) == 0, "no such process");
	CHECK(written() == 0, "%ld bytes while it stood still", written());
	case_end(&child, "good\n"); /* it counts its handlers, and takes no EINTR */
	CHECK(written() == 4, "%ld bytes", written());
}

static double time_of(const json_t *event)
{
	return json_real_value(json_object_get(event, "time"));
}

/* While one thread has to wait, none of the others makes a call. */
static void nobody_moves(struct daemon *daemon, pid_t pid)
{
	json_t *stop, *call;

	for (size_t i = 0; (stop = event_at(daemon, "stop", pid, i)); i++) {
		double delay = (double)event_number(stop, "delay_ms") / 1000;

		for (size_t j = 0; (call = event_at(daemon, "anomaly", pid, j)); j++) {
			double after = time_of(call) - time_of(stop);

			/* At the beginning they may be on their way still. */
			CHECK(after < delay / 2 || after > delay - 0.05,
			      "%s %.3f s after a stop of %.1f s", event_text(call, "call"), after,
			      delay);
		}
	}
}

/* Three threads write at once, each more suspect than the one before. */
static void threads_at_once(struct daemon *daemon)
{
	struct child child;

	case_start(daemon, &child, "threads", "odd");
	CHECK(child_wait_stopped(&child), "never stopped");
	CHECK(written() == 0, "%ld bytes while all stood still", written());
	case_end(&child, "good\n");
	CHECK(written() == 12, "%ld bytes", written());
	CHECK(stops_at(daemon, child.pid, "pwrite64", true) >= 3, "%zu deferred",
	      stops_at(daemon, child.pid, "pwrite64", true));
	nobody_moves(daemon, child.pid);
}

static void meanwhile(void)
{
	const char *const names[] = {"vforked", "handler", "threads", NULL};
	struct daemon daemon;

	cases_train(&daemon, names, "deferral = yes\ndelay_base = 500ms\nmax_delay = 2s\n");
	vfork_waits(&daemon);
	handler_meanwhile(&daemon);
	threads_at_once(&daemon);
	daemon_stop(&daemon);
}

/* ---- calls whose guard does not come ------------------------------------------------------ */

/* A case that makes nothing but one call, over and over. */
struct unmet {
	const char *name, *call;
	size_t waits; /* the call that waits: the first, or the one after it */
	bool deferred;
	pid_t pid;
};

static void stands_still(struct daemon *daemon, struct unmet *unmet)
{
	struct child child;

	case_start(daemon, &child, unmet->name, "odd");
	unmet->pid = child.pid;
	CHECK(child_wait_stopped(&child), "%s: never stopped", unmet->name);
	while (event_number(event_wait(daemon, "stop", NULL), "pid") != child.pid)
		;
	kill(child.pid, SIGKILL);
	child_wait(&child);
}

static void unmet_guards(void)
{
	const char *const names[] = {"groups", "pipes", "ioctl32", "group32", "kill32",
				     "pidfds", "ipc32", "leaver",  NULL};
	struct unmet cases[] = {
		{.name = "groups", .call = "kill", .waits = 1},
		{.name = "pipes", .call = "splice", .waits = 2},
		{.name = "ioctl32", .call = "ia32:ioctl", .waits = 1, .deferred = true},
		{.name = "group32", .call = "ia32:kill", .waits = 1},
		{.name = "kill32", .call = "ia32:kill", .waits = 1, .deferred = true},
		{.name = "pidfds", .call = "pidfd_send_signal", .waits = 1},
		{.name = "ipc32", .call = "ia32:ipc", .waits = 1},
		{.name = "leaver", .call = "exit", .waits = 2},
	};
	struct daemon daemon;

	cases_train(&daemon, names, "deferral = yes\ndelay_base = 10s\nmax_delay = 1min\n");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		stands_still(&daemon, &cases[i]);
	daemon_stop(&daemon);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t n = events_count(&daemon, "anomaly", cases[i].pid);

		CHECK(n == cases[i].waits, "%s: stopped after %zu", cases[i].name, n);
		CHECK(stops_at(&daemon, cases[i].pid, cases[i].call, cases[i].deferred) > 0,
		      "%s: at the wrong time", cases[i].name);
	}
}

const struct test trap_tests[] = {
	{.name = "trap: what can not be deferred, or only once",
	 .run = undeferred,
	 .is_once = true},
	{.name = "trap: what happens while a call is deferred", .run = meanwhile, .is_once = true},
	{.name = "trap: calls that meet no guard", .run = unmet_guards},
	{},
};
