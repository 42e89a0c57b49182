// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Profiles leave memory and come back all the time while their programs run, several at once, and
 * their sets grow: what is on disk in the end is the union of what all runs imply, exactly. The
 * BPF programs are the rig's, and all that keeps profiles is the daemon's own, in a loop like its
 * own.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <bpf/libbpf.h>

#include "enforcer/event.h"
#include "enforcer/keep.h"
#include "enforcer/process.h"
#include "enforcer/set.h"
#include "enforcer/util.h"
#include "tests/bpf/keeping.h"
#include "tests/bpf/rig.h"
#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/tap.h"

#define AT_ONCE	      4 /* processes; those that they fork are not counted */
#define CALLS_MAX     120
#define PAUSE_MAX_US  40000
#define STILL_NS      (60 * NSEC_PER_SEC) /* nothing happens for so long: it has come to a halt */
#define FIRST_ID      20
#define IDS_KNOWN     40 /* different calls of an executable */
#define IDS_STRANGE   60 /* those among them that it has not been trained with */
#define TICK_NS	      (2 * NSEC_PER_MSEC)
#define SOURCE	      "build/tests/progs/feeder"
#define NEVER_FREEZES UINT32_MAX

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

/* What a test is about. */
struct plan {
	uint32_t n_jobs;
	uint32_t slots;
	uint32_t sets; /* there is memory for so many of 8 blocks; 0: for all */
};

struct host {
	struct rig rig;
	struct keep *keep;
	struct event_sink sink;
	struct ring_buffer *events;
	uint64_t random;
	char folder[48], state_dir[64];
	struct keeping *shared;
	int shared_fd;
	uint32_t n_jobs;     /* made up so far, the first of them is none */
	uint32_t next_job;   /* to be started */
	uint32_t n_direct;   /* processes that we have started and that run */
	uint32_t n_expected; /* processes that will have been reaped in the end */
	uint32_t n_reaped;
	pid_t pids[AT_ONCE];
	uint64_t next_tick_ns, last_end_ns;
	uint64_t n_evicted;
};

static uint32_t random_below(struct host *host, uint32_t n)
{
	host->random ^= host->random << 13;
	host->random ^= host->random >> 7;
	host->random ^= host->random << 17;
	return (uint32_t)(host->random >> 32) % n;
}

/* ---- files ------------------------------------------------------------------------------- */

static void file_copy(const char *from, const char *to)
{
	AUTO_CLOSE int in = open(from, O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	char buffer[65536];
	ssize_t n;

	REQUIRE(in >= 0 && out >= 0, "%s to %s: %s", from, to, strerror(errno));
	while ((n = read(in, buffer, sizeof(buffer))) > 0)
		REQUIRE(write(out, buffer, (size_t)n) == n, "%s: %s", to, strerror(errno));
}

static struct host *host_new(void)
{
	struct host *host = calloc(1, sizeof(*host));
	const char *seed = getenv("EBPH_SEED");

	REQUIRE(host, "no memory");
	host->random = seed ? strtoull(seed, NULL, 0) : now_ns(CLOCK_REALTIME);
	note("EBPH_SEED=%#" PRIx64, host->random);
	host->random |= 1;
	host->n_jobs = host->next_job = 1;
	/* Where nothing waits for a disk, the more profiles come and go. */
	snprintf(host->folder, sizeof(host->folder), "%s/ebph-keeping-XXXXXX",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	REQUIRE(mkdtemp(host->folder), "%s", strerror(errno));
	snprintf(host->state_dir, sizeof(host->state_dir), "%s/state", host->folder);
	/* Inherited by those who are to do what stands in it. */
	host->shared_fd = memfd_create("keeping", 0);
	REQUIRE(host->shared_fd >= 0 && !ftruncate(host->shared_fd, sizeof(*host->shared)), "%s",
		strerror(errno));
	host->shared = mmap(NULL, sizeof(*host->shared), PROT_READ | PROT_WRITE, MAP_SHARED,
			    host->shared_fd, 0);
	REQUIRE(host->shared != MAP_FAILED, "%s", strerror(errno));
	for (unsigned int i = 0; i < KEEPING_EXES; i++) {
		snprintf(host->shared->path[i], sizeof(host->shared->path[i]), "%s/feeder%u",
			 host->folder, i);
		file_copy(program_path(SOURCE), host->shared->path[i]);
	}
	REQUIRE(!prctl(PR_SET_CHILD_SUBREAPER, 1), "%s", strerror(errno));
	return host;
}

static void host_free(struct host *host)
{
	struct child child;

	if (!getenv("KEEP"))
		RUN(&child, "rm", "-r", host->folder);
	munmap(host->shared, sizeof(*host->shared));
	close(host->shared_fd);
	free(host);
}

/* ---- the daemon's part ---------------------------------------------------------------------- */

static void inheritable(int fd)
{
	REQUIRE(!fcntl(fd, F_SETFD, 0), "%s", strerror(errno));
}

/* Loads the programs, and what is on disk. */
static void daemon_begin(struct host *host, const struct plan *plan)
{
	struct rig *rig = &host->rig;
	struct ebph_settings *settings;
	struct conf *conf;
	int r;

	rig_new(rig, plan->slots);
	conf = rig->conf;
	free(conf->store.state_dir);
	conf->store.state_dir = strdup(host->state_dir);
	conf->store.save_interval_ns = 4 * TICK_NS;
	settings = kernel_settings(rig->kernel);
	settings->min_runs = NEVER_FREEZES;
	settings->tolerize_limit = UINT32_MAX;
	settings->anomaly_limit = UINT32_MAX - 1;
	settings->reports_per_s = EBPH_REPORTS_PER_SECOND;
	if (plan->sets)
		rig->profiles->memory_limit =
			profiles_memory(rig->profiles) + plan->sets * set_memory(8);
	host->sink = (struct event_sink){.profiles = rig->profiles, .journal.fd = -1};
	r = keep_new(conf, rig->profiles, &host->sink, &host->keep);
	REQUIRE(!r, "%s", strerror(-r));
	host->sink.keep = host->keep;
	host->events =
		ring_buffer__new(kernel_events_fd(rig->kernel), event_handle, &host->sink, NULL);
	REQUIRE(host->events, "%s", strerror(errno));
	REQUIRE(!kernel_introduce(rig->kernel, EBPH_OURS_DAEMON), "%s", strerror(errno));
	r = keep_start(host->keep);
	REQUIRE(!r, "%s", strerror(-r));
	inheritable(rig_hot_path_fd(rig));
	inheritable(rig_tasks_fd(rig));
	rig_attach_life(rig);
}

static void events_take(struct host *host)
{
	if (ring_buffer__consume(host->events) >= 0)
		profiles_drained(host->rig.profiles);
}

static void stock(struct host *host)
{
	bool more;
	int r = profiles_stock(host->rig.profiles, &more);

	REQUIRE(!r, "cannot stock slots: %s", strerror(-r));
}

static void tick(struct host *host)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);

	if (now < host->next_tick_ns)
		return;
	host->next_tick_ns = now + TICK_NS;
	/* The daemon's ticks are so far apart that no program is still at what it did before. */
	if (host->keep->begins_due)
		running_programs_wait();
	/* As if others wanted their places: whoever may leave does. */
	host->rig.profiles->wants_slots |= random_below(host, 2);
	keep_tick(host->keep);
	keep_run(host->keep);
	keep_make_room(host->keep);
}

/* One round of the loop. */
static void daemon_turn(struct host *host)
{
	struct pollfd ready[] = {
		{.fd = ring_buffer__epoll_fd(host->events), .events = POLLIN},
		{.fd = host->keep->saver.fd, .events = POLLIN},
	};

	poll(ready, 2, 1);
	if (ready[1].revents)
		keep_answered(host->keep);
	events_take(host);
	tick(host);
	stock(host);
}

/* As loop_end() of the daemon. */
static void daemon_end(struct host *host)
{
	static const enum ebph_counter never[] = {
		EBPH_COUNT_NO_TASK_STATE,
		EBPH_COUNT_NO_SET,
		EBPH_COUNT_PROFILE_NOT_STORED,
		EBPH_COUNT_SET_FULL,
	};
	struct kernel *kernel = host->rig.kernel;
	pid_t saver = host->keep->saver.pid;

	kernel_detach(kernel);
	while (ring_buffer__consume(host->events) < 0)
		;
	keep_finish(host->keep);
	for (size_t i = 0; i < ARRAY_SIZE(never); i++)
		CHECK(kernel_counter(kernel, never[i]) == 0, "%s: %" PRIu64,
		      kernel_counter_name(never[i]), kernel_counter(kernel, never[i]));
	CHECK(!host->keep->save_failed && !host->keep->load_failed && !host->sink.malformed,
	      "%" PRIu64 " not saved, %" PRIu64 " not loaded, %" PRIu64 " malformed",
	      host->keep->save_failed, host->keep->load_failed, host->sink.malformed);
	host->n_evicted = host->keep->evicted;
	CHECK(!host->keep->n_detached, "%u profiles have two slots", host->keep->n_detached);
	note("%" PRIu64 " left memory, %" PRIu64 " calls found no slot, %" PRIu64
	     " events were lost, %" PRIu64 " not sent, %" PRIu64 " missed by the kernel",
	     host->keep->evicted, kernel_counter(kernel, EBPH_COUNT_NO_SLOT),
	     kernel_counter(kernel, EBPH_COUNT_EVENT_LOST),
	     kernel_counter(kernel, EBPH_COUNT_EVENT_LIMITED), kernel_missed_runs(kernel));
	ring_buffer__free(host->events);
	keep_free(host->keep);
	waitpid(saver, NULL, 0);
	rig_free(&host->rig);
}

/* ---- the programs' part --------------------------------------------------------------------- */

/* Makes up a job, and those that its process goes on with. Return: its number. */
/* NOLINTNEXTLINE(misc-no-recursion): a fifth of the jobs go on, and KEEPING_JOBS bounds them */
static uint32_t job_make(struct host *host, uint32_t n_ids)
{
	uint32_t number = host->n_jobs++;
	/*
	 * At first each of them in turn; then half of the runs are of a few, those that have been
	 * idle for a while leave memory.
	 */
	uint32_t exe = number <= KEEPING_EXES	  ? number - 1 :
		       random_below(host, 2) == 0 ? random_below(host, KEEPING_EXES) :
						    number / 8 + random_below(host, 3);
	struct keeping_job *job = &host->shared->job[number];

	REQUIRE(host->n_jobs <= KEEPING_JOBS, "too many jobs");
	*job = (struct keeping_job){
		.seed = host->random,
		.exe = exe % KEEPING_EXES,
		.first = FIRST_ID + exe % KEEPING_EXES,
		.n_ids = 3 + random_below(host, n_ids - 3),
		.n_calls = 1 + random_below(host, CALLS_MAX),
	};
	job->pause_at = random_below(host, job->n_calls);
	job->pause_us = random_below(host, PAUSE_MAX_US);
	if (random_below(host, 4) == 0) {
		job->fork_at = random_below(host, job->n_calls);
		job->n_child_calls = random_below(host, CALLS_MAX);
	}
	host->n_expected += !!job->fork_at;
	if (random_below(host, 5) == 0 && host->n_jobs < KEEPING_JOBS)
		job->next = job_make(host, n_ids);
	return number;
}

static void job_start(struct host *host, uint32_t number)
{
	const struct keeping_job *job = &host->shared->job[number];
	char text[4][12], name[] = "feeder";
	char *argv[] = {name, text[0], text[1], text[2], text[3], NULL};
	pid_t pid;
	int r;

	snprintf(text[0], sizeof(text[0]), "%d", host->shared_fd);
	snprintf(text[1], sizeof(text[1]), "%d", rig_hot_path_fd(&host->rig));
	snprintf(text[2], sizeof(text[2]), "%d", rig_tasks_fd(&host->rig));
	snprintf(text[3], sizeof(text[3]), "%u", number);
	r = posix_spawn(&pid, host->shared->path[job->exe], NULL, NULL, argv, environ);
	REQUIRE(!r, "%s: %s", host->shared->path[job->exe], strerror(r));
	for (int i = 0; i < AT_ONCE; i++) {
		if (host->pids[i])
			continue;
		host->pids[i] = pid;
		break;
	}
	host->n_direct++;
	host->n_expected++;
}

static void reap(struct host *host)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		REQUIRE(pid != host->keep->saver.pid, "the saver died");
		CHECK(status == 0, "a program ended with status %#x", status);
		host->n_reaped++;
		host->last_end_ns = now_ns(CLOCK_MONOTONIC);
		for (int i = 0; i < AT_ONCE; i++) {
			if (host->pids[i] != pid)
				continue;
			host->pids[i] = 0;
			host->n_direct--;
		}
	}
}

/* Runs @n jobs whose calls are among @n_ids of each executable, and waits for their ends. */
static void jobs_run(struct host *host, uint32_t n, uint32_t n_ids)
{
	uint32_t until = host->n_jobs + n;

	host->last_end_ns = now_ns(CLOCK_MONOTONIC);
	while (host->n_jobs < until || host->n_reaped < host->n_expected) {
		while (host->n_jobs < until && host->n_direct < AT_ONCE)
			job_start(host, job_make(host, n_ids));
		daemon_turn(host);
		reap(host);
		REQUIRE(now_ns(CLOCK_MONOTONIC) < host->last_end_ns + STILL_NS,
			"%u of %u processes have ended; %u slots are empty", host->n_reaped,
			host->n_expected, host->rig.profiles->n_stocked);
	}
}

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
	uint32_t calls[2 * CALLS_MAX];

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

static void masks_check(const struct image *image, const char *name,
			const struct expected *expected)
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
		normal += (word & 0xff) != expected->normal.mask[current][earlier];
		training += (word >> 8 & 0xff) != expected->training.mask[current][earlier];
		left->mask[current][earlier] = 0;
	}
	for (size_t i = 0; i < sizeof(*left); i++)
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
	masks_check(image, name, expected);
	CHECK(image->state == comparison->state, "%s: state %u", name, image->state);
	CHECK(image->calls + image->normal_calls == expected->calls,
	      "%s: %" PRIu64 " + %" PRIu64 " calls, not %" PRIu64, name, image->calls,
	      image->normal_calls, expected->calls);
	CHECK(image->runs == expected->runs, "%s: %u runs, not %u", name, image->runs,
	      expected->runs);
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

	daemon_begin(host, plan);
	jobs_run(host, plan->n_jobs, IDS_KNOWN);
	daemon_end(host);
	jobs_expect(host, expected, from, true);
	CHECK(host->n_evicted >= plan->n_jobs / 20, "only %" PRIu64 " left memory",
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
	daemon_begin(host, plan);
	jobs_run(host, plan->n_jobs, IDS_STRANGE);
	daemon_end(host);
	jobs_expect(host, expected, from, false);
	disk_check(host, expected, EBPH_STATE_NORMAL, false);
	host_free(host);
}

#define FEW_SLOTS     32
#define ENOUGH_SLOTS  64
#define LITTLE_MEMORY 8

static void slots(void)
{
	train_by(&(const struct plan){.n_jobs = 300, .slots = FEW_SLOTS});
}

static void memory(void)
{
	train_by(&(const struct plan){.n_jobs = 300, .slots = ENOUGH_SLOTS, .sets = LITTLE_MEMORY});
}

static void normal(void)
{
	normal_by(&(const struct plan){.n_jobs = 200, .slots = FEW_SLOTS},
		  &(const struct plan){.n_jobs = 100, .slots = FEW_SLOTS});
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
		  &(const struct plan){.n_jobs = 200, .slots = FEW_SLOTS});
}

const struct test keeping_tests[] = {
	{.name = "keeping: all is learned while there are few slots", .run = slots},
	/*
	 * Not yet where it belongs: where evicting is slow (Linux 6.1, emulated) pairs still find
	 * no room, which is counted (set_full), and are learned when they occur again.
	 */
	{.name = "keeping: all is learned while there is little memory",
	 .run = memory,
	 .is_long = true},
	{.name = "keeping: normal profiles come and go as they are", .run = normal},
	{.name = "keeping: few slots, longer", .run = slots_long, .is_long = true},
	{.name = "keeping: little memory, longer", .run = memory_long, .is_long = true},
	{.name = "keeping: normal profiles, longer", .run = normal_long, .is_long = true},
	{},
};
