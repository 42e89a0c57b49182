/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One thread, as the programs keep it. Pure C: tests read it. */
#ifndef EBPH_STATE_H
#define EBPH_STATE_H

#include "lookahead.h"

/* Windows of one thread that were found whole in its profile. */
#define EBPH_VERIFIED_SETS 8
#define EBPH_VERIFIED_WAYS 4
#define EBPH_FRAMES	   4 /* nested signal handlers whose outer window is kept */

/* What a signal handler interrupted. */
struct saved_frame {
	struct ebph_window window;
	__u64 top;    /* user address that the kernel has put the signal's stack frame below */
	__u32 flags;  /* TASK_RESTART: its current call is made again; TASK_EXEC of that call */
	__u32 unseen; /* of the task's state, which goes with TASK_TARGET */
};

/* One thread. It is kept in a seat or in task storage: seat.h. */
struct task_state {
	struct ebph_window window;
	__u32 slot;	  /* of the profile; 0: none yet */
	__u32 flags;	  /* TASK_* */
	__u32 calls;	  /* made since the last flush to the profile */
	__u32 generation; /* of .verified: settings.generation when they were found */
	struct ebph_frame frame;
	__u32 depth;	/* of .saved */
	__u32 seen;	/* SEEN_*: events that a first program has taken, see second.h */
	__u64 due_ns;	/* CLOCK_MONOTONIC until when it may do nothing; with TASK_DELAYED */
	__u64 delay_ns; /* that led to it */
	__u32 recent;	/* and the recent anomalies that did */
	__u32 unseen;	/* distances at which the last call that was answered was so */
	__u32 tid;	/* for who reads it from outside; 0: it has exited */
	__u64 mm;	/* address of its mm_struct, which every exec replaces; for exec_missed() */
	struct saved_frame saved[EBPH_FRAMES]; /* the oldest first */
	struct ebph_window verified[EBPH_VERIFIED_SETS][EBPH_VERIFIED_WAYS];
};

_Static_assert(sizeof(struct task_state) <= 1024, "a thread's state takes at most 1 KB");

/* A value of the map seats. */
struct seat_pair {
	__u64 owner[2]; /* address of its task_struct; 0: empty */
	struct task_state state[2];
};

/* task_state.flags; while all are clear, a call needs no more than the window to be judged. */
#define TASK_IGNORED  1u    /* the daemon and its guardian */
#define TASK_ABORT    2u    /* the execve that this thread is in must fail */
#define TASK_DELAYED  8u    /* .due_ns counts */
#define TASK_DRILL    16u   /* its profile is drilled: EBPH_PROFILE_DRILLED, the same bit */
#define TASK_DRILLED  32u   /* with TASK_DELAYED: by a drill */
#define TASK_RESTART  4u    /* a signal interrupted the last call; the kernel will make it again */
#define TASK_UNLISTED 64u   /* out of scope, as the configuration was at .generation */
#define TASK_TARGET   128u  /* what its execve gets depends on what it executes */
#define TASK_PASSED   256u  /* its execve may go on for what it executes: this once */
#define TASK_LEFT     512u  /* with TASK_DELAYED: left to a guard, which has not come yet */
#define TASK_UNMET    1024u /* likewise: it did not come, so this call waits at its entry as well */

/* What is known of the execve that it is in, also when a signal interrupts that. */
#define TASK_EXEC (TASK_ABORT | TASK_TARGET | TASK_PASSED)

#endif
