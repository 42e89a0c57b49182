// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Python's own tests, test by test, with and without one in three calls of Python delayed. Debian
 * has them in a package of their own; they and the whole standard library come into the machine by
 * scripts/vm -f, see tests/run.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/tap.h"

#define PYTHON	"/usr/bin/python3"
#define LIBRARY "/python" /* what tests/run has put there */
#define SUITE	"tests/e2e/suite.py"

/* In place of the few files that all tests have: it is searched by programs under test, too. */
static void library_mount(void)
{
	struct child child;
	char *end;

	if (access(LIBRARY "/test/test_subprocess.py", R_OK))
		skip("Python's tests are not in this machine: make test-long brings them");
	REQUIRE(RUN(&child, PYTHON, "-S", "-c", "import os; print(os.path.dirname(os.__file__))") ==
			0,
		"%s", child.output);
	end = strchr(child.output, '\n');
	REQUIRE(end, "it says %s", child.output);
	*end = '\0';
	REQUIRE(!unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
			!mount(LIBRARY, child.output, NULL, MS_BIND, NULL),
		"%s: %s", child.output, strerror(errno));
}

#define PARTS_MAX 4

/* Runs the @parts of Python's tests: modules, or classes of one; a list ended by NULL. */
static void suite_run(struct daemon *daemon, const char *name, const char *const *parts)
{
	const char *argv[PARTS_MAX + 4] = {PYTHON, SUITE};
	char out[128];
	struct child child;

	snprintf(out, sizeof(out), "%s/%s", daemon->folder, name);
	argv[2] = out;
	for (size_t i = 0; i < PARTS_MAX && parts[i]; i++)
		argv[3 + i] = parts[i];
	CHECK(run(&child, argv, NULL) == 0, "%s", child.output);
	if (child.n_output)
		note("%s %s: %.2000s", parts[0], name, child.output);
}

/* Without a drill first: the same daemon follows it, and stops nobody. */
static void alike(const char *const *parts)
{
	const struct daemon_conf plain = {.detection = "normal_wait = 1d\n",
					  .response = "deferral = yes\n"};
	struct daemon_conf drill = plain;
	struct daemon without, with;
	char a[128], b[128];
	struct child child;

	drill.drill = "executable = " PYTHON "\none_in = 3\ndelay = 1ms\nduration = 1d\n";
	library_mount();
	daemon_start(&without, "enforce", &plain);
	suite_run(&without, "without", parts);
	daemon_stop(&without);
	CHECK(events_count(&without, "stop", 0) == 0, "stops without a drill");
	daemon_start(&with, "enforce", &drill);
	CHECK(RUN(&child, PYTHON, "-S", "-c", "") == 0, "%s", child.output);
	event_wait(&with, "drill", "state", "found", NULL);
	suite_run(&with, "with", parts);
	daemon_stop(&with);
	note("%s: %zu calls delayed", parts[0], events_count(&with, "stop", 0));
	CHECK(events_count(&with, "stop", 0) > 100, "that is no drill");
	snprintf(a, sizeof(a), "%s/without", without.folder);
	snprintf(b, sizeof(b), "%s/with", with.folder);
	CHECK(RUN(&child, PYTHON, SUITE, "--compare", a, b) == 0, "%s", child.output);
	note("%s: %s", parts[0], child.output);
}

#define PART(function, ...)                                                                        \
	static void function(void)                                                                 \
	{                                                                                          \
		alike((const char *const[]){__VA_ARGS__, NULL});                                   \
	}

PART(epoll, "test.test_epoll")
PART(fileio, "test.test_fileio")
PART(tempfile, "test.test_tempfile")
/* In parts: the whole takes longer than one test may. */
PART(subprocess, "test.test_subprocess.ProcessTestCase")
PART(subprocess_no_poll, "test.test_subprocess.ProcessTestCaseNoPoll")
PART(subprocess_posix, "test.test_subprocess.POSIXProcessTestCase")
PART(subprocess_rest, "test.test_subprocess.RunFuncTestCase", "test.test_subprocess.MiscTests",
     "test.test_subprocess.ContextManagerTests", "test.test_subprocess.CommandsWithSpaces")

#define ROW(module, function)                                                                      \
	{                                                                                          \
		.name = "transparency: Python's " module, .run = function, .is_long = true         \
	}

const struct test transparency_tests[] = {
	ROW("test_epoll", epoll),
	ROW("test_fileio", fileio),
	ROW("test_tempfile", tempfile),
	ROW("test_subprocess, ProcessTestCase", subprocess),
	ROW("test_subprocess, ProcessTestCaseNoPoll", subprocess_no_poll),
	ROW("test_subprocess, POSIXProcessTestCase", subprocess_posix),
	ROW("test_subprocess, all others", subprocess_rest),
	{},
};
