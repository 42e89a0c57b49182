/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A thread's life. BPF side only. */
#ifndef EBPH_TASK_H
#define EBPH_TASK_H

#include "kernel.h"
#include "seat.h"

/**
 * task_adopt() - begins to follow the current thread, which ran before we came.
 *
 * Also for the child of a fork whose state could not be made then. It has no past: its window is
 * empty, its executable is what the kernel names.
 *
 * Return: its state; NULL when there is no memory for one, counted.
 */
__hidden struct task_state *task_adopt(struct task_struct *task);

/**
 * exec_missed() - the current thread executes something else than its state says.
 *
 * Puts it into the profile of what it executes, as the exec itself should have done.
 */
__hidden void exec_missed(struct task_struct *task, struct task_state *state);

/**
 * call_late() - the state of the current thread, its current call taken into account.
 *
 * For hooks on the way of a call, before it does anything: should the call have been missed at
 * sys_enter (see second.h), it is judged now.
 *
 * Return: NULL where nothing is known of the thread.
 */
__hidden struct task_state *call_late(struct task_struct *task);

/* What executable @file is. Return: 0, or -1 when there is no file. */
__hidden int exe_of(struct file *file, struct ebph_exe *ret);

/* The current thread ends a signal handler: what it interrupted goes on. */
__hidden void frame_pop(struct task_struct *task, struct task_state *state);

/* The registers that the current thread has come into the kernel with. */
static inline struct pt_regs *user_regs(struct task_struct *task)
{
	return (struct pt_regs *)bpf_task_pt_regs(task);
}

/* The id of the call that the current thread is in, by its registers. */
static inline __u32 call_of(struct task_struct *task)
{
	return ebph_call_id(user_regs(task)->orig_ax, task->thread_info.status & TS_COMPAT);
}

/* The windows that were found whole in the profile. */
static inline struct ebph_window *verified_set(struct task_state *task)
{
	return task->verified[ebph_window_hash(&task->window) & (EBPH_VERIFIED_SETS - 1)];
}

#endif
