// SPDX-License-Identifier: GPL-2.0-or-later
/* A slot takes over what is in an image, while its program runs. */
#include <stdlib.h>
#include <string.h>

#include "enforcer/event.h"
#include "enforcer/log.h"
#include "enforcer/process.h"
#include "enforcer/restore.h"
#include "enforcer/set.h"
#include "enforcer/util.h"

static int word_compare(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left & EBPH_WORD_KEY_MASK;
	uint64_t b = *(const uint64_t *)right & EBPH_WORD_KEY_MASK;

	return (a > b) - (a < b);
}

/* Return: the word of the same pair among @words, which are in the order of an image; or NULL. */
static const uint64_t *word_find(uint64_t word, const uint64_t *words, size_t n)
{
	return n ? bsearch(&word, words, n, sizeof(word), word_compare) : NULL;
}

/* How many of the pairs that a slot has seen do not belong to the profile in @image. */
static unsigned int strange_count(struct keep *keep, uint32_t slot, const struct image *image)
{
	AUTO_FREE uint64_t *words = NULL;
	unsigned int strange = 0;
	size_t n = 0;

	if (profile_words(keep->profiles, slot, &words, &n))
		return 0;
	for (size_t i = 0; i < n; i++) {
		const uint64_t *known = word_find(words[i], image->words, image->n_words);
		uint32_t normal = known ? ebph_word_normal(*known) : 0;

		strange += (unsigned int)__builtin_popcount(ebph_word_training(words[i]) & ~normal);
	}
	return strange;
}

int slot_room(struct keep *keep, uint32_t slot, uint32_t n_words)
{
	struct profile_note *note = &keep->profiles->notes[slot];
	int r = 0;

	if (n_words > set_room(note->blocks))
		r = profile_grow(keep->profiles, slot, n_words);
	note->load_waits = r == -EDQUOT ? n_words : 0;
	return r == -ENOSPC ? 0 : r; /* at the largest size what finds no room waits for it */
}

/* As slot_room(), for what is there and all of @words, which are in the order of an image. */
static int words_room(struct keep *keep, uint32_t slot, const uint64_t *words, size_t n_words)
{
	size_t n = keep_head(keep, slot)->words + n_words, n_there = 0;
	AUTO_FREE uint64_t *there = NULL;
	int r;

	if (n > set_room(keep->profiles->notes[slot].blocks)) {
		r = profile_words(keep->profiles, slot, &there, &n_there);
		if (r)
			return r;
		n = n_there + n_words;
	}
	for (size_t i = 0; i < n_there; i++)
		n -= !!word_find(there[i], words, n_words);
	return slot_room(keep, slot, (uint32_t)n);
}

#define GROWTHS 4

/* Unites words with the set of a slot; what finds no room waits. Return: as words_take(). */
static int words_merge(struct keep *keep, uint32_t slot, const uint64_t *words, size_t n_words)
{
	int r = kernel_merge(keep->profiles->kernel, slot, words, n_words);

	if (r == -ENOSPC)
		r = 0;
	/* A pair that waits for room is not found: of a normal profile it would be an anomaly. */
	for (int i = 0; i < GROWTHS && !r && profile_waiting(keep->profiles, slot) > 0; i++) {
		r = profile_grow(keep->profiles, slot, 0);
		if (!r)
			r = profile_late_merge(keep->profiles, slot);
	}
	return r == -ENOSPC ? 0 : r;
}

int words_take(struct keep *keep, uint32_t slot, const uint64_t *words, size_t n_words)
{
	int r = words_room(keep, slot, words, n_words);

	return r ? r : words_merge(keep, slot, words, n_words);
}

void head_count(struct ebph_profile *head, const struct image *image, int times)
{
	uint64_t factor = (uint64_t)(int64_t)times; /* numbers without sign wrap round */

	__atomic_add_fetch(&head->calls, factor * image->calls, __ATOMIC_RELAXED);
	__atomic_add_fetch(&head->normal_calls, factor * image->normal_calls, __ATOMIC_RELAXED);
	__atomic_add_fetch(&head->anomalies, factor * image->anomalies, __ATOMIC_RELAXED);
	__atomic_add_fetch(&head->stop_ns, factor * image->stop_ns, __ATOMIC_RELAXED);
	__atomic_add_fetch(&head->stops, (uint32_t)factor * image->stops, __ATOMIC_RELAXED);
	__atomic_add_fetch(&head->aborts, (uint32_t)factor * image->aborts, __ATOMIC_RELAXED);
	__atomic_add_fetch(&head->runs, (uint32_t)factor * image->runs, __ATOMIC_RELAXED);
}

void restore_head(struct keep *keep, uint32_t slot, const struct image *image)
{
	struct ebph_profile *head = keep_head(keep, slot);
	uint64_t due = 0, latest = now_ns(CLOCK_BOOTTIME) + keep->conf->detection.normal_wait_ns;

	head_count(head, image, 1);
	__atomic_add_fetch(&head->normal_anomalies, image->normal_anomalies, __ATOMIC_RELAXED);
	if (!head->last_run_ns)
		head->last_run_ns = image->last_run_ns - keep->real_offset_ns;
	if (image->state != EBPH_STATE_FROZEN)
		return;
	/* The clock may have been set: nobody waits for longer than he would from now on. */
	if (image->normal_due_ns > keep->real_offset_ns)
		due = (uint64_t)(image->normal_due_ns - keep->real_offset_ns);
	head->normal_due_ns = due < latest ? due : latest;
}

static void state_set(struct keep *keep, uint32_t slot, uint32_t before, uint32_t after)
{
	__atomic_compare_exchange_n(&keep_head(keep, slot)->state, &before, after, false,
				    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* From loading to what the image says. What was seen meanwhile does not belong to a normal one. */
static int normal_take(struct keep *keep, uint32_t slot, const struct image *image)
{
	struct ebph_profile *head = keep_head(keep, slot);
	int r = words_take(keep, slot, image->words, image->n_words);
	uint64_t calls;

	if (r)
		return r;
	calls = __atomic_exchange_n(&head->calls, 0, __ATOMIC_RELAXED);
	restore_head(keep, slot, image);
	__atomic_add_fetch(&head->normal_calls, calls, __ATOMIC_RELAXED);
	head->last_mod_calls = image->last_mod_calls;
	state_set(keep, slot, EBPH_STATE_LOADING, EBPH_STATE_NORMAL);
	return 0;
}

/* From loading to training, or to frozen where nothing new was seen meanwhile. */
static int training_take(struct keep *keep, uint32_t slot, const struct image *image,
			 unsigned int strange)
{
	bool frozen = image->state == EBPH_STATE_FROZEN && !strange;
	struct ebph_profile *head = keep_head(keep, slot);
	int r = 0;

	restore_head(keep, slot, image);
	head->last_mod_calls = strange ? head->calls : image->last_mod_calls;
	/* Before the words: of these it would accept what had not been accepted. */
	if (!frozen)
		r = kernel_command(keep->profiles->kernel, slot, EBPH_VERB_BEGIN);
	/* There was room: what has come since is not so much that the rest could not wait. */
	if (!r)
		r = words_merge(keep, slot, image->words, image->n_words);
	/* There is room but for some, and these wait: of a profile that trains nobody is judged. */
	if (r == -EDQUOT) {
		keep->profiles->notes[slot].grow_waits = keep->profiles->grow_waits = true;
		r = 0;
	}
	if (!r && frozen)
		state_set(keep, slot, EBPH_STATE_LOADING, EBPH_STATE_FROZEN);
	if (r) /* they are counted when it succeeds */
		head_count(head, image, -1);
	return r;
}

int past_take(struct keep *keep, uint32_t slot, const struct image *image)
{
	unsigned int strange;
	int r = words_room(keep, slot, image->words, image->n_words);

	if (r)
		return r; /* before anything has changed */
	/* What a program is about to add belongs to it, too: see training_begin(). */
	if (image->state != EBPH_STATE_NORMAL) {
		fresh_set(keep, slot);
		running_programs_wait();
	}
	strange = strange_count(keep, slot, image);
	if (image->state == EBPH_STATE_NORMAL)
		r = normal_take(keep, slot, image);
	else
		r = training_take(keep, slot, image, strange);
	if (r) {
		/* What was taken for the profile's own meanwhile is not, the next time. */
		if (image->state != EBPH_STATE_NORMAL)
			kernel_command(keep->profiles->kernel, slot, EBPH_VERB_DOUBT);
		return r;
	}
	if (image->state == EBPH_STATE_NORMAL && strange)
		log_warn("%s is back in memory: %u pairs of calls that it lacks were seen before "
			 "it was, and not answered",
			 profile_name(keep->profiles, slot), strange);
	else
		log_debug("%s is back in memory", profile_name(keep->profiles, slot));
	event_profile(keep->sink, "load", slot,
		      json_pack("{s:s, s:i, s:i}", "state", state_name(image->state), "words",
				(int)image->n_words, "unjudged",
				image->state == EBPH_STATE_NORMAL ? (int)strange : 0));
	return 0;
}

/*
 * Pairs that nobody had to learn: by pH's rule (ebph_may_freeze()) who has learned nothing since
 * his first few calls never has learned enough, and what does just what its older version did would
 * train for ever. So as many calls as the rule wants are taken for made.
 */
static void training_credit(struct keep *keep, uint32_t slot)
{
	const struct ebph_settings *settings = kernel_settings(keep->profiles->kernel);
	struct ebph_profile *head = keep_head(keep, slot);
	uint64_t calls = settings->normal_factor / settings->normal_factor_den;

	head->last_mod_calls = __atomic_add_fetch(&head->calls, calls, __ATOMIC_RELAXED);
}

int older_take(struct keep *keep, uint32_t slot, const struct image *old)
{
	IMAGE_CLEANUP struct image image = {0};
	int r = image_inherit(&image, old);

	if (!r)
		r = words_take(keep, slot, image.words, image.n_words);
	if (r)
		return r;
	training_credit(keep, slot);
	log_info("%s is another file now: it trains on from what the old one was seen to do",
		 profile_name(keep->profiles, slot));
	event_profile(keep->sink, "inherit", slot, json_pack("{s:i}", "words", (int)image.n_words));
	return 0;
}
