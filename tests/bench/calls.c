// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What one system call costs more while ebph follows it. The calls themselves do next to nothing,
 * or do not exist: what is measured is the way into the kernel, the programs, and the way back.
 */
#include <string.h>
#include <sys/syscall.h>

#include "enforcer/util.h"
#include "tests/bench/bench.h"
#include "tests/harness/tap.h"

#define LOOP_CALLS 2000
#define RANDOM_IDS 96 /* their pairs fill a set of 64 blocks */

static short getppid_calls[LOOP_CALLS], mix_calls[LOOP_CALLS], miss_calls[LOOP_CALLS],
	random_calls[LOOP_CALLS / 2];

static struct loop getppid_loop = {.calls = getppid_calls, .n = LOOP_CALLS};
static struct loop mix_loop = {.calls = mix_calls, .n = LOOP_CALLS};
static struct loop miss_loop = {.calls = miss_calls, .n = LOOP_CALLS};
static struct loop random_loop = {.calls = random_calls, .n = LOOP_CALLS / 2};

static const short mix[] = {
	SYS_getpid,
	SYS_getuid,
	SYS_getgid,
	SYS_geteuid,
	SYS_getegid,
	SYS_getppid,
	SYS_getpgrp,
	SYS_gettid,
	SYS_getsid,
	SYS_time,
	SYS_sched_get_priority_max,
	SYS_sched_get_priority_min,
};

/* xorshift: the same sequence in every run. */
static uint32_t random_next(void)
{
	static uint32_t x = 2463534242u;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

/* Numbers that no call has on x86-64: 340..423, and from the end of the table down. */
static short random_id(void)
{
	uint32_t n = random_next() % RANDOM_IDS;

	return (short)(n < 84 ? 340 + n : 511 - (n - 84));
}

static void sequences_fill(void)
{
	for (size_t i = 0; i < LOOP_CALLS; i++) {
		getppid_calls[i] = SYS_getppid;
		mix_calls[i] = mix[i % ARRAY_SIZE(mix)];
		/*
		 * 16 pairs at 8 distances, learned in no time, but 4^9 windows: hardly ever one
		 * that was verified lately.
		 */
		miss_calls[i] = mix[random_next() % 4];
	}
	for (size_t i = 0; i < ARRAY_SIZE(random_calls); i++)
		random_calls[i] = random_id();
}

static void loop_run(const struct loop *loop)
{
	for (size_t i = 0; i < loop->n; i++)
		syscall(loop->calls[i], 0, 0, 0);
}

static double loop_sample(void *context)
{
	const struct loop *loop = context;
	double start = measure_now();

	loop_run(loop);
	return (measure_now() - start) / (double)loop->n;
}

static void command(struct rig *rig, enum ebph_verb verb)
{
	int r = kernel_command(rig->kernel, rig_slot(rig, "/proc/self/exe"), verb);

	REQUIRE(!r, "command %d: %s", verb, strerror(-r));
}

/* Until all is learned, the windows verified, and anomalies of before out of the frame. */
static void loop_learn(void *context, const struct variant *variant)
{
	struct loop *loop = context;

	if (!is_ours(variant))
		return;
	loop_run(loop);
	loop_run(loop);
	loop_run(loop);
}

/* ---- verified, or known ----------------------------------------------------------------- */

struct work getppid_work = {
	"getppid", loop_learn, loop_sample, &getppid_loop, 15,
};
struct work mix_work = {
	"12 calls in turns", loop_learn, loop_sample, &mix_loop, 15,
};
struct work miss_work = {
	"4 calls at random", loop_learn, loop_sample, &miss_loop, 15,
};

__attribute__((constructor)) static void fill(void)
{
	sequences_fill();
}

/* ---- training --------------------------------------------------------------------------- */

static struct bench *current; /* for the preparations that give orders */

/* Back to training. Return: the rig that learns; NULL while nothing of ours is attached. */
static struct rig *training_begin(const struct variant *variant)
{
	if (!is_ours(variant))
		return NULL;
	command(&current->rig, EBPH_VERB_TOLERIZE);
	return &current->rig;
}

void pairs_fill(struct rig *rig)
{
	for (int i = 0; i < 10; i++) {
		loop_run(&random_loop);
		bench_settle(rig);
	}
}

/* The pair set grows to what it will need; words stay in it when they are forgotten. */
static void train_prepare(void *context, const struct variant *variant)
{
	struct loop *loop = context;

	loop->rig = training_begin(variant);
	if (loop->rig)
		pairs_fill(loop->rig);
}

static double train_sample(void *context)
{
	struct loop *loop = context;

	if (loop->rig)
		command(loop->rig, EBPH_VERB_SENSITIZE);
	return loop_sample(context);
}

/* ---- anomalies -------------------------------------------------------------------------- */

static void anomaly_prepare(void *context, const struct variant *variant)
{
	struct loop *loop = context;

	loop->rig = training_begin(variant);
	if (!loop->rig)
		return;
	command(loop->rig, EBPH_VERB_SENSITIZE);
	loop_run(&getppid_loop);
	command(loop->rig, EBPH_VERB_NORMALIZE);
	loop_run(loop);
}

/* In the place of a last work: back to training. The next loop that learns empties the frame. */
static void anomaly_end(void *context, const struct variant *variant)
{
	struct rig *rig = training_begin(variant);

	(void)context;
	if (rig)
		bench_settle(rig);
}

static double no_sample(void *context)
{
	(void)context;
	return 0;
}

/*
 * The storage program does the same for every call; of the reconstruction, what it costs to learn
 * and to be anomalous is not known: it has no verbs.
 */
static bool has(size_t work, size_t variant)
{
	return variant == STORAGE ? work < 2 : variant != RECONSTRUCTED || work < 3;
}

static void work_report(struct bench *bench, const struct measurement *m, size_t work,
			const char *what, double bound)
{
	struct report *report = bench->report;
	char name[128];

	for (size_t v = 0; v < bench->n_variants; v++) {
		snprintf(name, sizeof(name), "%s: %s", what, bench->variants[v].name);
		if (has(work, v))
			report_time(report, name, m, work, v);
	}
	for (size_t v = EBPH; v < bench->n_variants; v++) {
		snprintf(name, sizeof(name), "%s: overhead of %s over that of empty", what,
			 bench->variants[v].name);
		if (has(work, v))
			report_overhead(report, name, m, work, v, EMPTY, NONE,
					v == EBPH ? bound : 0);
	}
	for (size_t v = EBPH; v <= RECONSTRUCTED; v++) {
		snprintf(name, sizeof(name), "%s: %s beyond none", what, bench->variants[v].name);
		if (has(work, v))
			report_percent(report, name, m, work, v, NONE, 0);
	}
	if (bench->n_variants > BESIDE) {
		snprintf(name, sizeof(name), "%s: beside over ebph, overheads", what);
		report_overhead(report, name, m, work, BESIDE, EBPH, NONE, 0);
	}
}

void calls_bench(struct bench *bench)
{
	const struct work works[] = {
		getppid_work,
		mix_work,
		miss_work,
		{"8 new pairs", train_prepare, train_sample, &random_loop, 5},
		{"anomaly", anomaly_prepare, loop_sample, &random_loop, 5},
		{"end", anomaly_end, no_sample, NULL, 1},
	};
	static const double bounds[] = {1.2, 1.2, 2.5, 0, 0};
	static const char *const what[] = {"getppid, verified", "12 calls in turns, verified",
					   "8 lookups (4 calls at random)", "8 pairs learned",
					   "anomaly, dry-run"};
	struct measurement m;

	current = bench;
	REQUIRE(!measure(works, ARRAY_SIZE(works), bench->variants, bench->n_variants,
			 bench->rounds, &m),
		"no memory");
	for (size_t i = 0; i < ARRAY_SIZE(what); i++)
		work_report(bench, &m, i, what[i], bounds[i]);
	measurement_free(&m);
}
