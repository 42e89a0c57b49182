/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a profile does with a call: learn it or test it. BPF side only. */
#ifndef EBPH_PROFILE_H
#define EBPH_PROFILE_H

#include "kernel.h"
#include "maps.h"

struct linux_binprm;
struct file;

#define FLUSH_CALLS 1024 /* after so many calls of a thread its profile hears of them */

/* What a call meant to its profile. */
struct verdict {
	__u32 state;  /* enum ebph_state that the call was judged under */
	__u32 unseen; /* bit d-1: the pair at distance d was not in the profile */
	__u32 flags;  /* EBPH_PROFILE_* */
};

/**
 * profile_of() - the slot of an executable's profile, made now if there is none.
 * @exe: the executable
 *
 * Return: the slot, or 0 when there is no empty slot; counted.
 */
__hidden __u32 profile_of(const struct ebph_exe *exe);

/* A thread that begins or ends in the profile @slot; @run: not 0 when it is an exec. */
__hidden void profile_enter(__u32 slot, __u32 run);
__hidden void profile_leave(__u32 slot);

/**
 * profile_judge() - learns or tests the current window of a thread.
 * @task: the thread, in a profile; its pending calls are taken into the profile
 * @ret:  what came out
 *
 * Return: 0; -1 when nothing can be said because the profile has no pair set (counted).
 */
__hidden int profile_judge(struct task_state *task, struct verdict *ret);

/**
 * profile_knows() - do all pairs of the thread's window belong to its profile, found at once?
 *
 * So it is of nearly all windows that are not verified: they are judged by two lookups, without a
 * call of a function, and nothing is written that other CPUs write, too. A call in the kernel can
 * cost 8 ns: docs/BENCHMARKS.md.
 *
 * Return: 0 if not, or if it takes profile_judge() to say.
 */
static __always_inline int profile_knows(struct task_state *task)
{
	__u32 slot = task->slot, home;
	struct ebph_block *block;
	void *set;

	set = bpf_map_lookup_elem(&pairs, &slot);
	if (!set)
		return 0;
	home = ebph_pair_home(ebph_window_at(&task->window, 0),
			      ((struct bpf_map *)set)->max_entries);
	block = ebph_block_at(set, home);
	return block && ebph_pairs_known(block, &task->window);
}

/* Forgets what a normal profile has seen since it became normal: it was not normal at all. */
__hidden void profile_forget_unseen(__u32 slot);

/* A profile in use: its head, and its pair set with the size that it has at the moment. */
struct profile {
	struct ebph_profile *head;
	void *set;
	__u32 blocks;
	__u32 slot;
};

/* Return: 0; -1 when the slot has none (counted). */
__hidden int profile_open(__u32 slot, struct profile *ret);

/**
 * pair_add() - adds a pair, or more of its bits, and asks for a larger set where one is due.
 * Return: not 0 if that is news, and is kept: in the set, or where it waits for room in it.
 */
__hidden int pair_add(struct profile *profile, __u64 key, __u64 bits);

/* Changes the state, once however many CPUs try, and says so. */
__hidden void state_change(struct ebph_profile *head, __u32 slot, __u32 before, __u32 after);

/* Takes the steps that time and call counts allow. */
__hidden void state_advance(struct ebph_profile *head, __u32 slot);

/* Before a return to training: it may freeze again, at the earliest with the next call. */
__hidden void training_prepare(struct ebph_profile *head);

/* Takes the calls that a thread has counted for itself into its profile. */
__hidden void profile_flush(struct task_state *task);

#endif
