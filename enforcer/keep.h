/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nothing learned is lost: what changes is saved, what was saved comes back when its program runs,
 * and what leaves memory is on disk. The disk itself is the saver's (saver.h).
 *
 * A profile's way: a program without one in memory gets an empty slot in the state loading, and
 * says so by an event. If there is a profile of the executable on disk, its words are united with
 * those that were seen meanwhile, which do not count as belonging to it unless it is training. If
 * there is none, training begins, with what an older version of the program knew (on_upgrade).
 */
#ifndef EBPH_ENFORCER_KEEP_H
#define EBPH_ENFORCER_KEEP_H

#include "enforcer/catalog.h"
#include "enforcer/profile.h"
#include "enforcer/saver.h"

struct event_sink;

/* Slots that wait for something, the first first; none twice. */
struct slot_queue {
	uint32_t *slots;
	bool *queued; /* by slot */
	uint32_t first, n, room;
};

/*
 * What an operator wants of a file in the store, besides what is kept there anyway. All is called
 * with .context; .end always, and last.
 */
struct errand {
	struct errand *next;
	/* Says what is to be done, when it is its turn. Return: 0; not 0: nothing any more. */
	int (*prepare)(void *context, struct saver_job *job);
	/* It has been done, or could not be. */
	void (*done)(void *context, const struct saver_job *job);
	void (*end)(void *context);
	void *context;
};

struct keep {
	const struct conf *conf;
	struct profiles *profiles;
	struct event_sink *sink;
	struct store *store; /* NULL: nothing is kept */
	struct catalog catalog;
	struct saver saver;
	int64_t real_offset_ns; /* CLOCK_REALTIME less CLOCK_BOOTTIME, as it was at the start */
	struct slot_queue loads, saves, begins, grows;
	uint32_t begins_due; /* so many of .begins are to begin at .begins_ns */
	uint64_t begins_ns;  /* CLOCK_MONOTONIC */
	char **removals;     /* names of files */
	size_t n_removals;
	struct errand *errands; /* the first first */
	struct {
		uint32_t slot;		  /* that the saver's job is about; 0: none */
		struct errand *errand;	  /* NULL: it is none */
		bool was_errand;	  /* the last one that was begun */
		struct ebph_profile head; /* as it is being saved */
		bool stale;		  /* keep_unsaved() since then */
	} job;
	uint32_t ticked;       /* the last slot that a tick has looked at */
	uint32_t cursor;       /* of the pass over all slots; 0: none is under way */
	uint64_t next_pass_ns; /* CLOCK_MONOTONIC */
	uint32_t n_detached;   /* slots from which another has taken over: twin.c */
	uint64_t room_made_ns; /* CLOCK_MONOTONIC of the last time that room was made */
	int failing;	       /* -errno of the last save; 0: it went well */
	bool slow_reported, stuck_reported;
	uint32_t spared; /* so often normal ones did not leave, and nobody else could */
	uint64_t save_failed, load_failed, saver_died, evicted; /* counters */
};

/**
 * keep_new() - opens the store, reads what is there and puts it into memory as far as that goes.
 * @sink: for what is to be told
 *
 * Before any program is attached. Return: 0; -errno with a line logged.
 */
int keep_new(const struct conf *conf, struct profiles *profiles, struct event_sink *sink,
	     struct keep **ret);

/* Starts the saver; from now on the daemon must not wait for a disk. Return: 0 or -errno. */
int keep_start(struct keep *keep);

void keep_free(struct keep *keep);

/* A program has told of itself, or its path has become known. */
void keep_announced(struct keep *keep, uint32_t slot);

/* A profile has become normal. */
void keep_became_normal(struct keep *keep, uint32_t slot);

/* Takes profiles out of memory where slots or memory are wanted, some at a time. */
void keep_make_room(struct keep *keep);

/* The pair set of a slot is too small. */
void keep_grow(struct keep *keep, uint32_t slot);

/**
 * keep_errand() - has the saver do something, in its turn.
 * @errand: copied, but for .next
 *
 * Return: 0; -EOPNOTSUPP without a store; -EPIPE without a saver; -ENOMEM. Then nothing is called.
 */
int keep_errand(struct keep *keep, const struct errand *errand);

/**
 * keep_current() - the profile that is in use for what lies at a path, or will be when it runs.
 * @ret_record: where it is not in memory, the one on disk; NULL: there is none
 *
 * Return: its slot; 0: it is not in memory.
 */
uint32_t keep_current(const struct keep *keep, const char *path, struct record **ret_record);

/**
 * keep_unite() - unites a profile in memory with an image, as image_merge() does; it is saved then.
 *
 * Return: 0; -EINVAL while it is loading; -EDQUOT when memory_limit forbids it; -errno.
 */
int keep_unite(struct keep *keep, uint32_t slot, const struct image *image);

/* Does what is due. Return: the milliseconds until there is more; -1: nothing is foreseen. */
int keep_run(struct keep *keep);

/* Something to do now and then. */
void keep_tick(struct keep *keep);

/* The saver has answered: .saver.fd is readable. */
void keep_answered(struct keep *keep);

/* Saves all that has changed, and waits for it, a minute at most; says what could not be saved. */
void keep_finish(struct keep *keep);

#endif
