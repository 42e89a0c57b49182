// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Execves that fail: which rung is attached, enforcer/program.c decides. Those that are asked when
 * the kernel has opened the file also settle what depends on it.
 */
#include "kernel.h"
#include "response.h"
#include "task.h"
#include "events.h"
#include <bpf/bpf_tracing.h>

/* Not 0 when the execve that the current thread is in must fail. */
static int abort_wanted(const struct task_state *state)
{
	if (!state || !(state->flags & TASK_ABORT))
		return 0;
	abort_report(state);
	return 1;
}

static int abort_override(void *ctx)
{
	if (!abort_wanted(call_late(bpf_get_current_task_btf())))
		return 0;
	if (bpf_override_return(ctx, -EPERM))
		count(EBPH_COUNT_OVERRIDE_FAILED);
	return 0;
}

SEC("?kprobe/__x64_sys_execve")
int ebph_over_x64(void *ctx)
{
	return abort_override(ctx);
}

SEC("?kprobe/__x64_sys_execveat")
int ebph_over_x64at(void *ctx)
{
	return abort_override(ctx);
}

SEC("?kprobe/__ia32_compat_sys_execve")
int ebph_over_ia32(void *ctx)
{
	return abort_override(ctx);
}

SEC("?kprobe/__ia32_compat_sys_execveat")
int ebph_over_i32at(void *ctx)
{
	return abort_override(ctx);
}

/* Not 0 when the current thread has to wait, and makes its execve again. */
static int exec_waits(struct task_state *state)
{
	return settings.defer && (state->flags & TASK_DELAYED) &&
	       delay_serve(state, ebph_window_at(&state->window, 0), 1);
}

/*
 * The kernel has opened what the current thread is to execute. If it hangs on that whether there is
 * an answer, there is one now. A delay is served here, as by the guard of execve, which may have
 * been asked already: one from before comes first, for its end is when the file must be the one.
 *
 * Return: the error that the execve is to fail with, or 0.
 */
static __always_inline int exec_check(struct linux_binprm *bprm)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct task_state *state = call_late(task);

	if (!state || !(state->flags & TASK_TARGET))
		return abort_wanted(state) ? -EPERM : 0;
	if (exec_waits(state))
		return -ERESTARTNOINTR;
	exec_settle(task, state, bprm->file);
	if (abort_wanted(state))
		return -EPERM;
	return exec_waits(state) ? -ERESTARTNOINTR : 0;
}

/*
 * Before the point of no return, for the program and again for each interpreter of a script; the
 * first refusal ends the execve.
 */
SEC("?fmod_ret/security_bprm_check")
int BPF_PROG(ebph_fmod_bprm, struct linux_binprm *bprm, int ret)
{
	return ret ? ret : exec_check(bprm);
}

/*
 * On every kernel a thread can be preempted within a program like this one, and until it runs
 * again the kernel skips the program on that CPU. Runs where the first has let the execve pass.
 */
SEC("?fmod_ret/security_bprm_check")
int BPF_PROG(ebph_fmod_bprm2, struct linux_binprm *bprm, int ret)
{
	return ret ? ret : exec_check(bprm);
}

SEC("?lsm/bprm_check_security")
int BPF_PROG(ebph_lsm_bprm, struct linux_binprm *bprm, int ret)
{
	return ret ? ret : exec_check(bprm);
}
