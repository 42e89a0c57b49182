/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the files that keep profiles: keep.c, restore.c, take.c, twin.c, room.c, read.c,
 * finish.c. */
#ifndef EBPH_ENFORCER_RESTORE_H
#define EBPH_ENFORCER_RESTORE_H

#include "enforcer/keep.h"

static inline struct ebph_profile *keep_head(const struct keep *keep, uint32_t slot)
{
	return &keep->profiles->kernel->heads[slot];
}

static inline uint32_t keep_state(const struct keep *keep, uint32_t slot)
{
	return __atomic_load_n(&keep_head(keep, slot)->state, __ATOMIC_ACQUIRE);
}

/* ---- keep.c, snapshot.c ---------------------------------------------------------------- */

/* A queue for slots up to @n_slots. Return: 0 or -ENOMEM; to be freed in any case. */
int queue_new(struct slot_queue *queue, uint32_t n_slots);
void queue_free(struct slot_queue *queue);

/* Puts a slot at the end, unless it is in it. */
void queue_push(struct slot_queue *queue, uint32_t slot);

/* Return: the slot that has waited longest; 0: none. */
uint32_t queue_pop(struct slot_queue *queue);

/* Gives the saver what is most urgent, if it has nothing to do. */
void keep_pump(struct keep *keep);

/* Starts another saver for one that is dead, as far as that goes: .saver.fd tells. */
void keep_renew_saver(struct keep *keep);

/* Is what a slot holds on disk? */
bool keep_is_saved(const struct keep *keep, uint32_t slot);

/* What a slot holds is to be saved in any case: it has changed in a way that no head shows. */
void keep_unsaved(struct keep *keep, uint32_t slot);

/* Does a slot hold something that is to be on disk, and is not? */
bool keep_is_unsaved(const struct keep *keep, uint32_t slot);

/**
 * keep_image() - what a slot holds.
 * @ret_head: its head, which is not newer than the image
 * @ret:      to be freed with image_clear()
 *
 * Return: 0 or -errno.
 */
int keep_image(const struct keep *keep, uint32_t slot, struct ebph_profile *ret_head,
	       struct image *ret);

/* Has a file removed from the store, sometime. */
void keep_remove(struct keep *keep, const char *file);

/* A name that was to be removed is wanted again. */
void keep_unremove(struct keep *keep, const char *file);

/* Removes a profile that is not in memory, on disk, too. */
void keep_drop(struct keep *keep, struct record *entry);

/* ---- errand.c ------------------------------------------------------------------------------ */

/*
 * Gives the saver the first errand. Return: 0; -EAGAIN: it has been answered otherwise; -EPIPE: the
 * saver is dead.
 */
int errand_begin(struct keep *keep);

/* The saver has done it. */
void errand_done(struct keep *keep, const struct saver_job *job);

/* The saver has not come to it: it is the next one's first. */
void errand_again(struct keep *keep);

void errands_clear(struct keep *keep);

/* ---- restore.c ---------------------------------------------------------------------------- */

/* Return: what the profile of a slot is to be loaded from; NULL: nothing. */
const struct record *restore_base(struct keep *keep, uint32_t slot);

/* The saver has loaded what restore_base() said, or has not been able to. */
void restore_loaded(struct keep *keep, uint32_t slot, const struct saver_job *job);

/* A slot's profile has been saved: what it replaces goes. */
void restore_saved(struct keep *keep, uint32_t slot);

/* From now on what is seen while it is loading belongs to the profile. */
void fresh_set(struct keep *keep, uint32_t slot);

/*
 * Looks for what nobody has told of, until @until_ns of CLOCK_MONOTONIC; next time it goes on where
 * it was.
 */
void restore_tick(struct keep *keep, uint64_t until_ns);

/* Lets training begin in the first @n slots of .begins. */
void restore_begin(struct keep *keep, uint32_t n);

/* From now on the profile of a slot is kept. */
void restore_entry(struct keep *keep, uint32_t slot);

/* Lets it begin now, wherever it is due; and takes what twins have. At the end of the daemon. */
void restore_finish(struct keep *keep);

/* ---- twin.c: two slots of one executable ------------------------------------------------- */

/* @slot takes over from the one that @entry is in; or not yet, then it is to be called again. */
void twin_unite(struct keep *keep, uint32_t slot, struct record *entry);

/* What programs have done in @old since another took over from it. Return: 0 or -errno. */
int twin_take(struct keep *keep, uint32_t old);

/* The last program in @old, from which another has taken over, has ended. */
void twin_end(struct keep *keep, uint32_t old);

/* ---- take.c ------------------------------------------------------------------------------- */

/*
 * Makes the set of a slot large enough for so many words. Return: 0; -EDQUOT when memory_limit
 * forbids it, and .load_waits says so; -errno.
 */
int slot_room(struct keep *keep, uint32_t slot, uint32_t n_words);

/*
 * Unites words with the set of a slot, made large enough for them before. Return: 0; -EDQUOT when
 * memory_limit forbids it, then some may be there; -errno.
 */
int words_take(struct keep *keep, uint32_t slot, const uint64_t *words, size_t n_words);

/* A slot that is loading has this past. Return: 0; -errno, then it may be tried again. */
int past_take(struct keep *keep, uint32_t slot, const struct image *image);

/* A slot's program is another version of the one that the image is of. Return: 0 or -errno. */
int older_take(struct keep *keep, uint32_t slot, const struct image *old);

/*
 * Adds the counters of an image to a head, or with -1 takes them away: another has them now.
 * Programs still add to them. Not .normal_anomalies, of which nobody keeps account once the profile
 * is another's.
 */
void head_count(struct ebph_profile *head, const struct image *image, int times);

/* What a head takes over from an image; the state is not set. */
void restore_head(struct keep *keep, uint32_t slot, const struct image *image);

/* ---- room.c -------------------------------------------------------------------------------- */

/* Takes one out that nobody needs on disk either. Return: false when it is in use. */
bool keep_give_up(struct keep *keep, uint32_t slot);

/* ---- read.c -------------------------------------------------------------------------------- */

/* Opens the store and reads it. Return: 0; -errno with a line logged. */
int keep_read(struct keep *keep);

#endif
