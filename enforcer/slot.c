// SPDX-License-Identifier: GPL-2.0-or-later
/* Slots: a stock of empty ones for new programs, and room made where there is none. */
#include <bpf/bpf.h>
#include <string.h>

#include "enforcer/log.h"
#include "enforcer/process.h"
#include "enforcer/set.h"
#include "enforcer/util.h"

/* ---- memory ------------------------------------------------------------------------------ */

uint64_t profiles_memory(const struct profiles *profiles)
{
	return profiles->pair_memory + profiles->other_memory;
}

/* A set of the largest size, where that is not too much of all that there is for sets. */
static uint64_t memory_reserve(const struct profiles *profiles)
{
	uint64_t largest = set_memory(EBPH_SET_BLOCKS_MAX), part = 0;

	if (profiles->memory_limit > profiles->other_memory)
		part = (profiles->memory_limit - profiles->other_memory) / 8;
	return part < largest ? part : largest;
}

bool profiles_room(struct profiles *profiles, uint64_t bytes, uint32_t slot)
{
	uint64_t memory = profiles_memory(profiles);
	uint64_t limit = profiles->memory_limit - memory_reserve(profiles);

	if (memory + bytes <= limit)
		return true;
	/* Another set is given back when this one has taken its words. */
	if (profiles->notes[slot].n_twins)
		return true;
	/* One at a time: it leaves before the next one may. */
	if (slot && memory <= limit && !profile_runs(profiles, slot))
		return true;
	profiles->wants_memory = true;
	return false;
}

/* ---- new slots --------------------------------------------------------------------------- */

/*
 * How many slots are prepared before the daemon looks after its other work again: until 6.8 the
 * kernel waits for all running programs after each change of a map of maps, in a batch too. Not so
 * the first time, when there is no other work yet: one batch is one wait on newer kernels.
 */
#define SLOTS_AT_ONCE 8

/*
 * When so many profiles wait for memory to come back, new programs get no slots: theirs would wait,
 * too, and what they see meanwhile has little room.
 */
#define LOAD_WAITS_MAX 8

/* Makes @n more slots vacant, at most PROFILE_SLOT_STOCK. */
static int slots_make(struct profiles *profiles, uint32_t n)
{
	uint32_t slots[PROFILE_SLOT_STOCK], made = 0;
	int sets[PROFILE_SLOT_STOCK], r = 0;

	for (; made < n; made++) {
		slots[made] = profiles->next_slot + made;
		sets[made] = set_create(EBPH_SET_BLOCKS_MIN);
		if (sets[made] < 0)
			break;
	}
	if (made)
		r = sets_publish(profiles, slots, sets, made);
	if (!r && made < n)
		r = sets[made];
	for (uint32_t i = 0; i < made; i++) {
		close(sets[i]);
		if (r)
			continue;
		profiles->notes[slots[i]].blocks = EBPH_SET_BLOCKS_MIN;
		profiles->vacant[profiles->n_vacant++] = slots[i];
		profiles->pair_memory += set_memory(EBPH_SET_BLOCKS_MIN);
		profiles->next_slot++;
	}
	return r;
}

static uint32_t slot_state(const struct profiles *profiles, uint32_t slot)
{
	return __atomic_load_n(&profiles->kernel->heads[slot].state, __ATOMIC_ACQUIRE);
}

/* Which of the slots that were handed out are still empty. */
static void stock_count(struct profiles *profiles)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < profiles->n_stocked; i++)
		if (slot_state(profiles, profiles->stocked[i]) == EBPH_STATE_NONE)
			profiles->stocked[n++] = profiles->stocked[i];
	profiles->n_stocked = n;
}

/* Hands vacant slots out. Return: 0 or -errno. */
static int stock_fill(struct profiles *profiles)
{
	while (profiles->n_stocked < profiles->stock && profiles->n_vacant) {
		uint32_t slot = profiles->vacant[profiles->n_vacant - 1];

		if (bpf_map_update_elem(kernel_free_slots_fd(profiles->kernel), NULL, &slot,
					BPF_ANY))
			return -errno;
		profiles->n_vacant--;
		profiles->stocked[profiles->n_stocked++] = slot;
	}
	return 0;
}

/* New slots that there is a number and memory for, at most @most. */
static uint32_t slots_possible(struct profiles *profiles, uint32_t wanted, uint32_t most)
{
	uint32_t left = profiles->kernel->n_slots + 1 - profiles->next_slot;

	if (wanted > left) {
		profiles->wants_slots = true;
		wanted = left;
	}
	if (wanted > most)
		wanted = most;
	while (wanted && !profiles_room(profiles, wanted * set_memory(EBPH_SET_BLOCKS_MIN), 0))
		wanted--;
	return wanted;
}

/*
 * Takes those back that no program has taken yet. One that a program gave back, because another was
 * first, may not be counted among .stocked any more: stock_count() saw it in use.
 */
static void stock_withdraw(struct profiles *profiles)
{
	uint32_t slot;

	while (!bpf_map_lookup_and_delete_elem(kernel_free_slots_fd(profiles->kernel), NULL,
					       &slot)) {
		profiles->vacant[profiles->n_vacant++] = slot;
		for (uint32_t i = 0; i < profiles->n_stocked; i++)
			if (profiles->stocked[i] == slot) {
				profiles->stocked[i] = profiles->stocked[--profiles->n_stocked];
				break;
			}
	}
}

int profiles_stock(struct profiles *profiles, bool *ret_more)
{
	uint32_t most = profiles->has_stock ? SLOTS_AT_ONCE : PROFILE_SLOT_STOCK, wanted;
	int r;

	*ret_more = false;
	stock_count(profiles);
	if (profiles->n_load_waits > LOAD_WAITS_MAX) {
		stock_withdraw(profiles);
		return 0;
	}
	wanted = profiles->stock - profiles->n_stocked;
	if (wanted > profiles->n_vacant) {
		wanted = slots_possible(profiles, wanted - profiles->n_vacant, most);
		r = wanted ? slots_make(profiles, wanted) : 0;
		if (r)
			return r;
	} else {
		wanted = 0;
	}
	*ret_more = wanted == most;
	profiles->has_stock = true;
	return stock_fill(profiles);
}

/* ---- profiles that leave memory ---------------------------------------------------------- */

/*
 * Takes the name away under which programs find a profile. Return: 0; -errno when it may still be
 * there.
 */
static int key_remove(struct profiles *profiles, uint32_t slot)
{
	const struct ebph_exe *exe = &profiles->kernel->heads[slot].exe;
	int map = kernel_profiles_fd(profiles->kernel);
	uint32_t found;

	if (bpf_map_lookup_elem(map, exe, &found))
		return errno == ENOENT ? 0 : -errno;
	if (found != slot)
		return 0; /* another slot's: see twin.c */
	return bpf_map_delete_elem(map, exe) ? -errno : 0;
}

/*
 * A program that has begun while its profile was about to leave keeps it. Should it have been given
 * another one in that moment, twin.c unites them.
 */
static void key_restore(struct profiles *profiles, uint32_t slot)
{
	bpf_map_update_elem(kernel_profiles_fd(profiles->kernel),
			    &profiles->kernel->heads[slot].exe, &slot, BPF_NOEXIST);
}

/* Empties slots that nobody can reach any more, as far as that goes: as sets_clear(). */
static int slots_vacate(struct profiles *profiles, uint32_t *slots, uint32_t n)
{
	int done = sets_clear(profiles, slots, n);

	for (int i = 0; i < done; i++) {
		kernel_command(profiles->kernel, slots[i], EBPH_VERB_VACATE);
		memset(&profiles->kernel->heads[slots[i]], 0, sizeof(struct ebph_profile));
		profiles->retired[profiles->n_retired++] = slots[i];
	}
	return done;
}

void profile_follow(struct profiles *profiles, uint32_t old, uint32_t slot)
{
	int map = kernel_profiles_fd(profiles->kernel);
	const struct ebph_exe *exe = &profiles->kernel->heads[old].exe;
	uint32_t found;

	if (!bpf_map_lookup_elem(map, exe, &found) && found == old)
		bpf_map_update_elem(map, exe, &slot, BPF_ANY);
	/* Who found it by its key, which may have been lost since, has entered it after this. */
	running_programs_wait();
}

int profile_vacate(struct profiles *profiles, uint32_t slot)
{
	int done = slots_vacate(profiles, &slot, 1);

	return done < 0 ? done : 0;
}

int profiles_retire(struct profiles *profiles, uint32_t *slots, uint32_t n,
		    bool (*unchanged)(void *context, uint32_t slot), void *context)
{
	uint32_t hidden = 0, left = 0;
	int done;

	for (uint32_t i = 0; i < n; i++)
		if (!key_remove(profiles, slots[i]))
			slots[hidden++] = slots[i];
	/* Who found a slot by its key before has entered it after this. */
	running_programs_wait();
	for (uint32_t i = 0; i < hidden; i++) {
		if (profile_runs(profiles, slots[i]) || !unchanged(context, slots[i]))
			key_restore(profiles, slots[i]);
		else
			slots[left++] = slots[i];
	}
	done = slots_vacate(profiles, slots, left);
	for (uint32_t i = done < 0 ? 0 : (uint32_t)done; i < left; i++)
		key_restore(profiles, slots[i]);
	return done;
}

void profiles_drained(struct profiles *profiles)
{
	for (; profiles->n_retired; profiles->n_retired--) {
		uint32_t slot = profiles->retired[profiles->n_retired - 1];
		struct profile_note *note = &profiles->notes[slot];

		free(note->path);
		free(note->hint);
		free(note->inside);
		free(note->cgroup);
		free(note->loaded);
		*note = (struct profile_note){.blocks = note->blocks};
		profiles->vacant[profiles->n_vacant++] = slot;
	}
}

/* ---- profiles that come into memory ------------------------------------------------------- */

/* Until 6.8 the kernel waits for each of a batch: they are small there, to look at the time. */
static uint32_t placed_most(void)
{
	return kernel_version() < KERNEL(6, 8) ? PROFILES_PLACED_MAX / 32 : PROFILES_PLACED_MAX;
}

int profiles_place(struct profiles *profiles, const struct ebph_exe *exe, const uint64_t *words,
		   size_t n_words, uint32_t *ret_slot)
{
	uint32_t slot = profiles->next_slot, blocks = 0;
	struct ebph_profile *head;
	AUTO_CLOSE int set = -1;
	int r = 0;

	if (slot > profiles->kernel->n_slots)
		return -ENOSPC;
	if (profiles->n_placed == placed_most())
		r = profiles_placed(profiles);
	if (r)
		return r;
	set = set_create_with(words, n_words, &blocks);
	if (set < 0)
		return set == -ENOSPC ? -E2BIG : set;
	if (!profiles_room(profiles, set_memory(blocks), 0))
		return -ENOSPC;
	if (bpf_map_update_elem(kernel_profiles_fd(profiles->kernel), exe, &slot, BPF_NOEXIST))
		return -errno;
	head = &profiles->kernel->heads[slot];
	head->exe = *exe;
	head->words = (__u32)n_words;
	profiles->notes[slot].blocks = blocks;
	profiles->pair_memory += set_memory(blocks);
	profiles->next_slot++;
	profiles->placed[profiles->n_placed++] = TAKE_FD(set);
	*ret_slot = slot;
	return 0;
}

int profiles_placed(struct profiles *profiles)
{
	uint32_t slots[PROFILES_PLACED_MAX], n = profiles->n_placed;
	int r;

	for (uint32_t i = 0; i < n; i++)
		slots[i] = profiles->next_slot - n + i;
	r = n ? sets_publish(profiles, slots, profiles->placed, n) : 0;
	for (uint32_t i = 0; i < n; i++)
		close(profiles->placed[i]);
	profiles->n_placed = 0;
	return r;
}
