/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Release on time by the kernel itself: bpf/ontime.bpf.c. */
#ifndef EBPH_ONTIME_H
#define EBPH_ONTIME_H

struct ontime_bpf;

/**
 * ontime_new() - loads what releases on time; it is attached with what enforces.
 * @delayed_fd: the record of who is delayed
 *
 * Return: its skeleton, owned by the caller: ontime_bpf__attach(), ontime_bpf__destroy(). NULL:
 * this kernel cannot, and it is up to ebphd alone.
 */
struct ontime_bpf *ontime_new(int delayed_fd);

#endif
