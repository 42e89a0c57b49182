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

/*
 * Empties the sets of slots that nobody uses, at most PROFILES_RETIRE_MAX; they have the least size
 * then, and come first in @slots. Return: how many; -errno where it is none.
 */
int sets_clear(struct profiles *profiles, uint32_t *slots, uint32_t n);

/*
 * Puts sets behind slots, in one batch, for which newer kernels wait once for all running programs.
 * Return: 0 or -errno.
 */
int sets_publish(struct profiles *profiles, const uint32_t *slots, const int *sets, uint32_t n);

/* Words that are put into a set of so many blocks before it is enlarged: as pair_add() does. */
size_t set_room(uint32_t blocks);

/* Kernel memory of a pair set, by the kernel's own account, in bytes; 0 if it does not say. */
uint64_t set_memory(uint32_t blocks);

#endif
