// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/witness.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "enforcer/util.h"
#include "tests/harness/tap.h"

#define PERIOD_NS   250000
#define ON_TIME_NS  150000 /* waking a processor that is idle takes up to 100 microseconds */
#define STALLS_MOST 65536  /* of a processor; later ones are not known, that is: ours */
#define SPARE_NS    (20 * NSEC_PER_MSEC) /* /proc/stat counts in hundredths of a second */

struct stall {
	uint64_t from_ns, to_ns;
};

struct watcher {
	struct witness *witness;
	pthread_t thread;
	int processor;
	size_t n;
	struct stall *stalls; /* STALLS_MOST of them */
};

struct witness {
	bool end;
	uint64_t stolen_ns; /* until it began */
	size_t n_watchers, n;
	struct stall *stalls; /* at the end: of all, disjoint, in order */
	struct watcher watchers[];
};

static void *watch(void *context)
{
	struct watcher *watcher = context;
	uint64_t due_ns = now_ns(CLOCK_MONOTONIC), ns;

	while (!__atomic_load_n(&watcher->witness->end, __ATOMIC_ACQUIRE)) {
		struct timespec due;

		due_ns += PERIOD_NS;
		due.tv_sec = (time_t)(due_ns / NSEC_PER_SEC);
		due.tv_nsec = (long)(due_ns % NSEC_PER_SEC);
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
			;
		ns = now_ns(CLOCK_MONOTONIC);
		if (ns - due_ns > ON_TIME_NS && watcher->n < STALLS_MOST)
			watcher->stalls[watcher->n++] = (struct stall){due_ns, ns};
		if (ns > due_ns)
			due_ns += (ns - due_ns) / PERIOD_NS * PERIOD_NS;
	}
	return NULL;
}

static int watcher_start(struct watcher *watcher)
{
	struct sched_param priority = {.sched_priority = 1};
	cpu_set_t processor;
	pthread_attr_t attr;
	int r;

	watcher->stalls = calloc(STALLS_MOST, sizeof(*watcher->stalls));
	REQUIRE(watcher->stalls && !pthread_attr_init(&attr), "no memory");
	CPU_ZERO(&processor);
	CPU_SET((size_t)watcher->processor, &processor);
	pthread_attr_setaffinity_np(&attr, sizeof(processor), &processor);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	pthread_attr_setschedparam(&attr, &priority);
	r = pthread_create(&watcher->thread, &attr, watch, watcher);
	pthread_attr_destroy(&attr);
	if (r)
		free(watcher->stalls);
	return -r;
}

/* Of all processors, since the machine was started. Return: 0 also where it is not told. */
static uint64_t stolen_ns(void)
{
	AUTO_FCLOSE FILE *file = fopen("/proc/stat", "re");
	unsigned long long ticks = 0;

	if (!file || fscanf(file, "cpu %*u %*u %*u %*u %*u %*u %*u %llu", &ticks) != 1)
		return 0;
	return ticks * (NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK));
}

static void watchers_join(struct witness *witness)
{
	__atomic_store_n(&witness->end, true, __ATOMIC_RELEASE);
	for (size_t i = 0; i < witness->n_watchers; i++)
		pthread_join(witness->watchers[i].thread, NULL);
}

struct witness *witness_begin(void)
{
	struct witness *witness;
	cpu_set_t processors;
	int r = 0;

	if (sched_getaffinity(0, sizeof(processors), &processors))
		return NULL;
	witness = calloc(1, sizeof(*witness) +
				    (size_t)CPU_COUNT(&processors) * sizeof(*witness->watchers));
	REQUIRE(witness, "no memory");
	witness->stolen_ns = stolen_ns();
	for (int i = 0; i < CPU_SETSIZE && !r; i++) {
		struct watcher *watcher = &witness->watchers[witness->n_watchers];

		if (!CPU_ISSET((size_t)i, &processors))
			continue;
		watcher->witness = witness;
		watcher->processor = i;
		r = watcher_start(watcher);
		witness->n_watchers += !r;
	}
	if (!r)
		return witness;
	watchers_join(witness);
	witness_free(witness);
	return NULL;
}

static int stall_compare(const void *left, const void *right)
{
	const struct stall *a = left, *b = right;

	return (a->from_ns > b->from_ns) - (a->from_ns < b->from_ns);
}

/* Makes one list of what all have seen. */
static void stalls_unite(struct witness *witness, size_t n)
{
	struct stall *stalls = calloc(n + 1, sizeof(*stalls));

	REQUIRE(stalls, "no memory");
	n = 0;
	for (size_t i = 0; i < witness->n_watchers; i++) {
		const struct watcher *watcher = &witness->watchers[i];

		memcpy(stalls + n, watcher->stalls, watcher->n * sizeof(*stalls));
		n += watcher->n;
	}
	qsort(stalls, n, sizeof(*stalls), stall_compare);
	for (size_t i = 0; i < n; i++) {
		struct stall *last = witness->n ? &stalls[witness->n - 1] : NULL;

		if (!last || stalls[i].from_ns > last->to_ns)
			stalls[witness->n++] = stalls[i];
		else if (stalls[i].to_ns > last->to_ns)
			last->to_ns = stalls[i].to_ns;
	}
	witness->stalls = stalls;
}

bool witness_end(struct witness *witness)
{
	uint64_t seen_ns = 0;
	size_t n = 0;

	if (!witness)
		return false;
	watchers_join(witness);
	for (size_t i = 0; i < witness->n_watchers; i++) {
		const struct watcher *watcher = &witness->watchers[i];

		for (size_t j = 0; j < watcher->n; j++)
			seen_ns += watcher->stalls[j].to_ns - watcher->stalls[j].from_ns;
		n += watcher->n;
	}
	if (seen_ns > stolen_ns() - witness->stolen_ns + SPARE_NS)
		return false;
	stalls_unite(witness, n);
	return true;
}

uint64_t witness_stolen(const struct witness *witness, uint64_t from_ns, uint64_t to_ns)
{
	uint64_t ret = 0;

	for (size_t i = 0; witness && i < witness->n; i++) {
		const struct stall *stall = &witness->stalls[i];
		uint64_t from = stall->from_ns > from_ns ? stall->from_ns : from_ns;
		uint64_t to = stall->to_ns < to_ns ? stall->to_ns : to_ns;

		if (from < to)
			ret += to - from;
	}
	return ret;
}

void witness_free(struct witness *witness)
{
	if (!witness)
		return;
	for (size_t i = 0; i < witness->n_watchers; i++)
		free(witness->watchers[i].stalls);
	free(witness->stalls);
	free(witness);
}
