/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tests/progs/feeder.c is to do, in shared memory: jobs of tests/bpf/keeping.c. */
#ifndef EBPH_KEEPING_H
#define EBPH_KEEPING_H

#include <stdint.h>

#define KEEPING_JOBS  32768
#define KEEPING_EXES  24
#define KEEPING_CALLS 120 /* of a process, at most */
#define KEEPING_IDS   128 /* of calls, native ones; the greatest that occurs is smaller */

/* One run of an executable. All but the results is decided before it begins. */
struct keeping_job {
	uint64_t seed;
	uint32_t exe;
	uint32_t first, n_ids; /* calls are chosen among these ids */
	uint32_t n_calls;
	uint32_t fork_at;	/* before this call it forks; 0: never */
	uint32_t n_child_calls; /* that the child makes */
	uint32_t rest_us;	/* before it begins */
	uint32_t pause_at;	/* before this call it sleeps */
	uint32_t pause_us;	/* for so long */
	uint32_t next;		/* the job that this process executes in the end; 0: none */
	uint32_t failed;	/* result: a line of feeder.c; 0: all is well */
	uint64_t n_fed;		/* result: calls, those of the child and in vain included */
	uint32_t n_waits;	/* result: how often there was no slot */
	uint32_t slot;		/* result: at the beginning */
};

struct keeping {
	uint32_t next_job; /* to be started */
	uint32_t until;	   /* but only up to this one for now */
	char path[KEEPING_EXES][64];
	struct keeping_job job[KEEPING_JOBS]; /* the first is none */
};

/* The @i-th call of a run, or of the child of it. */
static inline uint32_t keeping_call(const struct keeping_job *job, int is_child, uint32_t i)
{
	uint64_t x = job->seed + (is_child ? 0x5bd1e995ull << 20 : 0) + i * 0x9e3779b97f4a7c15ull;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return job->first + (uint32_t)((x ^ (x >> 31)) % job->n_ids);
}

#endif
