// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel refuses a signal of ours. No kernel can be made to do so at will, so the function that
 * sends them is replaced, in a program of an ebphd that runs, by one that fails like the helper.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enforcer/kernel.h"
#include "enforcer/util.h"
#include "tests/e2e/serve.h"
#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/tap.h"
#include "no_signal.skel.h"

/* Names of programs, which have room for no more. */
#define GUARD "ebph_g_file_per" /* before write() */
#define CALLS "ebph_sys_enter_" /* sees all calls, from 7.0 on */

static int program_fd(const char *name)
{
	uint32_t id = 0;

	while (!bpf_prog_get_next_id(id, &id)) {
		struct bpf_prog_info info = {};
		uint32_t size = sizeof(info);
		int fd = bpf_prog_get_fd_by_id(id);

		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &size) &&
		    !strcmp(info.name, name))
			return fd;
		close(fd);
	}
	return -1;
}

/* From now on the next signal of program @fd, which is closed, fails with @error. */
static struct no_signal_bpf *refusal_begin(int fd, int error)
{
	struct no_signal_bpf *skeleton = no_signal_bpf__open();

	REQUIRE(skeleton && fd >= 0, "there is no such program");
	skeleton->bss->refusals = 1;
	skeleton->bss->error = -error;
	REQUIRE(!bpf_program__set_attach_target(skeleton->progs.no_signal, fd, "signal_self") &&
			!no_signal_bpf__load(skeleton) && !no_signal_bpf__attach(skeleton),
		"%s", strerror(errno));
	close(fd);
	return skeleton;
}

/* The next line too many is written all the same; at the one after it the program stands still. */
static void stop_refused(struct daemon *daemon, const char *path, int error)
{
	struct no_signal_bpf *replaced = refusal_begin(program_fd(GUARD), error);
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

/*
 * Of the raw tracepoint's program, which sees the calls before 7.0, 6.1 and 6.12 let nobody replace
 * a function: "Cannot replace static functions", though this one is not.
 */
static void kill_refused(void)
{
	const struct daemon_conf conf = {.response = "abort_kill = yes\nmax_delay = 10ms\n"};
	struct no_signal_bpf *replaced;
	struct child spared, killed;
	struct daemon daemon;
	json_t *counters;
	const char *path;
	int status;

	if (kernel_version() < KERNEL(7, 0))
		skip("before 7.0 the kernel takes functions of sys_enter's program for static");
	daemon_start_with(&daemon, "enforce", &conf,
			  (const char *const[]){"--best-rung", "kill", NULL});
	path = serve_train(&daemon);
	replaced = refusal_begin(program_fd(CALLS), EBUSY);
	status = serve_shell(path, &spared);
	CHECK(!replaced->bss->refusals, "nothing was refused");
	no_signal_bpf__destroy(replaced);
	CHECK(!status, "status %#x, %s", (unsigned int)status, spared.output);
	CHECK(!access(SHELL_WAS_HERE, F_OK), "the shell did not run");
	status = serve_shell(path, &killed);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %#x, %s",
	      (unsigned int)status, killed.output);
	CHECK(access(SHELL_WAS_HERE, F_OK), "the shell ran");
	counters = counters_ask(&daemon);
	CHECK(event_number(counters, "kill_failed") == 1, "counted %ld",
	      event_number(counters, "kill_failed"));
	daemon_stop(&daemon);
	CHECK(events_count(&daemon, "abort", spared.pid) == 0 &&
		      events_count(&daemon, "abort", killed.pid) == 1,
	      "%zu and %zu aborts", events_count(&daemon, "abort", spared.pid),
	      events_count(&daemon, "abort", killed.pid));
}

const struct test no_signal_tests[] = {
	{.name = "no signal: a stop that the kernel refuses is made at the next call",
	 .run = stops_refused},
	{.name = "no signal: a kill that the kernel refuses is counted, and the next one comes",
	 .run = kill_refused},
	{},
};
