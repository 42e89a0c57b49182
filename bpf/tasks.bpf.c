// SPDX-License-Identifier: GPL-2.0-or-later
/* A walk over all threads, for those who ask what is going on, and who let somebody go. */
#include "kernel.h"
#include "seat.h"

/* Whose threads are pardoned: EBPH_PARDON_*. Written by the daemon, which is one thread. */
__u32 ebph_pardon;

static bool is_pardoned(const struct task_struct *task)
{
	struct ebph_delay *delay;
	__u32 tgid = task->tgid;

	if (ebph_pardon != EBPH_PARDON_DELAYED)
		return ebph_pardon == tgid;
	delay = bpf_map_lookup_elem(&delayed, &tgid);
	return delay && delay->due_ns && delay->start_ns == task->group_leader->start_boottime;
}

/*
 * What a thread did lately is forgotten, and what it has to wait for is over: it would be stopped
 * again by its next call. It sleeps in a stop; one that runs may overwrite this, and is not waited
 * for either.
 */
static void pardon(struct task_state *state)
{
	state->frame.lo = 0;
	state->frame.hi = 0;
	state->frame.count = 0;
	state->due_ns = 0;
}

SEC("iter/task")
int ebph_threads(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct ebph_thread thread = {};
	struct task_state *state;

	if (!task)
		return 0;
	state = state_of(task);
	/* It may have ended, and its seat be another's. */
	if (!state || !state->slot || state->tid != (__u32)task->pid)
		return 0;
	if (ebph_pardon != EBPH_PARDON_NOBODY && is_pardoned(task))
		pardon(state);
	thread.start_ns = task->group_leader->start_boottime;
	thread.pid = task->tgid;
	thread.tid = task->pid;
	thread.slot = state->slot;
	thread.uid = task->real_cred->uid.val;
	thread.lfc = state->frame.count;
	thread.call = ebph_window_at(&state->window, 0);
	/* Where it does not fit, the kernel calls us for this thread again with an empty buffer. */
	bpf_seq_write(ctx->meta->seq, &thread, sizeof(thread));
	return 0;
}
