// SPDX-License-Identifier: GPL-2.0-or-later
/* The hot path: every system call of every thread comes through here. */
#include "kernel.h"
#include "task.h"
#include "profile.h"
#include "response.h"
#include "second.h"
#include <bpf/bpf_tracing.h>

/* Is the current window one that was found whole in the profile? */
static __always_inline int verified_find(struct task_state *task)
{
	const struct ebph_window *set = verified_set(task);

#pragma unroll
	for (int way = 0; way < EBPH_VERIFIED_WAYS; way++)
		if (ebph_window_equal(&set[way], &task->window))
			return 1;
	return 0;
}

/* The current window goes to the first way; what was there moves on, the oldest falls out. */
static __always_inline void verified_add(struct task_state *task, __u32 generation)
{
	struct ebph_window *set = verified_set(task);

	if (task->generation != generation) {
		__builtin_memset(task->verified, 0, sizeof(task->verified));
		task->generation = generation;
	}
#pragma unroll
	for (int way = EBPH_VERIFIED_WAYS - 1; way > 0; way--)
		set[way] = set[way - 1];
	set[0] = task->window;
}

/*
 * A call whose window is not known to be whole, or of a thread with recent anomalies.
 *
 * A global function, as the next: the verifier goes through it once, and not for each kind of place
 * that a state can be in and each way to here. Return: 0, for one must.
 */
int call_judge(struct task_state *state, __u32 call, __u32 generation)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct verdict verdict = {};
	__u32 anomaly;
	int failed;

	/* While the programs go, one after another, calls are missed. */
	if (!state || settings.ending)
		return 0;
	if (!state->slot) {
		/* No slot was free before. What was not learned must not come in as a window. */
		if (!task_adopt(task) || !state->slot)
			return 0;
		ebph_window_shift(&state->window, call);
	}
	failed = profile_judge(state, &verdict);
	state->flags |= verdict.flags & EBPH_PROFILE_DRILLED; /* since it is executed, or later */
	anomaly = verdict.state == EBPH_STATE_NORMAL ? verdict.unseen : 0;
	if (!failed && (anomaly || state->frame.count))
		respond(task, state, call, anomaly);
	if (ebph_call_is_sigreturn(call))
		frame_pop(task, state);
	else if (!failed && !verdict.unseen)
		verified_add(state, generation);
	return 0;
}

/*
 * Of a thread with flags: is @call a new one? Not if it is the last one made again after a
 * signal; that is known from what the call returned when it was interrupted, so nobody can claim
 * it. What was decided about the last call ends here.
 *
 * Return: not 0 for a new one.
 */
int call_is_new(struct task_state *state, __u32 call)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 flags, last;

	if (!state)
		return 0;
	flags = state->flags;
	last = ebph_window_at(&state->window, 0);
	if (flags & TASK_IGNORED)
		return 0;
	if (flags & TASK_UNLISTED) {
		if (state->generation == settings.generation)
			return 0;
		/* It may be followed now. Of what it did meanwhile nothing is known. */
		ebph_window_clear(&state->window);
	}
	/* The execve has failed before anything was there to be executed. */
	if ((flags & TASK_TARGET) && !((flags & TASK_RESTART) && call == last)) {
		exec_settle(task, state, NULL);
		flags = state->flags;
	}
	state->flags &= TASK_DELAYED | TASK_DRILL | TASK_DRILLED | TASK_LEFT;
	/* Still to wait: somebody else has continued it, or the last call met no guard. */
	if (flags & TASK_DELAYED) {
		if (flags & TASK_LEFT)
			state->flags |= TASK_UNMET;
		delay_enter(state, call);
	}
	if ((flags & TASK_RESTART) && call == last) {
		state->flags |= flags & TASK_EXEC;
		/* The same path may lead to another file now. */
		if (flags & TASK_PASSED)
			state->flags ^= TASK_PASSED | TASK_TARGET;
		return 0;
	}
	if (flags & TASK_DRILL)
		drill_take(task, state, call);
	return 1;
}

/* The current thread makes @call. */
static __always_inline void call_take(struct task_struct *task, struct task_state *state,
				      __u32 call)
{
	__u32 generation = settings.generation; /* before the pairs are looked at */

	/* Out of scope, as before: that costs no call of a function. */
	if (state->flags == TASK_UNLISTED && state->generation == generation)
		return;
	if (state->flags && !call_is_new(state, call))
		return;
	ebph_window_shift(&state->window, call);
	state->calls++;
	if (!state->frame.count && state->calls < FLUSH_CALLS) {
		if (verified_find(state) && state->generation == generation)
			return;
		/* A handler's end is never verified: it has a frame to pop. */
		if (!ebph_call_is_sigreturn(call) && profile_knows(state)) {
			verified_add(state, generation);
			return;
		}
	}
	call_judge(state, call, generation);
}

/* The state of the current thread, which is followed from now on if it was not. */
static __always_inline struct task_state *state_sure(struct task_struct *task)
{
	struct task_state *state = state_of(task);

	return state ? state : task_adopt(task);
}

static __always_inline void call_enter(struct task_struct *task, struct task_state *state, __u64 nr)
{
	__u32 call = ebph_call_id(nr, task->thread_info.status & TS_COMPAT);

	if (preemptible && !(state->flags & TASK_IGNORED) && state->mm != (__u64)task->mm)
		exec_missed(task, state);
	if (ebph_call_is_restart(call)) {
		state->flags &= ~TASK_RESTART;
		return;
	}
	call_take(task, state, call);
}

SEC("raw_tp/sys_enter")
int ebph_sys_enter(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct task_state *state = state_sure(task);

	if (state) {
		seen_mark(state, SEEN_CALL);
		call_enter(task, state, ctx->args[1]);
	}
	return 0;
}

/* What the tracepoint tells perf: events/raw_syscalls/sys_enter/format in tracefs. */
struct sys_enter_record {
	__u64 common;
	__s64 nr;
	__u64 arguments[6];
};

/* In place of ebph_sys_enter where that could be held up: see second.h. */
SEC("?tp/raw_syscalls/sys_enter")
int ebph_sys_enter_p(struct sys_enter_record *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct task_state *state = state_sure(task);

	if (state)
		call_enter(task, state, ctx->nr);
	return 0;
}

SEC("?raw_tp/sys_enter")
int ebph_sys_enter2(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct task_state *state = state_sure(task);

	if (state && !seen_take(state, SEEN_CALL))
		call_enter(task, state, ctx->args[1]);
	return 0;
}

__hidden struct task_state *call_late(struct task_struct *task)
{
	struct task_state *state;
	__u32 call;

	if (!preemptible || !task->mm) /* a thread of the kernel makes no calls */
		return state_of(task);
	state = state_sure(task);
	if (!state || (state->flags & TASK_IGNORED))
		return state;
	call = call_of(task);
	if (call != ebph_window_at(&state->window, 0)) {
		count(EBPH_COUNT_LATE);
		call_take(task, state, call);
	}
	return state;
}

/*
 * An operation handed to io_uring: it does what a system call does, and no sys_enter tells of it.
 * With IORING_SETUP_SQPOLL the current thread is the kernel's, one that polls the queue for its
 * process, whose memory and thread group it shares; it has a window of its own.
 */
static int uring_submit(struct io_kiocb *request)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct task_state *state = state_sure(task);

	if (state) {
		seen_mark(state, SEEN_URING);
		call_take(task, state, ebph_call_uring(request->opcode));
	}
	return 0;
}

/* Until 6.3; since then the next. The daemon loads the one that this kernel has. */
SEC("?tp_btf/io_uring_submit_sqe")
int BPF_PROG(ebph_uring_sqe, struct io_kiocb *request)
{
	return uring_submit(request);
}

SEC("?tp_btf/io_uring_submit_req") /* 6.4, 2ad57931db64 */
int BPF_PROG(ebph_uring_req, struct io_kiocb *request)
{
	return uring_submit(request);
}

SEC("?tp_btf/io_uring_submit_req")
int BPF_PROG(ebph_uring_req2, struct io_kiocb *request)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct task_state *state = state_sure(task);

	if (state && !seen_take(state, SEEN_URING))
		call_take(task, state, ebph_call_uring(request->opcode));
	return 0;
}
