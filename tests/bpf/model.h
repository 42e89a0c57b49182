/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the programs in bpf/ must come to, computed slowly and plainly, to be compared with them.
 * Written from the papers and the design, without any of their code: a thread is the list of all
 * its calls since exec, the LFC is counted over the last 128 verdicts, a profile is two tables of
 * (current, earlier, distance). No windows of bits, no hashing, no verified windows, no flushing.
 */
#ifndef EBPH_MODEL_H
#define EBPH_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/bpf/list.h"

#define MODEL_SYMBOLS 72 /* different calls in one run */
#define MODEL_AGENTS  16 /* threads at a time */
#define MODEL_EXES    3
#define MODEL_EVENTS  8192 /* between two comparisons */
#define MODEL_FRAMES  4	   /* interrupted windows that are kept */

/* What a call is: a number in the table of its ABI. */
enum model_abi { MODEL_NATIVE, MODEL_IA32, MODEL_X32, MODEL_INVALID, MODEL_HANDLER };

struct model_call {
	enum model_abi abi;
	uint32_t number;
};

enum model_state { MODEL_TRAINING = 1, MODEL_FROZEN, MODEL_NORMAL };
enum model_verb { MODEL_NORMALIZE = 1, MODEL_SENSITIZE, MODEL_TOLERIZE };

/* What an anomaly costs. */
struct model_rule {
	uint64_t base_ns, max_ns;
	uint32_t tolerance, exec_limit;
	bool linear;	 /* not pH's curve */
	bool on_anomaly; /* only calls that are anomalies themselves */
};

struct model_answer {
	uint64_t delay_ns; /* 0: it goes on at once */
	bool abort;
};

/* What a handler has interrupted. */
struct model_frame {
	struct list calls;
	int level;     /* handlers that were under way */
	bool is_ours;  /* of this thread's own stack, not of the thread's that made it */
	bool restarts; /* its last call is made again */
};

struct model_agent {
	bool is_alive, is_leader;
	unsigned int process, exe;
	struct list calls;    /* symbols since exec, or since the handler began */
	struct list verdicts; /* 1 for each call that was an anomaly */
	struct model_frame frame[MODEL_FRAMES];
	unsigned int n_frames;
	int level;
	bool restarts;	   /* the last call was interrupted, and is made again */
	bool was_repeated; /* the last call was no new one */
};

struct model_profile {
	enum model_state state;
	/* [current][earlier][distance] */
	bool normal[MODEL_SYMBOLS][MODEL_SYMBOLS][9];
	bool training[MODEL_SYMBOLS][MODEL_SYMBOLS][9];
	bool ever[MODEL_SYMBOLS][MODEL_SYMBOLS]; /* has a word, though it may be without bits */
	uint32_t words;
	uint64_t calls;	    /* all, whatever the state */
	uint64_t forgotten; /* kept by the test: calls that sensitize has taken from the head */
	uint64_t anomalies, heat;
	uint64_t stops, stop_ns, aborts; /* answers decided */
	uint32_t doubts;		 /* anomalies since it became normal */
	uint32_t runs, tasks;
	/* The rule of freezing. */
	uint64_t trained, last_mod;
	bool rule_held;	  /* pH's rule, after some call since the last modification */
	uint64_t overdue; /* calls since all conditions held */
};

enum model_event_type { MODEL_STATE_CHANGE = 1, MODEL_ANOMALY, MODEL_DOUBT };

struct model_event {
	enum model_event_type type;
	int agent; /* -1: the operator */
	unsigned int exe;
	enum model_state before, after;
	struct model_call call;
	uint32_t unseen, lfc, heat;
	struct model_answer answer;
	uint32_t anomalies, tolerized;
};

struct model {
	/* As the settings of the programs. */
	uint32_t anomaly_limit, tolerize_limit;
	bool auto_tolerize, with_heat;
	struct model_rule rule;
	uint32_t factor, factor_den, min_runs;
	uint64_t min_calls;
	bool freezes; /* states are observed, not decided: regime 2 */
	bool waits;   /* frozen profiles stay so */

	struct model_call symbol[MODEL_SYMBOLS];
	unsigned int n_symbols;
	struct model_agent agent[MODEL_AGENTS];
	struct model_profile profile[MODEL_EXES];
	struct model_event event[MODEL_EVENTS];
	size_t n_events;
	uint64_t n_processes, n_calls, frames_lost;
	char error[256]; /* what the programs must not have done */
};

/* Return: NULL when there is no memory. */
struct model *model_new(void);
void model_free(struct model *model);

/**
 * model_answer() - the answer to a call, in tests/bpf/model_answer.c.
 * @recent: recent anomalies, this one included
 */
struct model_answer model_answer(const struct model_rule *rule, struct model_call call,
				 uint32_t recent, bool anomalous);

/**
 * model_answered() - the last call of a thread is answered: while there are anomalies among the
 * last 128, those before it included.
 * @before: LFC without it
 */
struct model_answer model_answered(struct model *model, unsigned int number, bool anomalous,
				   uint32_t before);

/* The symbol of a call, a new one if it is the first of its kind. */
unsigned int model_symbol(struct model *model, struct model_call call);

/* The call that a caller with register value @nr makes. */
struct model_call model_call_of(uint64_t nr, bool ia32);

/* Agents are told by their numbers. A program is executed by somebody who is not followed: */
void model_start(struct model *model, unsigned int agent, unsigned int exe);
void model_fork(struct model *model, unsigned int from, unsigned int to, bool is_thread);
void model_exec(struct model *model, unsigned int number, unsigned int exe);
void model_exit(struct model *model, unsigned int agent);
void model_exit_process(struct model *model, unsigned int number);

/**
 * model_call() - a thread makes a call.
 * @observed: the state that its profile had afterwards; used where the model's .freezes
 */
void model_call(struct model *model, unsigned int number, uint64_t nr, bool ia32,
		enum model_state observed);

/* The last call of a thread, an rt_sigreturn, was that of the handler that it is in. */
void model_handler_ends(struct model *model, unsigned int number);
void model_signal(struct model *model, unsigned int number, bool restarts);
void model_jump(struct model *model, unsigned int agent, int level);

/* A signal without a handler interrupts a call that is made again. */
void model_restart(struct model *model, unsigned int agent);
void model_verb(struct model *model, unsigned int exe, enum model_verb verb);

/*
 * Where the model's .freezes: the profile has been told of all calls, and @observed is its state;
 * what the rule allows must have been done.
 */
void model_flushed(struct model *model, unsigned int exe, enum model_state observed);

/* The calls that a profile has trained on are found to be @trained, @last_mod of them before. */
void model_trained(struct model *model, unsigned int exe, uint64_t trained, uint64_t last_mod);

/* How many of the last 128 calls of a thread were anomalies. */
uint32_t model_lfc(const struct model_agent *agent);

#endif
