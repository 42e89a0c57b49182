// SPDX-License-Identifier: GPL-2.0-or-later
/* Programs are run until ebphd knows them. */
#include <stdlib.h>
#include <string.h>

#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/tap.h"

void run_until(struct daemon *daemon, const char *const *argv, const char *name, const char *after)
{
	struct child child;

	do {
		REQUIRE(run(&child, argv, NULL) == 0, "%s says %s", argv[0], child.output);
		if (!event_seen(daemon, name, argv[0], after))
			events_await(daemon, 100);
	} while (!event_seen(daemon, name, argv[0], after));
}

/* Is there an event that @program is normal among those that event_wait() has still to see? */
static bool normal_ahead(struct daemon *daemon, const char *program)
{
	events_count(daemon, "state", 0); /* takes what is new */
	for (size_t i = daemon->next; i < json_array_size(daemon->events); i++) {
		const json_t *event = json_array_get(daemon->events, i);

		if (!strcmp(event_text(event, "event"), "state") &&
		    !strcmp(event_text(event, "path"), program) &&
		    !strcmp(event_text(event, "after"), "normal"))
			return true;
	}
	return false;
}

void train(struct daemon *daemon, const char *program, const char *const *argv)
{
	struct child child;

	/*
	 * The third run makes it normal at the latest (min_runs); with luck it was one before.
	 * Where ebphd has still to find out that it is to follow this file, it takes more.
	 */
	for (int i = 0; i < 3; i++)
		REQUIRE(run(&child, argv, NULL) == 0, "%s says %s", argv[0], child.output);
	do {
		REQUIRE(run(&child, argv, NULL) == 0, "%s says %s", argv[0], child.output);
		if (!normal_ahead(daemon, program))
			events_await(daemon, 100);
	} while (!normal_ahead(daemon, program));
	event_wait(daemon, "state", "path", program, "after", "normal", NULL);
}

void daemon_start_delaying(struct daemon *daemon, const struct daemon_conf *conf,
			   struct child *child)
{
	const char *path = strdup(program_path(PROGRAM("lines")));

	daemon_start(daemon, "enforce", conf);
	train(daemon, path, (const char *const[]){path, NULL});
	child_start(child, (const char *const[]){path, "x", NULL}, NULL);
	REQUIRE(child_wait_stopped(child), "it was not stopped: %s", child->output);
	event_wait(daemon, "stop", "call", "write", NULL);
}

void delayed_runs_on(struct child *child)
{
	CHECK(child_wait(child) == 0, "%s", child->output);
	CHECK(!strcmp(child->output, "one\ntwo\n"), "it wrote %s", child->output);
}
