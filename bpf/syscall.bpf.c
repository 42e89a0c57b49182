// SPDX-License-Identifier: GPL-2.0-or-later
/* The hot path: every system call of every thread comes through here. */
#include "kernel.h"
#include "task.h"
#include "profile.h"
#include "response.h"

#define FLUSH_CALLS 1024 /* a power of two; after so many calls the profile hears of them */

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
static void verified_add(struct task_state *task)
{
	struct ebph_window *set = verified_set(task);

#pragma unroll
	for (int way = EBPH_VERIFIED_WAYS - 1; way > 0; way--)
		set[way] = set[way - 1];
	set[0] = task->window;
}

/* A call whose window is not known to be whole, or of a thread with recent anomalies. */
static int call_judge(struct task_struct *task, struct task_state *state, __u32 call)
{
	struct verdict verdict = {};
	__u32 anomaly;

	if (!state->slot) {
		/* No slot was free before. What was not learned must not come in as a window. */
		if (!task_adopt(task) || !state->slot)
			return 0;
		ebph_window_shift(&state->window, call);
	}
	if (profile_judge(state, &verdict))
		return 0;

	anomaly = verdict.state == EBPH_STATE_NORMAL ? verdict.unseen : 0;
	if (anomaly || state->frame.count)
		respond(task, state, call, anomaly);
	if (ebph_call_is_sigreturn(call))
		frame_pop(state);
	else if (!verdict.unseen)
		verified_add(state);
	return 0;
}

/*
 * Of a thread with flags: is @call a new one? Not if it is the last one made again after a
 * signal; that is known from what the call returned when it was interrupted, so nobody can claim
 * it. What was decided about the last call ends here.
 */
static int call_is_new(struct task_state *state, __u32 call)
{
	__u32 flags = state->flags, last = ebph_window_at(&state->window, 0);

	if (flags & TASK_IGNORED)
		return 0;
	state->flags = 0;
	if (!(flags & TASK_RESTART))
		return 1;
	if (call != last)
		return 1;
	state->flags = flags & TASK_ABORT; /* an execve that is refused stays so */
	return 0;
}

static __always_inline int call_enter(struct task_struct *task, __u64 nr)
{
	struct task_state *state;
	__u32 call;

	state = bpf_task_storage_get(&tasks, task, NULL, 0);
	if (!state) {
		state = task_adopt(task);
		if (!state)
			return 0;
	}
	call = ebph_call_id(nr, task->thread_info.status & TS_COMPAT);
	if (ebph_call_is_restart(call)) {
		state->flags &= ~TASK_RESTART;
		return 0;
	}
	if (state->flags && !call_is_new(state, call))
		return 0;

	ebph_window_shift(&state->window, call);
	state->calls++;
	if (verified_find(state) && !state->frame.count && (state->calls & (FLUSH_CALLS - 1)))
		return 0;
	return call_judge(task, state, call);
}

SEC("raw_tp/sys_enter")
int ebph_sys_enter(struct bpf_raw_tracepoint_args *ctx)
{
	return call_enter(bpf_get_current_task_btf(), ctx->args[1]);
}
