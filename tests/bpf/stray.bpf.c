// SPDX-License-Identifier: GPL-2.0-or-later
/* For tests/e2e/hang.c: releases whoever is being stopped, before he is. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "bpf/abi.h"

#define SIGSTOP 19

/* In place of it there is that of the programs under test. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ebph_delay);
} delayed SEC(".maps");

/* The signal is on its way, and the program that sends it has not come back. */
SEC("raw_tp/signal_generate")
int stray(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct ebph_delay *delay = bpf_map_lookup_elem(&delayed, &tgid);

	if (ctx->args[0] == SIGSTOP && delay)
		delay->due_ns = 0;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
