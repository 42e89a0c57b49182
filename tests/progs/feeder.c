// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * feeder SHARED_FD HOT_PATH_FD TASKS_FD,SEATS_FD,PAIRS JOB: feeds the calls of a job
 * (tests/bpf/keeping.h) to the hot path by BPF_PROG_TEST_RUN. Forks and execs are real.
 *
 * Where no slot is empty, nothing is learned: the first call is fed until there is one, which is
 * when the window begins with it.
 */
#include <linux/bpf.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/bpf/keeping.h"
#include "tests/bpf/thread_maps.h"

static struct keeping *shared;
static struct keeping_job *job;
static struct thread_maps maps;
static int hot_path_fd;
static char **arguments;

/* Ends this process; @line: what went wrong, 0: nothing. */
static void end(uint32_t line)
{
	if (line)
		__atomic_store_n(&job->failed, line, __ATOMIC_SEQ_CST);
	_exit(0);
}

static void feed(uint32_t call)
{
	const uint64_t registers[2] = {0, call};
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.test.prog_fd = (uint32_t)hot_path_fd;
	attr.test.ctx_in = (uintptr_t)registers;
	attr.test.ctx_size_in = sizeof(registers);
	if (syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attr, sizeof(attr)))
		end(__LINE__);
	__atomic_fetch_add(&job->n_fed, 1, __ATOMIC_RELAXED);
}

static uint32_t slot_of_self(void)
{
	static struct task_state state;

	if (thread_state(&maps, getpid(), &state))
		end(__LINE__);
	return state.slot;
}

static void first_feed(void)
{
	for (;;) {
		feed(keeping_call(job, 0, 0));
		job->slot = slot_of_self();
		if (job->slot)
			return;
		job->n_waits++;
		usleep(2000);
	}
}

static void child_run(void)
{
	for (uint32_t i = 0; i < job->n_child_calls; i++)
		feed(keeping_call(job, 1, i));
	end(0);
}

static void go_on(void)
{
	char number[12];

	snprintf(number, sizeof(number), "%u", job->next);
	arguments[4] = number;
	execv(shared->path[shared->job[job->next].exe], arguments);
	end(__LINE__);
}

int main(int argc, char **argv)
{
	pid_t pid;

	if (argc != 5)
		return 2;
	arguments = argv;
	hot_path_fd = atoi(argv[2]);
	if (sscanf(argv[3], "%d,%d,%u", &maps.tasks_fd, &maps.seats_fd, &maps.n_pairs) != 3)
		return 2;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[1]), 0);
	if (shared == MAP_FAILED)
		return 2;
	job = &shared->job[atoi(argv[4])];
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* who started it waits for it, or was killed */
	first_feed();
	for (uint32_t i = 1; i < job->n_calls; i++) {
		if (i == job->fork_at) {
			pid = fork();
			if (pid < 0)
				end(__LINE__);
			if (!pid)
				child_run();
		}
		if (i == job->pause_at)
			usleep(job->pause_us);
		feed(keeping_call(job, 0, i));
	}
	if (job->next)
		go_on();
	end(0);
	return 0;
}
