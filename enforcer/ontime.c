// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/ontime.h"

#include <bpf/libbpf.h>

#include "enforcer/kernel.h"
#include "enforcer/log.h"
#include "ontime.skel.h"

struct ontime_bpf *ontime_new(int delayed_fd)
{
	struct ontime_bpf *skeleton = NULL;

	/* Before, it would fail as well, and libbpf have much to say. */
	if (kernel_version() >= KERNEL(6, 13))
		skeleton = ontime_bpf__open();
	if (skeleton &&
	    (bpf_map__reuse_fd(skeleton->maps.delayed, delayed_fd) || ontime_bpf__load(skeleton))) {
		ontime_bpf__destroy(skeleton);
		skeleton = NULL;
	}
	log_debug("support: release by the kernel: %s", skeleton ? "yes" : "no");
	return skeleton;
}
