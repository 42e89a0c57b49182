// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Many threads of one program make calls at the same time while its pair set grows under them and
 * the operator gives orders. What each thread's own calls imply is known, so the profile must hold
 * the union of it all in the end, exactly: no pair lost, none too many, no call uncounted.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include <bpf/bpf.h>

#include "enforcer/util.h"
#include "tests/bpf/rig.h"
#include "tests/harness/tap.h"

#define THREADS	      16
#define IDS	      1024 /* native ones, then those of ia32, as bpf/callid.h documents */
#define WAIT_LIMIT_NS (30 * NSEC_PER_SEC)

/* [current][earlier]: bit d-1 for distance d. */
struct table {
	uint8_t mask[IDS][IDS];
};

/* What all threads do once. */
struct round {
	struct rig rig;
	uint32_t slot;
	uint64_t seed;
	uint32_t first, n_ids; /* calls are chosen among these ids */
	uint32_t n_calls;      /* of each thread */
	uint32_t n_done;       /* threads */
	uint64_t n_fed;	       /* calls of all rounds */
	uint32_t n_threads;
	uint32_t n_ready; /* threads: all begin at the same time */
};

struct feeder {
	pthread_t thread;
	struct round *round;
	uint32_t number;
	int result;
};

/* The call that a thread makes as its @i-th: anything but what ends a handler or is a restart. */
static uint32_t call_of(const struct round *round, uint32_t thread, uint32_t i)
{
	uint64_t x = round->seed + ((uint64_t)thread << 40) + i * 0x9e3779b97f4a7c15ull;
	uint32_t id;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	/* Every seventh one is of the other ABI, so that both lie in one window. */
	id = round->first + (uint32_t)((x ^ (x >> 31)) % round->n_ids);
	return id % 7 ? id : id + 512;
}

static void *feed(void *argument)
{
	struct feeder *feeder = argument;
	struct round *round = feeder->round;
	int fd = rig_hot_path_fd(&round->rig);

	__atomic_fetch_add(&round->n_ready, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&round->n_ready, __ATOMIC_SEQ_CST) < round->n_threads)
		sched_yield();
	for (uint32_t i = 0; i < round->n_calls && !feeder->result; i++) {
		uint32_t id = call_of(round, feeder->number, i);

		feeder->result = id < 512 ? rig_call(fd, id) : rig_call_ia32(fd, id - 512);
	}
	__atomic_fetch_add(&round->n_done, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* Pairs wait for a place. */
static bool late_any(struct rig *rig)
{
	__u64 key;

	return !bpf_map_get_next_key(kernel_late_fd(rig->kernel), NULL, &key);
}

/*
 * Waits for the ends of all threads: what exits does so after it was joined. From Linux 7.0 on some
 * may be missed in such a crowd (bpf/second.h); then it is known how many.
 */
static void exits_wait(struct round *round)
{
	const uint32_t *tasks = &round->rig.kernel->heads[round->slot].tasks;
	uint64_t end_ns = now_ns(CLOCK_MONOTONIC) + WAIT_LIMIT_NS;

	while (__atomic_load_n(tasks, __ATOMIC_SEQ_CST) > kernel_missed_runs(round->rig.kernel) &&
	       now_ns(CLOCK_MONOTONIC) < end_ns)
		sched_yield();
	CHECK(*tasks <= kernel_missed_runs(round->rig.kernel),
	      "%u tasks are left, %" PRIu64 " events were missed", *tasks,
	      kernel_missed_runs(round->rig.kernel));
}

/* Lets all threads feed; meanwhile sets grow, and the operator repeats @verb unless it is 0. */
static void feed_all(struct round *round, enum ebph_verb verb)
{
	struct feeder feeders[THREADS] = {};
	uint32_t n_verbs = 0;

	round->n_done = 0;
	round->n_ready = 0;
	for (uint32_t i = 0; i < round->n_threads; i++) {
		feeders[i].round = round;
		feeders[i].number = i;
		REQUIRE(!pthread_create(&feeders[i].thread, NULL, feed, &feeders[i]), "no thread");
	}
	while (__atomic_load_n(&round->n_done, __ATOMIC_SEQ_CST) < round->n_threads) {
		rig_poll(&round->rig);
		if (verb) {
			CHECK(!profile_command(round->rig.profiles, round->slot, verb), "verb %u",
			      verb);
			n_verbs++;
		}
		sched_yield();
	}
	for (uint32_t i = 0; i < round->n_threads; i++) {
		pthread_join(feeders[i].thread, NULL);
		CHECK(!feeders[i].result, "%s", strerror(-feeders[i].result));
	}
	round->n_fed += (uint64_t)round->n_threads * round->n_calls;
	round->slot = rig_slot(&round->rig, "/proc/self/exe");
	REQUIRE(round->slot, "no profile");
	exits_wait(round);
	/* Each growth may find that another one is needed. */
	for (int i = 0; i < 20 && late_any(&round->rig); i++)
		rig_poll(&round->rig);
	CHECK(!late_any(&round->rig), "pairs wait though nobody is at work");
	if (verb)
		note("the verb was given %u times meanwhile", n_verbs);
}

/* Adds what the threads' calls imply. Return: calls with a pair that @known lacks. */
static uint64_t implied(const struct round *round, struct table *table, const struct table *known)
{
	uint64_t anomalies = 0;

	for (uint32_t t = 0; t < round->n_threads; t++) {
		for (uint32_t i = 0; i < round->n_calls; i++) {
			uint32_t current = call_of(round, t, i);
			bool unseen = false;

			for (uint32_t d = 1; d <= 8 && d <= i; d++) {
				uint32_t earlier = call_of(round, t, i - d);

				table->mask[current][earlier] |= (uint8_t)(1u << (d - 1));
				unseen |= known && !(known->mask[current][earlier] >> (d - 1) & 1);
			}
			anomalies += unseen;
		}
	}
	return anomalies;
}

/* Is in the profile what is in the tables, and nothing else? */
static void pairs_check(struct round *round, const struct table *normal,
			const struct table *training)
{
	AUTO_FREE uint64_t *words = NULL;
	AUTO_FREE struct table *left = malloc(sizeof(*left));
	size_t n, missing = 0, wrong = 0;

	REQUIRE(left, "no memory");
	memcpy(left, training, sizeof(*left));
	REQUIRE(!profile_words(round->rig.profiles, round->slot, &words, &n), "cannot read pairs");
	for (size_t i = 0; i < n; i++) {
		uint32_t current = words[i] >> 32 & 0x7ff, earlier = words[i] >> 16 & 0x7ff;

		REQUIRE(current < IDS && earlier < IDS, "pair (%u, %u)", current, earlier);
		wrong += (words[i] & 0xff) != normal->mask[current][earlier] ||
			 (words[i] >> 8 & 0xff) != training->mask[current][earlier];
		left->mask[current][earlier] = 0;
	}
	for (size_t i = 0; i < sizeof(*left); i++)
		missing += (&left->mask[0][0])[i] != 0;
	CHECK(!wrong && !missing, "of %zu pairs %zu are wrong, %zu missing", n, wrong, missing);
	CHECK(round->rig.kernel->heads[round->slot].words == n, "%zu pairs, it says %u", n,
	      round->rig.kernel->heads[round->slot].words);
}

/* Nothing failed that is our business. */
static void counters_check(struct round *round)
{
	const struct ebph_profile *head = &round->rig.kernel->heads[round->slot];

	for (unsigned int i = 0; i < EBPH_COUNTER_MAX; i++) {
		uint64_t n = kernel_counter(round->rig.kernel, i);

		/*
		 * Others execute programs, too, for which there are no slots, and which may nest
		 * handlers; reports are off. What was rescued is not lost.
		 */
		if (i != EBPH_COUNT_NO_SLOT && i != EBPH_COUNT_EVENT_LIMITED &&
		    i != EBPH_COUNT_FRAME_LOST && i != EBPH_COUNT_RESCUED)
			CHECK(n == 0, "%s: %" PRIu64, kernel_counter_name(i), n);
	}
	/* Whose end was missed has kept up to 1,023 calls for itself. */
	CHECK(head->calls + head->normal_calls + 1023ull * head->tasks >= round->n_fed &&
		      (head->tasks || head->calls + head->normal_calls == round->n_fed),
	      "%" PRIu64 " + %" PRIu64 " calls, not %" PRIu64, (uint64_t)head->calls,
	      (uint64_t)head->normal_calls, round->n_fed);
}

static struct round *round_new(uint32_t first, uint32_t n_ids, uint32_t n_calls)
{
	struct round *round = calloc(1, sizeof(*round));
	const char *seed = getenv("EBPH_SEED");
	struct ebph_settings *settings;

	REQUIRE(round, "no memory");
	round->seed = seed ? strtoull(seed, NULL, 0) : now_ns(CLOCK_REALTIME);
	round->first = first;
	round->n_ids = n_ids;
	round->n_calls = n_calls;
	round->n_threads = THREADS;
	note("EBPH_SEED=%#" PRIx64, round->seed);
	rig_new(&round->rig, 16);
	settings = kernel_settings(round->rig.kernel);
	settings->min_runs = UINT32_MAX; /* states are the operator's business here */
	settings->tolerize_limit = UINT32_MAX;
	settings->reports_per_s = 0;
	rig_attach_life(&round->rig);
	return round;
}

static void round_free(struct round *round)
{
	rig_free(&round->rig);
	free(round);
}

static struct table *table_new(void)
{
	struct table *table = calloc(1, sizeof(*table));

	REQUIRE(table, "no memory");
	return table;
}

/* ---- training ------------------------------------------------------------------------------ */

static void train(uint32_t n_ids, uint32_t n_calls, uint32_t blocks_at_least)
{
	struct round *round = round_new(20, n_ids, n_calls);
	AUTO_FREE struct table *all = table_new();
	uint32_t blocks;

	feed_all(round, 0);
	implied(round, all, NULL);
	pairs_check(round, all, all);
	counters_check(round);
	blocks = round->rig.profiles->notes[round->slot].blocks;
	CHECK(blocks >= blocks_at_least, "%u blocks", blocks);
	note("%u blocks, %u words", blocks, round->rig.kernel->heads[round->slot].words);
	round_free(round);
}

static void train_few(void)
{
	train(6, 2000, EBPH_SET_BLOCKS_MIN);
}

/*
 * As many threads as processors come to an empty set at the same moment, again and again: they
 * want the same places, and different distances of the same pairs.
 */
static void collide(uint32_t n_times)
{
	struct round *round = round_new(20, 8, 12);
	AUTO_FREE struct table *all = table_new();
	long n_cpus = sysconf(_SC_NPROCESSORS_ONLN);

	round->n_threads = n_cpus < 2 ? 2 : n_cpus > THREADS ? THREADS : (uint32_t)n_cpus;
	for (uint32_t i = 0; i < n_times; i++) {
		round->seed++;
		memset(all, 0, sizeof(*all));
		feed_all(round, 0);
		implied(round, all, NULL);
		pairs_check(round, all, all);
		REQUIRE(!profile_command(round->rig.profiles, round->slot, EBPH_VERB_SENSITIZE),
			"refused");
		round->n_fed = 0; /* forgotten, too */
	}
	counters_check(round);
	round_free(round);
}

static void collide_short(void)
{
	collide(100);
}

/*
 * Nearly all of 90 x 90 pairs: more than 5,184, which is where a set of 32 blocks grows, and
 * less than 8,192, for which there is room where pairs wait: none can be lost, though nobody should
 * come to enlarge the set.
 */
static void train_many(void)
{
	train(90, 1500, 64);
}

static void train_long(void)
{
	collide(10000);
	for (int i = 0; i < 10; i++) {
		train(3 + (uint32_t)i, 20000, EBPH_SET_BLOCKS_MIN);
		train(90, 20000, 64);
	}
}

/* ---- normal -------------------------------------------------------------------------------- */

/*
 * A normal profile that others see strange things of, while the operator repeats @verb (unless 0).
 * Sensitized in the end, it is what it was; normalized, it has it all.
 */
static void strange(enum ebph_verb verb, uint32_t n_calls)
{
	struct round *round = round_new(20, 30, n_calls);
	AUTO_FREE struct table *known = table_new(), *all = table_new();
	const struct ebph_profile *head;
	uint64_t anomalies;

	feed_all(round, 0);
	implied(round, known, NULL);
	REQUIRE(!profile_command(round->rig.profiles, round->slot, EBPH_VERB_NORMALIZE), "refused");
	head = &round->rig.kernel->heads[round->slot];
	pairs_check(round, known, known);

	/* A third of the calls is new to it. */
	round->n_ids = 45;
	round->seed++;
	memcpy(all, known, sizeof(*all));
	anomalies = implied(round, all, known);
	feed_all(round, verb);
	if (!verb) {
		pairs_check(round, known, all);
		CHECK(head->anomalies == anomalies, "%" PRIu64 " anomalies, not %" PRIu64,
		      (uint64_t)head->anomalies, anomalies);
	}
	CHECK(head->state == EBPH_STATE_NORMAL, "state %u", head->state);
	if (verb == EBPH_VERB_SENSITIZE) {
		REQUIRE(!profile_command(round->rig.profiles, round->slot, verb), "refused");
		pairs_check(round, known, known);
	} else {
		REQUIRE(!profile_command(round->rig.profiles, round->slot, EBPH_VERB_NORMALIZE),
			"refused");
		pairs_check(round, all, all);
	}
	counters_check(round);
	round_free(round);
}

static void strange_short(void)
{
	strange(0, 700);
	strange(EBPH_VERB_SENSITIZE, 700);
	strange(EBPH_VERB_NORMALIZE, 700);
}

static void strange_long(void)
{
	for (int i = 0; i < 10; i++) {
		strange(0, 10000);
		strange(EBPH_VERB_SENSITIZE, 10000);
		strange(EBPH_VERB_NORMALIZE, 10000);
	}
}

/* ---- what waits ---------------------------------------------------------------------------- */

#define CALLS_KNOWN    20
#define CALLS_STRANGE  40
#define TOLERIZE_LIMIT 12

/*
 * An attack shows so much that its pairs find no room, and the set grows only after it: what is
 * forgotten when the LFC crosses the limit must not come back from where pairs wait.
 */
static void forgotten_late(void)
{
	struct round *round = round_new(0, 1, 0);
	int fd = rig_hot_path_fd(&round->rig);
	AUTO_FREE struct table *known = table_new();

	kernel_settings(round->rig.kernel)->tolerize_limit = TOLERIZE_LIMIT;
	for (uint32_t i = 0; i < CALLS_KNOWN; i++) {
		REQUIRE(!rig_call(fd, 20 + i), "%s", strerror(errno));
		for (uint32_t d = 1; d <= 8 && d <= i; d++)
			known->mask[20 + i][20 + i - d] |= (uint8_t)(1u << (d - 1));
	}
	round->slot = rig_slot(&round->rig, "/proc/self/exe");
	REQUIRE(kernel_command(round->rig.kernel, round->slot, EBPH_VERB_NORMALIZE) == 0, "no");
	CHECK(!late_any(&round->rig), "pairs wait too early");
	for (uint32_t i = 0; i < TOLERIZE_LIMIT; i++)
		REQUIRE(!rig_call(fd, 200 + i), "%s", strerror(errno));
	CHECK(late_any(&round->rig), "all of them found room");
	for (uint32_t i = TOLERIZE_LIMIT; i < CALLS_STRANGE; i++)
		REQUIRE(!rig_call(fd, 200 + i), "%s", strerror(errno));
	rig_poll(&round->rig);
	CHECK(!late_any(&round->rig), "pairs wait for ever");
	pairs_check(round, known, known);
	round_free(round);
}

const struct test concurrency_tests[] = {
	{.name = "concurrency: few different calls are all learned", .run = train_few},
	{.name = "concurrency: all come to an empty set", .run = collide_short},
	{.name = "concurrency: many are, while their set grows", .run = train_many},
	{.name = "concurrency: what is strange, and verbs meanwhile",
	 .run = strange_short,
	 .is_once = true},
	{.name = "concurrency: what is forgotten waits nowhere", .run = forgotten_late},
	{.name = "concurrency: learning, longer", .run = train_long, .is_long = true},
	{.name = "concurrency: what is strange, longer", .run = strange_long, .is_long = true},
	{},
};
