/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events that the kernel skips, and how they are taken all the same. BPF side only.
 *
 * The kernel does not run a program while the same program is under way on the same CPU
 * (prog->active, __bpf_trace_run() in kernel/trace/bpf_trace.c): it counts a missed run and goes
 * on. From Linux 7.0 on, a thread can be preempted within a program at a tracepoint; until it runs
 * again, all events of the others on this CPU are missed: not by accident only, for a thread that
 * makes nothing but calls is preempted there often.
 *
 * There each program has a twin, which is attached after it to the same event. The first one
 * leaves a mark in the thread's state and the twin takes the mark away; where it finds none, the
 * first was skipped, and it does the work. Both keep preemption off, so that only the few
 * instructions of the kernel around them remain. An event is lost only where two threads were
 * preempted in both of these at the same time; kernel_missed_runs() counts it.
 *
 * On older kernels the twins are not loaded, and `preemptible` is false: the verifier removes all
 * of this.
 */
#ifndef EBPH_SECOND_H
#define EBPH_SECOND_H

#include "maps.h"

extern const volatile bool preemptible;

/*
 * Where preemptible, nothing else runs on this CPU in between; elsewhere nothing to do. Functions
 * in task.bpf.c, because the linker takes a kernel function from one object file only.
 */
__hidden void preempt_disable(void);
__hidden void preempt_enable(void);

#define preempt_off()                                                                              \
	do {                                                                                       \
		if (preemptible)                                                                   \
			preempt_disable();                                                         \
	} while (0)

#define preempt_on()                                                                               \
	do {                                                                                       \
		if (preemptible)                                                                   \
			preempt_enable();                                                          \
	} while (0)

/* task_state.seen */
#define SEEN_CALL   1u
#define SEEN_SIGNAL 2u
#define SEEN_EXEC   4u

/* For the first program: the event @what of this thread is taken. */
static inline void seen_mark(struct task_state *state, __u32 what)
{
	if (preemptible)
		state->seen |= what;
}

/* For the twin. Return: not 0 if the first program has taken the event. */
static inline int seen_take(struct task_state *state, __u32 what)
{
	__u32 seen = state->seen & what;

	state->seen &= ~what;
	if (!seen)
		count(EBPH_COUNT_RESCUED);
	return seen;
}

#endif
