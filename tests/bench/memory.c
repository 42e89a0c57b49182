// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Kernel memory of one thread's state, by the kernel's own account: what /proc/slabinfo shows
 * more with many threads that are followed than with as many that are not.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "enforcer/util.h"
#include "tests/bench/bench.h"
#include "tests/harness/tap.h"

#define THREADS		10000
#define STACK_BYTES	16384
#define CACHES		64
#define STATE_BYTES_MAX 1040 /* 1 KB; others allocate meanwhile, too */

struct cache {
	char name[32];
	double bytes;
};

static pthread_barrier_t up, down;

static void *idle(void *context)
{
	(void)context;
	pthread_barrier_wait(&up);
	pthread_barrier_wait(&down);
	return NULL;
}

/* The general caches: kmalloc-*, which map memory comes from. Return: how many. */
static size_t caches_read(struct cache *ret)
{
	AUTO_FCLOSE FILE *file = fopen("/proc/slabinfo", "re");
	char line[512];
	size_t n = 0;

	REQUIRE(file, "/proc/slabinfo: %s", strerror(errno));
	while (n < CACHES && fgets(line, sizeof(line), file)) {
		unsigned long active, total, bytes;

		if (strncmp(line, "kmalloc-", 8) ||
		    sscanf(line, "%31s %lu %lu %lu", ret[n].name, &active, &total, &bytes) != 4)
			continue;
		ret[n++].bytes = (double)active * (double)bytes;
	}
	return n;
}

/* How much larger the caches are with THREADS threads than without. */
static size_t caches_grown(struct cache *ret)
{
	static pthread_t threads[THREADS];
	struct cache before[CACHES];
	pthread_attr_t attr;
	size_t n;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_barrier_init(&up, NULL, THREADS + 1);
	pthread_barrier_init(&down, NULL, THREADS + 1);
	n = caches_read(before);
	for (size_t i = 0; i < THREADS; i++) {
		int r = pthread_create(&threads[i], &attr, idle, NULL);

		REQUIRE(!r, "thread %zu: %s", i, strerror(r));
	}
	pthread_barrier_wait(&up);
	REQUIRE(caches_read(ret) == n, "caches come and go");
	pthread_barrier_wait(&down);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < n; i++)
		ret[i].bytes -= before[i].bytes;
	return n;
}

void memory_bench(struct bench *bench)
{
	struct cache without[CACHES], with[CACHES];
	double sum = 0, bytes;
	char name[96];
	size_t n;

	caches_grown(without); /* a first time: what threads need once and keep */
	n = caches_grown(without);
	bench_rig_attach(&bench->rig);
	REQUIRE(caches_grown(with) == n, "caches come and go");
	bench_rig_detach(&bench->rig);
	report_value(bench->report, "struct task_state", "bytes", sizeof(struct task_state), 0);
	for (size_t i = 0; i < n; i++) {
		bytes = (with[i].bytes - without[i].bytes) / THREADS;
		sum += bytes;
		if (bytes < 16)
			continue;
		snprintf(name, sizeof(name), "kernel memory of a thread in %.31s", with[i].name);
		/* The state is in the large one; the others are the kernel's own bookkeeping. */
		report_value(bench->report, name, "bytes", bytes,
			     bytes > sizeof(struct task_state) ? STATE_BYTES_MAX : 0);
	}
	report_value(bench->report, "kernel memory of a thread, in all", "bytes", sum, 0);
}
