// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How late a process goes on whose delay is over: many are delayed at once, and the daemon's own
 * code releases them. They are copies of this program, and nobody else can be stopped: sys_enter
 * is not attached, and each of them feeds the anomalous call to it itself.
 */
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "enforcer/event.h"
#include "enforcer/log.h"
#include "enforcer/process.h"
#include "enforcer/util.h"
#include "tests/bench/bench.h"
#include "tests/bench/witness.h"
#include "tests/harness/tap.h"

#define MOST	     1000 /* processes */
#define DELAY_MIN_MS 10
#define DELAY_MAX_MS 500
#define IN_FLIGHT    4 /* so many at most are told to make their call and not stopped yet */
#define ROUNDS_SHARE 8 /* every so many of the other cases' rounds, one of these */
#define ROUND_LIMIT  (30ull * NSEC_PER_SEC)
#define P99_LATE_NS  1e6
#define PLOT_LINES   150
#define FIRST	     30
#define KNOWN	     12 /* calls from FIRST on, which the profile knows */
#define STRANGE_CALL 99 /* and one that it does not */

/* One process, in shared memory. */
struct sleeper {
	uint32_t step;	     /* 1: it is to make its call; 2: to end */
	uint64_t resumed_ns; /* CLOCK_MONOTONIC when it went on; 0: not yet */
	uint64_t due_ns;     /* when it should have */
	pid_t pid;
};

/* A daemon of our own, whose only work is to release. */
struct releaser {
	struct rig rig;
	struct event_sink sink;
	struct ring_buffer *stops;
	int epoll_fd;
	struct sleeper *sleepers; /* MOST of them */
	size_t n, n_stopped, most_at_once;
};

/* ---- those who are delayed ---------------------------------------------------------------- */

static void step_wait(struct sleeper *sleeper, uint32_t step)
{
	uint32_t seen;

	while ((seen = __atomic_load_n(&sleeper->step, __ATOMIC_ACQUIRE)) < step)
		syscall(SYS_futex, &sleeper->step, FUTEX_WAIT, seen, NULL, NULL, 0);
}

static void step_do(struct sleeper *sleeper, uint32_t step)
{
	__atomic_store_n(&sleeper->step, step, __ATOMIC_RELEASE);
	syscall(SYS_futex, &sleeper->step, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void sleeper_run(struct sleeper *sleeper, int hot_path_fd, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	for (uint64_t i = 0; i < KNOWN; i++)
		rig_call(hot_path_fd, FIRST + i);
	step_wait(sleeper, 1);
	rig_call(hot_path_fd, STRANGE_CALL); /* on its way back it stands still */
	__atomic_store_n(&sleeper->resumed_ns, now_ns(CLOCK_MONOTONIC), __ATOMIC_RELEASE);
	step_wait(sleeper, 2); /* the end of a process takes longer than all of this */
	_exit(0);
}

static void sleepers_start(struct releaser *releaser, size_t n)
{
	pid_t self = getpid();

	memset(releaser->sleepers, 0, MOST * sizeof(*releaser->sleepers));
	releaser->n = n;
	releaser->n_stopped = releaser->most_at_once = 0;
	for (size_t i = 0; i < n; i++) {
		struct sleeper *sleeper = &releaser->sleepers[i];

		pid_t pid = fork();

		REQUIRE(pid >= 0, "fork: %s", strerror(errno));
		if (!pid)
			sleeper_run(sleeper, rig_hot_path_fd(&releaser->rig), self);
		sleeper->pid = pid;
	}
}

/* ---- who releases them ------------------------------------------------------------------- */

static int stop_take(void *context, void *record, size_t size)
{
	struct releaser *releaser = context;
	const struct ebph_event_stop *stop = record;
	size_t i = 0;

	while (i < releaser->n && stop->event.pid != (uint32_t)releaser->sleepers[i].pid)
		i++;
	REQUIRE(i < releaser->n && stop->event.type == EBPH_EVENT_STOP &&
			!releaser->sleepers[i].due_ns,
		"a stop of process %u", stop->event.pid);
	releaser->sleepers[i].due_ns = stop->delay.due_ns;
	releaser->n_stopped++;
	return event_handle(&releaser->sink, record, size);
}

/* One round of a loop like the daemon's: enforcer_loop(). */
static void turn(struct releaser *releaser, int timeout_ms)
{
	struct epoll_event ready[16];
	int n = epoll_wait(releaser->epoll_fd, ready, ARRAY_SIZE(ready), timeout_ms);

	kernel_settings(releaser->rig.kernel)->heartbeat_ns = now_ns(CLOCK_MONOTONIC);
	delays_run(releaser->sink.delays);
	for (int i = 0; i < n; i++) {
		int fd = ready[i].data.fd;

		if (fd == ring_buffer__epoll_fd(releaser->stops))
			ring_buffer__consume(releaser->stops);
		else if (fd != releaser->sink.delays->timer_fd)
			delay_process_ended(releaser->sink.delays, fd);
	}
	if (releaser->sink.delays->n > releaser->most_at_once)
		releaser->most_at_once = releaser->sink.delays->n;
}

static void watch(const struct releaser *releaser, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	REQUIRE(!epoll_ctl(releaser->epoll_fd, EPOLL_CTL_ADD, fd, &event), "%s", strerror(errno));
}

static void releaser_new(struct releaser *releaser)
{
	struct rig *rig = &releaser->rig;
	struct ebph_settings *settings;

	rig_new(rig, 64);
	settings = kernel_settings(rig->kernel);
	settings->mode = EBPH_MODE_ENFORCE;
	settings->anomaly_limit = settings->tolerize_limit = UINT32_MAX;
	settings->tolerance = settings->auto_tolerize = 0;
	settings->max_delay_ns = NSEC_PER_SEC;
	settings->reports_per_s = EBPH_REPORTS_PER_SECOND;
	rig_attach_life(rig);
	rig_normal(rig, FIRST, KNOWN);
	releaser->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	REQUIRE(releaser->epoll_fd >= 0, "%s", strerror(errno));
	releaser->sink = (struct event_sink){.profiles = rig->profiles, .journal.fd = -1};
	REQUIRE(!delays_new(rig->kernel, releaser->epoll_fd, event_released, &releaser->sink,
			    &releaser->sink.delays),
		"no memory");
	releaser->stops = ring_buffer__new(kernel_stops_fd(rig->kernel), stop_take, releaser, NULL);
	REQUIRE(releaser->stops, "%s", strerror(errno));
	watch(releaser, releaser->sink.delays->timer_fd);
	watch(releaser, ring_buffer__epoll_fd(releaser->stops));
	releaser->sleepers = mmap(NULL, MOST * sizeof(*releaser->sleepers), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(releaser->sleepers != MAP_FAILED, "%s", strerror(errno));
}

static void releaser_free(struct releaser *releaser)
{
	munmap(releaser->sleepers, MOST * sizeof(*releaser->sleepers));
	ring_buffer__free(releaser->stops);
	delays_free(releaser->sink.delays);
	close(releaser->epoll_fd);
	rig_free(&releaser->rig);
}

/* ---- a round ----------------------------------------------------------------------------- */

static bool all_resumed(const struct releaser *releaser)
{
	for (size_t i = 0; i < releaser->n; i++)
		if (!__atomic_load_n(&releaser->sleepers[i].resumed_ns, __ATOMIC_ACQUIRE))
			return false;
	return true;
}

/*
 * Stops all, those first that wait longest, so that all stand still at once. They take the base
 * that is set when they come to it, which may be that of one or the other after them.
 */
static void all_stop(struct releaser *releaser, uint64_t give_up)
{
	struct ebph_settings *settings = kernel_settings(releaser->rig.kernel);

	for (size_t i = 0; i < releaser->n; i++) {
		uint64_t ms = DELAY_MAX_MS - (DELAY_MAX_MS - DELAY_MIN_MS) * i / releaser->n;

		/* One recent anomaly: twice the base. */
		settings->delay_base_ns = ms * NSEC_PER_MSEC / 2;
		settings->heartbeat_ns = now_ns(CLOCK_MONOTONIC);
		step_do(&releaser->sleepers[i], 1);
		while (releaser->n_stopped + IN_FLIGHT <= i) {
			turn(releaser, 0); /* wide awake: the sooner all stand still */
			REQUIRE(now_ns(CLOCK_MONOTONIC) < give_up, "process %zu was not stopped",
				i);
		}
	}
}

/*
 * Delays @n processes. @ret: how late each was, ns; @ret_run: how late without the time that the
 * host took from us
 *
 * Return: false when nobody can tell that time.
 */
static bool round_run(struct releaser *releaser, size_t n, double *ret, double *ret_run)
{
	struct witness *witness;
	uint64_t give_up;
	bool known;

	sleepers_start(releaser, n);
	give_up = now_ns(CLOCK_MONOTONIC) + ROUND_LIMIT;
	witness = witness_begin();
	all_stop(releaser, give_up);
	while (releaser->sink.delays->n || !all_resumed(releaser)) {
		turn(releaser, 100);
		REQUIRE(now_ns(CLOCK_MONOTONIC) < give_up, "not everybody has gone on");
	}
	REQUIRE(releaser->n_stopped == n, "%zu were stopped of %zu", releaser->n_stopped, n);
	known = witness_end(witness);
	for (size_t i = 0; i < n; i++) {
		struct sleeper *sleeper = &releaser->sleepers[i];
		uint64_t late_ns = sleeper->resumed_ns - sleeper->due_ns;

		step_do(sleeper, 2);
		waitpid(sleeper->pid, NULL, 0);
		REQUIRE(sleeper->resumed_ns >= sleeper->due_ns, "process %zu was too early", i);
		ret[i] = (double)late_ns;
		ret_run[i] = (double)(late_ns - witness_stolen(witness, sleeper->due_ns,
							       sleeper->resumed_ns));
	}
	witness_free(witness);
	return known;
}

static int value_compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

/* What share of all were at most so late, us, in so many lines. */
static void distribution_plot(FILE *plot, size_t delayed, double *late, size_t n)
{
	size_t step = n / PLOT_LINES + 1;

	qsort(late, n, sizeof(*late), value_compare);
	plot_line(plot, "\n\n\"%zu delayed\"\n", delayed);
	for (size_t i = step - 1; i < n; i += step)
		plot_line(plot, "%g %g\n", late[i] / 1e3, (double)(i + 1) / (double)n * 100);
	plot_line(plot, "%g 100\n", late[n - 1] / 1e3);
}

/* The same figures of each round. */
struct lateness {
	double *half, *p99, *last;
};

static struct lateness lateness_new(size_t rounds)
{
	struct lateness ret = {.half = calloc(rounds, sizeof(double)),
			       .p99 = calloc(rounds, sizeof(double)),
			       .last = calloc(rounds, sizeof(double))};

	REQUIRE(ret.half && ret.p99 && ret.last, "no memory");
	return ret;
}

static void lateness_free(struct lateness *lateness)
{
	free(lateness->half);
	free(lateness->p99);
	free(lateness->last);
}

/* Sorts @late. */
static void lateness_take(struct lateness *lateness, size_t round, double *late, size_t n)
{
	qsort(late, n, sizeof(*late), value_compare);
	lateness->half[round] = late[n / 2];
	lateness->p99[round] = late[n * 99 / 100];
	lateness->last[round] = late[n - 1];
}

static void lateness_report(const struct lateness *lateness, struct bench *bench, const char *of,
			    size_t rounds, double bound)
{
	char name[80];

	snprintf(name, sizeof(name), "%s: late, median", of);
	report_values(bench->report, name, "ns", lateness->half, rounds, 0);
	snprintf(name, sizeof(name), "%s: late, 99 %%", of);
	report_values(bench->report, name, "ns", lateness->p99, rounds, bound);
	snprintf(name, sizeof(name), "%s: late, last", of);
	report_values(bench->report, name, "ns", lateness->last, rounds, 0);
}

static void count_bench(struct bench *bench, struct releaser *releaser, size_t n, FILE *plot)
{
	size_t rounds = (bench->rounds + ROUNDS_SHARE - 1) / ROUNDS_SHARE;
	AUTO_FREE double *all = calloc(n * rounds, sizeof(double));
	AUTO_FREE double *at_once = calloc(rounds, sizeof(double));
	AUTO_FREE double *run = calloc(n, sizeof(double));
	struct lateness late = lateness_new(rounds), late_run = lateness_new(rounds);
	double bound = n == MOST ? P99_LATE_NS : 0;
	size_t untold = 0;
	char name[80];

	REQUIRE(all && at_once && run, "no memory");
	for (size_t i = 0; i < rounds; i++) {
		fprintf(stderr, "\rlate: %zu processes, round %zu of %zu ", n, i + 1, rounds);
		untold += !round_run(releaser, n, all + i * n, run);
		lateness_take(&late, i, all + i * n, n);
		lateness_take(&late_run, i, run, n);
		at_once[i] = (double)releaser->most_at_once;
	}
	fputs("\r\033[K", stderr);
	distribution_plot(plot, n, all, n * rounds);
	snprintf(name, sizeof(name), "%zu delayed: most at once", n);
	report_values(bench->report, name, "", at_once, rounds, 0);
	snprintf(name, sizeof(name), "%zu delayed", n);
	lateness_report(&late, bench, name, rounds, bound);
	snprintf(name, sizeof(name), "%zu delayed, less stolen time", n);
	lateness_report(&late_run, bench, name, rounds, bound);
	snprintf(name, sizeof(name), "%zu delayed: rounds of which that is not known", n);
	report_value(bench->report, name, "", (double)untold, 0);
	lateness_free(&late);
	lateness_free(&late_run);
}

void late_bench(struct bench *bench)
{
	static const size_t counts[] = {1, 10, 100, MOST};
	static struct releaser releaser;
	FILE *plot = plot_open(bench, "late");
	cpu_set_t one, all;

	/* As the daemon, neither we nor they are kept on one processor. */
	memset(&all, 0xff, sizeof(all));
	sched_getaffinity(0, sizeof(one), &one);
	sched_setaffinity(0, sizeof(all), &all);
	log_set_least(LOG_ERR);
	releaser_new(&releaser);
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		count_bench(bench, &releaser, counts[i], plot);
	plot_close(plot);
	releaser_free(&releaser);
	sched_setaffinity(0, sizeof(one), &one);
}
