// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel refuses a signal of ours. No kernel can be made to do so at will, so the function that
 * sends them is replaced, in a guard of an ebphd that runs, by one that fails like the helper.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "enforcer/util.h"
#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/tap.h"
#include "no_signal.skel.h"

/* The guard before write(); a program's name has room for no more. */
#define GUARD "ebph_g_file_per"

static int guard_fd(void)
{
	uint32_t id = 0;

	while (!bpf_prog_get_next_id(id, &id)) {
		struct bpf_prog_info info = {};
		uint32_t size = sizeof(info);
		int fd = bpf_prog_get_fd_by_id(id);

		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &size) &&
		    !strcmp(info.name, GUARD))
			return fd;
		close(fd);
	}
	return -1;
}

/* From now on the guard's next signals fail, so many @times, with @error. */
static struct no_signal_bpf *refusals_begin(uint32_t times, int error)
{
	struct no_signal_bpf *skeleton = no_signal_bpf__open();
	AUTO_CLOSE int fd = guard_fd();

	REQUIRE(skeleton && fd >= 0, "there is no " GUARD);
	skeleton->bss->refusals = times;
	skeleton->bss->error = -error;
	REQUIRE(!bpf_program__set_attach_target(skeleton->progs.no_signal, fd, "signal_self") &&
			!no_signal_bpf__load(skeleton) && !no_signal_bpf__attach(skeleton),
		"%s", strerror(errno));
	return skeleton;
}

/* The next line too many is written all the same; at the one after it the program stands still. */
static void stop_refused(struct daemon *daemon, const char *path, int error)
{
	struct no_signal_bpf *replaced = refusals_begin(1, error);
	struct child child;
	json_t *stop;

	child_start(&child, (const char *const[]){path, "a", "b", NULL}, NULL);
	REQUIRE(child_wait_stopped(&child), "it was not stopped at all");
	CHECK(!replaced->bss->refusals, "nothing was refused");
	no_signal_bpf__destroy(replaced);
	child_listen(&child);
	CHECK(!strcmp(child.output, "one\ntwo\n"), "it stopped after \"%s\"", child.output);
	stop = event_wait(daemon, "stop", "error", strerror(error), NULL);
	CHECK(event_number(stop, "pid") == child.pid, "another's");
	stop = event_wait(daemon, "stop", NULL);
	CHECK(event_number(stop, "pid") == child.pid && !*event_text(stop, "error"), "\"%s\"",
	      event_text(stop, "error"));
	kill(child.pid, SIGKILL);
	child_wait(&child);
	CHECK(!strcmp(child.output, "one\ntwo\n"), "then \"%s\"", child.output);
}

static void stops_refused(void)
{
	const struct daemon_conf conf = {
		.response = "deferral = yes\ndelay_base = 10s\nmax_delay = 1min\n"};
	const char *path = strdup(program_path(PROGRAM("lines")));
	struct daemon daemon;
	json_t *counters;

	daemon_start(&daemon, "enforce", &conf);
	train(&daemon, path, (const char *const[]){path, NULL});
	stop_refused(&daemon, path, EPERM);
	stop_refused(&daemon, path, EBUSY);
	daemon_log_await(&daemon, "not delayed: ");
	counters = counters_ask(&daemon);
	CHECK(event_number(counters, "stop_failed") == 2, "counted %ld",
	      event_number(counters, "stop_failed"));
	daemon_stop(&daemon);
}

const struct test no_signal_tests[] = {
	{.name = "no signal: a stop that the kernel refuses is made at the next call",
	 .run = stops_refused},
	{},
};
