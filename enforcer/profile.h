/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's side of profiles: the stock of slots, growing pair sets, paths. */
#ifndef EBPH_ENFORCER_PROFILE_H
#define EBPH_ENFORCER_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "enforcer/kernel.h"
#include "enforcer/rule.h"

#define PROFILES_PLACED_MAX 1024 /* each needs a descriptor, of 4096 that a process may have */
/*
 * Empty slots kept ready for new executables, at most: of 128 programs executed for the first time
 * by two processes as fast as they can none is missed, of 192 30 (6.18; with 64 slots 66 of 128,
 * with 32 slots 32 of 64; they are refilled by some 500 in a second). 2 KB each.
 */
#define PROFILE_SLOT_STOCK 128

/* What the daemon knows of a slot beyond its head. */
struct profile_note {
	char *path;	      /* of the executable, checked; NULL while unknown */
	char *hint;	      /* what execve was given, unchecked; NULL while unknown */
	char *inside;	      /* without .path: where it lies in a mount namespace; or NULL */
	char *cgroup;	      /* with .inside: of a process that ran it there */
	struct record *entry; /* what is kept of it: keep.c; NULL: nothing yet */
	uint32_t blocks;      /* of the pair set */
	bool system;	      /* the file is root's and only root may write it */
	uint32_t twin;	      /* the slot that has taken over from this one; 0: none */
	uint32_t n_twins;     /* slots that this one has taken over from */
	bool unannounced;     /* it is loading, and was so half a second ago */
	char *loaded;	      /* file that it was loaded from, until it is saved; or NULL */
	bool load_failed;     /* has been said */
	uint32_t load_waits;  /* there was no memory for so many words, of which most are on disk */
	bool grow_waits;      /* its set is too small, and there was no memory for a larger one */
	struct ebph_profile kept; /* the head as it was when the profile was saved last */
};

struct profiles {
	struct kernel *kernel;
	struct rules rules;
	struct profile_note *notes;	      /* by slot */
	uint32_t stock;			      /* empty slots to be kept ready */
	uint32_t next_slot;		      /* the first without a pair set */
	uint32_t stocked[PROFILE_SLOT_STOCK]; /* given to the programs, not taken yet */
	uint32_t *vacant, *retired;	      /* slots with empty sets; until profiles_drained() */
	uint32_t n_stocked, n_vacant, n_retired;
	uint32_t n_load_waits; /* that are loading, with .load_waits or .grow_waits: as last counted
				*/
	int placed[PROFILES_PLACED_MAX]; /* sets of the last slots, until profiles_placed() */
	uint32_t n_placed;
	uint64_t pair_memory;		/* kernel memory of all pair sets, bytes */
	uint64_t other_memory;		/* of all other maps, as last asked for */
	uint64_t memory_limit;		/* of both; UINT64_MAX: none */
	bool wants_slots, wants_memory; /* somebody has to leave */
	bool grow_waits;		/* of a note */
	bool has_stock;			/* the first one has been made */
};

/* Does a thread use the profile in a slot? */
static inline bool profile_runs(const struct profiles *profiles, uint32_t slot)
{
	return __atomic_load_n(&profiles->kernel->heads[slot].tasks, __ATOMIC_ACQUIRE) != 0;
}

/* Return: 0 or -ENOMEM. To be freed with profiles_free(). */
int profiles_new(struct kernel *kernel, struct profiles **ret);
void profiles_free(struct profiles *profiles);

/**
 * profiles_stock() - works towards .stock empty slots, a few at a time.
 * @ret_more: to be called again soon
 *
 * Where there are none to be had, .wants_slots or .wants_memory says so.
 *
 * Return: 0, or -errno when the kernel refuses a map.
 */
int profiles_stock(struct profiles *profiles, bool *ret_more);

/**
 * profiles_retire() - takes profiles out of memory whose programs do not run.
 * @slots, @n: which; at most PROFILES_RETIRE_MAX. On return those that have left
 * @unchanged: is the slot's profile what is on disk? Asked when nobody can use it any more
 * @context:   of @unchanged
 *
 * A program that begins meanwhile keeps its profile in memory.
 *
 * Return: how many have left; -errno.
 */
int profiles_retire(struct profiles *profiles, uint32_t *slots, uint32_t n,
		    bool (*unchanged)(void *context, uint32_t slot), void *context);

#define PROFILES_RETIRE_MAX 64

/* Empties a slot that nobody can reach any more. Return: 0 or -errno. */
int profile_vacate(struct profiles *profiles, uint32_t slot);

/* Whoever would find @old by its executable finds @slot from now on. */
void profile_follow(struct profiles *profiles, uint32_t old, uint32_t slot);

/* No event of a retired slot can come any more: it may have another profile. */
void profiles_drained(struct profiles *profiles);

/**
 * profiles_place() - puts a profile into memory, before any program is attached.
 * @exe:     the executable; it must not have a profile in memory
 * @words:   its pairs
 * @ret_slot: its slot; of the head only .exe and .words are set
 *
 * Return: 0; -ENOSPC when there is no slot, or no memory within the limit; -E2BIG when no set can
 * hold these words without room to wait in; -errno.
 */
int profiles_place(struct profiles *profiles, const struct ebph_exe *exe, const uint64_t *words,
		   size_t n_words, uint32_t *ret_slot);

/* The last ones have been placed; many at once take the kernel less time. Return: 0 or -errno. */
int profiles_placed(struct profiles *profiles);

/* Kernel memory of all maps, by its own account, in bytes. */
uint64_t profiles_memory(const struct profiles *profiles);

/**
 * profiles_room() - may the maps take so much more? If not, .wants_memory is set.
 * @slot: whose set is to grow; 0: a new one's
 *
 * A little memory is reserved for the set of a slot whose program does not run: it is the sooner
 * gone. Were all of it taken by those that wait for more, nobody could leave.
 */
bool profiles_room(struct profiles *profiles, uint64_t bytes, uint32_t slot);

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

/* Is the file at @path, here, this executable? */
bool path_is_exe(const char *path, const struct ebph_exe *exe);

/*
 * The device of the superblock that an open file is on, as its mount says; 0: not known.
 * @mountinfo: of whom the mount is: "/proc/PID/mountinfo"
 */
dev_t mount_device(int fd, const char *mountinfo);

/* Takes a path over that path_is_exe() is true of. */
void profile_known_path(struct profiles *profiles, uint32_t slot, const char *path);

/**
 * profile_name() - the path of a slot's executable for people: the hint and a remark while the
 * path is unknown. Never NULL; valid until the next call with the same slot.
 */
const char *profile_name(struct profiles *profiles, uint32_t slot);

/**
 * profile_grow() - replaces the pair set of a slot by a larger one.
 * @min_words: that it must have room for, besides being larger
 *
 * No pair that is written meanwhile is lost: replacing the map waits for the programs that still
 * use the old one, and what they wrote is copied once more.
 *
 * Return: 0; -ENOSPC at the largest size; -EDQUOT when memory_limit forbids it; -errno.
 */
int profile_grow(struct profiles *profiles, uint32_t slot, size_t min_words);

/**
 * profile_late_merge() - takes the pairs that waited for the set of a slot to grow into it.
 *
 * Return: 0 or -errno.
 */
int profile_late_merge(struct profiles *profiles, uint32_t slot);

/* Return: how many pairs wait for the set of a slot to grow; -errno. */
int profile_waiting(struct profiles *profiles, uint32_t slot);

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
