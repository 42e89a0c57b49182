/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The BPF programs of the rig with all of the daemon that keeps profiles, in a loop like its own;
 * and processes that do jobs meanwhile.
 */
#ifndef EBPH_KEEPING_HOST_H
#define EBPH_KEEPING_HOST_H

#include <stdbool.h>

#include "enforcer/event.h"
#include "tests/bpf/keeping.h"
#include "tests/bpf/rig.h"

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
	int shared_fd, stderr_fd;
	uint32_t n_jobs;	    /* made up so far, the first of them is none */
	bool is_link[KEEPING_JOBS]; /* executed by another job */
	uint32_t n_expected;	    /* processes that we will have reaped in the end */
	uint32_t n_reaped;
	uint64_t next_tick_ns;
	uint64_t n_evicted;
	bool missed;	  /* events, by the kernel, from Linux 7.0 on: not all was learned */
	uint32_t n_twins; /* profiles that were in two slots */
};

/* Folders, and copies of the executable. */
struct host *host_new(void);
void host_free(struct host *host);

/* Loads the programs, and what is on disk. */
void host_begin(struct host *host, const struct plan *plan);

/* Runs @n jobs whose calls are among @n_ids of each executable, and waits for their ends. */
void jobs_run(struct host *host, uint32_t n, uint32_t n_ids);

/* As loop_end() of the daemon: all is on disk then. */
void host_end(struct host *host);

#endif
