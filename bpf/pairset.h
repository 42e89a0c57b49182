/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pair set of a program: an insert-only hash set of 64-bit words, eight to a line, 27 lines to
 * a block. A block is what one lookup in the map finds, and all pairs of one current call begin
 * in the same one: a window's eight pairs take one lookup. A word holds one (current, earlier)
 * and the distances at which it was seen:
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

#include "lookahead.h"
#ifdef __bpf__
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#endif

#define EBPH_LINE_WORDS 8 /* 64 bytes */
/*
 * Not 32: the kernel puts its struct bpf_array, up to 320 bytes, before the blocks of an inner map,
 * and takes memory in powers of two: a block of 2 KB would cost 4, two would cost 8. Of 27 lines, N
 * blocks cost N * 2 KB.
 */
#define EBPH_BLOCK_LINES    27
#define EBPH_BLOCK_WORDS    (EBPH_BLOCK_LINES * EBPH_LINE_WORDS)
#define EBPH_PROBES	    4 /* lines of a block that one pair may lie in */
#define EBPH_CHOICES	    3 /* blocks that it may lie in, if there are so many */
#define EBPH_SEARCH_LINES   (EBPH_CHOICES * EBPH_PROBES)
#define EBPH_SET_BLOCKS_MIN 1	/* of a new profile: 2 KB; at 162 words, 3/4, it is to grow */
#define EBPH_SET_BLOCKS_MAX 128 /* 216 KB: no program is that various; an attacker may try */

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

/* Fibonacci hashing (Knuth, volume 3, 6.4): the upper bits are the good ones. */
#define EBPH_GOLDEN 0x9e3779b97f4a7c15ull

/* By so much differ the hashes of two lines; 27 times this is once around in 32 bits. */
#define EBPH_LINE_STEP ((1ull << 32) / EBPH_BLOCK_LINES + 1)

/*
 * The first word of the @n-th line of a block to look at: the upper half of the hash, scaled to the
 * number of lines; after the last comes the first. The verifier derives the bounds from product and
 * shift as they stand here, so clang must not join this shift with later ones.
 */
static inline __u64 ebph_pair_place(__u64 key, __u32 n)
{
	__u64 hash = (__u32)((key * EBPH_GOLDEN >> 32) + n * EBPH_LINE_STEP);
	__u64 line = hash * EBPH_BLOCK_LINES >> 32;

	__asm__("" : "+r"(line));
	return line * EBPH_LINE_WORDS;
}

/* The block where the search for the pairs of a current call begins; @blocks: a power of two. */
static inline __u32 ebph_pair_home(__u32 current, __u32 blocks)
{
	return (current & EBPH_CALL_MASK) * 0x9e3779b1u >> 25 & (blocks - 1);
}

/*
 * Where it goes on, @n being 1 or 2, another block if there is one: a call after which very many
 * others come is not bound to one block.
 */
static inline __u32 ebph_pair_other(__u64 key, __u32 blocks, __u32 n)
{
	__u32 far = (__u32)(key * EBPH_GOLDEN >> (25 + 7 * n)) | 1;

	return (ebph_pair_home(ebph_word_current(key), blocks) ^ far) & (blocks - 1);
}

/* The @n-th block to search. */
static inline __u32 ebph_pair_block(__u64 key, __u32 blocks, __u32 n)
{
	return n ? ebph_pair_other(key, blocks, n) : ebph_pair_home(ebph_word_current(key), blocks);
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

/* A search on its way through the lines that a pair may lie in. */
struct ebph_probe {
	void *set;
	__u64 key;
	__u64 bits; /* to be added */
	__u64 word; /* found */
	__u32 blocks;
	__u32 result; /* enum ebph_pair_result */
};

/* The @i-th line to look at: EBPH_PROBES of one block, then of the next. */
static inline __u64 *ebph_probe_line(const struct ebph_probe *probe, __u32 i)
{
	struct ebph_block *block = ebph_block_at(
		probe->set, ebph_pair_block(probe->key, probe->blocks, i / EBPH_PROBES));

	return block ? &block->word[ebph_pair_place(probe->key, i % EBPH_PROBES)] : 0;
}

/*
 * Calls @step for each line until it returns not 0. In BPF a loop of the kernel's: the verifier
 * would go through all paths of each iteration of one of our own.
 */
#ifdef __bpf__
#define ebph_probe_lines(step, probe) bpf_loop(EBPH_SEARCH_LINES, step, probe, 0)
#else
#define ebph_probe_lines(step, probe)                                                              \
	for (__u32 i_ = 0; i_ < EBPH_SEARCH_LINES && !step(i_, probe); i_++)
#endif

static inline long ebph_line_find(__u32 i, struct ebph_probe *probe)
{
	const __u64 *line = ebph_probe_line(probe, i);

	if (!line)
		return 1;
	for (__u32 j = 0; j < EBPH_LINE_WORDS; j++) {
		__u64 word = line[j];

		if ((word & EBPH_WORD_KEY_MASK) == probe->key)
			probe->word = word;
		if (!word || probe->word)
			return 1;
	}
	return 0;
}

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
	struct ebph_probe probe = {.set = set, .blocks = blocks, .key = key};

	ebph_probe_lines(ebph_line_find, &probe);
	return probe.word;
}

/**
 * ebph_pairs_known() - are all pairs of a window found at once?
 * @home:   the block where the pairs of its current call begin
 * @window: the window
 *
 * Looks only into the line where each search begins; that is where nearly all are. Ends at the
 * first that is not there: the verifier would go through all combinations otherwise.
 *
 * Return: not 0 if each pair is there and belongs to the profile, or is none: before the first call
 * of a program nothing came.
 */
static inline int ebph_pairs_known(const struct ebph_block *home, const struct ebph_window *window)
{
	__u32 current = ebph_window_at(window, 0);

#ifdef __bpf__
#pragma unroll
#endif
	for (__u32 distance = 1; distance <= EBPH_DISTANCES; distance++) {
		__u32 earlier = ebph_window_at(window, distance);
		__u64 key = ebph_word_key(current, earlier);
		const __u64 *line = &home->word[ebph_pair_place(key, 0)];
		__u64 found = earlier == EBPH_CALL_NONE ? EBPH_WORD_NORMAL_BITS : 0;

#ifdef __bpf__
#pragma unroll
#endif
		for (__u32 i = 0; i < EBPH_LINE_WORDS && !found; i++)
			if ((line[i] & EBPH_WORD_KEY_MASK) == key)
				found = line[i];
		if (!(found & EBPH_WORD_NORMAL_BITS & ebph_word_bits(distance)))
			return 0;
	}
	return 1;
}

static inline long ebph_line_add(__u32 i, struct ebph_probe *probe)
{
	__u64 *line = ebph_probe_line(probe, i);

	if (!line)
		return 1;
	for (__u32 j = 0; j < EBPH_LINE_WORDS; j++) {
		__u64 *place = &line[j], word = *place;

		if (!word) {
			word = __sync_val_compare_and_swap(place, 0ull, probe->key | probe->bits);
			if (!word) {
				probe->result = EBPH_PAIR_NEW;
				return 1;
			}
		}
		if ((word & EBPH_WORD_KEY_MASK) != probe->key)
			continue;
		probe->result = EBPH_PAIR_KNOWN;
		if ((word & probe->bits) != probe->bits) {
			__sync_fetch_and_or(place, probe->bits);
			probe->result = EBPH_PAIR_EXTENDED;
		}
		return 1;
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
	struct ebph_probe probe = {
		.set = set,
		.blocks = blocks,
		.key = key,
		.bits = bits,
		.result = EBPH_PAIR_FULL,
	};

	ebph_probe_lines(ebph_line_add, &probe);
	return (int)probe.result;
}

#endif
