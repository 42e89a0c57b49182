/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pair set of a program: an insert-only hash set of 64-bit words, eight to a block of one
 * cache line. A word holds one (current, earlier) and the distances at which it was seen:
 *
 *   bits  0.. 7  normal mask: distances that belong to the profile
 *   bits  8..15  training mask: distances that were seen at all
 *   bits 16..26  earlier id
 *   bits 32..42  current id
 *   bit      63  used
 *
 * While a profile trains, a distance enters both masks, so that turning normal is one store to
 * the profile's state and no pass over the set. While it is normal, what is new enters the
 * training mask only: an operator accepts it (normal |= training) or refuses it
 * (training = normal).
 *
 * Pure C, for BPF and for user space; they differ in ebph_block_at() only.
 */
#ifndef EBPH_PAIRSET_H
#define EBPH_PAIRSET_H

#include "callid.h"
#ifdef __bpf__
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#endif

#define EBPH_BLOCK_WORDS    8
#define EBPH_PROBES	    4	 /* blocks that one pair may lie in */
#define EBPH_SET_BLOCKS_MIN 32	 /* of a new profile: 2 KB, room for some 200 words */
#define EBPH_SET_BLOCKS_MAX 4096 /* 256 KB: no program is that various; an attacker may try */

struct ebph_block {
	__u64 word[EBPH_BLOCK_WORDS];
};

#define EBPH_WORD_USED	   (1ull << 63)
#define EBPH_WORD_KEY_MASK (EBPH_WORD_USED | 0x000007ff07ff0000ull)

static inline __u64 ebph_word_key(__u32 current, __u32 earlier)
{
	return EBPH_WORD_USED | (__u64)(current & EBPH_CALL_MASK) << 32 |
	       (__u64)(earlier & EBPH_CALL_MASK) << 16;
}

#define ebph_word_current(word)	 ((__u32)((word) >> 32) & EBPH_CALL_MASK)
#define ebph_word_earlier(word)	 ((__u32)((word) >> 16) & EBPH_CALL_MASK)
#define ebph_word_normal(word)	 ((__u32)(word)&0xff)
#define ebph_word_training(word) ((__u32)((word) >> 8) & 0xff)

/* Both masks of one distance (1..8). */
#define ebph_word_bits(distance) (0x0101ull << ((distance)-1))
#define EBPH_WORD_NORMAL_BITS	 0xffull
#define EBPH_WORD_TRAINING_BITS	 0xff00ull

/* The block where the search for a pair begins, in a set of @blocks (a power of two). */
static inline __u32 ebph_pair_home(__u64 key, __u32 blocks)
{
	__u32 h = (__u32)(key >> 32) * 0x9e3779b1u ^ (__u32)(key >> 16) * 0x85ebca77u;

	h ^= h >> 15;
	return h & (blocks - 1);
}

/* Block @index of a set: an inner map in BPF, an array of blocks elsewhere. */
static inline struct ebph_block *ebph_block_at(void *set, __u32 index)
{
#ifdef __bpf__
	return bpf_map_lookup_elem(set, &index);
#else
	return (struct ebph_block *)set + index;
#endif
}

enum ebph_pair_result {
	EBPH_PAIR_KNOWN,    /* every bit asked for was there */
	EBPH_PAIR_EXTENDED, /* the word was there, some bits were not */
	EBPH_PAIR_NEW,	    /* no such word before */
	EBPH_PAIR_FULL,	    /* no such word, and no room for one */
};

/**
 * ebph_pair_find() - the word of a pair.
 * @set, @blocks: the set and its size in blocks
 * @key:	  from ebph_word_key()
 *
 * Words are never removed and always put into the first empty place of their probe sequence, so
 * an empty place ends the search.
 *
 * Return: the word, or 0 when there is none.
 */
static inline __u64 ebph_pair_find(void *set, __u32 blocks, __u64 key)
{
	__u32 home = ebph_pair_home(key, blocks);

	for (__u32 probe = 0; probe < EBPH_PROBES; probe++) {
		struct ebph_block *block = ebph_block_at(set, (home + probe) & (blocks - 1));

		if (!block)
			return 0;
		for (__u32 i = 0; i < EBPH_BLOCK_WORDS; i++) {
			__u64 word = block->word[i];

			if ((word & EBPH_WORD_KEY_MASK) == key)
				return word;
			if (!word)
				return 0;
		}
	}
	return 0;
}

/**
 * ebph_pair_add() - puts bits of a pair into the set.
 * @set, @blocks: the set and its size in blocks
 * @key:	  from ebph_word_key()
 * @bits:	  bits of the two masks
 *
 * Safe against any number of others that add at the same time, without a lock: an empty word is
 * taken by compare-and-swap, bits are added by an atomic OR; no update is lost.
 *
 * Return: enum ebph_pair_result.
 */
static inline int ebph_pair_add(void *set, __u32 blocks, __u64 key, __u64 bits)
{
	__u32 home = ebph_pair_home(key, blocks);

	for (__u32 probe = 0; probe < EBPH_PROBES; probe++) {
		struct ebph_block *block = ebph_block_at(set, (home + probe) & (blocks - 1));

		if (!block)
			return EBPH_PAIR_FULL;
		for (__u32 i = 0; i < EBPH_BLOCK_WORDS; i++) {
			__u64 word = block->word[i];

			if (!word) {
				word = __sync_val_compare_and_swap(&block->word[i], 0ull,
								   key | bits);
				if (!word)
					return EBPH_PAIR_NEW;
			}
			if ((word & EBPH_WORD_KEY_MASK) != key)
				continue;
			if ((word & bits) == bits)
				return EBPH_PAIR_KNOWN;
			__sync_fetch_and_or(&block->word[i], bits);
			return EBPH_PAIR_EXTENDED;
		}
	}
	return EBPH_PAIR_FULL;
}

#endif
