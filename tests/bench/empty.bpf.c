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

char LICENSE[] SEC("license") = "GPL";
