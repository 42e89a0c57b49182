/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nothing may stay behind: programs, pins, stopped processes, guardians. */
#ifndef EBPH_LEFTOVER_H
#define EBPH_LEFTOVER_H

#include <stdbool.h>

/* How many BPF programs of ours are loaded, whoever holds them. */
int programs_loaded(void);

/**
 * leftover_none() - waits until nothing of ours is left: what the kernel takes down in its own
 * time gets that time, and what stays is named.
 * @limit_ms: for how long
 *
 * Return: true when nothing is left.
 */
bool leftover_none(int limit_ms);

#endif
