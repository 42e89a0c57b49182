// SPDX-License-Identifier: GPL-2.0-or-later
/* Put in the place of signal_self() of bpf/response.bpf.c by tests/e2e/no_signal.c. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u32 refusals; /* so many more, as the kernel's helper fails: */
__s32 error;	/* a negative errno */

SEC("freplace/signal_self")
int no_signal(int sig)
{
	if (!refusals)
		return bpf_send_signal_thread(sig);
	refusals--;
	return error;
}

char LICENSE[] SEC("license") = "GPL";
