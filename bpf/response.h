/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is done about an anomaly. BPF side only. */
#ifndef EBPH_RESPONSE_H
#define EBPH_RESPONSE_H

#include "guard.h"
#include "kernel.h"
#include "profile.h"

/**
 * respond() - takes a judged call into the locality frame, decides the answer and gives it.
 * @task, @state: the current thread
 * @call:	  its call id
 * @unseen:	  distances at which the call was unseen, 0 for a call that is as ever
 *
 * Only for calls of a normal profile, or of threads with recent anomalies. The decision is the
 * same in every mode; only enforce carries it out.
 */
__hidden void respond(struct task_struct *task, struct task_state *state, __u32 call, __u32 unseen);

/**
 * exec_settle() - gives the answer to an execve of the current thread that has TASK_TARGET.
 * @file: what it executes: a script itself, not its interpreter; NULL: nothing, it has failed
 */
__hidden void exec_settle(struct task_struct *task, struct task_state *state, struct file *file);

/* Tells of an execve of the current thread that does not happen. */
__hidden void abort_report(const struct task_state *state);

/**
 * guard_of() - the guard that stands before the effect of a call: enum ebph_guard.
 */
__hidden __u32 guard_of(__u32 call);

/**
 * guard_ahead() - likewise for the call that the current thread is in, by its arguments, too.
 */
__hidden __u32 guard_ahead(__u32 call);

/* A call of a profile that is drilled: one in so many is delayed for nothing. */
__hidden void drill_take(struct task_struct *task, struct task_state *state, __u32 call);

/**
 * breaker_take() - counts the executable of a profile as answered, and opens the circuit breaker
 * when these are too many. The same in every mode but monitor.
 *
 * Return: not 0 when the breaker is open: nobody is to be stopped or refused.
 */
int breaker_take(__u32 slot);

extern struct ebph_breaker breaker;

/* Not 0 when nobody could release whom we stop. */
__hidden int daemon_silent(void);

/* Wakes the guards until @due_ns. */
__hidden void guards_arm(__u64 due_ns);

/**
 * delay_serve() - stops the current process until the time that its thread must wait for.
 * @call:     what the thread is doing
 * @deferred: not 0: it has not taken effect
 *
 * Return: not 0 when it will stop; 0 when it may go on, because the time is over, or because a stop
 * is not possible now (counted).
 */
int delay_serve(struct task_state *state, __u32 call, __u32 deferred);

/* Does the current thread's @call end its process? Nobody is left to stand still then. */
static inline int is_last_call(__u32 call)
{
	return ebph_call_is_exit_group(call) ||
	       (ebph_call_is_exit(call) && bpf_get_current_task_btf()->signal->live.counter == 1);
}

/*
 * The current thread, which has to wait, enters @call: it waits, or that is left to a guard. A
 * guard need not come: the call fails before it, or its way does not lead there, as that of
 * splice() from pipe to pipe. So no two calls in a row are left to guards that do not: the second
 * one waits at its entry, which is after it has taken effect, and at its guard if there is one.
 */
static inline void delay_enter(struct task_state *state, __u32 call)
{
	__u32 guard = guard_ahead(call);

	if (guard == GUARD_LATER || is_last_call(call))
		return;
	if (guard && settings.defer) {
		state->flags |= TASK_LEFT;
		if (!(state->flags & TASK_UNMET))
			return;
	} else {
		state->flags &= ~TASK_LEFT;
	}
	delay_serve(state, call, 0);
}

/**
 * delay_begin() - the current thread is to wait before it does anything.
 * @call:   its call
 * @recent: recent anomalies that led to it; 0: none, it is a drill
 *
 * In line, as delay_enter(): calls go eight frames deep at most (MAX_CALL_FRAMES in the kernel's
 * bpf_verifier.h), and the way here is long.
 */
static inline void delay_begin(struct task_state *state, __u32 call, __u64 delay_ns, __u32 recent)
{
	__u64 due_ns = bpf_ktime_get_ns() + delay_ns;

	if (!(state->flags & TASK_DELAYED) || state->due_ns < due_ns)
		state->due_ns = due_ns;
	state->delay_ns = delay_ns;
	state->recent = recent;
	state->flags &= ~TASK_DRILLED;
	state->flags |= recent ? TASK_DELAYED : TASK_DELAYED | TASK_DRILLED;
	/* Whatever is served now: somebody may continue it, and its next call has a guard. */
	if (settings.defer)
		guards_arm(state->due_ns);
	delay_enter(state, call);
}

/* The record of a process that is or was delayed; 0: there is none. */
static inline struct ebph_delay *record_of(struct task_struct *target)
{
	struct ebph_delay *delay;
	__u32 tgid = target->tgid;

	delay = bpf_map_lookup_elem(&delayed, &tgid);
	if (!delay || delay->start_ns != target->group_leader->start_boottime)
		return 0;
	return delay;
}

/* The record of a process that is delayed now; 0: it is not. */
static inline struct ebph_delay *delay_of(struct task_struct *target)
{
	struct ebph_delay *delay = record_of(target);

	return delay && delay->due_ns > EBPH_DUE_NOW ? delay : 0;
}

#define SEND_SIG_PRIV 1 /* include/linux/sched/signal.h: the kernel itself sends it */

/*
 * Is a signal that comes by at signal_generate the stop that we have sent to ourselves? The kernel
 * itself sends SIGSTOP to nobody but whom ptrace() attaches to. It need not be sent by the thread
 * that it is for: in bpf_send_signal_common() an interrupt may do it, and a thread of the kernel on
 * PREEMPT_RT.
 */
static inline int is_our_stop(int sig, const struct kernel_siginfo *info,
			      const struct task_struct *target)
{
	return sig == SIGSTOP && (unsigned long)info == SEND_SIG_PRIV && !target->ptrace;
}

#endif
