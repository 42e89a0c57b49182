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
 * System calls are taken there by a program of another type, ebph_sys_enter_p: perf's side of the
 * tracepoint keeps preemption off around it (include/trace/perf.h), at the price of a record that
 * nobody needs. It is skipped only while somebody with CAP_BPF is held up within bpf(2), reading or
 * writing an element of a map (bpf_disable_instrumentation() in include/linux/bpf.h). What ebphd
 * would so read all day, programs read for it: ebph_block_read, ebph_overdue_find. It does so where
 * a profile begins, grows or goes, for pairs that wait for room, for rules, cgroups and executables
 * that it finds, for a report of its counters, and for who asks about a process; its guardian does
 * for who is delayed, while ebphd is silent.
 *
 * For the other events, and for calls where tracefs cannot be read (lockdown=confidentiality), each
 * program has a twin, which is attached after it to the same event. The first one leaves a mark in
 * the thread's state and the twin takes the mark away; where it finds none, the first was skipped,
 * and it does the work. An event is lost only where two other threads stand still on this CPU, one
 * in each of the two. To keep preemption off meanwhile (bpf_preempt_disable()) makes it worse,
 * tried on 7.3: what was put off then happens at bpf_preempt_enable(), still within the program.
 *
 * An exec that is lost all the same is noticed at the next call, by the new address space.
 *
 * kernel_missed_runs() counts what is lost. What could do harm is looked at once more where it does
 * it: call_late() in syscall.bpf.c.
 *
 * On older kernels none of this is loaded, and `preemptible` is false.
 */
#ifndef EBPH_SECOND_H
#define EBPH_SECOND_H

#include "maps.h"

extern const volatile bool preemptible;

/* task_state.seen */
#define SEEN_CALL   1u
#define SEEN_SIGNAL 2u
#define SEEN_EXEC   4u
#define SEEN_EXIT   8u
#define SEEN_URING  16u

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
