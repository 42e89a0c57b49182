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
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "enforcer/event.h"
#include "enforcer/log.h"
#include "enforcer/process.h"
#include "enforcer/util.h"
#include "tests/bench/bench.h"
#include "tests/harness/tap.h"

#define MOST	     1000 /* processes */
#define DELAY_MIN_MS 10
#define DELAY_MAX_MS 500
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

/* They are stopped one after the other, so that each can have a delay of its own. */
static int stop_take(void *context, void *record, size_t size)
{
	struct releaser *releaser = context;
	const struct ebph_event_stop *stop = record;
	struct sleeper *sleeper = &releaser->sleepers[releaser->n_stopped];

	REQUIRE(releaser->n_stopped < releaser->n && stop->event.type == EBPH_EVENT_STOP &&
			stop->event.pid == (uint32_t)sleeper->pid,
		"a stop of process %u", stop->event.pid);
	sleeper->due_ns = stop->delay.due_ns;
	releaser->n_stopped++;
	return event_handle(&releaser->sink, record, size);
}

/* One round of a loop like the daemon's: enforcer_loop(). */
static void turn(struct releaser *releaser)
{
	struct epoll_event ready[16];
	int n = epoll_wait(releaser->epoll_fd, ready, ARRAY_SIZE(ready), 100);

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

/* Delays @n processes, those first that wait longest. @ret: how late each was, ns */
static void round_run(struct releaser *releaser, size_t n, double *ret)
{
	struct ebph_settings *settings = kernel_settings(releaser->rig.kernel);
	uint64_t give_up;

	sleepers_start(releaser, n);
	give_up = now_ns(CLOCK_MONOTONIC) + ROUND_LIMIT;
	for (size_t i = 0; i < n; i++) {
		uint64_t ms = DELAY_MAX_MS - (DELAY_MAX_MS - DELAY_MIN_MS) * i / n;

		/* One recent anomaly: twice the base. */
		settings->delay_base_ns = ms * NSEC_PER_MSEC / 2;
		settings->heartbeat_ns = now_ns(CLOCK_MONOTONIC);
		step_do(&releaser->sleepers[i], 1);
		while (releaser->n_stopped <= i) {
			turn(releaser);
			REQUIRE(now_ns(CLOCK_MONOTONIC) < give_up, "process %zu was not stopped",
				i);
		}
	}
	while (releaser->sink.delays->n || !all_resumed(releaser)) {
		turn(releaser);
		REQUIRE(now_ns(CLOCK_MONOTONIC) < give_up, "not everybody has gone on");
	}
	for (size_t i = 0; i < n; i++) {
		struct sleeper *sleeper = &releaser->sleepers[i];

		step_do(sleeper, 2);
		waitpid(sleeper->pid, NULL, 0);
		REQUIRE(sleeper->resumed_ns >= sleeper->due_ns, "process %zu was too early", i);
		ret[i] = (double)(sleeper->resumed_ns - sleeper->due_ns);
	}
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

/*
 * What the machine itself is good for: a timer that nobody hangs on, due at the same distances as
 * the processes of the round that has just ended. @ret: how late it was each time, ns
 */
static void timer_run(const struct releaser *releaser, double *ret)
{
	AUTO_CLOSE int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	uint64_t begin_ns, due_ns, expired;
	double first;

	REQUIRE(fd >= 0, "%s", strerror(errno));
	for (size_t i = 0; i < releaser->n; i++)
		ret[i] = (double)releaser->sleepers[i].due_ns;
	qsort(ret, releaser->n, sizeof(*ret), value_compare);
	first = ret[0];
	begin_ns = now_ns(CLOCK_MONOTONIC) + DELAY_MIN_MS * NSEC_PER_MSEC;
	for (size_t i = 0; i < releaser->n; i++) {
		struct itimerspec when = {};

		due_ns = begin_ns + (uint64_t)(ret[i] - first);
		when.it_value.tv_sec = (time_t)(due_ns / NSEC_PER_SEC);
		when.it_value.tv_nsec = (long)(due_ns % NSEC_PER_SEC);
		REQUIRE(!timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, NULL) &&
				read(fd, &expired, sizeof(expired)) == sizeof(expired),
			"%s", strerror(errno));
		ret[i] = (double)(now_ns(CLOCK_MONOTONIC) - due_ns);
	}
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
	AUTO_FREE double *timer_late = calloc(n, sizeof(double));
	struct lateness ours = lateness_new(rounds), timer = lateness_new(rounds);
	char name[80];

	REQUIRE(all && at_once && timer_late, "no memory");
	for (size_t i = 0; i < rounds; i++) {
		fprintf(stderr, "\rlate: %zu processes, round %zu of %zu ", n, i + 1, rounds);
		round_run(releaser, n, all + i * n);
		lateness_take(&ours, i, all + i * n, n);
		at_once[i] = (double)releaser->most_at_once;
		timer_run(releaser, timer_late);
		lateness_take(&timer, i, timer_late, n);
	}
	fputs("\r\033[K", stderr);
	distribution_plot(plot, n, all, n * rounds);
	snprintf(name, sizeof(name), "%zu delayed: most at once", n);
	report_values(bench->report, name, "", at_once, rounds, 0);
	snprintf(name, sizeof(name), "%zu delayed", n);
	lateness_report(&ours, bench, name, rounds, n == MOST ? P99_LATE_NS : 0);
	snprintf(name, sizeof(name), "%zu times a timer, nobody delayed", n);
	lateness_report(&timer, bench, name, rounds, 0);
	lateness_free(&ours);
	lateness_free(&timer);
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
