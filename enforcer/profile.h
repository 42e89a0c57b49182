/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's side of profiles: the stock of slots, growing pair sets, paths. */
#ifndef EBPH_ENFORCER_PROFILE_H
#define EBPH_ENFORCER_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "enforcer/kernel.h"

#define PROFILE_SLOT_STOCK 128 /* empty slots kept ready for new executables */

/* What the daemon knows of a slot beyond its head. */
struct profile_note {
	char *path;	 /* of the executable, checked; NULL while unknown */
	char *hint;	 /* what execve was given, unchecked; NULL while unknown */
	uint32_t blocks; /* of the pair set */
	bool system;	 /* the file is root's and only root may write it */
};

struct profiles {
	struct kernel *kernel;
	struct profile_note *notes; /* by slot */
	uint32_t first_unused;	    /* below it every slot has a profile */
	uint32_t next_slot;	    /* the first without a pair set */
	uint64_t pair_memory;	    /* kernel memory of all pair sets, bytes */
	bool full_reported;
};

/* Return: 0 or -ENOMEM. To be freed with profiles_free(). */
int profiles_new(struct kernel *kernel, struct profiles **ret);
void profiles_free(struct profiles *profiles);

/**
 * profiles_stock() - works towards PROFILE_SLOT_STOCK empty slots, a few at a time.
 * @ret_more: to be called again soon
 *
 * Return: 0, or -errno when the kernel refuses a map.
 */
int profiles_stock(struct profiles *profiles, bool *ret_more);

/**
 * profile_learn_path() - takes what is known of an executable's path, if it is true.
 * @exe:  the executable
 * @pid:  a process that ran it
 * @hint: the path that execve was given, or ""; believed only if it names @exe
 *
 * Return: true when the path is known now and was not before.
 */
bool profile_learn_path(struct profiles *profiles, uint32_t slot, const struct ebph_exe *exe,
			uint32_t pid, const char *hint);

/**
 * profile_name() - the path of a slot's executable for people: the hint and a remark while the
 * path is unknown. Never NULL; valid until the next call with the same slot.
 */
const char *profile_name(struct profiles *profiles, uint32_t slot);

/* Marks the programs without which a host cannot be used or mended: see path.c. */
void profile_protect(struct profiles *profiles, uint32_t slot);

/**
 * profile_grow() - replaces the pair set of a slot by one of twice the size.
 *
 * No pair that is written meanwhile is lost: replacing the map waits for the programs that still
 * use the old one, and what they wrote is copied once more.
 *
 * Return: 0; -ENOSPC at the largest size; -errno.
 */
int profile_grow(struct profiles *profiles, uint32_t slot);

/**
 * profile_late_merge() - takes the pairs that waited for the set of a slot to grow into it.
 *
 * Return: 0 or -errno.
 */
int profile_late_merge(struct profiles *profiles, uint32_t slot);

/**
 * profile_command() - normalize, sensitize or tolerize: see enum ebph_verb.
 *
 * Return: 0; -EINVAL when the slot has no profile; -errno.
 */
int profile_command(struct profiles *profiles, uint32_t slot, enum ebph_verb verb);

/**
 * profile_words() - reads the pair set of a slot.
 * @ret_words: array to be freed by the caller
 *
 * Return: 0 or -errno.
 */
int profile_words(struct profiles *profiles, uint32_t slot, uint64_t **ret_words,
		  size_t *ret_n_words);

/* How many slots are in @state. */
uint32_t profiles_in_state(const struct profiles *profiles, enum ebph_state state);

const char *state_name(enum ebph_state state);

#endif
