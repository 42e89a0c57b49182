// SPDX-License-Identifier: GPL-2.0-or-later
/* Seats are taken and given back. */
#include "seat.h"
#include <bpf/bpf_tracing.h>

/* An empty seat is all zero: who takes it has no more to do. */
static struct task_state *seat_take(struct task_struct *task)
{
	struct seat_pair *pair = seats_of(task);

	if (!pair)
		return NULL;
	if (!pair->owner[0] && !__sync_val_compare_and_swap(&pair->owner[0], 0, (__u64)task))
		return &pair->state[0];
	if (!pair->owner[1] && !__sync_val_compare_and_swap(&pair->owner[1], 0, (__u64)task))
		return &pair->state[1];
	return NULL;
}

__hidden struct task_state *state_make(struct task_struct *task)
{
	struct task_state *state = state_of(task);

	if (state)
		return state;
	/* It may have one that was not found: then there must be no second one. */
	if (!lookups_fail || !task->bpf_storage)
		state = seat_take(task);
	if (!state)
		state = bpf_task_storage_get(&tasks, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (state)
		state->tid = task->pid;
	else
		count(EBPH_COUNT_NO_TASK_STATE);
	return state;
}

static void seat_leave(struct task_struct *task, __u64 *owner, struct task_state *state)
{
	if (*owner != (__u64)task)
		return;
	__builtin_memset(state, 0, sizeof(*state));
	__sync_lock_test_and_set(owner, 0); /* after the state is clean */
}

static int seats_leave(struct task_struct *task)
{
	struct seat_pair *pair = seats_of(task);

	if (pair) {
		seat_leave(task, &pair->owner[0], &pair->state[0]);
		seat_leave(task, &pair->owner[1], &pair->state[1]);
	}
	return 0;
}

/* The thread is no more, and its address not yet another's: delayed_put_task_struct(), exit.c. */
SEC("tp_btf/sched_process_free")
int BPF_PROG(ebph_free, struct task_struct *task)
{
	return seats_leave(task);
}

/* Where the first one was skipped: second.h. There is no mark, for it does no harm to ask twice. */
SEC("?tp_btf/sched_process_free")
int BPF_PROG(ebph_free2, struct task_struct *task)
{
	return seats_leave(task);
}
