// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/profile.h"

#include <bpf/bpf.h>
#include <string.h>

#include "enforcer/log.h"
#include "enforcer/util.h"

int profiles_new(struct kernel *kernel, struct profiles **ret)
{
	struct profiles *profiles = calloc(1, sizeof(*profiles));

	if (!profiles)
		return -ENOMEM;
	profiles->kernel = kernel;
	profiles->first_unused = 1;
	profiles->next_slot = 1;
	profiles->notes = calloc(kernel->n_slots + 1, sizeof(*profiles->notes));
	if (!profiles->notes) {
		profiles_free(profiles);
		return -ENOMEM;
	}
	*ret = profiles;
	return 0;
}

void profiles_free(struct profiles *profiles)
{
	if (!profiles)
		return;
	for (uint32_t i = 0; profiles->notes && i <= profiles->kernel->n_slots; i++) {
		free(profiles->notes[i].path);
		free(profiles->notes[i].hint);
	}
	free(profiles->notes);
	free(profiles);
}

const char *state_name(enum ebph_state state)
{
	static const char *const names[] = {
		[EBPH_STATE_NONE] = "none",
		[EBPH_STATE_TRAINING] = "training",
		[EBPH_STATE_FROZEN] = "frozen",
		[EBPH_STATE_NORMAL] = "normal",
	};

	return state < ARRAY_SIZE(names) ? names[state] : "?";
}

static uint32_t slot_state(const struct profiles *profiles, uint32_t slot)
{
	return __atomic_load_n(&profiles->kernel->heads[slot].state, __ATOMIC_RELAXED);
}

uint32_t profiles_in_state(const struct profiles *profiles, enum ebph_state state)
{
	uint32_t n = 0;

	for (uint32_t slot = 1; slot < profiles->next_slot; slot++)
		n += slot_state(profiles, slot) == state;
	return n;
}

/* ---- slots ----------------------------------------------------------------------------- */

/* Return: an empty pair set as a map's descriptor, or -errno. */
static int set_create(uint32_t blocks)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ebph_pairs", sizeof(__u32),
				sizeof(struct ebph_block), blocks, &opts);

	return fd < 0 ? -errno : fd;
}

/*
 * How many slots are prepared before the daemon looks after its other work again: until 6.8 the
 * kernel waits for all running programs after each change of a map of maps, in a batch too.
 */
#define SLOTS_AT_ONCE 8

/*
 * Puts pair sets behind the next slots and makes these ready for use. In one batch, for which
 * newer kernels wait once.
 */
static int slots_publish(struct profiles *profiles, const int *sets, uint32_t n)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	uint32_t slots[SLOTS_AT_ONCE], count = n;

	for (uint32_t i = 0; i < n; i++)
		slots[i] = profiles->next_slot + i;
	if (bpf_map_update_batch(kernel_pairs_fd(profiles->kernel), slots, sets, &count, &opts))
		return -errno;
	for (uint32_t i = 0; i < n; i++) {
		if (bpf_map_update_elem(kernel_free_slots_fd(profiles->kernel), NULL, &slots[i],
					BPF_ANY))
			return -errno;
		profiles->notes[slots[i]].blocks = EBPH_SET_BLOCKS_MIN;
		profiles->pair_memory += map_memory(sets[i]);
		profiles->next_slot++;
	}
	return 0;
}

/* Makes @n more slots ready, at most SLOTS_AT_ONCE. */
static int slots_prepare(struct profiles *profiles, uint32_t n)
{
	int sets[SLOTS_AT_ONCE], r = 0;
	uint32_t made = 0;

	for (; made < n; made++) {
		sets[made] = set_create(EBPH_SET_BLOCKS_MIN);
		if (sets[made] < 0)
			break;
	}
	if (made)
		r = slots_publish(profiles, sets, made);
	if (!r && made < n)
		r = sets[made];
	while (made--)
		close(sets[made]);
	return r;
}

int profiles_stock(struct profiles *profiles, bool *ret_more)
{
	uint32_t left = profiles->kernel->n_slots + 1 - profiles->next_slot;
	uint32_t empty = 0, wanted;
	int r;

	while (profiles->first_unused < profiles->next_slot &&
	       slot_state(profiles, profiles->first_unused) != EBPH_STATE_NONE)
		profiles->first_unused++;
	/* Slots that two CPUs fought for go back to the queue's end: holes are few and counted. */
	for (uint32_t slot = profiles->first_unused; slot < profiles->next_slot; slot++)
		empty += slot_state(profiles, slot) == EBPH_STATE_NONE;

	if (!left && !empty && !profiles->full_reported) {
		log_warn("all %u profiles are in use: new programs are not learned (raise "
			 "max_profiles)",
			 profiles->kernel->n_slots);
		profiles->full_reported = true;
	}
	wanted = PROFILE_SLOT_STOCK - empty;
	if (wanted > left)
		wanted = left;
	if (wanted > SLOTS_AT_ONCE)
		wanted = SLOTS_AT_ONCE;
	r = wanted ? slots_prepare(profiles, wanted) : 0;
	*ret_more = !r && wanted == SLOTS_AT_ONCE;
	return r;
}

/* ---- growth ---------------------------------------------------------------------------- */

static int set_read(int set, uint32_t blocks, struct ebph_block *ret)
{
	for (uint32_t i = 0; i < blocks; i++)
		if (bpf_map_lookup_elem(set, &i, &ret[i]))
			return -errno;
	return 0;
}

static int set_write(int set, uint32_t blocks, const struct ebph_block *from)
{
	for (uint32_t i = 0; i < blocks; i++)
		if (bpf_map_update_elem(set, &i, &from[i], BPF_ANY))
			return -errno;
	return 0;
}

/* The pair set that is behind a slot now, as a descriptor, or -errno. */
static int set_open(struct profiles *profiles, uint32_t slot)
{
	__u32 id;
	int fd;

	if (bpf_map_lookup_elem(kernel_pairs_fd(profiles->kernel), &slot, &id))
		return -errno;
	fd = bpf_map_get_fd_by_id(id);
	return fd < 0 ? -errno : fd;
}

int profile_words(struct profiles *profiles, uint32_t slot, uint64_t **ret_words,
		  size_t *ret_n_words)
{
	uint32_t blocks = profiles->notes[slot].blocks;
	AUTO_CLOSE int set = set_open(profiles, slot);
	AUTO_FREE struct ebph_block *copy = NULL;
	uint64_t *words;
	size_t n = 0;
	int r;

	if (set < 0)
		return set;
	copy = calloc(blocks, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	r = set_read(set, blocks, copy);
	if (r)
		return r;
	words = (uint64_t *)copy;
	for (size_t i = 0; i < (size_t)blocks * EBPH_BLOCK_WORDS; i++)
		if (words[i])
			words[n++] = words[i];
	*ret_words = words;
	*ret_n_words = n;
	copy = NULL;
	return 0;
}

/* Puts all words of @from into the empty set @to. Return: 0 or -ENOSPC. */
static int blocks_rehash(const struct ebph_block *from, uint32_t from_blocks, struct ebph_block *to,
			 uint32_t to_blocks)
{
	for (uint32_t i = 0; i < from_blocks; i++) {
		for (uint32_t j = 0; j < EBPH_BLOCK_WORDS; j++) {
			uint64_t word = from[i].word[j];

			if (word && ebph_pair_add(to, to_blocks, word & EBPH_WORD_KEY_MASK,
						  word & ~EBPH_WORD_KEY_MASK) == EBPH_PAIR_FULL)
				return -ENOSPC;
		}
	}
	return 0;
}

/* Unites with the set of @slot what changed in the old set between two readings of it. */
static int late_words_merge(struct profiles *profiles, uint32_t slot,
			    const struct ebph_block *before, const struct ebph_block *after,
			    uint32_t blocks)
{
	const uint64_t *old = (const uint64_t *)before, *new = (const uint64_t *)after;
	AUTO_FREE uint64_t *late = NULL;
	uint32_t counted = 0;
	size_t n = 0;
	int r;

	late = calloc((size_t)blocks * EBPH_BLOCK_WORDS, sizeof(*late));
	if (!late)
		return -ENOMEM;
	for (size_t i = 0; i < (size_t)blocks * EBPH_BLOCK_WORDS; i++) {
		if (new[i] == old[i])
			continue;
		late[n++] = new[i];
		counted += !old[i];
	}
	r = kernel_merge(profiles->kernel, slot, late, n, NULL);
	/*
	 * Counted when they entered the old set, and once more now, or before by a program that
	 * came across them in the new set.
	 */
	__atomic_sub_fetch(&profiles->kernel->heads[slot].words, counted, __ATOMIC_RELAXED);
	/* What found no room waits, and a set larger than the new one has been asked for. */
	return r == -ENOSPC ? 0 : r;
}

int profile_grow(struct profiles *profiles, uint32_t slot)
{
	struct profile_note *note = &profiles->notes[slot];
	const uint32_t *forgets = &profiles->kernel->heads[slot].forgets;
	uint32_t old_blocks = note->blocks, new_blocks = old_blocks * 2;
	uint32_t forgets_before = __atomic_load_n(forgets, __ATOMIC_ACQUIRE);
	AUTO_FREE struct ebph_block *before = NULL, *after = NULL, *grown = NULL;
	AUTO_CLOSE int old = -1, new = -1;
	int r;

	if (new_blocks > EBPH_SET_BLOCKS_MAX)
		return -ENOSPC;
	old = set_open(profiles, slot);
	if (old < 0)
		return old;
	before = calloc(old_blocks, sizeof(*before));
	after = calloc(old_blocks, sizeof(*after));
	if (!before || !after)
		return -ENOMEM;
	r = set_read(old, old_blocks, before);
	if (r)
		return r;
	for (;; new_blocks *= 2) {
		if (new_blocks > EBPH_SET_BLOCKS_MAX)
			return -ENOSPC;
		free(grown);
		grown = calloc(new_blocks, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		if (!blocks_rehash(before, old_blocks, grown, new_blocks))
			break;
	}
	new = set_create(new_blocks);
	if (new < 0)
		return new;
	r = set_write(new, new_blocks, grown);
	if (r)
		return r;
	/* Waits until no program uses the old set any more (maybe_wait_bpf_programs()). */
	if (bpf_map_update_elem(kernel_pairs_fd(profiles->kernel), &slot, &new, BPF_EXIST))
		return -errno;
	note->blocks = new_blocks;
	profiles->pair_memory += map_memory(new) - map_memory(old);
	r = set_read(old, old_blocks, after);
	if (!r)
		r = late_words_merge(profiles, slot, before, after, old_blocks);
	/* What was taken from the old set while it was being copied has come along. */
	if (!r && __atomic_load_n(forgets, __ATOMIC_ACQUIRE) != forgets_before)
		r = kernel_command(profiles->kernel, slot, EBPH_VERB_REFUSE);
	return r;
}

int profile_command(struct profiles *profiles, uint32_t slot, enum ebph_verb verb)
{
	int r = profile_late_merge(profiles, slot); /* what waits was seen, too */

	return r ? r : kernel_command(profiles->kernel, slot, verb);
}

int profile_late_merge(struct profiles *profiles, uint32_t slot)
{
	int map = kernel_late_fd(profiles->kernel), r = 0;
	uint64_t words[EBPH_MERGE_WORDS];
	__u64 key, next, bits;
	bool more = !bpf_map_get_next_key(map, NULL, &next);
	size_t n = 0;

	while (more && (!r || r == -ENOSPC)) {
		key = next;
		/* Before the key is deleted, or the walk would begin anew. */
		more = !bpf_map_get_next_key(map, &key, &next);
		if (ebph_late_slot(key) == slot &&
		    !bpf_map_lookup_and_delete_elem(map, &key, &bits) && bits)
			words[n++] = (key & EBPH_WORD_KEY_MASK) | bits;
		if (n == EBPH_MERGE_WORDS || (n && !more)) {
			r = kernel_merge(profiles->kernel, slot, words, n, NULL);
			n = 0;
		}
	}
	/* What found no room again waits again: ebph_merge_words has seen to it. */
	return r == -ENOSPC ? 0 : r;
}
