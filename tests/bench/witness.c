// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/witness.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "enforcer/util.h"
#include "tests/harness/tap.h"

#define PERIOD_NS   250000
#define ON_TIME_NS  150000 /* waking a processor that is idle takes up to 100 microseconds */
#define STALLS_MOST 65536  /* of a processor; later ones are not known, that is: ours */

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

static void watcher_start(struct watcher *watcher)
{
	struct sched_param priority = {.sched_priority = 1};
	cpu_set_t *processors = CPU_ALLOC(watcher->processor + 1);
	size_t size = CPU_ALLOC_SIZE(watcher->processor + 1);
	pthread_attr_t attr;
	int r;

	watcher->stalls = calloc(STALLS_MOST, sizeof(*watcher->stalls));
	REQUIRE(processors && watcher->stalls && !pthread_attr_init(&attr), "no memory");
	CPU_ZERO_S(size, processors);
	CPU_SET_S(watcher->processor, size, processors);
	pthread_attr_setaffinity_np(&attr, size, processors);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	pthread_attr_setschedparam(&attr, &priority);
	r = pthread_create(&watcher->thread, &attr, watch, watcher);
	REQUIRE(!r, "a real-time thread on processor %d: %s", watcher->processor, strerror(r));
	pthread_attr_destroy(&attr);
	CPU_FREE(processors);
}

struct witness *witness_begin(void)
{
	size_t n = (size_t)sysconf(_SC_NPROCESSORS_ONLN);
	struct witness *witness = calloc(1, sizeof(*witness) + n * sizeof(*witness->watchers));

	REQUIRE(witness, "no memory");
	for (size_t i = 0; i < n; i++) {
		witness->watchers[i].witness = witness;
		witness->watchers[i].processor = (int)i;
		watcher_start(&witness->watchers[i]);
		witness->n_watchers++;
	}
	return witness;
}

static int stall_compare(const void *left, const void *right)
{
	const struct stall *a = left, *b = right;

	return (a->from_ns > b->from_ns) - (a->from_ns < b->from_ns);
}

void witness_end(struct witness *witness)
{
	size_t n = 0, united = 0;

	__atomic_store_n(&witness->end, true, __ATOMIC_RELEASE);
	for (size_t i = 0; i < witness->n_watchers; i++) {
		pthread_join(witness->watchers[i].thread, NULL);
		n += witness->watchers[i].n;
	}
	witness->stalls = calloc(n + 1, sizeof(*witness->stalls));
	REQUIRE(witness->stalls, "no memory");
	n = 0;
	for (size_t i = 0; i < witness->n_watchers; i++) {
		const struct watcher *watcher = &witness->watchers[i];

		memcpy(witness->stalls + n, watcher->stalls, watcher->n * sizeof(*watcher->stalls));
		n += watcher->n;
	}
	qsort(witness->stalls, n, sizeof(*witness->stalls), stall_compare);
	for (size_t i = 0; i < n; i++) {
		const struct stall *stall = &witness->stalls[i];
		struct stall *last = united ? &witness->stalls[united - 1] : NULL;

		if (!last || stall->from_ns > last->to_ns)
			witness->stalls[united++] = *stall;
		else if (stall->to_ns > last->to_ns)
			last->to_ns = stall->to_ns;
	}
	witness->n = united;
}

uint64_t witness_stalled(const struct witness *witness, uint64_t from_ns, uint64_t to_ns)
{
	uint64_t ret = 0;

	for (size_t i = 0; i < witness->n; i++) {
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
	for (size_t i = 0; i < witness->n_watchers; i++)
		free(witness->watchers[i].stalls);
	free(witness->stalls);
	free(witness);
}
