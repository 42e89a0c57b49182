/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pair sets as maps; what is done with the set of a profile stands in profile.h. */
#ifndef EBPH_ENFORCER_SET_H
#define EBPH_ENFORCER_SET_H

#include "enforcer/profile.h"

/* Return: an empty pair set as a map's descriptor, or -errno. */
int set_create(uint32_t blocks);

/**
 * set_create_with() - a pair set that holds words, and has room for more.
 * Return: the map's descriptor; -ENOSPC; -errno.
 */
int set_create_with(const uint64_t *words, size_t n_words, uint32_t *ret_blocks);

/* Puts an empty set of the least size behind a slot that nobody uses. Return: 0 or -errno. */
int set_clear(struct profiles *profiles, uint32_t slot);

/* Kernel memory of a pair set, by the kernel's own account, in bytes; 0 if it does not say. */
uint64_t set_memory(uint32_t blocks);

#endif
