// SPDX-License-Identifier: GPL-2.0-or-later
/* What any program at sys_enter costs, whatever it does: the measure for ours. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("raw_tp/sys_enter")
int empty_sys_enter(void *ctx)
{
	(void)ctx;
	return 0;
}

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u64);
} own SEC(".maps");

/* The least that a program must do that keeps something for each thread. */
SEC("raw_tp/sys_enter")
int storage_enter(void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();

	(void)ctx;
	if (!bpf_task_storage_get(&own, task, NULL, 0))
		bpf_task_storage_get(&own, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
