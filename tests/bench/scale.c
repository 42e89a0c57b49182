// SPDX-License-Identifier: GPL-2.0-or-later
/* Does a call cost more where there are more profiles, and more threads that are followed? */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enforcer/util.h"
#include "tests/bench/bench.h"
#include "tests/harness/tap.h"

#define SLOTS	     10240
#define FEW	     10
#define MANY	     10000
#define THREADS	     32000
#define PIDS	     4194304	 /* the most that there can be: 32,768, the default, are too few */
#define STACK	     16384	 /* of one */
#define LAYOUT_BYTES (512 << 10) /* what the kernel really takes for a profile of ebpH's */
#define POLL_EVERY   64		 /* executables; fewer than slots are kept in stock */

static struct copies copies;

/* What all maps take with 10, 100, ... profiles. */
struct memory {
	size_t n, profiles[4];
	double bytes[4];
};

static bool is_step(size_t n)
{
	return n == 10 || n == 100 || n == 1000 || n == MANY;
}

static void memory_add(struct memory *memory, size_t profiles, const struct rig *rig)
{
	memory->profiles[memory->n] = profiles;
	memory->bytes[memory->n++] =
		(double)(rig->profiles->pair_memory + kernel_memory(rig->kernel));
}

/*
 * Beside it what ebpH's layout takes for as many, as far as there is memory: half a megabyte each.
 */
static void memory_report(const struct bench *bench, const struct memory *memory)
{
	const double room = (double)sysconf(_SC_AVPHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
	FILE *plot = plot_open(bench, "memory");
	char name[96];

	for (size_t i = 0; i < memory->n; i++) {
		size_t n = memory->profiles[i];

		snprintf(name, sizeof(name), "kernel memory of %zu profiles, all maps: ebph", n);
		report_value(bench->report, name, "bytes", memory->bytes[i], 0);
		plot_line(plot, "%zu %g", n, memory->bytes[i]);
		if ((double)n * LAYOUT_BYTES < room / 2) {
			double layout = reconstruction_memory(n);

			snprintf(name, sizeof(name), "kernel memory of %zu profiles: ebpH's layout",
				 n);
			report_value(bench->report, name, "bytes", layout, 0);
			plot_line(plot, " %g", layout);
		} else {
			fprintf(stderr, "ebpH's layout of %zu profiles is left out: no room\n", n);
		}
		plot_line(plot, "\n");
	}
	plot_close(plot);
}

/*
 * Each executable runs once, and so gets a profile. The benchmark's own pair set is made large: in
 * a small one, which pairs do not lie in the line where their search begins is chance, and these
 * take a slower way.
 */
static void profiles_fill(struct rig *rig, size_t n, struct memory *ret)
{
	struct spawn spawn = {.paths = copies.paths, .n_paths = n};
	const uint32_t before = profiles_in_state(rig->profiles, EBPH_STATE_TRAINING);
	uint32_t made;

	bench_rig_attach(rig);
	pairs_fill(rig);
	for (size_t i = 0; i < n; i++) {
		spawn_once(&spawn);
		if (i % POLL_EVERY == 0 || is_step(i + 1))
			rig_poll(rig);
		if (is_step(i + 1))
			memory_add(ret, i + 1, rig);
		if (i % 1000 == 0)
			fprintf(stderr, "\r%zu profiles of %zu ", i, n);
	}
	bench_rig_detach(rig);
	fputs("\r\033[K", stderr);
	made = profiles_in_state(rig->profiles, EBPH_STATE_TRAINING) - before;
	CHECK(made >= n, "%u profiles of %zu", made, n);
}

/* ---- a crowd ------------------------------------------------------------------------------- */

/* Sets how many processes and threads the host may have. Return: how many it was before. */
static unsigned long pid_max_set(unsigned long value)
{
	AUTO_FCLOSE FILE *file = fopen("/proc/sys/kernel/pid_max", "r+e");
	unsigned long before = 0;

	REQUIRE(file && fscanf(file, "%lu", &before) == 1, "pid_max: %s", strerror(errno));
	rewind(file);
	REQUIRE(fprintf(file, "%lu\n", value) > 0 && !fflush(file), "pid_max: %s", strerror(errno));
	return before;
}

static void *sleeper(void *up)
{
	__atomic_add_fetch((size_t *)up, 1, __ATOMIC_RELEASE);
	for (;;)
		pause();
	return NULL;
}

/*
 * With stacks beside each other: one mapping, of which a process may have 65,530. Without the rig's
 * links: through a copy of them its programs would stay attached, and see all calls twice later.
 */
static void crowd_become(int ready)
{
	char *stacks = mmap(NULL, (size_t)THREADS * STACK, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	pthread_attr_t attr;
	pthread_t thread;
	size_t up = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (close_range(3, (unsigned int)ready - 1, 0) ||
	    close_range((unsigned int)ready + 1, ~0U, 0))
		_exit(1);
	pthread_attr_init(&attr);
	for (size_t i = 0; stacks != MAP_FAILED && i < THREADS; i++)
		if (pthread_attr_setstack(&attr, stacks + i * STACK, STACK) ||
		    pthread_create(&thread, &attr, sleeper, &up))
			_exit(1);
	while (__atomic_load_n(&up, __ATOMIC_ACQUIRE) < THREADS)
		usleep(10000);
	if (write(ready, "", 1) == 1)
		pause();
	_exit(1);
}

/* A process of very many threads that sleep, and are followed in @rig. */
static pid_t crowd_start(struct rig *rig)
{
	int ready[2];
	uint32_t slot;
	char byte;
	pid_t pid;

	bench_rig_attach(rig);
	REQUIRE(!pipe2(ready, O_CLOEXEC), "%s", strerror(errno));
	pid = fork();
	REQUIRE(pid >= 0, "fork: %s", strerror(errno));
	if (!pid)
		crowd_become(ready[1]);
	close(ready[1]);
	REQUIRE(read(ready[0], &byte, 1) == 1, "there cannot be %d threads", THREADS);
	close(ready[0]);
	bench_rig_detach(rig);
	slot = rig_slot(rig, "/proc/self/exe");
	CHECK(rig->kernel->heads[slot].tasks >= THREADS, "%u threads are followed",
	      rig->kernel->heads[slot].tasks);
	return pid;
}

void scale_bench(struct bench *bench)
{
	static struct rig few, many;
	static struct spawn spawn = {.n_paths = FEW};
	const struct variant variants[] = {
		{"none", NULL, NULL, NULL},
		{"10 profiles", bench_rig_attach, bench_rig_detach, &few},
		{"10,000 profiles, 32,000 tasks", bench_rig_attach, bench_rig_detach, &many},
	};
	const struct work works[] = {getppid_work, mix_work, miss_work,
				     SPAWN_WORK("vfork+execve+exit", &spawn)};
	static const double bounds[] = {1.05, 1.05, 0, 1.05};
	struct report *report = bench->report;
	const unsigned long pids = pid_max_set(PIDS);
	struct memory memory = {};
	struct measurement m;
	char name[96];
	pid_t crowd;

	copies_make(&copies, TINY_PROGRAM, MANY);
	spawn.paths = copies.paths;
	bench_rig_new(&few, SLOTS);
	bench_rig_new(&many, SLOTS);
	profiles_fill(&few, FEW, &memory);
	memory.n = 0;
	profiles_fill(&many, MANY, &memory);
	/* They are there in all turns; one rig follows them, the other knows nothing of them. */
	crowd = crowd_start(&many);
	REQUIRE(!measure(works, ARRAY_SIZE(works), variants, ARRAY_SIZE(variants), bench->rounds,
			 &m),
		"no memory");
	for (size_t i = 0; i < ARRAY_SIZE(works); i++) {
		for (size_t v = 1; v < ARRAY_SIZE(variants); v++) {
			snprintf(name, sizeof(name), "%s, %s", works[i].name, variants[v].name);
			report_time(report, name, &m, i, v);
		}
		snprintf(name, sizeof(name), "%s: with 10,000 profiles, 32,000 tasks over with 10",
			 works[i].name);
		report_ratio(report, name, &m, i, 2, 1, bounds[i]);
	}
	measurement_free(&m);
	kill(crowd, SIGKILL);
	waitpid(crowd, NULL, 0);
	pid_max_set(pids);
	rig_free(&many);
	rig_free(&few);
	copies_remove(&copies);
	memory_report(bench, &memory);
}
