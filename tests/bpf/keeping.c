// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Profiles leave memory and come back all the time while their programs run, several at once, and
 * their sets grow: what is on disk in the end is the union of what all runs imply, exactly.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "enforcer/store.h"
#include "enforcer/util.h"
#include "tests/bpf/keeping_host.h"
#include "tests/harness/tap.h"

#define IDS_KNOWN   40 /* different calls of an executable */
#define IDS_STRANGE 60 /* those among them that it has not been trained with */

/* [current][earlier]: bit d-1 for distance d. */
struct table {
	uint8_t mask[KEEPING_IDS][KEEPING_IDS];
};

/* What is known, or expected, of an executable. */
struct expected {
	struct table normal, training;
	uint64_t calls;
	uint32_t runs;
};

/* ---- what must come of it ------------------------------------------------------------------- */

/* Adds what a sequence of calls implies; those before @from are only what came before. */
static void implied(struct table *table, const uint32_t *calls, uint32_t from, uint32_t n)
{
	for (uint32_t i = from; i < n; i++)
		for (uint32_t d = 1; d <= 8 && d <= i; d++)
			table->mask[calls[i]][calls[i - d]] |= (uint8_t)(1u << (d - 1));
}

static void job_implied(const struct keeping_job *job, struct table *table)
{
	uint32_t calls[2 * KEEPING_CALLS];

	for (uint32_t i = 0; i < job->n_calls; i++)
		calls[i] = keeping_call(job, 0, i);
	implied(table, calls, 0, job->n_calls);
	for (uint32_t i = 0; job->fork_at && i < job->n_child_calls; i++)
		calls[job->fork_at + i] = keeping_call(job, 1, i);
	if (job->fork_at)
		implied(table, calls, job->fork_at, job->fork_at + job->n_child_calls);
}

/* Adds jobs @from and later ones to what is expected; @normal: all that they do belongs to it. */
static void jobs_expect(const struct host *host, struct expected *expected, uint32_t from,
			bool normal)
{
	uint64_t n_waits = 0;

	for (uint32_t i = from; i < host->n_jobs; i++) {
		const struct keeping_job *job = &host->shared->job[i];
		struct expected *of = &expected[job->exe];

		CHECK(!job->failed, "line %u of feeder.c", job->failed);
		job_implied(job, &of->training);
		if (normal)
			job_implied(job, &of->normal);
		of->calls += job->n_fed;
		of->runs++;
		CHECK(job->slot, "job %u never had a slot", i);
		n_waits += job->n_waits;
	}
	note("%u runs, which waited %" PRIu64 " times for a slot", host->n_jobs - from, n_waits);
}

/* Bits that @is has and should not, or lacks, unless some may be missing. */
static bool differs(uint64_t is, uint8_t wanted, bool some_missed)
{
	return ((is & 0xff) & ~wanted) || (!some_missed && (is & 0xff) != wanted);
}

static void masks_check(const struct image *image, const char *name,
			const struct expected *expected, bool some_missed)
{
	struct table *left = malloc(sizeof(*left));
	uint32_t missing = 0, normal = 0, training = 0;

	REQUIRE(left, "no memory");
	*left = expected->training;
	for (size_t i = 0; i < image->n_words; i++) {
		uint64_t word = image->words[i];
		uint32_t current = word >> 32 & 0x7ff, earlier = word >> 16 & 0x7ff;

		REQUIRE(current < KEEPING_IDS && earlier < KEEPING_IDS, "pair (%u, %u)", current,
			earlier);
		normal += differs(word, expected->normal.mask[current][earlier], some_missed);
		training +=
			differs(word >> 8, expected->training.mask[current][earlier], some_missed);
		left->mask[current][earlier] = 0;
	}
	for (size_t i = 0; i < sizeof(*left) && !some_missed; i++)
		missing += (&left->mask[0][0])[i] != 0;
	CHECK(!missing && !normal && !training,
	      "%s: of %zu words %u are missing, %u have another normal mask, %u another training "
	      "mask",
	      name, image->n_words, missing, normal, training);
	free(left);
}

struct comparison {
	struct host *host;
	const struct expected *expected;
	enum ebph_state state;
	bool found[KEEPING_EXES];
	uint32_t n, n_nameless;
	uint64_t n_words;
	struct store *store; /* to which they go back as normal; NULL: they do not */
};

/* By its inode: the path of a program that has ended before anybody looked is not known. */
static int exe_find(const struct host *host, const struct image *image)
{
	struct stat st;

	for (int i = 0; i < KEEPING_EXES; i++)
		if (!stat(host->shared->path[i], &st) && st.st_ino == image->exe.ino &&
		    st.st_mtim.tv_sec == image->exe.mtime_ns / (int64_t)NSEC_PER_SEC)
			return i;
	return -1;
}

static int image_compare(void *context, const char *name, struct image *image)
{
	struct comparison *comparison = context;
	int exe = exe_find(comparison->host, image);
	const struct expected *expected = &comparison->expected[exe];

	if (exe < 0)
		return 0; /* another program of this host */
	CHECK(!comparison->found[exe], "%s is there twice, as %s", image->path, name);
	comparison->found[exe] = true;
	comparison->n_nameless += !image->path;
	comparison->n++;
	comparison->n_words += image->n_words;
	masks_check(image, name, expected, comparison->host->missed);
	CHECK(image->state == comparison->state, "%s: state %u", name, image->state);
	CHECK(comparison->host->missed || image->calls + image->normal_calls == expected->calls,
	      "%s: %" PRIu64 " + %" PRIu64 " calls, not %" PRIu64, name, image->calls,
	      image->normal_calls, expected->calls);
	CHECK(comparison->host->missed || image->runs == expected->runs, "%s: %u runs, not %u",
	      name, image->runs, expected->runs);
	if (!comparison->store)
		return 0;
	image->state = EBPH_STATE_NORMAL;
	return store_save(comparison->store, image);
}

static void bad_file(void *context, const char *name, int error, const char *reason)
{
	(void)context;
	CHECK(false, "%s: %s (%s)", name, reason, strerror(-error));
}

/* Is on disk what is expected? If so, it is made normal if @normalize. */
static void disk_check(struct host *host, const struct expected *expected, enum ebph_state state,
		       bool normalize)
{
	char reason[STORE_REASON_MAX] = "";
	struct comparison comparison = {.host = host, .expected = expected, .state = state};
	struct store *store;
	int r = store_open(host->state_dir, &store, reason);

	REQUIRE(!r, "%s: %s", host->state_dir, reason);
	if (normalize)
		comparison.store = store;
	r = store_scan(store, image_compare, bad_file, &comparison);
	CHECK(!r, "%s", strerror(-r));
	store_free(store);
	for (int i = 0; i < KEEPING_EXES; i++)
		CHECK(comparison.found[i] == !!expected[i].runs,
		      "%s: %u runs, and there is %s profile", host->shared->path[i],
		      expected[i].runs, comparison.found[i] ? "a" : "no");
	note("%u profiles, %u of them without a path, %" PRIu64 " words", comparison.n,
	     comparison.n_nameless, comparison.n_words);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static struct expected *nothing_expected(void)
{
	struct expected *expected = calloc(KEEPING_EXES, sizeof(*expected));

	REQUIRE(expected, "no memory");
	return expected;
}

/* Trains all executables, until all of it is on disk. */
static void train_all(struct host *host, const struct plan *plan, struct expected *expected,
		      bool normalize)
{
	uint32_t from = host->n_jobs;

	host_begin(host, plan);
	jobs_run(host, plan->n_jobs, IDS_KNOWN);
	host_end(host);
	jobs_expect(host, expected, from, true);
	CHECK(host->n_evicted >= plan->n_jobs / 30, "only %" PRIu64 " left memory",
	      host->n_evicted);
	disk_check(host, expected, EBPH_STATE_TRAINING, normalize);
}

static void train_by(const struct plan *plan)
{
	struct host *host = host_new();
	AUTO_FREE struct expected *expected = nothing_expected();

	train_all(host, plan, expected, false);
	host_free(host);
}

/* What normal profiles see of strange calls, before they are back or later, is never accepted. */
static void normal_by(const struct plan *plan, const struct plan *train)
{
	struct host *host = host_new();
	AUTO_FREE struct expected *expected = nothing_expected();
	uint32_t from;

	train_all(host, train, expected, true);
	from = host->n_jobs;
	host_begin(host, plan);
	jobs_run(host, plan->n_jobs, IDS_STRANGE);
	host_end(host);
	jobs_expect(host, expected, from, false);
	disk_check(host, expected, EBPH_STATE_NORMAL, false);
	host_free(host);
}

#define FEW_SLOTS     32
#define ENOUGH_SLOTS  64
#define LITTLE_MEMORY 16 /* all that is learned has three times that size in the end */

static void slots(void)
{
	train_by(&(const struct plan){.n_jobs = 150, .slots = FEW_SLOTS});
}

static void memory(void)
{
	train_by(&(const struct plan){.n_jobs = 150, .slots = ENOUGH_SLOTS, .sets = LITTLE_MEMORY});
}

static void normal(void)
{
	normal_by(&(const struct plan){.n_jobs = 120, .slots = FEW_SLOTS},
		  &(const struct plan){.n_jobs = 60, .slots = FEW_SLOTS});
}

static void slots_long(void)
{
	train_by(&(const struct plan){.n_jobs = 5000, .slots = FEW_SLOTS});
}

static void memory_long(void)
{
	train_by(
		&(const struct plan){.n_jobs = 5000, .slots = ENOUGH_SLOTS, .sets = LITTLE_MEMORY});
}

static void normal_long(void)
{
	normal_by(&(const struct plan){.n_jobs = 5000, .slots = FEW_SLOTS},
		  &(const struct plan){.n_jobs = 150, .slots = FEW_SLOTS});
}

const struct test keeping_tests[] = {
	{.name = "keeping: all is learned while there are few slots",
	 .run = slots,
	 .is_once = true},
	{.name = "keeping: all is learned while there is little memory",
	 .run = memory,
	 .is_once = true},
	{.name = "keeping: normal profiles come and go as they are",
	 .run = normal,
	 .is_long = true},
	{.name = "keeping: few slots, longer", .run = slots_long, .is_long = true},
	{.name = "keeping: little memory, longer", .run = memory_long, .is_long = true},
	{.name = "keeping: normal profiles, longer", .run = normal_long, .is_long = true},
	{},
};
