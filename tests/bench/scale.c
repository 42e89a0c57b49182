// SPDX-License-Identifier: GPL-2.0-or-later
/* Does a call cost more where there are more profiles, and more threads that are followed? */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enforcer/util.h"
#include "tests/bench/bench.h"
#include "tests/harness/tap.h"

#define SLOTS	   10240
#define FEW	   10
#define MANY	   10000
#define THREADS	   32000
#define PIDS	   4194304 /* the most that there can be: 32,768, the default, are too few */
#define STACK	   16384   /* of one */
#define POLL_EVERY 64	   /* executables; fewer than slots are kept in stock */

static char folder[] = "/dev/shm/ebph-bench.XXXXXX";
static const char *copies[MANY];

/* Executables that differ in nothing but who they are. */
static void copies_make(void)
{
	AUTO_CLOSE int from = open(TINY_PROGRAM, O_RDONLY | O_CLOEXEC);
	struct stat st = {};

	REQUIRE(from >= 0 && !fstat(from, &st), TINY_PROGRAM ": %s", strerror(errno));
	REQUIRE(mkdtemp(folder), "%s: %s", folder, strerror(errno));
	for (size_t i = 0; i < MANY; i++) {
		AUTO_CLOSE int to = -1;
		char *path = NULL;
		off_t offset = 0;

		REQUIRE(asprintf(&path, "%s/%zu", folder, i) > 0, "no memory");
		copies[i] = path;
		to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
		REQUIRE(to >= 0 && sendfile(to, from, &offset, (size_t)st.st_size) == st.st_size,
			"%s: %s", path, strerror(errno));
	}
}

static void copies_remove(void)
{
	for (size_t i = 0; i < MANY; i++) {
		unlink(copies[i]);
		free((char *)copies[i]);
	}
	rmdir(folder);
}

/*
 * Each executable runs once, and so gets a profile. The benchmark's own pair set is made large: in
 * a small one, which pairs do not lie in the line where their search begins is chance, and these
 * take a slower way.
 */
static void profiles_fill(struct rig *rig, size_t n)
{
	struct spawn spawn = {.paths = copies, .n_paths = n};
	const uint32_t before = profiles_in_state(rig->profiles, EBPH_STATE_TRAINING);
	uint32_t made;

	bench_rig_attach(rig);
	pairs_fill(rig);
	for (size_t i = 0; i < n; i++) {
		spawn_once(&spawn);
		if (i % POLL_EVERY == 0)
			rig_poll(rig);
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
	static struct spawn spawn = {.paths = copies, .n_paths = FEW};
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
	struct measurement m;
	char name[96];
	pid_t crowd;

	copies_make();
	bench_rig_new(&few, SLOTS);
	bench_rig_new(&many, SLOTS);
	profiles_fill(&few, FEW);
	profiles_fill(&many, MANY);
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
	report_value(report, "kernel memory of a profile, all in all, at 10,000", "bytes",
		     (double)(many.profiles->pair_memory + kernel_memory(many.kernel)) / MANY, 0);
	measurement_free(&m);
	kill(crowd, SIGKILL);
	waitpid(crowd, NULL, 0);
	pid_max_set(pids);
	rig_free(&many);
	rig_free(&few);
	copies_remove();
}
