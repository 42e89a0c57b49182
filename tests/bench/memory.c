// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Kernel memory of one thread's state, by the kernel's own account: what /proc/slabinfo shows
 * more with many threads that are followed than with as many that are not. Likewise of a pair set,
 * beside what the kernel says of a map, which knows nothing of slabs.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "enforcer/set.h"
#include "enforcer/util.h"
#include "tests/bench/bench.h"
#include "tests/harness/tap.h"

#define THREADS		10000
#define STACK_BYTES	16384
#define CACHES		64
#define STATE_BYTES_MAX 1040 /* 1 KB; others allocate meanwhile, too */
#define SETS		2000
#define SET_SIZES	3    /* 1, 2, 4 blocks */
#define SET_BYTES_MAX	2080 /* 2 KB for each block; likewise */

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

/* What @count of @what took; what is more than @large bytes each must be at most @bound. */
static void caches_report(struct report *report, const char *what, const struct cache *grown,
			  size_t n, double count, double large, double bound)
{
	double sum = 0, bytes;
	char name[96];

	for (size_t i = 0; i < n; i++) {
		bytes = grown[i].bytes / count;
		sum += bytes;
		if (bytes < 32)
			continue;
		snprintf(name, sizeof(name), "kernel memory of %s in %.31s", what, grown[i].name);
		report_value(report, name, "bytes", bytes, bytes > large ? bound : 0);
	}
	snprintf(name, sizeof(name), "kernel memory of %s, in all", what);
	report_value(report, name, "bytes", sum, 0);
}

static void thread_memory(struct bench *bench)
{
	struct cache without[CACHES], with[CACHES];
	size_t n;

	caches_grown(without); /* a first time: what threads need once and keep */
	n = caches_grown(without);
	bench_rig_attach(&bench->rig);
	REQUIRE(caches_grown(with) == n, "caches come and go");
	bench_rig_detach(&bench->rig);
	report_value(bench->report, "struct task_state", "bytes", sizeof(struct task_state), 0);
	for (size_t i = 0; i < n; i++)
		with[i].bytes -= without[i].bytes;
	/* The state is in the large one; the others are the kernel's own bookkeeping. */
	caches_report(bench->report, "a thread", with, n, THREADS, sizeof(struct task_state),
		      STATE_BYTES_MAX);
}

/* Sets stay until all is measured: the kernel takes its time to free them. */
static void set_memory_bench(struct bench *bench)
{
	const struct rlimit limit = {SETS * SET_SIZES + 1024, SETS * SET_SIZES + 1024};
	static int sets[SET_SIZES][SETS];
	struct cache before[CACHES], after[CACHES];
	char what[64], name[96];

	REQUIRE(!setrlimit(RLIMIT_NOFILE, &limit), "%s", strerror(errno));
	for (uint32_t size = 0; size < SET_SIZES; size++) {
		const uint32_t blocks = 1u << size;
		size_t n = caches_read(before);

		for (size_t i = 0; i < SETS; i++) {
			sets[size][i] = set_create(blocks);
			REQUIRE(sets[size][i] >= 0, "set %zu: %s", i, strerror(-sets[size][i]));
		}
		REQUIRE(caches_read(after) == n, "caches come and go");
		for (size_t i = 0; i < n; i++)
			after[i].bytes -= before[i].bytes;
		snprintf(what, sizeof(what), "a pair set of %zu words",
			 blocks * (size_t)EBPH_BLOCK_WORDS);
		snprintf(name, sizeof(name), "memlock of %s", what);
		report_value(bench->report, name, "bytes", (double)map_memory(sets[size][0]), 0);
		caches_report(bench->report, what, after, n, SETS,
			      blocks * (double)sizeof(struct ebph_block), blocks * SET_BYTES_MAX);
	}
	for (size_t i = 0; i < SET_SIZES * SETS; i++)
		close(sets[i / SETS][i % SETS]);
}

void memory_bench(struct bench *bench)
{
	thread_memory(bench);
	set_memory_bench(bench);
}
