// SPDX-License-Identifier: GPL-2.0-or-later
/* A thread's life: adoption, fork, exec, exit, signal handlers. */
#include "kernel.h"
#include "task.h"
#include "profile.h"
#include "response.h"
#include "events.h"
#include "second.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#define NSEC_PER_SEC 1000000000ll
#define SIG_IGN	     1ul /* SIG_DFL is 0; anything above is a handler's address */

static __s64 mtime_of(struct inode *inode)
{
	struct inode___until_6_6 *old = (void *)inode;
	struct inode___from_6_7_to_6_10 *mid = (void *)inode;

	if (bpf_core_field_exists(inode->i_mtime_sec))
		return inode->i_mtime_sec * NSEC_PER_SEC + inode->i_mtime_nsec;
	if (bpf_core_field_exists(mid->__i_mtime))
		return mid->__i_mtime.tv_sec * NSEC_PER_SEC + mid->__i_mtime.tv_nsec;
	return old->i_mtime.tv_sec * NSEC_PER_SEC + old->i_mtime.tv_nsec;
}

__hidden int exe_of(struct file *file, struct ebph_exe *ret)
{
	struct super_block *sb;
	struct inode *inode;

	if (!file)
		return -1;
	inode = file->f_inode;
	if (!inode)
		return -1;
	sb = inode->i_sb;
	ret->ino = inode->i_ino;
	ret->mtime_ns = mtime_of(inode);
	ret->dev = sb ? sb->s_dev : 0;
	ret->generation = inode->i_generation;
	return 0;
}

/* Tells the daemon of an executable whose path it does not know. */
static void profile_announce(__u32 slot, const struct ebph_exe *exe, const void *user_path)
{
	struct ebph_profile *head = bpf_map_lookup_elem(&heads, &slot);
	struct ebph_event_profile *event;

	if (!head || (head->flags & EBPH_PROFILE_NAMED) || !report_allowed(head))
		return;
	event = event_reserve(struct ebph_event_profile, EBPH_EVENT_PROFILE, slot);
	if (!event)
		return;
	event->exe = *exe;
	event->hint[0] = 0;
	if (user_path && bpf_probe_read_user_str(event->hint, sizeof(event->hint), user_path) < 0)
		event->hint[0] = 0;
	bpf_ringbuf_submit(event, 0);
}

/* TASK_DRILL if the profile is drilled. */
static __u32 drill_of(__u32 slot)
{
	struct ebph_profile *head = bpf_map_lookup_elem(&heads, &slot);

	_Static_assert(TASK_DRILL == EBPH_PROFILE_DRILLED, "taken over as it is");
	return head ? head->flags & EBPH_PROFILE_DRILLED : 0;
}

/* Puts a thread with an empty window into the profile of @file; @run: it is a run of its own. */
static void task_follow(struct task_state *task, struct file *file, const void *user_path,
			__u32 run)
{
	struct ebph_exe exe = {};
	__u32 slot;

	ebph_window_clear(&task->window);
	__builtin_memset(task->verified, 0, sizeof(task->verified));
	task->depth = 0;
	task->slot = 0;
	if (exe_of(file, &exe)) {
		count(EBPH_COUNT_NO_EXE);
		return;
	}
	slot = profile_of(&exe);
	if (!slot)
		return; /* no room now; the next call tries again */
	task->slot = slot;
	task->flags |= drill_of(slot);
	profile_enter(slot, run);
	profile_announce(slot, &exe, user_path);
}

/* Whose state it is, and in which memory. */
static void state_name(struct task_state *state, struct task_struct *task)
{
	state->tid = task->pid;
	state->mm = (__u64)task->mm;
}

/* Puts a thread into the profile of what it executes now. */
static void task_refollow(struct task_struct *task, struct task_state *state, __u32 run)
{
	struct mm_struct *mm = task->mm;

	state_name(state, task);
	task_follow(state, mm ? mm->exe_file : NULL, NULL, run);
}

/* Takes a thread out of its profile. */
static void task_leave(struct task_state *state)
{
	if (!state->slot)
		return;
	profile_flush(state);
	profile_leave(state->slot);
	state->slot = 0;
}

/*
 * A thread whose beginning we have not seen: its parent had no state, or it is one of io_uring's,
 * which sched_process_fork does not tell of. It is as suspect as its process is.
 */
static void thread_continue(struct task_struct *task, struct task_state *state)
{
	struct task_state *leader = state_of(task->group_leader);

	if (leader)
		state->frame = leader->frame;
	/* Not empty: the first operation of each ring could be anything then. */
	if (task->flags & PF_IO_WORKER)
		ebph_window_shift(&state->window, EBPH_CALL_POLLER);
}

__hidden struct task_state *task_adopt(struct task_struct *task)
{
	struct task_state *state = state_make(task);
	int tgid = task->tgid;

	if (!state)
		return NULL;
	if (tgid == (int)settings.self_tgid || tgid == (int)settings.guardian_tgid) {
		state->flags = TASK_IGNORED;
		return state;
	}
	/* A process of many threads has run once. */
	task_refollow(task, state, task->pid == tgid);
	if (task->pid != tgid)
		thread_continue(task, state);
	return state;
}

__hidden void exec_missed(struct task_struct *task, struct task_state *state)
{
	count(EBPH_COUNT_EXEC_LATE);
	task_leave(state);
	state->flags &= TASK_IGNORED;
	task_refollow(task, state, 1);
}

/* A thread or process begins: it goes on where its parent stands. */
static int fork_take(struct task_struct *parent, struct task_struct *child)
{
	struct task_state *from, *to;

	from = state_of(parent);
	if (!from)
		return 0; /* both are adopted at their next calls */
	to = state_make(child);
	if (!to)
		return 0;
	*to = *from;
	/* A child does not wait for its parent. */
	to->flags &= TASK_IGNORED | TASK_UNLISTED | TASK_DRILL;
	to->calls = 0; /* the parent will flush its own */
	to->seen = 0;
	state_name(to, child);
	if (to->slot)
		profile_enter(to->slot, 0);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(ebph_fork, struct task_struct *parent, struct task_struct *child)
{
	return fork_take(parent, child);
}

SEC("?tp_btf/sched_process_fork")
int BPF_PROG(ebph_fork2, struct task_struct *parent, struct task_struct *child)
{
	/* The child has not run yet: what it has is from the first program. */
	struct task_state *state = state_of(child);

	if ((state && state->tid == (__u32)child->pid) || !state_of(parent))
		return 0;
	count(EBPH_COUNT_RESCUED);
	return fork_take(parent, child);
}

/*
 * An exec has succeeded; one that fails never comes here and changes nothing. The locality frame
 * stays, or an attacker would wash it off by execve.
 */
static int exec_take(struct task_struct *task, struct task_state *state, struct linux_binprm *bprm)
{
	if (state->flags & TASK_TARGET)
		exec_settle(task, state, bprm->file); /* where the hook was missed */
	task_leave(state);
	state->flags = 0;
	state_name(state, task); /* the leader's, if another thread has made the call */
	task_follow(state, bprm->file, (const void *)bprm->exec, 1);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(ebph_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct task_state *state = state_make(task);

	if (state) {
		seen_mark(state, SEEN_EXEC);
		exec_take(task, state, bprm);
	}
	return 0;
}

SEC("?tp_btf/sched_process_exec")
int BPF_PROG(ebph_exec2, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct task_state *state = state_make(task);

	if (state && !seen_take(state, SEEN_EXEC))
		exec_take(task, state, bprm);
	return 0;
}

/* Its recent anomalies stay: threads that it leaves behind may ask for them. */
static void state_clean(struct task_state *state)
{
	ebph_window_clear(&state->window);
	__builtin_memset(state->verified, 0, sizeof(state->verified));
	state->flags = 0;
	state->depth = 0;
	state->mm = 0;
	state->tid = 0; /* another one may have it before this state is freed */
}

static int exit_take(struct task_struct *task, struct task_state *state)
{
	__u32 tgid = task->tgid;

	if (state && state->flags & TASK_TARGET)
		exec_settle(task, state,
			    NULL); /* killed within an execve: to be told all the same */
	if (!task->signal->live.counter)
		bpf_map_delete_elem(&delayed, &tgid); /* the process is gone, nothing to release */
	if (state) {
		task_leave(state);
		state_clean(state);
	}
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(ebph_exit, struct task_struct *task)
{
	struct task_state *state = state_of(task);

	if (state)
		seen_mark(state, SEEN_EXIT);
	return exit_take(task, state);
}

SEC("?tp_btf/sched_process_exit")
int BPF_PROG(ebph_exit2, struct task_struct *task)
{
	struct task_state *state = state_of(task);

	return state && seen_take(state, SEEN_EXIT) ? 0 : exit_take(task, state);
}

/*
 * Will the kernel make the last call of the current thread again? The rules are those of
 * handle_signal() and arch_do_signal_or_restart() in arch/x86/kernel/signal.c. Where this signal
 * has interrupted no call, one may still wait for its repetition: that of a handler which has just
 * ended, or of a signal a moment ago. It waits until after this signal, too.
 */
static int call_restarts(struct task_struct *task, const struct task_state *state,
			 const struct k_sigaction *handler)
{
	struct pt_regs *regs = user_regs(task);

	if ((long)regs->orig_ax >= 0) {
		switch ((long)regs->ax) {
		case -ERESTARTNOINTR:
			return 1;
		case -ERESTARTSYS:
			return !handler || (handler->sa.sa_flags & SA_RESTART);
		case -ERESTARTNOHAND:
		case -ERESTART_RESTARTBLOCK:
			return !handler;
		}
	}
	return !!(state->flags & TASK_RESTART);
}

/*
 * How far below the top the kernel puts a signal's stack frame, at most: the state of all vector
 * and tile registers (11 KB) and some (get_sigframe() in arch/x86/kernel/signal.c).
 */
#define SIGNAL_FRAME_MAX 16384

/* Where the kernel will put the stack frame of a handler: below this user address. */
static __u64 frame_top(struct task_struct *task, const struct k_sigaction *handler, __u64 sp)
{
	__u64 stack = task->sas_ss_sp, size = task->sas_ss_size;

	if ((handler->sa.sa_flags & SA_ONSTACK) && size && !(sp > stack && sp - stack <= size))
		return stack + size;
	return sp;
}

/*
 * A handler gets a window of its own; what it interrupted is kept until rt_sigreturn.
 *
 * A handler may also end by siglongjmp(), which the kernel does not see: the stack tells. Frames
 * that lie below where the thread is now on the same stack are dead. Those that this overlooks
 * (on other stacks) are the oldest sooner or later, and the oldest gives way where there is no
 * room: so what rt_sigreturn looks for is there, however many handlers were left by a jump.
 */
static void frame_push(struct task_struct *task, struct task_state *state,
		       const struct k_sigaction *handler, __u32 restarts)
{
	__u64 sp = user_regs(task)->sp;
	__u64 top = frame_top(task, handler, sp);
	struct saved_frame *saved = state->saved;
	__u32 depth = state->depth;
	__u32 flags = restarts ? TASK_RESTART | (state->flags & TASK_EXEC) : 0;

	state->flags &= ~(TASK_RESTART | flags);
	/* Onto a stack for signals from elsewhere: whoever was on it, and came after, is gone. */
	for (__u32 i = 0; i < EBPH_FRAMES && top != sp; i++)
		if (i < depth && saved[i].top == top)
			depth = i;
	for (__u32 i = 0; i < EBPH_FRAMES && depth; i++) {
		if (saved[(depth - 1) & (EBPH_FRAMES - 1)].top > sp)
			break;
		depth--;
	}
	if (depth >= EBPH_FRAMES) {
		count(EBPH_COUNT_FRAME_LOST);
		for (depth = 0; depth < EBPH_FRAMES - 1; depth++)
			saved[depth] = saved[depth + 1];
	}
	saved += depth & (EBPH_FRAMES - 1); /* the mask is for the verifier */
	saved->window = state->window;
	saved->top = top;
	saved->flags = flags;
	saved->unseen = state->unseen;
	state->depth = depth + 1;
	/* Not empty: the first call of a handler could be anything then, execve for one. */
	ebph_window_clear(&state->window);
	ebph_window_shift(&state->window, EBPH_CALL_HANDLER);
}

/*
 * Finds the frame by the stack pointer, which rt_sigreturn needs where the kernel has put it: one
 * that nobody has entered, of an attacker's own making, leaves the window as it is, and so does
 * the end of a handler that was entered before we came.
 */
__hidden void frame_pop(struct task_struct *task, struct task_state *state)
{
	__u64 sp = user_regs(task)->sp;
	__u32 depth = state->depth;

	for (__u32 i = 0; i < EBPH_FRAMES && depth; i++) {
		struct saved_frame *saved;

		depth--;
		saved = &state->saved[depth & (EBPH_FRAMES - 1)];
		if (sp >= saved->top || saved->top - sp > SIGNAL_FRAME_MAX)
			continue;
		state->depth = depth;
		state->window = saved->window;
		state->flags |= saved->flags;
		state->unseen = saved->unseen;
		return;
	}
}

/*
 * The current thread has taken a signal off its queue: a handler is about to run, or (SIG_DFL)
 * the process stops or dies, or nothing happens. A call that the signal interrupted may be made
 * again, and comes to sys_enter a second time; our own SIGSTOP does this to a write to a
 * terminal, say.
 */
static int signal_take(struct task_struct *task, struct task_state *state,
		       struct k_sigaction *action)
{
	if (!state->slot)
		return 0;
	if ((unsigned long)action->sa.sa_handler > SIG_IGN)
		frame_push(task, state, action, call_restarts(task, state, action));
	else if (call_restarts(task, state, NULL))
		state->flags |= TASK_RESTART;
	return 0;
}

SEC("tp_btf/signal_deliver")
int BPF_PROG(ebph_signal, int sig, struct kernel_siginfo *info, struct k_sigaction *action)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct task_state *state;

	state = state_of(task);
	if (state) {
		seen_mark(state, SEEN_SIGNAL);
		signal_take(task, state, action);
	}
	return 0;
}

SEC("?tp_btf/signal_deliver")
int BPF_PROG(ebph_signal2, int sig, struct kernel_siginfo *info, struct k_sigaction *action)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct task_state *state;

	state = state_of(task);
	if (state && !seen_take(state, SEEN_SIGNAL))
		signal_take(task, state, action);
	return 0;
}

/*
 * A thread with work to do before it returns to user space: a signal, or a stop of its whole
 * process that another thread has taken off the queue, which signal_deliver does not show. Our
 * own SIGSTOP makes all threads of a process repeat the calls that they were waiting in.
 */
SEC("?fentry/arch_do_signal_or_restart")
int BPF_PROG(ebph_interrupt, struct pt_regs *regs)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct task_state *state;

	state = state_of(task);
	if (state && state->slot && call_restarts(task, state, NULL))
		state->flags |= TASK_RESTART;
	return 0;
}

/* Run by each process of ours (enum ebph_ours) about itself: not to be watched or stopped. */
SEC("syscall")
int ebph_introduce(__u32 *who)
{
	struct task_state *state;
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;

	if (*who == EBPH_OURS_GUARDIAN)
		settings.guardian_tgid = tgid;
	else if (*who == EBPH_OURS_DAEMON)
		settings.self_tgid = tgid;
	state = state_make(bpf_get_current_task_btf());
	if (!state)
		return -1;
	state->flags = TASK_IGNORED;
	return 0;
}
