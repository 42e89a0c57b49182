// SPDX-License-Identifier: GPL-2.0-or-later
/* What the daemon does to profiles: for an operator, or to load, keep and empty them. */
#include "kernel.h"
#include "profile.h"

enum sweep_what {
	SWEEP_ACCEPT, /* what was seen belongs to the profile */
	SWEEP_REFUSE, /* what does not belong to it was not seen */
	SWEEP_RESET,  /* nothing was seen. Words stay, without bits: sets lose none */
	SWEEP_DOUBT,  /* what was seen does not belong to the profile */
};

struct sweep {
	void *set;
	__u32 what; /* enum sweep_what */
};

/* What a sweep adds to a word, and what it leaves of it. */
static __u64 swept_in(__u32 what, __u64 extra)
{
	return what == SWEEP_ACCEPT ? extra : 0;
}

static __u64 swept_keep(__u32 what, __u64 extra)
{
	if (what == SWEEP_REFUSE)
		return ~(extra << 8);
	if (what == SWEEP_DOUBT)
		return ~EBPH_WORD_NORMAL_BITS;
	return what == SWEEP_RESET ? EBPH_WORD_KEY_MASK : ~0ull;
}

/* A line at a time: the verifier goes through every iteration of a loop in here. */
static long line_sweep(__u32 i, struct sweep *sweep)
{
	struct ebph_block *block = ebph_block_at(sweep->set, i / EBPH_BLOCK_LINES);
	__u64 line = i % EBPH_BLOCK_LINES;

	__asm__("" : "+r"(line)); /* clang knows what a remainder can be, the verifier does not */
	if (!block || line >= EBPH_BLOCK_LINES)
		return 1;
	for (__u32 j = 0; j < EBPH_LINE_WORDS; j++) {
		__u64 *word = &block->word[line * EBPH_LINE_WORDS + j];
		__u64 extra = ebph_word_training(*word) & ~ebph_word_normal(*word);
		__u64 in = swept_in(sweep->what, extra), keep = swept_keep(sweep->what, extra);

		if (in)
			__sync_fetch_and_or(word, in);
		if (*word & ~keep)
			__sync_fetch_and_and(word, keep);
	}
	return 0;
}

static void profile_sweep(struct profile *profile, __u32 what)
{
	struct sweep sweep = {.set = profile->set, .what = what};

	bpf_loop(profile->blocks * EBPH_BLOCK_LINES, line_sweep, &sweep, 0);
	if (what != SWEEP_ACCEPT)
		__sync_fetch_and_add(&profile->head->forgets, 1);
}

/* Of a pair that waits for room only what belongs to the profile goes on waiting. */
static long late_refuse(struct bpf_map *map, const __u64 *key, __u64 *bits, const __u32 *slot)
{
	if (ebph_late_slot(*key) == *slot)
		__sync_fetch_and_and(bits, ~EBPH_WORD_TRAINING_BITS |
						   (*bits & EBPH_WORD_NORMAL_BITS) << 8);
	return 0;
}

/* None of it belongs to the profile. */
static long late_doubt(struct bpf_map *map, const __u64 *key, __u64 *bits, const __u32 *slot)
{
	if (ebph_late_slot(*key) == *slot)
		__sync_fetch_and_and(bits, ~EBPH_WORD_NORMAL_BITS);
	return 0;
}

/* And all of it belongs to the profile. */
static long late_accept(struct bpf_map *map, const __u64 *key, __u64 *bits, const __u32 *slot)
{
	if (ebph_late_slot(*key) == *slot)
		__sync_fetch_and_or(bits, (*bits & EBPH_WORD_TRAINING_BITS) >> 8);
	return 0;
}

__hidden void profile_forget_unseen(__u32 slot)
{
	struct profile profile;

	if (profile_open(slot, &profile))
		return;
	bpf_for_each_map_elem(&late, late_refuse, &slot, 0);
	profile_sweep(&profile, SWEEP_REFUSE);
}

/* ---- what the daemon asks for ------------------------------------------------------------ */

/* What ebph_command_run is to do: written by the daemon, which is one thread. */
struct ebph_command command;

static long heat_forget(struct bpf_map *map, const struct ebph_heat_key *key, __u64 *heat,
			const __u32 *slot)
{
	if (key->slot == *slot)
		*heat = 0;
	return 0;
}

static void heats_forget(__u32 slot)
{
	bpf_for_each_map_elem(&heats, heat_forget, &slot, 0);
}

/*
 * Makes @state the state, whatever other CPUs make of it meanwhile: frozen and training change into
 * each other at any time. Return: 0; -1 when it did not come to it.
 */
static int state_force(struct profile *profile, __u32 state)
{
	struct ebph_profile *head = profile->head;

	for (int i = 0; i < 8; i++) {
		__u32 before = head->state;

		if (before == state)
			return 0;
		state_change(head, profile->slot, before, state);
	}
	return head->state == state ? 0 : -1;
}

static int normalize(struct profile *profile)
{
	struct ebph_profile *head = profile->head;

	if (!head->words)
		return -1; /* all that it does would be an anomaly */
	profile_sweep(profile, SWEEP_ACCEPT);
	head->normal_anomalies = 0;
	heats_forget(profile->slot);
	return state_force(profile, EBPH_STATE_NORMAL);
}

static int sensitize(struct profile *profile)
{
	struct ebph_profile *head = profile->head;

	if (head->state == EBPH_STATE_NORMAL) {
		profile_sweep(profile, SWEEP_REFUSE);
		return 0;
	}
	/* First the state: a profile that became normal by now must not lose its pairs. */
	if (head->state == EBPH_STATE_FROZEN)
		state_change(head, profile->slot, EBPH_STATE_FROZEN, EBPH_STATE_TRAINING);
	if (head->state != EBPH_STATE_TRAINING)
		return -1;
	/* Without calls it does not freeze before all is gone. */
	head->last_mod_calls = 0;
	head->calls = 0;
	head->runs = 0;
	profile_sweep(profile, SWEEP_RESET);
	/* After the pairs are gone: windows that were verified with them are not any more. */
	__sync_fetch_and_add(&settings.generation, 1);
	return 0;
}

static int tolerize(struct profile *profile)
{
	profile_sweep(profile, SWEEP_ACCEPT);
	heats_forget(profile->slot);
	training_prepare(profile->head);
	return state_force(profile, EBPH_STATE_TRAINING);
}

static int refuse(struct profile *profile)
{
	profile_sweep(profile, SWEEP_REFUSE);
	return 0;
}

/* A function of its own: the compiler must not make one call for both maps of this and vacate(). */
static __noinline int begin(struct profile *profile)
{
	struct ebph_profile *head = profile->head;

	if (__sync_val_compare_and_swap(&head->state, EBPH_STATE_LOADING, EBPH_STATE_TRAINING) !=
	    EBPH_STATE_LOADING)
		return -1;
	profile_sweep(profile, SWEEP_ACCEPT);
	bpf_for_each_map_elem(&late, late_accept, &profile->slot, 0);
	state_advance(head, profile->slot); /* it may not run again for long */
	return 0;
}

static __noinline int doubt(struct profile *profile)
{
	__sync_fetch_and_and(&profile->head->flags, ~EBPH_PROFILE_FRESH);
	if (state_force(profile, EBPH_STATE_LOADING))
		return -1;
	bpf_for_each_map_elem(&late, late_doubt, &profile->slot, 0);
	profile_sweep(profile, SWEEP_DOUBT);
	/* As in sensitize(). */
	__sync_fetch_and_add(&settings.generation, 1);
	return 0;
}

static int vacate(struct profile *profile)
{
	heats_forget(profile->slot);
	return 0;
}

SEC("syscall")
int ebph_command_run(void *ctx)
{
	struct profile profile;

	if (profile_open(command.slot, &profile) || profile.head->state == EBPH_STATE_NONE)
		return -1;
	/* Of what is loading an operator can say nothing yet. */
	if (profile.head->state == EBPH_STATE_LOADING && command.verb <= EBPH_VERB_TOLERIZE)
		return -1;
	switch (command.verb) {
	case EBPH_VERB_NORMALIZE:
		return normalize(&profile);
	case EBPH_VERB_SENSITIZE:
		return sensitize(&profile);
	case EBPH_VERB_TOLERIZE:
		return tolerize(&profile);
	case EBPH_VERB_REFUSE:
		return refuse(&profile);
	case EBPH_VERB_BEGIN:
		return begin(&profile);
	case EBPH_VERB_DOUBT:
		return doubt(&profile);
	case EBPH_VERB_VACATE:
		return vacate(&profile);
	}
	return -1;
}

/* What ebph_merge is to do: written by the daemon, which is one thread, through shared memory. */
struct ebph_merge merge;

static long word_merge(__u32 i, struct profile *profile)
{
	__u64 word = merge.word[i & (EBPH_MERGE_WORDS - 1)], bits = word & ~EBPH_WORD_KEY_MASK;

	if (!pair_add(profile, word & EBPH_WORD_KEY_MASK, bits) &&
	    !ebph_pair_find(profile->set, profile->blocks, word & EBPH_WORD_KEY_MASK))
		merge.full++;
	return 0;
}

/*
 * Run by the daemon: unites words with a pair set. User space cannot do it itself, its updates
 * of a block are not atomic against those of other CPUs.
 */
SEC("syscall")
int ebph_merge_words(void *ctx)
{
	struct profile profile;

	if (profile_open(merge.slot, &profile))
		return -1;
	bpf_loop(merge.count < EBPH_MERGE_WORDS ? merge.count : EBPH_MERGE_WORDS, word_merge,
		 &profile, 0);
	return 0;
}

/* What ebph_block_read is to read, and what it read: likewise. */
struct ebph_reading reading;

/*
 * Run by the daemon, once for each block: for bpf(2), which could read it as well, the kernel skips
 * the program that takes the calls of others (second.h).
 */
SEC("syscall")
int ebph_block_read(void *ctx)
{
	const volatile __u64 *words;
	struct ebph_block *block;
	struct profile profile;

	if (profile_open(reading.slot, &profile))
		return -1;
	block = ebph_block_at(profile.set, reading.block);
	if (!block)
		return -1;
	words = block->word; /* other CPUs add to it: a word is read at once */
	for (__u32 i = 0; i < EBPH_BLOCK_WORDS; i++)
		reading.word[i] = words[i];
	return 0;
}
