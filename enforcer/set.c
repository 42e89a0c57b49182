// SPDX-License-Identifier: GPL-2.0-or-later
/* Pair sets, as the daemon handles them: made, read, replaced by larger ones. */
#include <bpf/bpf.h>
#include <string.h>

#include "enforcer/process.h"
#include "enforcer/set.h"
#include "enforcer/util.h"

int set_create(uint32_t blocks)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ebph_pairs", sizeof(__u32),
				sizeof(struct ebph_block), blocks, &opts);

	return fd < 0 ? -errno : fd;
}

uint64_t set_memory(uint32_t blocks)
{
	static uint64_t memory[32]; /* by the logarithm of the size; the kernel asked once each */
	uint64_t *known = &memory[__builtin_ctz(blocks)];

	if (!*known) {
		AUTO_CLOSE int set = set_create(blocks);

		if (set >= 0)
			*known = map_memory(set);
	}
	return *known;
}

size_t set_room(uint32_t blocks)
{
	return (size_t)blocks * EBPH_BLOCK_WORDS * 3 / 4;
}

/* The set that is behind a slot now. */
static int slot_read(struct profiles *profiles, uint32_t slot, uint32_t blocks,
		     struct ebph_block *ret)
{
	int r = 0;

	for (uint32_t i = 0; i < blocks && !r; i++)
		r = kernel_block_read(profiles->kernel, slot, i, &ret[i]);
	return r;
}

/*
 * A set that is behind no slot. From Linux 7.0 on calls of others can be lost if ebphd is preempted
 * in here or in set_write() (second.h): when a set grows, is loaded or is emptied.
 */
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
	r = kernel_merge(profiles->kernel, slot, late, n);
	/*
	 * Counted when they entered the old set, and once more now, or before by a program that
	 * came across them in the new set.
	 */
	__atomic_sub_fetch(&profiles->kernel->heads[slot].words, counted, __ATOMIC_RELAXED);
	/* What found no room waits, and a set larger than the new one has been asked for; unless
	 * the waiting room is full, too, which is counted. */
	return r == -ENOSPC ? 0 : r;
}

/* ---- pairs that wait for room ----------------------------------------------------------- */

struct word_list {
	uint64_t *words;
	size_t n, room;
};

static int word_append(struct word_list *list, uint64_t word)
{
	if (list->n == list->room) {
		size_t room = list->room ? list->room * 2 : EBPH_MERGE_WORDS;
		uint64_t *more = reallocarray(list->words, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		list->words = more;
		list->room = room;
	}
	list->words[list->n++] = word;
	return 0;
}

#define EITHER_ROOM 1u /* no room's own number */

/*
 * Walks over the pairs of a slot that wait in @room.
 * @take: they wait no more
 * @ret:  to be added to; NULL: nobody wants them
 *
 * Return: how many there were; -ENOMEM.
 */
static int waiting_walk(struct profiles *profiles, uint32_t slot, uint32_t room, bool take,
			struct word_list *ret)
{
	int map = kernel_late_fd(profiles->kernel), r = 0, n = 0;
	__u64 key, next, bits;
	bool more = !bpf_map_get_next_key(map, NULL, &next);

	while (more && !r) {
		key = next;
		/* Before the key is deleted, or the walk would begin anew. */
		more = !bpf_map_get_next_key(map, &key, &next);
		if (ebph_late_slot(key) != slot ||
		    (room != EITHER_ROOM && (key & EBPH_PROFILE_LATE_ROOM) != room))
			continue;
		if (take ? bpf_map_lookup_and_delete_elem(map, &key, &bits) :
			   bpf_map_lookup_elem(map, &key, &bits))
			continue;
		n++;
		if (ret && bits)
			r = word_append(ret, (key & EBPH_WORD_KEY_MASK) | bits);
	}
	return r ? r : n;
}

/* ---- growth ------------------------------------------------------------------------------ */

/* The smallest size above @from_blocks with room for @n_words, as far as there is one. */
static uint32_t blocks_above(uint32_t from_blocks, size_t n_words)
{
	uint32_t blocks = from_blocks * 2;

	while (blocks < EBPH_SET_BLOCKS_MAX && n_words > set_room(blocks))
		blocks *= 2;
	return blocks;
}

/* The smallest set that can hold @n_words and the words of @from. Return: its blocks; -ENOSPC. */
static int blocks_enlarge(const struct ebph_block *from, uint32_t from_blocks, size_t n_words,
			  struct ebph_block **ret)
{
	for (uint32_t blocks = blocks_above(from_blocks, n_words); blocks <= EBPH_SET_BLOCKS_MAX;
	     blocks *= 2) {
		AUTO_FREE struct ebph_block *to = calloc(blocks, sizeof(*to));

		if (!to)
			return -ENOMEM;
		if (!blocks_rehash(from, from_blocks, to, blocks)) {
			*ret = TAKE_PTR(to);
			return (int)blocks;
		}
	}
	return -ENOSPC;
}

/* Puts @new behind a slot in place of @old, and takes what came into @old since it was read. */
static int set_replace(struct profiles *profiles, uint32_t slot, int old, int new,
		       const struct ebph_block *before, uint32_t old_blocks, uint32_t new_blocks)
{
	AUTO_FREE struct ebph_block *after = calloc(old_blocks, sizeof(*after));
	int r;

	if (!after)
		return -ENOMEM;
	/* Waits until no program uses the old set any more (maybe_wait_bpf_programs()). */
	if (bpf_map_update_elem(kernel_pairs_fd(profiles->kernel), &slot, &new, BPF_EXIST))
		return -errno;
	profiles->notes[slot].blocks = new_blocks;
	profiles->pair_memory += set_memory(new_blocks) - set_memory(old_blocks);
	r = set_read(old, old_blocks, after);
	return r ? r : late_words_merge(profiles, slot, before, after, old_blocks);
}

int profile_grow(struct profiles *profiles, uint32_t slot, size_t min_words)
{
	const uint32_t *forgets = &profiles->kernel->heads[slot].forgets;
	uint32_t forgets_before = __atomic_load_n(forgets, __ATOMIC_ACQUIRE);
	uint32_t blocks = profiles->notes[slot].blocks;
	AUTO_FREE struct ebph_block *before = NULL, *grown = NULL;
	AUTO_CLOSE int old = -1, new = -1;
	int r, new_blocks;

	if (blocks >= EBPH_SET_BLOCKS_MAX)
		return -ENOSPC;
	/* First of all: it may be asked often. */
	if (!profiles_room(profiles,
			   set_memory(blocks_above(blocks, min_words)) - set_memory(blocks), slot))
		return -EDQUOT;
	old = set_open(profiles, slot);
	if (old < 0)
		return old;
	before = calloc(blocks, sizeof(*before));
	if (!before)
		return -ENOMEM;
	r = slot_read(profiles, slot, blocks, before);
	if (r)
		return r;
	/* Room for those, too, that have found none: they would ask again. */
	r = waiting_walk(profiles, slot, EITHER_ROOM, false, NULL);
	if (r < 0)
		return r;
	if (min_words < profiles->kernel->heads[slot].words + (size_t)r)
		min_words = profiles->kernel->heads[slot].words + (size_t)r;
	new_blocks = blocks_enlarge(before, blocks, min_words, &grown);
	if (new_blocks < 0)
		return new_blocks;
	if (!profiles_room(profiles, set_memory((uint32_t)new_blocks) - set_memory(blocks), slot))
		return -EDQUOT;
	new = set_create((uint32_t)new_blocks);
	if (new < 0)
		return new;
	r = set_write(new, (uint32_t)new_blocks, grown);
	if (!r)
		r = set_replace(profiles, slot, old, new, before, blocks, (uint32_t)new_blocks);
	/* What was taken from the old set while it was being copied has come along. */
	if (!r && __atomic_load_n(forgets, __ATOMIC_ACQUIRE) != forgets_before)
		r = kernel_command(profiles->kernel, slot, EBPH_VERB_REFUSE);
	return r;
}

int profile_waiting(struct profiles *profiles, uint32_t slot)
{
	return waiting_walk(profiles, slot, EITHER_ROOM, false, NULL);
}

int profile_late_merge(struct profiles *profiles, uint32_t slot)
{
	__u32 *flags = &profiles->kernel->heads[slot].flags, room;
	struct word_list list = {};
	int r = waiting_walk(profiles, slot, EITHER_ROOM, false, NULL);

	if (r <= 0)
		return r;
	/* From now on others go to the other room, and after the wait nobody adds to this one. */
	room = __atomic_fetch_xor(flags, EBPH_PROFILE_LATE_ROOM, __ATOMIC_ACQ_REL) &
	       EBPH_PROFILE_LATE_ROOM;
	running_programs_wait();
	r = waiting_walk(profiles, slot, room, true, &list);
	if (r >= 0)
		r = kernel_merge(profiles->kernel, slot, list.words, list.n);
	free(list.words);
	/* What found no room again waits again; or it is lost, and counted. */
	return r == -ENOSPC ? 0 : r;
}

/* ---- reading ---------------------------------------------------------------------------- */

int profile_words(struct profiles *profiles, uint32_t slot, uint64_t **ret_words,
		  size_t *ret_n_words)
{
	uint32_t blocks = profiles->notes[slot].blocks;
	struct word_list list = {};
	int r;

	list.room = (size_t)blocks * EBPH_BLOCK_WORDS;
	list.words = calloc(list.room, sizeof(*list.words));
	if (!list.words)
		return -ENOMEM;
	r = slot_read(profiles, slot, blocks, (struct ebph_block *)list.words);
	for (size_t i = 0; i < (size_t)blocks * EBPH_BLOCK_WORDS; i++)
		if (list.words[i])
			list.words[list.n++] = list.words[i];
	if (!r)
		r = waiting_walk(profiles, slot, EITHER_ROOM, false, &list);
	if (r < 0) {
		free(list.words);
		return r;
	}
	*ret_words = list.words;
	*ret_n_words = list.n;
	return 0;
}

/* ---- whole sets -------------------------------------------------------------------------- */

int set_create_with(const uint64_t *words, size_t n_words, uint32_t *ret_blocks)
{
	struct ebph_block from = {};
	AUTO_CLOSE int set = -1;
	uint32_t blocks = EBPH_SET_BLOCKS_MIN;
	int r;

	while (blocks < EBPH_SET_BLOCKS_MAX && n_words > set_room(blocks))
		blocks *= 2;
	for (;; blocks *= 2) {
		AUTO_FREE struct ebph_block *to = NULL;
		size_t i = 0;

		if (blocks > EBPH_SET_BLOCKS_MAX)
			return -ENOSPC;
		to = calloc(blocks, sizeof(*to));
		if (!to)
			return -ENOMEM;
		for (; i < n_words; i += EBPH_BLOCK_WORDS) {
			size_t n = n_words - i < EBPH_BLOCK_WORDS ? n_words - i : EBPH_BLOCK_WORDS;

			memset(&from, 0, sizeof(from));
			memcpy(from.word, words + i, n * sizeof(*words));
			if (blocks_rehash(&from, 1, to, blocks))
				break;
		}
		if (i < n_words)
			continue;
		set = set_create(blocks);
		r = set < 0 ? set : set_write(set, blocks, to);
		if (r)
			return r;
		*ret_blocks = blocks;
		return TAKE_FD(set);
	}
}

/* Takes the pairs away that wait for the sets of these slots. */
static void waiting_drop(struct profiles *profiles, const uint32_t *slots, uint32_t n)
{
	int map = kernel_late_fd(profiles->kernel);
	__u64 key, next;
	bool more = !bpf_map_get_next_key(map, NULL, &next);

	while (more) {
		key = next;
		more = !bpf_map_get_next_key(map, &key, &next);
		for (uint32_t i = 0; i < n; i++)
			if (ebph_late_slot(key) == slots[i])
				bpf_map_delete_elem(map, &key);
	}
}

/* Is @set behind a slot now? */
static bool is_behind(struct profiles *profiles, uint32_t slot, int set)
{
	struct bpf_map_info info = {};
	__u32 bytes = sizeof(info), id;

	return !bpf_map_lookup_elem(kernel_pairs_fd(profiles->kernel), &slot, &id) &&
	       !bpf_obj_get_info_by_fd(set, &info, &bytes) && info.id == id;
}

/*
 * Puts sets of the least size behind slots that have larger ones, all at once.
 * @ret_done: which, as far as it went
 *
 * Return: 0 or -errno.
 */
static int sets_shrink(struct profiles *profiles, const uint32_t *slots, uint32_t n, bool *ret_done)
{
	int sets[PROFILES_RETIRE_MAX], r = 0, err;
	uint32_t made = 0;

	for (; made < n; made++) {
		sets[made] = set_create(EBPH_SET_BLOCKS_MIN);
		if (sets[made] < 0) {
			r = sets[made];
			break;
		}
	}
	err = made ? sets_publish(profiles, slots, sets, made) : 0;
	r = err ? err : r;
	for (uint32_t i = 0; i < made; i++) {
		struct profile_note *note = &profiles->notes[slots[i]];

		/* How far a batch came that failed older kernels do not say. */
		ret_done[i] = !r || is_behind(profiles, slots[i], sets[i]);
		close(sets[i]);
		if (!ret_done[i])
			continue;
		profiles->pair_memory -= set_memory(note->blocks) - set_memory(EBPH_SET_BLOCKS_MIN);
		note->blocks = EBPH_SET_BLOCKS_MIN;
	}
	return r;
}

int sets_clear(struct profiles *profiles, uint32_t *slots, uint32_t n)
{
	static const struct ebph_block empty[EBPH_SET_BLOCKS_MIN];
	uint32_t large[PROFILES_RETIRE_MAX], rest[PROFILES_RETIRE_MAX];
	uint32_t n_large = 0, n_rest = 0, done = 0;
	bool shrunk[PROFILES_RETIRE_MAX] = {};
	int r = 0, err;

	for (uint32_t i = 0; i < n; i++) {
		AUTO_CLOSE int set = -1;

		if (profiles->notes[slots[i]].blocks != EBPH_SET_BLOCKS_MIN) {
			large[n_large++] = slots[i];
			continue;
		}
		set = set_open(profiles, slots[i]);
		err = set < 0 ? set : set_write(set, EBPH_SET_BLOCKS_MIN, empty);
		if (err)
			rest[n_rest++] = slots[i];
		else
			slots[done++] = slots[i];
		r = err ? err : r;
	}
	err = sets_shrink(profiles, large, n_large, shrunk);
	r = err ? err : r;
	for (uint32_t i = 0; i < n_large; i++)
		if (shrunk[i])
			slots[done++] = large[i];
		else
			rest[n_rest++] = large[i];
	memcpy(slots + done, rest, n_rest * sizeof(*rest));
	waiting_drop(profiles, slots, done);
	return done ? (int)done : r;
}

int sets_publish(struct profiles *profiles, const uint32_t *slots, const int *sets, uint32_t n)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	uint32_t count = n;

	return bpf_map_update_batch(kernel_pairs_fd(profiles->kernel), slots, sets, &count, &opts) ?
		       -errno :
		       0;
}
