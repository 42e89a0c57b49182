/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The differential test's conductor: makes up scripts from a seed, has workers carry them out and
 * the model too. One thread of all works at a time, so a seed always gives the same.
 */
#ifndef EBPH_CONDUCTOR_H
#define EBPH_CONDUCTOR_H

#include "tests/bpf/model.h"
#include "tests/bpf/rig.h"
#include "tests/bpf/script.h"

#define TRACE_OPS   20
#define POOL_MAX    (MODEL_SYMBOLS - 6) /* sigreturns and the handler's mark come in addition */
#define SEEN_EVENTS 8192
#define PHRASES	    12
#define PHRASE_MAX  12

/* What the generator must know of a thread in order to ask nothing impossible of it. */
struct part {
	bool is_alive;
	unsigned int process, n_threads, exe;
	int level;
	unsigned int phrase, at;	   /* what it is saying */
	struct op last[SCRIPT_LEVELS + 1]; /* the last call at each level */
	bool repeats;			   /* the last call may be made again */
	struct {
		struct op op;
		uint64_t index;
	} trace[TRACE_OPS];
	uint64_t n_trace;
};

struct conductor {
	struct rig rig;
	struct model *model;
	struct script *script;
	int script_fd, hot_path_fd, heads_fd; /* inherited by workers */
	char folder[64];
	uint64_t seed, random;
	bool alone; /* one thread at a time is alive: regime 2 */

	struct part part[SCRIPT_AGENTS];
	unsigned int n_processes;
	struct op pool[POOL_MAX]; /* the calls of this run, as OP_CALL */
	unsigned int n_pool;
	unsigned int phrase[PHRASES][PHRASE_MAX], phrase_length[PHRASES];
	unsigned int refrain, refrain_at; /* 1 + a phrase that recurs in this batch; or 0 */
	unsigned int noise;		  /* of 1000 calls so many are out of place */

	unsigned int agent; /* whose batch it was */
	unsigned int exe;   /* ... and in which program when it began */
	uint64_t n_ops;	    /* before this batch */

	struct script_agent ids[SCRIPT_AGENTS];	 /* as they were when it began */
	uint32_t last_state[SCRIPT_HEADS_SLOTS]; /* by the events; 0: none yet */

	unsigned int n_freezes;

	/* What the programs said about our executables since the last comparison. */
	union {
		struct ebph_event event;
		struct ebph_event_state state;
		struct ebph_event_anomaly anomaly;
		struct ebph_event_doubt doubt;
	} seen[SEEN_EVENTS];
	size_t n_seen;
};

/* A number below @n, from the seed. */
uint32_t random_below(struct conductor *conductor, uint32_t n);

/*
 * Loads the programs and runs each executable once: agents 0 .. SCRIPT_EXES - 1. There are to be up
 * to @max_pool different calls.
 */
struct conductor *conductor_new(uint64_t seed, unsigned int max_pool);
void conductor_free(struct conductor *conductor);

/* Has some thread carry out a new batch, and the model too. */
void conductor_batch(struct conductor *conductor);

/* Ends all workers. */
void conductor_end_all(struct conductor *conductor);

/* Chooses the calls of a run, and which of them often follow each other. */
void calls_choose(struct conductor *conductor, unsigned int max_pool);

/* Makes up a batch for .agent. */
void script_make(struct conductor *conductor);

/* Does @op end its batch? */
bool op_is_last(const struct op *op);

/* Threads of @part's process but itself are no more. */
void part_others_end(struct conductor *conductor, const struct part *part);

/* Executes program @exe as @agent. */
void conductor_start(struct conductor *conductor, unsigned int agent, unsigned int exe);

/* Ends the test: the programs and the model differ. @agent: whose operations to show. */
void differ(struct conductor *conductor, unsigned int agent, const char *format, ...)
	__attribute__((format(printf, 3, 4), noreturn));

/* Chooses what an anomaly costs, for the model and for the programs. */
void conductor_rule(struct conductor *conductor);

#endif
