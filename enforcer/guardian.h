/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A small process that outlives the daemon for a moment and releases whom it had stopped. */
#ifndef EBPH_GUARDIAN_H
#define EBPH_GUARDIAN_H

#include <sys/types.h>

#include "enforcer/kernel.h"

/**
 * guardian_start() - forks the guardian; it waits until the calling process is dead.
 * @kernel: it holds the map of delays and the settings, and gives up the rest
 * @bpf_dir: where the map is pinned
 * @background: let go of the standard streams, and write to syslog
 *
 * Return: its pid, or -errno.
 */
pid_t guardian_start(struct kernel *kernel, const char *bpf_dir, bool background);

#endif
