// SPDX-License-Identifier: GPL-2.0-or-later
/* What is different for single programs, and what is allowed: at once, for a profile that is there.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/e2e/group.h"
#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/tap.h"

/* A trained example under a daemon that is in dry-run for all. */
struct trained {
	struct daemon daemon;
	const char *path;
};

static void trained_start(struct trained *trained)
{
	const struct daemon_conf conf = {.enforcer = "mode = dry-run\n"};

	trained->path = program_path(PROGRAM("lines"));
	daemon_start_with(&trained->daemon, NULL, &conf, NULL);
	train(&trained->daemon, trained->path, (const char *const[]){trained->path, NULL});
}

/* Has ebphd read a text in which %s is the path of the example. */
static void configure(struct trained *trained, const char *format)
{
	daemon_reload_for(&trained->daemon, format, trained->path);
}

/* Runs the example with two lines more than it was trained to write. Return: its pid. */
static pid_t excess(struct trained *trained)
{
	struct child child;

	CHECK(RUN(&child, trained->path, "a", "b") == 0, "%s", child.output);
	return child.pid;
}

/* Its last anomaly at a write. */
static json_t *anomaly(struct trained *trained, pid_t pid)
{
	json_t *event = NULL;

	for (int i = 0; i < 2; i++) /* one for each line */
		do
			event = event_wait(&trained->daemon, "anomaly", "path", trained->path,
					   "call", "write", NULL);
		while (event_number(event, "pid") != pid);
	return event;
}

static void check_answer(struct trained *trained, const char *mode, bool stop, long delay_ms)
{
	pid_t pid = excess(trained);
	json_t *event = anomaly(trained, pid);

	CHECK(!strcmp(event_text(event, "mode"), mode), "mode %s, not %s",
	      event_text(event, "mode"), mode);
	CHECK(json_is_true(json_object_get(event, "stop")) == stop, "a stop was decided: %d",
	      !stop);
	CHECK(event_number(event, "delay_ms") == delay_ms, "%ld ms, not %ld",
	      event_number(event, "delay_ms"), delay_ms);
}

static void settings(void)
{
	struct trained trained;

	trained_start(&trained);
	check_answer(&trained, "dry-run", true, 40);
	configure(&trained, "[binary %s]\nmode = enforce\ntolerance = 1\ndelay_base = 20ms\n");
	check_answer(&trained, "enforce", true, 80);
	event_wait(&trained.daemon, "release", NULL);
	configure(&trained, "[binary %s]\ndelay_curve = linear\nmax_delay = 15ms\n");
	check_answer(&trained, "dry-run", true, 15);
	configure(&trained, "[enforcer]\nmode = enforce\n[binary %s]\nmode = monitor\n");
	check_answer(&trained, "monitor", true, 40);
	configure(&trained, "# nothing for %s\n");
	check_answer(&trained, "dry-run", true, 40);
	daemon_stop(&trained.daemon);
}

static void allowed(void)
{
	static const char *const formats[] = {
		"[allow]\nexecutables = /no/such %s\n[enforcer]\nmode = enforce\n",
		"[allow]\nusers = 12345 0\n[enforcer]\nmode = enforce\n# %s\n",
		"[allow]\ncalls = read write\n[enforcer]\nmode = enforce\n# %s\n",
		"[binary %s]\nmode = enforce\nallow_calls = write\n",
	};
	struct trained trained;

	trained_start(&trained);
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		note("%s", formats[i]);
		configure(&trained, formats[i]);
		check_answer(&trained, "enforce", false, 0);
	}
	configure(&trained, "[enforcer]\nmode = enforce\n# %s\n");
	check_answer(&trained, "enforce", true, 40);
	daemon_stop(&trained.daemon);
}

/* Is nothing seen of the example with this configuration, and something with the other? */
static void check_scope(struct trained *trained, const char *without, const char *with)
{
	pid_t unseen, seen;

	configure(trained, without);
	unseen = excess(trained);
	configure(trained, with);
	seen = excess(trained);
	anomaly(trained, seen);
	CHECK(events_count(&trained->daemon, "anomaly", unseen) == 0, "%s: %zu anomalies", without,
	      events_count(&trained->daemon, "anomaly", unseen));
}

static void scope(void)
{
	struct trained trained;

	trained_start(&trained);
	check_scope(&trained, "[binary %s]\nmode = ignore\n", "[binary %s]\nmode = monitor\n");
	check_scope(&trained, "[enforcer]\nscope = listed\n# %s\n",
		    "[enforcer]\nscope = listed\n[binary %s]\ntolerance = 3\n");
	check_scope(&trained, "[enforcer]\nscope = listed\n[binary /no/such]\n# %s\n",
		    "[binary %s]\n");
	daemon_stop(&trained.daemon);
}

#define LINKED	    "/tmp/binary-linked"
#define LINK	    "/tmp/binary-link"
#define REPLACEMENT "/tmp/binary-replacement"

/* Another file at the path that the link leads to. */
static void linked_replace(void)
{
	struct child child;

	REQUIRE(RUN(&child, "cp", program_path(PROGRAM("lines")), REPLACEMENT) == 0 &&
			!rename(REPLACEMENT, LINKED),
		"%s", child.output);
}

/*
 * The file is executed while ebphd does not know whose it is: it has all pairs of the one before,
 * and is to become normal, before it makes a call of its own.
 */
static void inherit_first(struct daemon *daemon)
{
	struct child child;
	int status;

	REQUIRE(!kill(daemon->pid, SIGSTOP) &&
			waitpid(daemon->pid, &status, WUNTRACED) == daemon->pid &&
			WIFSTOPPED(status),
		"%s", strerror(errno));
	CHECK(RUN(&child, LINKED) == 0, "%s", child.output);
	kill(daemon->pid, SIGCONT);
	event_wait(daemon, "inherit", "path", LINKED, NULL);
}

/* All others are out of scope: what is followed has the section, or its training would not end. */
static void through_a_link(void)
{
	const struct daemon_conf conf = {.enforcer = "mode = dry-run\nscope = listed\n"};
	struct daemon daemon;
	struct child child;

	linked_replace();
	unlink(LINK);
	REQUIRE(!symlink(LINKED, LINK), "%s", strerror(errno));
	daemon_start_with(&daemon, NULL, &conf, NULL);
	daemon_reload(&daemon, "[binary " LINK "]\ntolerance = 1\n", "taken");
	for (int i = 0; i < 2; i++) {
		json_t *event;

		if (i)
			inherit_first(&daemon);
		train(&daemon, LINKED, (const char *const[]){LINKED, NULL});
		CHECK(RUN(&child, LINK, "a", "b") == 0, "%s", child.output);
		do
			event = event_wait(&daemon, "anomaly", "path", LINKED, "call", "write",
					   NULL);
		while (event_number(event, "pid") != child.pid);
		CHECK(!json_is_true(json_object_get(event, "stop")), "the first is not tolerated");
		event = event_wait(&daemon, "anomaly", "path", LINKED, "call", "write", NULL);
		CHECK(json_is_true(json_object_get(event, "stop")), "the second is tolerated");
		linked_replace();
	}
	CHECK(events_count_of(&daemon, "state", program_path(PROGRAM("lines"))) == 0,
	      "who has no section is followed");
	daemon_stop(&daemon);
}

/* ---- in a container ------------------------------------------------------------------------- */

#define BOX	   "/tmp/binary-box"
#define BOX_SLICE  "/ebph-box.slice"
#define BOX_GROUP  BOX_SLICE "/ebph-box.service"
#define INSIDE	   "/bin/inside"
#define UNVERIFIED INSIDE " (unverified)" /* what ebphd calls it: no file of the host */

/* The example is in a file system that is the root of a mount namespace. */
static void box_make(void)
{
	struct child child;

	groups_find();
	group_make(BOX_SLICE);
	group_make(BOX_GROUP);
	mkdir(BOX, 0700);
	REQUIRE(!mount("none", BOX, "tmpfs", 0, NULL) && !mkdir(BOX "/bin", 0755), "%s",
		strerror(errno));
	REQUIRE(RUN(&child, "cp", program_path(PROGRAM("lines")), BOX INSIDE) == 0, "%s",
		child.output);
}

/* As switch_root(8): pivot_root() cannot take the first root of all away. */
static void box_enter(void)
{
	group_enter();
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    chdir(BOX) || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		_exit(125);
}

/* Runs the example in the box. Return: its pid. */
static pid_t box_run(const char *group, const char *line)
{
	const struct child_how how = {.prepare = box_enter};
	struct child child;

	group_for_next_child(group);
	REQUIRE(run(&child, (const char *const[]){INSIDE, line, NULL}, &how) == 0, "%s",
		child.output);
	return child.pid;
}

static bool box_is_normal(struct daemon *daemon)
{
	json_t *event;

	for (size_t i = 0; (event = event_at(daemon, "state", 0, i)); i++)
		if (!strcmp(event_text(event, "hint"), UNVERIFIED) &&
		    !strcmp(event_text(event, "after"), "normal"))
			return true;
	return false;
}

/* By its path inside and its control group. */
static void in_a_container(void)
{
	const struct daemon_conf conf = {.enforcer = "mode = dry-run\nscope = listed\n"};
	struct daemon daemon;
	json_t *event;
	pid_t pid;

	box_make();
	daemon_start_with(&daemon, NULL, &conf, NULL);
	daemon_reload(&daemon, "[binary " INSIDE "]\ncontainers = ebph-box.service\n", "taken");
	/* Its first run is over, maybe, before ebphd knows who it is. */
	while (!box_is_normal(&daemon))
		box_run(BOX_GROUP, NULL);
	pid = box_run(BOX_GROUP, "x");
	do
		event = event_wait(&daemon, "anomaly", "hint", UNVERIFIED, "call", "write", NULL);
	while (event_number(event, "pid") != pid);
	CHECK(json_is_true(json_object_get(event, "stop")), "nothing was decided");
	/* The same program, as its control group has no section any more. */
	daemon_reload(&daemon, "[binary " INSIDE "]\ncontainers = other.service\n", "taken");
	pid = box_run(BOX_GROUP, "x");
	daemon_reload(&daemon, "", "taken");
	CHECK(events_count(&daemon, "anomaly", pid) == 0, "followed without a section");
	daemon_stop(&daemon);
	umount2(BOX, MNT_DETACH);
	group_remove(BOX_GROUP);
	group_remove(BOX_SLICE);
}

const struct test binary_tests[] = {
	{.name = "binary: settings of a single program, at once", .run = settings},
	{.name = "binary: who and what is allowed", .run = allowed, .is_once = true},
	{.name = "binary: out of scope and back", .run = scope, .is_once = true},
	{.name = "binary: through a symbolic link, and for a file that is replaced",
	 .run = through_a_link,
	 .is_once = true},
	{.name = "binary: in a container", .run = in_a_container, .is_once = true},
	{},
};
