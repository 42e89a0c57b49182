/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the differential test has its workers do: operations in shared memory, carried out by one
 * thread at a time. Shared by tests/progs/worker.c and tests/bpf/conductor.c.
 */
#ifndef EBPH_SCRIPT_H
#define EBPH_SCRIPT_H

#include <stdint.h>

#define SCRIPT_OPS     512
#define SCRIPT_CALLS   8192 /* in one batch, repetitions counted */
#define SCRIPT_REPEATS 4000 /* of one call */
#define SCRIPT_AGENTS  16
#define SCRIPT_EXES    3
#define SCRIPT_LEVELS  7  /* signal handlers within each other: more than the programs keep */
#define SCRIPT_STACKS  48 /* threads that one program may begin in its life */

/* What a worker maps of the heads: its profile must have one of the first slots. */
#define SCRIPT_HEADS_SLOTS 64
#define SCRIPT_HEADS_BYTES (SCRIPT_HEADS_SLOTS * 128)

enum op_type {
	OP_CALL,	 /* .nr by .ia32, .count times */
	OP_SIGNAL,	 /* a handler is entered; .on_altstack */
	OP_BLOCK,	 /* as OP_SIGNAL, but it interrupts a read that is made again afterwards */
	OP_RETURN,	 /* the handler ends by rt_sigreturn, which is call .nr by .ia32 */
	OP_JUMP,	 /* siglongjmp() to level .target */
	OP_FORGE,	 /* call .nr by .ia32, an rt_sigreturn, where no handler was entered */
	OP_RESTART,	 /* an ignored signal interrupts a call that is made again */
	OP_FORK,	 /* a process: agent .target */
	OP_THREAD,	 /* a thread: agent .target */
	OP_SPAWN,	 /* vfork() and exec of .exe: agent .target */
	OP_EXEC,	 /* of .exe; the last one of a batch */
	OP_EXEC_FAILS,	 /* of a file that is not there */
	OP_EXIT,	 /* of this thread; the last one of a batch */
	OP_EXIT_PROCESS, /* the last one of a batch */
	OP_MAX,
};

struct op {
	uint64_t nr;
	uint32_t count;
	uint8_t type; /* enum op_type */
	uint8_t ia32;
	uint8_t on_altstack;
	uint8_t target;
	uint8_t exe;
};

/* One thread that plays a part. Who has no turn waits. */
struct script_agent {
	uint32_t turn; /* futex: 1 while it is to carry out the batch */
	uint32_t tid;  /* futex: 0 until it is there */
	uint32_t pid;
};

struct script {
	uint32_t done;	   /* futex: batches carried out */
	uint32_t blocking; /* 1 + the agent that is about to wait in a read */
	uint32_t n_ops;
	uint32_t next;	  /* the operation to come; a handler goes on where it is */
	uint32_t n_calls; /* made in this batch */
	uint32_t record;  /* note the profile's state after each call */
	uint32_t slot[SCRIPT_EXES];
	char path[SCRIPT_EXES][128];
	struct script_agent agent[SCRIPT_AGENTS];
	struct op op[SCRIPT_OPS];
	uint8_t state[SCRIPT_CALLS]; /* enum ebph_state after each call, if .record */
};

#endif
