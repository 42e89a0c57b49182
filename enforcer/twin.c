// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two slots for one executable: its key had been taken away just when it ran again, by us
 * (profiles_retire()) or by the map itself, which is an LRU. The new one takes all over; what
 * programs still do in the old one is taken when they have ended.
 */
#include <errno.h>
#include <string.h>

#include "enforcer/log.h"
#include "enforcer/restore.h"

void twin_unite(struct keep *keep, uint32_t slot, struct record *entry)
{
	uint32_t old = entry->slot;
	IMAGE_CLEANUP struct image image = {0};
	struct ebph_profile seen;
	int r = keep_image(keep, old, &seen, &image);

	if (!r && image.state == EBPH_STATE_LOADING)
		return; /* restore_tick() comes back to it, until that one is something */
	if (!r)
		r = past_take(keep, slot, &image);
	if (r == -EDQUOT)
		return; /* likewise */
	if (r) {
		log_error("cannot unite two profiles of %s: %s", profile_name(keep->profiles, old),
			  strerror(-r));
		return;
	}
	profile_follow(keep->profiles, old, slot);
	head_count(keep_head(keep, old), &image, -1);
	keep->profiles->notes[old].entry = NULL;
	keep->profiles->notes[old].twin = slot;
	keep->profiles->notes[slot].n_twins++;
	keep->n_detached++;
	keep->profiles->notes[slot].entry =
		entry; /* the one that there is, whatever memory there is */
	restore_entry(keep, slot);
}

int twin_take(struct keep *keep, uint32_t old)
{
	const struct profile_note *notes = keep->profiles->notes;
	uint32_t slot = notes[old].twin;
	IMAGE_CLEANUP struct image image = {0};
	struct ebph_profile seen;
	int r = keep_image(keep, old, &seen, &image);

	while (notes[slot].twin) /* from which a third has taken over */
		slot = notes[slot].twin;
	/*
	 * What belonged to it then, the other has. Where that is normal, or may be once it is
	 * loaded, what came later is only seen.
	 */
	if (!r && (keep_state(keep, slot) == EBPH_STATE_NORMAL ||
		   keep_state(keep, slot) == EBPH_STATE_LOADING))
		for (size_t i = 0; i < image.n_words; i++)
			image.words[i] &= ~EBPH_WORD_NORMAL_BITS;
	if (!r)
		r = words_take(keep, slot, image.words, image.n_words);
	if (r)
		return r;
	image.state = EBPH_STATE_TRAINING; /* of the head counters only */
	image.normal_anomalies = 0;
	restore_head(keep, slot, &image);
	head_count(keep_head(keep, old), &image, -1);
	keep_unsaved(keep, slot);
	return 0;
}

void twin_end(struct keep *keep, uint32_t old)
{
	struct profile_note *note = &keep->profiles->notes[old];

	if (twin_take(keep, old) || profile_vacate(keep->profiles, old))
		return; /* again at the next tick */
	keep->profiles->notes[note->twin].n_twins--;
	keep->n_detached--;
	note->twin = 0;
}
