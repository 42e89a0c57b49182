// SPDX-License-Identifier: GPL-2.0-or-later
/* Who leaves memory when there is no room: on disk all of it stays. */
#include <stdlib.h>
#include <string.h>

#include "enforcer/event.h"
#include "enforcer/log.h"
#include "enforcer/restore.h"
#include "enforcer/set.h"
#include "enforcer/util.h"

#define ROOM_NS	    (NSEC_PER_SEC / 10) /* not more often: it looks at all profiles */
#define SPARE_TIMES 20			/* so often nobody leaves, rather than a normal one */

/* A profile that may leave memory. */
struct candidate {
	uint32_t slot;
	bool normal;
	bool saved; /* it may leave at once; else in a moment */
	int64_t last_run_ns;
};

static int candidate_compare(const void *left, const void *right)
{
	const struct candidate *a = left, *b = right;

	if (a->normal != b->normal)
		return a->normal - b->normal;
	return (a->last_run_ns > b->last_run_ns) - (a->last_run_ns < b->last_run_ns);
}

/* Is nobody using the profile in this slot, and is it one that is kept? */
static bool is_idle(const struct keep *keep, uint32_t slot)
{
	const struct profile_note *note = &keep->profiles->notes[slot];

	return note->entry && !note->n_twins && !profile_runs(keep->profiles, slot) &&
	       keep_state(keep, slot) != EBPH_STATE_NONE;
}

/* All that may leave, those first that leave first. Return: how many; -ENOMEM. */
static int candidates_find(const struct keep *keep, struct candidate **ret)
{
	const struct profiles *profiles = keep->profiles;
	struct candidate *found = calloc(profiles->next_slot, sizeof(*found));
	int n = 0;

	if (!found)
		return -ENOMEM;
	for (uint32_t slot = 1; slot < profiles->next_slot; slot++) {
		const struct ebph_profile *head = &profiles->kernel->heads[slot];

		if (is_idle(keep, slot))
			found[n++] = (struct candidate){
				.slot = slot,
				.normal = head->state == EBPH_STATE_NORMAL,
				.saved = head->state != EBPH_STATE_LOADING &&
					 keep_is_saved(keep, slot),
				.last_run_ns = head->last_run_ns,
			};
	}
	qsort(found, (size_t)n, sizeof(*found), candidate_compare);
	*ret = found;
	return n;
}

/* How much memory there must be more before somebody has to leave again. */
static uint64_t memory_margin(const struct keep *keep)
{
	return keep->profiles->memory_limit / 64 + 16 * set_memory(EBPH_SET_BLOCKS_MIN);
}

static bool unchanged(void *context, uint32_t slot)
{
	return keep_is_saved(context, slot);
}

static void has_left(struct keep *keep, uint32_t slot)
{
	struct profile_note *note = &keep->profiles->notes[slot];

	log_debug("%s has left memory", profile_name(keep->profiles, slot));
	event_profile(keep->sink, "evict", slot, json_object());
	note->entry->slot = 0;
	note->entry = NULL;
	keep->evicted++;
}

static bool in_any_case(void *context, uint32_t slot)
{
	(void)context;
	(void)slot;
	return true;
}

bool keep_give_up(struct keep *keep, uint32_t slot)
{
	if (!is_idle(keep, slot) ||
	    profiles_retire(keep->profiles, &slot, 1, in_any_case, NULL) != 1)
		return false;
	has_left(keep, slot);
	return true;
}

static void stuck_report(struct keep *keep)
{
	if (keep->stuck_reported)
		return;
	log_warn("no room for new programs: %s (raise max_profiles or memory_limit)",
		 keep->store ? "those in memory run, or are not saved yet" :
			       "without state_dir nothing can leave memory");
	keep->stuck_reported = true;
}

/* Until 6.8 the kernel waits for each of a batch, and so do those who are delayed. */
static uint32_t retire_most(void)
{
	return kernel_version() < KERNEL(6, 8) ? PROFILES_RETIRE_MAX / 8 : PROFILES_RETIRE_MAX;
}

static bool is_enough(const struct keep *keep, uint32_t slots, uint64_t bytes)
{
	const struct profiles *profiles = keep->profiles;
	uint32_t wanted = profiles->stock < PROFILES_RETIRE_MAX / 2 ? profiles->stock :
								      PROFILES_RETIRE_MAX / 2;

	return (!profiles->wants_slots || slots >= wanted) &&
	       (!profiles->wants_memory || bytes >= memory_margin(keep));
}

/*
 * Those first that are on disk as they are. What is not is saved, and what has just come will be
 * there to leave in a moment: for so long no normal one leaves, but not for ever.
 */
static uint32_t candidates_choose(struct keep *keep, const struct candidate *found, int n,
				  uint32_t ret_slots[static PROFILES_RETIRE_MAX])
{
	uint32_t slots = 0;
	uint64_t freed = 0;

	for (int i = 0; i < n && slots < retire_most(); i++) {
		uint64_t bytes = set_memory(keep->profiles->notes[found[i].slot].blocks);

		if (is_enough(keep, slots, freed))
			break;
		if (found[i].normal && keep->spared < SPARE_TIMES && !keep->failing) {
			keep->spared++;
			break;
		}
		if (found[i].saved) {
			ret_slots[slots++] = found[i].slot;
			freed += bytes;
			continue;
		}
		/* On a disk that fails nobody else comes. */
		if (!keep->failing && keep->saves.n < PROFILES_RETIRE_MAX)
			queue_push(&keep->saves, found[i].slot);
	}
	return slots;
}

/* Takes those out that are on disk as they are, and sees to it that others come there. */
static void candidates_retire(struct keep *keep, const struct candidate *found, int n)
{
	struct profiles *profiles = keep->profiles;
	uint32_t slots[PROFILES_RETIRE_MAX];
	uint32_t n_slots = candidates_choose(keep, found, n, slots);
	int left;

	if (!n_slots) {
		if (!keep->saves.n || keep->failing)
			stuck_report(keep);
		return;
	}
	left = profiles_retire(profiles, slots, n_slots, unchanged, keep);
	if (left < 0 && !keep->stuck_reported) {
		log_warn("profiles cannot leave memory: %s", strerror(-left));
		keep->stuck_reported = true;
	}
	for (int i = 0; i < left; i++)
		has_left(keep, slots[i]);
	if (left > 0) {
		profiles->wants_slots = profiles->wants_memory = false;
		keep->stuck_reported = false;
		keep->spared = 0;
	}
}

/* Sets that could not grow for want of memory, when there is some. */
static void growth_retry(struct keep *keep)
{
	struct profiles *profiles = keep->profiles;

	if (!profiles->grow_waits || !profiles_room(profiles, set_memory(EBPH_SET_BLOCKS_MIN), 0))
		return;
	profiles->grow_waits = false;
	for (uint32_t slot = 1; slot < profiles->next_slot; slot++)
		if (profiles->notes[slot].grow_waits)
			keep_grow(keep, slot);
}

void keep_make_room(struct keep *keep)
{
	struct profiles *profiles = keep->profiles;
	AUTO_FREE struct candidate *found = NULL;
	int n;

	if (!profiles->wants_slots && !profiles->wants_memory && !profiles->grow_waits)
		return;
	if (now_ns(CLOCK_MONOTONIC) < keep->room_made_ns + ROOM_NS)
		return;
	keep->room_made_ns = now_ns(CLOCK_MONOTONIC);
	growth_retry(keep);
	if (!profiles->wants_slots && !profiles->wants_memory)
		return;
	if (!keep->store) {
		stuck_report(keep);
		return;
	}
	n = candidates_find(keep, &found);
	if (n >= 0)
		candidates_retire(keep, found, n);
}
