// SPDX-License-Identifier: GPL-2.0-or-later
/* Seats of threads' states (bpf/seat.h): taken, not enough for all, given back. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enforcer/util.h"
#include "tests/bpf/rig.h"
#include "tests/harness/child.h"
#include "tests/harness/tap.h"

#define CALL 39

/* Does @pid, a child since we made CALL, stand where we stood then? */
static void child_known(const struct rig *rig, pid_t pid, uint32_t slot)
{
	struct task_state state;
	int r = rig_task(rig, pid, &state);

	REQUIRE(!r, "%d: %s", pid, strerror(-r));
	CHECK(state.slot == slot, "slot %u", state.slot);
	CHECK(ebph_window_at(&state.window, 0) == CALL, "%u", ebph_window_at(&state.window, 0));
	CHECK(state.tid == (uint32_t)pid, "%u", state.tid);
}

/* How many of the @n processes have a seat. */
static uint32_t seated(const struct rig *rig, const pid_t *pids, uint32_t n)
{
	const struct thread_maps maps = rig_thread_maps(rig);
	struct task_state state;
	uint32_t found = 0;

	for (uint32_t i = 0; i < n; i++)
		found += !seat_state(&maps, pids[i], &state);
	return found;
}

/* Waits until none of them has. The kernel frees a thread a moment after it was waited for. */
static void seats_wait(const struct rig *rig, const pid_t *pids, uint32_t n)
{
	while (seated(rig, pids, n))
		poll(NULL, 0, 1);
}

/* An empty seat is all zero. */
static void empty_clean(const struct rig *rig)
{
	const struct thread_maps maps = rig_thread_maps(rig);
	static const unsigned char zero[sizeof(struct task_state)];
	const struct seat_pair *pairs;

	pairs = seats_map(&maps);
	REQUIRE(pairs, "%s", strerror(errno));
	for (uint32_t i = 0; i < 2 * maps.n_pairs; i++)
		if (!pairs[i / 2].owner[i % 2])
			CHECK(!memcmp((const char *)&pairs[i / 2].state[i % 2], zero, sizeof(zero)),
			      "seat %u", i);
	seats_unmap(&maps, pairs);
}

/* More threads than seats: all are followed, and whoever comes later has a seat again. */
static void flood(void)
{
	uint32_t n, slot, n_seated;
	struct task_state state;
	struct rig rig;
	pid_t *pids;

	rig_new(&rig, 16);
	rig_attach_life(&rig);
	n = 2 * rig_thread_maps(&rig).n_pairs + 16;
	pids = calloc(n, sizeof(*pids));
	REQUIRE(pids, "no memory");
	CHECK(!rig_call(rig_hot_path_fd(&rig), CALL), "%s", strerror(errno));
	REQUIRE(!rig_task(&rig, getpid(), &state), "we have no state");
	slot = state.slot;
	for (uint32_t i = 0; i < n; i++)
		pids[i] = sleeper_start();
	n_seated = seated(&rig, pids, n);
	note("%u of %u threads have a seat, of %u", n_seated, n, n - 16);
	CHECK(n_seated > 0 && n_seated < n, "%u", n_seated);
	for (uint32_t i = 0; i < n; i++)
		child_known(&rig, pids[i], slot);
	CHECK(rig.kernel->heads[slot].tasks == n + 1, "%u", rig.kernel->heads[slot].tasks);
	CHECK(!kernel_counter(rig.kernel, EBPH_COUNT_NO_TASK_STATE), "no memory for some");
	for (uint32_t i = 0; i < n; i++)
		sleeper_end(pids[i]);
	seats_wait(&rig, pids, n);
	CHECK(rig.kernel->heads[slot].tasks == 1, "%u", rig.kernel->heads[slot].tasks);
	empty_clean(&rig);
	pids[0] = sleeper_start();
	CHECK(seated(&rig, pids, 1) == 1, "no seat, and all are empty");
	child_known(&rig, pids[0], slot);
	sleeper_end(pids[0]);
	free(pids);
	rig_free(&rig);
}

static char *cat[] = {"/bin/cat", NULL};

static void *cat_execute(void *unused)
{
	execv(cat[0], cat);
	return unused;
}

/* A thread that is not the first of its process executes: it goes on under the first one's number.
 */
static void thread_executes(void)
{
	struct task_state state;
	int in[2] = {-1, -1}, out[2] = {-1, -1}, r;
	pthread_t thread;
	struct rig rig;
	char echo = 'e';
	pid_t pid;

	REQUIRE(!pipe(in) && !pipe(out), "%s", strerror(errno));
	rig_new(&rig, 16);
	rig_attach_life(&rig);
	CHECK(!rig_call(rig_hot_path_fd(&rig), CALL), "%s", strerror(errno));
	pid = fork();
	if (!pid) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		pthread_create(&thread, NULL, cat_execute, NULL);
		for (;;)
			pause();
	}
	/* When it answers, it is what it executed. */
	REQUIRE(write(in[1], &echo, 1) == 1 && read(out[0], &echo, 1) == 1, "%s", strerror(errno));
	r = rig_task(&rig, pid, &state);
	REQUIRE(!r, "%s", strerror(-r));
	CHECK(state.slot == rig_slot(&rig, cat[0]), "slot %u", state.slot);
	CHECK(seated(&rig, &pid, 1) == 1, "its seat is not found");
	sleeper_end(pid);
	seats_wait(&rig, &pid, 1);
	CHECK(rig.kernel->heads[state.slot].tasks == 0, "%u", rig.kernel->heads[state.slot].tasks);
	rig_free(&rig);
}

const struct test seat_tests[] = {
	{.name = "seat: more threads than seats are all followed, and seats are given back",
	 .run = flood},
	{.name = "seat: an exec by another thread than the first keeps it", .run = thread_executes},
	{},
};
