/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a virtual machine's host took processors away from us. On each processor that we may use a
 * real-time thread is to wake up every quarter of a millisecond; while it is late the processor
 * does not run, or runs something in the kernel that lets nobody in, which may be ours. So it is
 * believed only as far as the kernel has as much time stolen from it (/proc/stat).
 */
#ifndef EBPH_BENCH_WITNESS_H
#define EBPH_BENCH_WITNESS_H

#include <stdbool.h>
#include <stdint.h>

struct witness;

/* Starts the threads. Return: NULL when there can be none, which the others take. */
struct witness *witness_begin(void);

/*
 * Ends them. Return: false when what they saw is more than was stolen, or there were none: nothing
 * is known then, and nothing counts as stolen.
 */
bool witness_end(struct witness *witness);

/*
 * For how many ns between two times, CLOCK_MONOTONIC, one of the processors or more were taken
 * away. After witness_end().
 */
uint64_t witness_stolen(const struct witness *witness, uint64_t from_ns, uint64_t to_ns);

void witness_free(struct witness *witness);

#endif
