// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Signals of others to whom we have stopped: nobody but us continues him before his time, and whom
 * somebody else has stopped stays so afterwards.
 */
#include "kernel.h"
#include "response.h"
#include <bpf/bpf_tracing.h>

/* Is the current process the daemon, or its guardian? */
static int is_ours(void)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;

	return tgid == settings.self_tgid || tgid == settings.guardian_tgid;
}

/* ---- SIGCONT: refused where there is a hook, see enforcer/response.c ------------------------ */

static int continue_check(struct task_struct *target, int sig)
{
	struct ebph_delay *delay;
	__u64 now_ns = bpf_ktime_get_ns();

	if (sig != SIGCONT || is_ours())
		return 0;
	delay = delay_of(target);
	if (!delay || delay->due_ns <= now_ns || now_ns < breaker.open_until_ns || daemon_silent())
		return 0;
	delay->foreign = 0; /* he may not continue it now, but a stop of his is over */
	count(EBPH_COUNT_CONTINUE_REFUSED);
	return -EPERM;
}

SEC("?fmod_ret/security_task_kill")
int BPF_PROG(ebph_cont, struct task_struct *target, struct kernel_siginfo *info, int sig,
	     const struct cred *cred, int ret)
{
	return ret ? ret : continue_check(target, sig);
}

SEC("?lsm/task_kill")
int BPF_PROG(ebph_lsm_cont, struct task_struct *target, struct kernel_siginfo *info, int sig,
	     const struct cred *cred, int ret)
{
	return ret ? ret : continue_check(target, sig);
}

/* ---- stops ---------------------------------------------------------------------------------- */

#define TRACE_SIGNAL_IGNORED 1 /* include/trace/events/signal.h */

/*
 * A signal is put on the queue of a process; all of them come by here, those of a terminal too.
 * SIGTTIN and SIGTTOU need no note: the call that brought them is made again, and brings them
 * again.
 */
SEC("?tp_btf/signal_generate")
int BPF_PROG(ebph_generate, int sig, struct kernel_siginfo *info, struct task_struct *target,
	     int group, int result)
{
	struct ebph_delay *delay;

	if (sig != SIGSTOP && sig != SIGTSTP && sig != SIGCONT)
		return 0;
	/* A SIGCONT for which there is no handler is ignored as well, after it has continued. */
	if (result == TRACE_SIGNAL_IGNORED && sig != SIGCONT)
		return 0;
	if (is_our_stop(sig, info, target))
		return 0;
	/* Of PTRACE_ATTACH, or for a debugger's own ends: it does not outlast him. */
	if (sig == SIGSTOP && target->ptrace && !group)
		return 0;
	delay = delay_of(target);
	if (!delay)
		return 0;
	if (sig == SIGCONT)
		delay->foreign = 0;
	else if (delay->foreign != SIGSTOP)
		delay->foreign = sig;
	return 0;
}
