// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A hundred processes are delayed at once, and something happens to those who are to release them.
 * How long it takes is said; whoever is never released runs into the time limit of the test.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "enforcer/kernel.h"
#include "enforcer/util.h"
#include "tests/bpf/rig.h"
#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/tap.h"
#include "ebph.skel.h"
#include "ontime.skel.h"
#include "stray.skel.h"

#define CROWD	    100
#define LONG_ROUNDS 20 /* of five blows: 100 */
#define POLL_NS	    20000000

/* ---- what happens ------------------------------------------------------------------------ */

static void daemon_killed(struct daemon *daemon)
{
	kill(daemon->pid, SIGKILL);
	CHECK(WIFSIGNALED(daemon_wait(daemon)), "it did not die");
}

static void guardian_killed(struct daemon *daemon)
{
	pid_t guardian = daemon_child(daemon, GUARDIAN);

	REQUIRE(guardian > 0, "there is no guardian");
	kill(guardian, SIGKILL);
}

/* As the service manager does, which calls ebphd --release whenever ebphd has ended. */
static void both_killed(struct daemon *daemon)
{
	struct child release;
	char conf[128];

	daemon_kill_both(daemon);
	snprintf(conf, sizeof(conf), "%s/ebph.conf", daemon->folder);
	CHECK(RUN(&release, "build/ebphd", "--config", conf, "--release") == 0, "%s",
	      release.output);
}

static void daemon_stopped(struct daemon *daemon)
{
	kill(daemon->pid, SIGSTOP);
}

static void text_write(const char *path, const char *text)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		skip("this kernel has no SysRq key");
	REQUIRE(fd >= 0 && write(fd, text, strlen(text)) > 0, "%s: %s", path, strerror(errno));
}

/* The kernel's own OOM killer, called by hand, with ebphd as the likeliest victim. */
static void memory_gone(struct daemon *daemon)
{
	char path[64];
	int status;

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", daemon->pid);
	text_write(path, "1000");
	text_write("/proc/sysrq-trigger", "f");
	status = daemon_wait(daemon);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %#x",
	      (unsigned int)status);
}

#define LATER "delay_base = 10s\nmax_delay = 1h\n" /* nobody's time comes during the test */
#define SOON  "delay_base = 5s\nmax_delay = 10s\n" /* time for all to be stopped at once */

struct blow {
	const char *name;
	void (*strike)(struct daemon *daemon);
	const char *response; /* LATER: all are to be released at once; SOON: when it is time */
};

static const struct blow daemon_killed_blow = {"ebphd killed", daemon_killed, LATER};
static const struct blow guardian_killed_blow = {"its guardian killed", guardian_killed, SOON};
static const struct blow both_killed_blow = {"both killed", both_killed, LATER};
static const struct blow daemon_stopped_blow = {"ebphd stopped", daemon_stopped, SOON};
static const struct blow memory_gone_blow = {"ebphd killed for its memory", memory_gone, LATER};

/* ---- those who are delayed --------------------------------------------------------------- */

static struct child crowd[CROWD];

static size_t crowd_stopped(void)
{
	size_t n = 0;

	for (size_t i = 0; i < CROWD; i++)
		n += crowd[i].pid && child_is_stopped(&crowd[i]);
	return n;
}

/* Return: after how many ns nobody was stopped any more. */
static uint64_t crowd_await(void)
{
	const struct timespec pause = {.tv_nsec = POLL_NS};
	uint64_t begin_ns = now_ns(CLOCK_MONOTONIC);

	while (crowd_stopped())
		nanosleep(&pause, NULL);
	return now_ns(CLOCK_MONOTONIC) - begin_ns;
}

/* What there has been of it so far. */
struct counts {
	size_t stops;
	long silent; /* stops that were not made because ebphd was not heard */
};

static struct counts counts_take(struct daemon *daemon)
{
	json_t *counters = counters_ask(daemon);

	return (struct counts){
		.stops = events_count(daemon, "stop", 0),
		.silent = event_number(counters, "stop_no_heartbeat"),
	};
}

/*
 * Starts all of them. On a machine so busy that ebphd does not run for two seconds nobody is
 * stopped meanwhile, which is right: those do not count, and their .pid is 0. Where the kernel
 * skips programs (bpf/second.h) the strange call may be lost: that is said, and no excuse.
 */
static void crowd_start(struct daemon *daemon, const struct counts *before, const char *path)
{
	long missing = 0, silent;
	struct counts now;
	pid_t first = 0;
	char *all;

	for (size_t i = 0; i < CROWD; i++)
		child_start(&crowd[i], (const char *const[]){path, "x", NULL}, NULL);
	for (size_t i = 0; i < CROWD; i++) {
		if (child_wait_stopped(&crowd[i]))
			continue;
		if (!missing++)
			first = crowd[i].pid;
		close(crowd[i].out_fd);
		crowd[i].pid = 0;
	}
	if (!missing)
		return;
	now = counts_take(daemon);
	silent = now.silent - before->silent;
	all = json_dumps(counters_ask(daemon), JSON_COMPACT);
	note("%ld were not stopped; %zu stops; of %d, the first of them, %zu, and %zu anomalies; "
	     "%s",
	     missing, now.stops - before->stops, first, events_count(daemon, "stop", first),
	     events_count(daemon, "anomaly", first), all);
	free(all);
	CHECK(missing < CROWD, "nobody was");
	CHECK(silent >= missing, "ebphd was not silent, and %ld were not stopped", missing);
}

/*
 * Was anybody stopped more than once? Not by what is trained here. Where calls have been missed,
 * who then stands still twice is not released late.
 */
static void more_stops_tell(struct daemon *daemon, const struct counts *before)
{
	struct counts now = counts_take(daemon);

	if (now.stops - before->stops > CROWD)
		note("%zu stops of %d processes", now.stops - before->stops, CROWD);
}

/* Return: how long it took until nobody was stopped, in ns. */
static uint64_t round_play(const struct blow *blow, struct daemon *daemon, const char *path)
{
	const struct counts before = counts_take(daemon);
	uint64_t ns;

	crowd_start(daemon, &before, path);
	blow->strike(daemon);
	ns = crowd_await();
	for (size_t i = 0; i < CROWD; i++)
		if (crowd[i].pid)
			delayed_runs_on(&crowd[i]);
	if (daemon->pid) {
		kill(daemon->pid, SIGCONT);
		more_stops_tell(daemon, &before);
	}
	return ns;
}

/* @deferral: as in the configuration. An ebphd that survives is there for the next round, too. */
static void rounds_play(const struct blow *blow, size_t rounds, const char *deferral)
{
	const char *path = strdup(program_path(PROGRAM("lines")));
	struct daemon_conf conf = {};
	struct daemon daemon = {};
	uint64_t most_ns = 0;
	char response[128];

	snprintf(response, sizeof(response), "deferral = %s\n%s", deferral, blow->response);
	conf.response = response;
	for (size_t i = 0; i < rounds; i++) {
		uint64_t ns;

		if (!daemon.pid) {
			daemon_start(&daemon, "enforce", &conf);
			train(&daemon, path, (const char *const[]){path, NULL});
		}
		ns = round_play(blow, &daemon, path);
		most_ns = ns > most_ns ? ns : most_ns;
	}
	if (daemon.pid)
		daemon_stop(&daemon);
	note("%s: %zu times %d delayed; the last went on after at most %.2f s%s", blow->name,
	     rounds, CROWD, (double)most_ns / NSEC_PER_SEC,
	     strcmp(blow->response, SOON) ? "" : ", the delay of 10 s included");
}

static void daemon_dies(void)
{
	rounds_play(&daemon_killed_blow, 1, "yes");
	rounds_play(&memory_gone_blow, 1, "no");
}

static void daemon_hangs(void)
{
	rounds_play(&daemon_stopped_blow, 1, "yes");
}

#define LONG_FORM(blow)                                                                            \
	static void blow##_often(void)                                                             \
	{                                                                                          \
		rounds_play(&blow##_blow, LONG_ROUNDS, "no");                                      \
	}
LONG_FORM(daemon_killed)
LONG_FORM(guardian_killed)
LONG_FORM(both_killed)
LONG_FORM(daemon_stopped)
LONG_FORM(memory_gone)

/* ---- a full ring ------------------------------------------------------------------------- */

#define FIRST	     30
#define KNOWN	     12 /* calls from FIRST on, which the profile knows */
#define STRANGE_CALL 99 /* and one that it does not */
#define HOUR_NS	     (3600ull * NSEC_PER_SEC)

/* Nobody else can be stopped: sys_enter is not attached, the child feeds it its own calls. */
static void ring_fill(int hot_path_fd, size_t calls)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < calls; i++)
		rig_call(hot_path_fd, STRANGE_CALL);
	_exit(0);
}

/* Takes no news: each stop of @pid stays in the ring. Return: how often it was stopped. */
static size_t stops_count(pid_t pid)
{
	size_t n = 0;
	int status;

	while (waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status)) {
		n++;
		kill(pid, SIGCONT);
	}
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status), "status %#x", (unsigned int)status);
	return n;
}

/* A rig that delays this program for an hour at each strange call. */
static void rig_new_delaying(struct rig *rig)
{
	struct ebph_settings *settings;

	rig_new(rig, 16);
	settings = kernel_settings(rig->kernel);
	settings->mode = EBPH_MODE_ENFORCE;
	settings->delay_base_ns = settings->max_delay_ns = HOUR_NS;
	settings->anomaly_limit = settings->tolerize_limit = UINT32_MAX;
	settings->tolerance = settings->auto_tolerize = 0;
	settings->heartbeat_ns = now_ns(CLOCK_MONOTONIC) + HOUR_NS;
	rig_normal(rig, FIRST, KNOWN);
}

/* Has a child make so many strange calls. Return: how often it was stopped. */
static size_t strange_calls(struct rig *rig, size_t calls)
{
	pid_t pid = fork();

	REQUIRE(pid >= 0, "fork: %s", strerror(errno));
	if (!pid)
		ring_fill(rig_hot_path_fd(rig), calls);
	return stops_count(pid);
}

static void full_ring(void)
{
	struct rig rig;
	size_t room, n;
	uint64_t left_out;

	rig_new_delaying(&rig);
	room = bpf_map__max_entries(rig.kernel->skeleton->maps.stops) /
	       sizeof(struct ebph_event_stop);
	n = strange_calls(&rig, room);
	left_out = kernel_counter(rig.kernel, EBPH_COUNT_STOP_UNRECORDED);
	note("%zu stops, then %llu left out", n, (unsigned long long)left_out);
	CHECK(n > room / 4 && n < room && left_out > 0, "%zu stops of %zu, %llu left out", n, room,
	      (unsigned long long)left_out);
	rig_free(&rig);
}

/* ---- released between record and stop ---------------------------------------------------- */

/* Releases whoever @kernel stops before he is stopped, as far as the record goes. */
static struct stray_bpf *stray_new(struct kernel *kernel)
{
	struct stray_bpf *stray = stray_bpf__open();

	REQUIRE(stray && !bpf_map__reuse_fd(stray->maps.delayed, kernel_delayed_fd(kernel)) &&
			!stray_bpf__load(stray) && !stray_bpf__attach(stray),
		"%s", strerror(errno));
	return stray;
}

static void released_before_stopped(void)
{
	struct stray_bpf *stray;
	uint64_t strays;
	struct rig rig;
	size_t n;

	rig_new_delaying(&rig);
	stray = stray_new(rig.kernel);
	n = strange_calls(&rig, 3);
	stray_bpf__destroy(stray);
	strays = kernel_counter(rig.kernel, EBPH_COUNT_STOP_STRAY);
	CHECK(n == 0 && strays > 0, "stopped %zu times, %llu strays", n,
	      (unsigned long long)strays);
	rig_free(&rig);
}

/* Likewise where the kernel releases: he is on record again when his stop comes. */
static void released_then_on_record(void)
{
	struct ebph_delay delay;
	struct stray_bpf *stray;
	struct rig rig;
	int status;
	pid_t pid;

	rig_new_delaying(&rig);
	if (!rig.kernel->ontime)
		skip("this kernel has no bpf_send_signal_task()");
	stray = stray_new(rig.kernel); /* before the one that looks */
	REQUIRE(!ontime_bpf__attach(rig.kernel->ontime), "%s", strerror(errno));
	processors_load(true);
	pid = fork();
	REQUIRE(pid >= 0, "fork: %s", strerror(errno));
	if (!pid)
		ring_fill(rig_hot_path_fd(&rig), 3);
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status), "status %#x",
	      (unsigned int)status);
	processors_load(false);
	stray_bpf__destroy(stray);
	REQUIRE(!bpf_map_lookup_elem(kernel_delayed_fd(rig.kernel), &pid, &delay), "%s",
		strerror(errno));
	CHECK(delay.released, "not by the kernel");
	rig_free(&rig);
}

const struct test hang_tests[] = {
	{.name = "hang: a hundred are delayed, and ebphd dies",
	 .run = daemon_dies,
	 .is_once = true},
	{.name = "hang: a hundred are delayed, and ebphd hangs",
	 .run = daemon_hangs,
	 .is_once = true},
	{.name = "hang: with no room to record it nobody is stopped",
	 .run = full_ring,
	 .is_once = true},
	{.name = "hang: who was released before he was stopped goes on",
	 .run = released_before_stopped},
	{.name = "hang: likewise where the kernel releases", .run = released_then_on_record},
	{.name = "hang: ebphd killed, 20 times", .run = daemon_killed_often, .is_long = true},
	{.name = "hang: guardian killed, 20 times", .run = guardian_killed_often, .is_long = true},
	{.name = "hang: both killed, 20 times", .run = both_killed_often, .is_long = true},
	{.name = "hang: ebphd stopped, 20 times", .run = daemon_stopped_often, .is_long = true},
	{.name = "hang: out of memory, 20 times", .run = memory_gone_often, .is_long = true},
	{},
};
