// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The drill: an administrator has a program delayed for nothing, to learn how it bears that before
 * anything is enforced. Calls are drawn by lot, so that a program whose calls come in turns does
 * not always wait at the same one.
 */
#include "kernel.h"
#include "response.h"

enum { DRILL_NO, DRILL_YES, DRILL_OVER };

/* A global function, that the verifier goes through it once. Return: one of the above. */
int drill_draw(__u32 slot)
{
	struct ebph_profile *head = bpf_map_lookup_elem(&heads, &slot);

	if (!head || !(head->flags & EBPH_PROFILE_DRILLED) || !settings.drill_one_in ||
	    bpf_ktime_get_ns() >= settings.drill_until_ns)
		return DRILL_OVER;
	if ((head->flags & EBPH_PROFILE_PROTECTED) || bpf_get_prandom_u32() % settings.drill_one_in)
		return DRILL_NO;
	__sync_fetch_and_add(&head->drills, 1);
	return settings.mode == EBPH_MODE_ENFORCE ? DRILL_YES : DRILL_NO;
}

__hidden void drill_take(struct task_struct *task, struct task_state *state, __u32 call)
{
	int drawn;

	/* What the kernel does for io_uring is no call of its own. */
	if ((state->flags & TASK_DELAYED) || ebph_call_is_exit(call) || call >= EBPH_CALL_URING ||
	    task->tgid == 1)
		return;
	drawn = drill_draw(state->slot);
	if (drawn == DRILL_OVER)
		state->flags &= ~TASK_DRILL;
	else if (drawn == DRILL_YES)
		delay_begin(state, call, settings.drill_delay_ns, 0);
}
