// SPDX-License-Identifier: GPL-2.0-or-later
/* What came from elsewhere is united with a profile in memory, while its program may run. */
#include <errno.h>
#include <string.h>

#include "enforcer/event.h"
#include "enforcer/restore.h"
#include "enforcer/util.h"

static uint32_t slot_current(const struct keep *keep, const char *path)
{
	const struct profile_note *notes = keep->profiles->notes;
	uint32_t current = 0;

	for (uint32_t slot = 1; slot < keep->profiles->next_slot; slot++) {
		if (keep_state(keep, slot) == EBPH_STATE_NONE || notes[slot].twin ||
		    !notes[slot].path || strcmp(notes[slot].path, path) != 0)
			continue;
		if (!current ||
		    keep_head(keep, slot)->last_run_ns > keep_head(keep, current)->last_run_ns)
			current = slot;
	}
	return current;
}

uint32_t keep_current(const struct keep *keep, const char *path, struct record **ret_record)
{
	uint32_t slot = slot_current(keep, path);
	const struct program *program = slot ? NULL : catalog_program(&keep->catalog, path);
	struct record *best = NULL;

	for (struct record *v = program ? program->versions : NULL; v; v = v->next) {
		bool own = v->machine == keep->catalog.machine;
		bool best_own = best && best->machine == keep->catalog.machine;

		if (!v->file)
			continue;
		if (!best || (own && !best_own) ||
		    (own == best_own && best->last_run_ns < v->last_run_ns))
			best = v;
	}
	*ret_record = best;
	return slot;
}

/* The state of a union is that of the one that has come less far: as image_merge(). */
static void state_lower(struct keep *keep, uint32_t slot, uint32_t state)
{
	struct ebph_profile *head = keep_head(keep, slot);
	uint32_t before = keep_state(keep, slot);

	while (before != EBPH_STATE_NONE && before != EBPH_STATE_LOADING && before > state)
		if (__atomic_compare_exchange_n(&head->state, &before, state, false,
						__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			head->normal_anomalies = 0;
			event_state(keep->sink, slot, (enum ebph_state)before,
				    (enum ebph_state)state, now_ns(CLOCK_BOOTTIME));
			return;
		}
}

int keep_unite(struct keep *keep, uint32_t slot, const struct image *image)
{
	struct ebph_profile *head = keep_head(keep, slot);
	uint64_t due = head->normal_due_ns;
	uint32_t before = keep_state(keep, slot);
	int r;

	if (before == EBPH_STATE_NONE || before == EBPH_STATE_LOADING)
		return -EINVAL;
	/* If there is no memory for all of them, more is known now, and nothing else has changed.
	 */
	r = words_take(keep, slot, image->words, image->n_words);
	if (r)
		return r;
	restore_head(keep, slot, image);
	__atomic_add_fetch(&head->last_mod_calls, image->last_mod_calls, __ATOMIC_RELAXED);
	if (before == EBPH_STATE_FROZEN && head->normal_due_ns < due)
		head->normal_due_ns = due;
	state_lower(keep, slot, image->state);
	if (keep->profiles->notes[slot].entry)
		keep_unsaved(keep, slot);
	return 0;
}
