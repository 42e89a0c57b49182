// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bpf/keeping_host.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "enforcer/keep.h"
#include "enforcer/process.h"
#include "enforcer/set.h"
#include "enforcer/util.h"
#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/tap.h"

#define AT_ONCE	      4 /* processes; those that they fork are not counted */
#define PAUSE_MAX_US  40000
#define JOBS_A_TICK   2
#define STILL_NS      (60 * NSEC_PER_SEC) /* nothing happens for so long: it has come to a halt */
#define FIRST_ID      20
#define TICK_NS	      (2 * NSEC_PER_MSEC)
#define SOURCE	      "build/tests/progs/feeder"
#define NEVER_FREEZES UINT32_MAX

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

struct host *host_new(void)
{
	struct host *host = calloc(1, sizeof(*host));
	const char *seed = getenv("EBPH_SEED");

	REQUIRE(host, "no memory");
	host->random = seed ? strtoull(seed, NULL, 0) : now_ns(CLOCK_REALTIME);
	note("EBPH_SEED=%#" PRIx64, host->random);
	host->random |= 1;
	host->n_jobs = 1;
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

void host_free(struct host *host)
{
	struct child child;

	if (!getenv("KEEP"))
		RUN(&child, "rm", "-r", host->folder);
	munmap(host->shared, sizeof(*host->shared));
	close(host->shared_fd);
	free(host);
}

/* What the daemon says goes into a file: it is a lot. */
static void log_begin(struct host *host)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/log", host->folder);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	host->stderr_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	REQUIRE(fd >= 0 && host->stderr_fd >= 0, "%s: %s", path, strerror(errno));
	dup2(fd, STDERR_FILENO);
	close(fd);
}

/* It must not have failed at anything. */
static void log_end(struct host *host)
{
	FILE *log = fdopen(dup(STDERR_FILENO), "r");
	char line[1024];

	REQUIRE(log, "%s", strerror(errno));
	rewind(log);
	while (fgets(line, sizeof(line), log))
		if (strstr(line, ": cannot "))
			CHECK(false, "%s", line);
	fclose(log);
	dup2(host->stderr_fd, STDERR_FILENO);
	close(host->stderr_fd);
}

/* ---- the daemon's part ---------------------------------------------------------------------- */

static void inheritable(int fd)
{
	REQUIRE(!fcntl(fd, F_SETFD, 0), "%s", strerror(errno));
}

void host_begin(struct host *host, const struct plan *plan)
{
	struct rig *rig = &host->rig;
	struct ebph_settings *settings;
	struct conf *conf;
	int r;

	log_begin(host);
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
	inheritable(rig_thread_maps(rig).tasks_fd);
	inheritable(rig_thread_maps(rig).seats_fd);
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

/* The map by which programs find their profiles is an LRU: it may lose one at any time. */
static void key_lose(struct host *host)
{
	struct profiles *profiles = host->rig.profiles;
	uint32_t slot = 1 + random_below(host, profiles->next_slot - 1);
	const struct ebph_profile *head = &host->rig.kernel->heads[slot];

	if (head->state != EBPH_STATE_NONE)
		bpf_map_delete_elem(kernel_profiles_fd(host->rig.kernel), &head->exe);
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
	if (random_below(host, 2) == 0)
		key_lose(host);
	/* Normal ones, too, however long they are spared. */
	host->keep->spared = UINT32_MAX / 2;
	keep_tick(host->keep);
	keep_run(host->keep);
	keep_make_room(host->keep);
	/* However slow this machine is, and the daemon on it, so many ticks come to a run. */
	__atomic_fetch_add(&host->shared->until, JOBS_A_TICK, __ATOMIC_SEQ_CST);
}

/* One round of the loop. */
static void host_turn(struct host *host)
{
	struct pollfd ready[] = {
		{.fd = ring_buffer__epoll_fd(host->events), .events = POLLIN},
		{.fd = host->keep->saver.fd, .events = POLLIN},
	};

	uint32_t n_twins = host->keep->n_detached;

	poll(ready, 2, 1);
	if (ready[1].revents)
		keep_answered(host->keep);
	events_take(host);
	host->n_twins += host->keep->n_detached - n_twins;
	tick(host);
	stock(host);
}

void host_end(struct host *host)
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
	host->missed |= kernel->preemptible && kernel_missed_runs(kernel);
	note("%" PRIu64 " left memory, %u were in two slots, %" PRIu64 " calls found no slot, "
	     "%" PRIu64 " events were lost, %" PRIu64 " not sent, %" PRIu64 " missed by the kernel",
	     host->keep->evicted, host->n_twins, kernel_counter(kernel, EBPH_COUNT_NO_SLOT),
	     kernel_counter(kernel, EBPH_COUNT_EVENT_LOST),
	     kernel_counter(kernel, EBPH_COUNT_EVENT_LIMITED), kernel_missed_runs(kernel));
	ring_buffer__free(host->events);
	keep_free(host->keep);
	waitpid(saver, NULL, 0);
	rig_free(&host->rig);
	log_end(host);
}

/* ---- the programs' part --------------------------------------------------------------------- */

/* Makes up a job. Return: its number. */
static uint32_t job_new(struct host *host, uint32_t n_ids)
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

	REQUIRE(number < KEEPING_JOBS, "too many jobs");
	*job = (struct keeping_job){
		.seed = host->random,
		.exe = exe % KEEPING_EXES,
		.first = FIRST_ID + exe % KEEPING_EXES,
		.n_ids = 3 + random_below(host, n_ids - 3),
		.n_calls = 1 + random_below(host, KEEPING_CALLS),
	};
	job->pause_at = random_below(host, job->n_calls);
	job->pause_us = random_below(host, PAUSE_MAX_US);
	job->rest_us = random_below(host, PAUSE_MAX_US);
	if (random_below(host, 4) == 0) {
		job->fork_at = random_below(host, job->n_calls);
		job->n_child_calls = random_below(host, KEEPING_CALLS);
	}
	host->n_expected += !!job->fork_at;
	return number;
}

/* Makes up a job, and those that its process goes on with. */
static void jobs_make(struct host *host, uint32_t n_ids)
{
	uint32_t number = job_new(host, n_ids);

	while (random_below(host, 5) == 0) {
		uint32_t next = job_new(host, n_ids);

		host->shared->job[number].next = next;
		host->is_link[next] = true;
		number = next;
	}
}

static pid_t job_start(const struct host *host, uint32_t number)
{
	const struct keeping_job *job = &host->shared->job[number];
	const struct thread_maps maps = rig_thread_maps(&host->rig);
	char text[4][40], name[] = "feeder";
	char *argv[] = {name, text[0], text[1], text[2], text[3], NULL};
	pid_t pid;

	snprintf(text[0], sizeof(text[0]), "%d", host->shared_fd);
	snprintf(text[1], sizeof(text[1]), "%d", rig_hot_path_fd(&host->rig));
	snprintf(text[2], sizeof(text[2]), "%d,%d,%u", maps.tasks_fd, maps.seats_fd, maps.n_pairs);
	snprintf(text[3], sizeof(text[3]), "%u", number);
	return posix_spawn(&pid, host->shared->path[job->exe], NULL, NULL, argv, environ) ? -1 :
											    pid;
}

/* A process that starts one job after the other: at any moment, whatever the daemon is at. */
static void starter_run(struct host *host)
{
	uint32_t *next = &host->shared->next_job, number;
	int status;

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* with the test, however that ends */
	while ((number = __atomic_fetch_add(next, 1, __ATOMIC_SEQ_CST)) < host->n_jobs) {
		pid_t pid;

		if (host->is_link[number])
			continue;
		usleep(host->shared->job[number].rest_us);
		while (number >= __atomic_load_n(&host->shared->until, __ATOMIC_SEQ_CST))
			usleep(1000);
		pid = job_start(host, number);
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
			_exit(1);
	}
	_exit(0);
}

static void reap(struct host *host)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		REQUIRE(pid != host->keep->saver.pid, "the saver died");
		CHECK(status == 0, "a process ended with status %#x", status);
		host->n_reaped++;
	}
}

/* Has it come to a halt? What the slots are in then. */
static void halt_check(struct host *host, uint64_t since_ns)
{
	const struct profiles *profiles = host->rig.profiles;

	if (now_ns(CLOCK_MONOTONIC) < since_ns + STILL_NS)
		return;
	for (uint32_t slot = 1; slot < profiles->next_slot; slot++) {
		const struct ebph_profile *head = &host->rig.kernel->heads[slot];
		const struct profile_note *of = &profiles->notes[slot];

		note("slot %u: state %u, %u tasks, %u words in %u blocks, entry %d, twin %u of %u, "
		     "waits %d, saved %d, %s",
		     slot, head->state, head->tasks, head->words, of->blocks, !!of->entry, of->twin,
		     of->n_twins, of->grow_waits, of->kept.runs == head->runs,
		     of->path ? of->path : "");
	}
	REQUIRE(false,
		"%u of %u processes have ended; %u slots are empty, %u vacant, %u retired, %" PRIu64
		" of %" PRIu64 " bytes, %u loads, %u saves, busy %d, failing %d",
		host->n_reaped, host->n_expected, profiles->n_stocked, profiles->n_vacant,
		profiles->n_retired, profiles_memory(profiles), profiles->memory_limit,
		host->keep->loads.n, host->keep->saves.n, host->keep->saver.busy,
		host->keep->failing);
}

void jobs_run(struct host *host, uint32_t n, uint32_t n_ids)
{
	uint32_t until = host->n_jobs + n, begun = 0;
	uint64_t begun_ns = now_ns(CLOCK_MONOTONIC);

	host->shared->next_job = host->shared->until = host->n_jobs;
	while (host->n_jobs < until)
		jobs_make(host, n_ids);
	for (int i = 0; i < AT_ONCE; i++) {
		pid_t pid = fork();

		REQUIRE(pid >= 0, "%s", strerror(errno));
		if (!pid)
			starter_run(host);
		host->n_expected++;
	}
	while (host->n_reaped < host->n_expected) {
		uint32_t now_begun = __atomic_load_n(&host->shared->next_job, __ATOMIC_SEQ_CST);

		host_turn(host);
		reap(host);
		if (begun != now_begun)
			begun_ns = now_ns(CLOCK_MONOTONIC);
		begun = now_begun;
		halt_check(host, begun_ns);
	}
}
