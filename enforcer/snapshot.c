// SPDX-License-Identifier: GPL-2.0-or-later
/* What a slot holds, as an image; and queues of slots. */
#include <string.h>

#include "enforcer/restore.h"
#include "enforcer/util.h"

/* All that is saved of a head, but not what changes without anything having been learned. */
static bool head_same(const struct ebph_profile *a, const struct ebph_profile *b)
{
	return a->state == b->state && a->calls == b->calls && a->runs == b->runs &&
	       a->last_mod_calls == b->last_mod_calls && a->words == b->words &&
	       a->normal_calls == b->normal_calls && a->anomalies == b->anomalies &&
	       a->normal_anomalies == b->normal_anomalies && a->stop_ns == b->stop_ns &&
	       a->stops == b->stops && a->aborts == b->aborts && a->forgets == b->forgets &&
	       a->normal_due_ns == b->normal_due_ns && a->last_run_ns == b->last_run_ns;
}

bool keep_is_saved(const struct keep *keep, uint32_t slot)
{
	const struct profile_note *note = &keep->profiles->notes[slot];

	return note->entry && note->entry->file &&
	       head_same(&keep->profiles->kernel->heads[slot], &note->kept);
}

void keep_unsaved(struct keep *keep, uint32_t slot)
{
	memset(&keep->profiles->notes[slot].kept, 0, sizeof(struct ebph_profile));
	if (keep->saver.busy && keep->job.slot == slot)
		keep->job.stale = true;
}

int keep_image(const struct keep *keep, uint32_t slot, struct ebph_profile *ret_head,
	       struct image *ret)
{
	const struct profile_note *note = &keep->profiles->notes[slot];
	const char *path = note->path;
	struct ebph_profile head;
	uint64_t *words = NULL;
	size_t n_words = 0;
	int r;

	/* Before the words: whatever comes in after them changes the head once more. */
	head = *(volatile struct ebph_profile *)&keep->profiles->kernel->heads[slot];
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	r = profile_words(keep->profiles, slot, &words, &n_words);
	if (r)
		return r;
	/* Where it was once, if nobody knows where it is now. */
	if (!path && note->entry && note->entry->program)
		path = note->entry->program->path;
	*ret = (struct image){
		.exe = head.exe,
		.machine = keep->catalog.machine,
		.state = head.state,
		.runs = head.runs,
		.calls = head.calls,
		.last_mod_calls = head.last_mod_calls,
		.normal_calls = head.normal_calls,
		.anomalies = head.anomalies,
		.stop_ns = head.stop_ns,
		.stops = head.stops,
		.aborts = head.aborts,
		.normal_anomalies = head.normal_anomalies,
		.last_run_ns = head.last_run_ns + keep->real_offset_ns,
		.path = path ? strdup(path) : NULL,
	};
	if (head.state == EBPH_STATE_FROZEN)
		ret->normal_due_ns = (int64_t)head.normal_due_ns + keep->real_offset_ns;
	image_words_set(ret, words, n_words);
	/* With all that waits for room there may be more than a set can ever hold. */
	if (ret->n_words > IMAGE_WORDS_MAX)
		ret->n_words = IMAGE_WORDS_MAX;
	if (note->path && !ret->path) {
		image_clear(ret);
		return -ENOMEM;
	}
	*ret_head = head;
	return 0;
}

/* ---- queues ------------------------------------------------------------------------------ */

int queue_new(struct slot_queue *queue, uint32_t n_slots)
{
	queue->room = n_slots + 1;
	queue->slots = calloc(queue->room, sizeof(*queue->slots));
	queue->queued = calloc(queue->room, sizeof(*queue->queued));
	return queue->slots && queue->queued ? 0 : -ENOMEM;
}

void queue_free(struct slot_queue *queue)
{
	free(queue->slots);
	free(queue->queued);
}

void queue_push(struct slot_queue *queue, uint32_t slot)
{
	if (queue->queued[slot])
		return;
	queue->queued[slot] = true;
	queue->slots[(queue->first + queue->n++) % queue->room] = slot;
}

uint32_t queue_pop(struct slot_queue *queue)
{
	uint32_t slot;

	if (!queue->n)
		return 0;
	slot = queue->slots[queue->first];
	queue->first = (queue->first + 1) % queue->room;
	queue->n--;
	queue->queued[slot] = false;
	return slot;
}
