/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which processors the machine itself kept from running, and when: a virtual machine's host takes
 * them away without a word. On each processor a real-time thread that hangs on nobody is to wake up
 * every quarter of a millisecond; while it is late, nothing that runs there is on time.
 */
#ifndef EBPH_BENCH_WITNESS_H
#define EBPH_BENCH_WITNESS_H

#include <stddef.h>
#include <stdint.h>

struct witness;

/* Starts the threads; they run until witness_end(). Fails the run if they cannot be had. */
struct witness *witness_begin(void);

/* Ends them. What they saw is to be asked for from here on. */
void witness_end(struct witness *witness);

/* Return: for how many ns from @from_ns to @to_ns (CLOCK_MONOTONIC) not every processor ran. */
uint64_t witness_stalled(const struct witness *witness, uint64_t from_ns, uint64_t to_ns);

/* After witness_end(). */
void witness_free(struct witness *witness);

#endif
