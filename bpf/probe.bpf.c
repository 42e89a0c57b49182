// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What can this kernel do? Tiny programs that do nothing, one per mechanism: enforcer/rung.c
 * loads and attaches each by itself. What the kernel says about helpers is not believed:
 * bpf_override_return is listed where it is not available, and lsm/ programs load where they
 * never fire.
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

__u32 lsm_tgid;	 /* who makes the call that must be seen */
__u32 lsm_fired; /* how often it was */

SEC("?kprobe/__x64_sys_execve")
int probe_override(void *ctx)
{
	/* Never true, but the verifier cannot know: no thread group has this id. */
	if ((bpf_get_current_pid_tgid() >> 32) == 0xffffffff)
		bpf_override_return(ctx, -1);
	return 0;
}

SEC("?fmod_ret/security_bprm_check")
int BPF_PROG(probe_fmod_ret, void *bprm, int ret)
{
	return ret;
}

SEC("?lsm/task_getpgid")
int BPF_PROG(probe_lsm, void *task, int ret)
{
	if ((bpf_get_current_pid_tgid() >> 32) == lsm_tgid)
		__sync_fetch_and_add(&lsm_fired, 1);
	return ret;
}

SEC("?fentry/arch_do_signal_or_restart")
int BPF_PROG(probe_fentry, void *regs)
{
	return 0;
}

SEC("?tp/raw_syscalls/sys_enter")
int probe_perf(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
