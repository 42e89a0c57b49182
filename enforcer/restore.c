// SPDX-License-Identifier: GPL-2.0-or-later
/* A program gets back what is known of it, or what an older version of it knew. */
#include "enforcer/restore.h"

#include <string.h>

#include "enforcer/event.h"
#include "enforcer/log.h"
#include "enforcer/process.h"
#include "enforcer/util.h"

/* What a profile on disk is to the program in a slot. */
enum relation {
	NOTHING,
	OLDER, /* another file was at its path */
	SAME,  /* its own; also from another machine, or from before devices were renumbered */
};

static bool is_fresh(const struct keep *keep, uint32_t slot)
{
	return __atomic_load_n(&keep_head(keep, slot)->flags, __ATOMIC_ACQUIRE) &
	       EBPH_PROFILE_FRESH;
}

void fresh_set(struct keep *keep, uint32_t slot)
{
	__atomic_or_fetch(&keep_head(keep, slot)->flags, EBPH_PROFILE_FRESH, __ATOMIC_RELEASE);
}

/* The same file, though its device has another number since the last boot. */
static bool is_renumbered(const struct ebph_exe *a, const struct ebph_exe *b)
{
	return a->dev != b->dev && a->ino == b->ino && a->mtime_ns == b->mtime_ns &&
	       a->generation == b->generation;
}

/* Is this version of a program to be taken for the executable, which has no profile of its own? */
static bool stands_for(const struct keep *keep, const struct record *version,
		       const struct ebph_exe *exe)
{
	return !version->slot && version->file &&
	       (version->machine != keep->catalog.machine || is_renumbered(&version->exe, exe));
}

/* Of two versions that stand for an executable: is @a the better one? What somebody put there is.
 */
static bool is_better(const struct record *a, const struct record *b)
{
	if ((a->machine == IMAGE_MACHINE_ANY) != (b->machine == IMAGE_MACHINE_ANY))
		return a->machine == IMAGE_MACHINE_ANY;
	return record_before(b, a);
}

static struct record *base_find(struct keep *keep, uint32_t slot, enum relation *ret)
{
	const struct profile_note *note = &keep->profiles->notes[slot];
	const struct ebph_exe *exe = &keep_head(keep, slot)->exe;
	struct record *own = catalog_find(&keep->catalog, exe), *older = NULL, *same = NULL;
	struct program *program = note->path ? catalog_program(&keep->catalog, note->path) : NULL;

	*ret = SAME;
	if (own && own != note->entry)
		return own;
	for (struct record *v = program ? program->versions : NULL; v; v = v->next) {
		if (v == own)
			continue;
		if (stands_for(keep, v, exe))
			same = !same || is_better(v, same) ? v : same;
		else if ((v->slot || v->file) && (!older || older->last_run_ns < v->last_run_ns))
			older = v;
	}
	if (same)
		return same;
	*ret = older ? OLDER : NOTHING;
	return older;
}

/*
 * What a slot is to be given, NULL: nothing. A normal profile gets nothing from an older version,
 * nor one that another slot has taken over from anything at all.
 */
static struct record *base_choose(struct keep *keep, uint32_t slot, enum relation *ret)
{
	struct record *base = base_find(keep, slot, ret);

	if (keep->profiles->notes[slot].twin || (base && !base->slot && !base->file))
		return NULL;
	if (*ret == OLDER && (keep->conf->store.on_upgrade == CONF_UPGRADE_FRESH ||
			      keep_state(keep, slot) == EBPH_STATE_NORMAL))
		return NULL;
	return base;
}

/* ---- slots and their entries ----------------------------------------------------------------- */

void restore_entry(struct keep *keep, uint32_t slot)
{
	struct profile_note *note = &keep->profiles->notes[slot];
	struct record *entry = note->entry;

	if (!entry)
		entry = catalog_add(&keep->catalog, &keep_head(keep, slot)->exe,
				    keep->catalog.machine, note->path);
	if (!entry) {
		log_warn("no memory to keep the profile of %s", profile_name(keep->profiles, slot));
		return;
	}
	/* Its process may have ended before anybody asked it. */
	if (!note->path && entry->program)
		profile_known_path(keep->profiles, slot, entry->program->path);
	if (note->path)
		catalog_name(&keep->catalog, entry, note->path);
	entry->slot = slot;
	note->entry = entry;
	keep_unsaved(keep, slot);
}

/*
 * Nothing is known of it. From now on what is seen belongs to the profile, but a program on another
 * CPU may still go by what was true a moment ago: what was seen until then is accepted a moment
 * later.
 */
static void training_begin(struct keep *keep, uint32_t slot)
{
	const struct record *own = catalog_find(&keep->catalog, &keep_head(keep, slot)->exe);

	if (own && own->slot && own->slot != slot)
		return; /* it came into memory by another way; a tick finds the two */
	if (keep_state(keep, slot) == EBPH_STATE_LOADING) {
		fresh_set(keep, slot);
		queue_push(&keep->begins, slot);
	}
	restore_entry(keep, slot);
}

/* How long a program of ours that goes by an old flag can still be under way, and far more. */
#define BEGIN_NS (50 * NSEC_PER_MSEC)

void restore_begin(struct keep *keep, uint32_t n)
{
	while (n--) {
		uint32_t slot = queue_pop(&keep->begins);

		if (keep_state(keep, slot) == EBPH_STATE_LOADING && is_fresh(keep, slot) &&
		    kernel_command(keep->profiles->kernel, slot, EBPH_VERB_BEGIN))
			queue_push(&keep->begins, slot); /* nobody else would come back to it */
	}
	keep->begins_due = keep->begins.n;
	keep->begins_ns = now_ns(CLOCK_MONOTONIC) + BEGIN_NS;
}

/* It stays on disk, the slot goes on loading, and a tick tries again: restore_tick(). */
static void load_failed(struct keep *keep, uint32_t slot, int error)
{
	struct profile_note *note = &keep->profiles->notes[slot];

	if (error == -EDQUOT)
		log_debug("%s waits for memory", profile_name(keep->profiles, slot));
	else
		keep->load_failed++;
	if (error != -EDQUOT && !note->load_failed)
		log_error("cannot load the profile of %s yet: %s",
			  profile_name(keep->profiles, slot), strerror(-error));
	note->load_failed = error != -EDQUOT;
	note->unannounced = true; /* the next tick tries again */
}

static void image_take(struct keep *keep, uint32_t slot, const struct image *image,
		       enum relation relation)
{
	int r = relation == SAME ? past_take(keep, slot, image) : older_take(keep, slot, image);

	if (r) {
		load_failed(keep, slot, r);
		return;
	}
	if (relation == SAME)
		restore_entry(keep, slot);
	else
		training_begin(keep, slot);
}

/* ---- what happens -------------------------------------------------------------------------- */

/* What is being loaded for it is looked at by restore_loaded(): it may be something else by now. */
static void load_push(struct keep *keep, uint32_t slot)
{
	if (keep->saver.busy && keep->saver.job->op == SAVER_LOAD && keep->job.slot == slot)
		return;
	queue_push(&keep->loads, slot);
}

/* The program has learned anew while its past lay on disk, not yet known by its path. */
static void past_await(struct keep *keep, uint32_t slot)
{
	if (keep_state(keep, slot) != EBPH_STATE_LOADING || is_fresh(keep, slot)) {
		kernel_command(keep->profiles->kernel, slot, EBPH_VERB_DOUBT);
		/* A program may still go by what was true before. */
		running_programs_wait();
		kernel_command(keep->profiles->kernel, slot, EBPH_VERB_DOUBT);
	}
	load_push(keep, slot);
}

static void base_take(struct keep *keep, uint32_t slot, struct record *base, enum relation relation)
{
	IMAGE_CLEANUP struct image image = {0};
	struct ebph_profile head;
	int r;

	if (relation == OLDER && base->slot) {
		/* Not from its file instead: that would only lead back here. */
		r = keep_image(keep, base->slot, &head, &image);
		if (r)
			load_failed(keep, slot, r);
		else
			image_take(keep, slot, &image, OLDER);
	} else if (relation == OLDER) {
		load_push(keep, slot);
	} else if (base->slot) {
		twin_unite(keep, slot, base);
	} else {
		past_await(keep, slot);
	}
}

void keep_announced(struct keep *keep, uint32_t slot)
{
	struct profile_note *note = &keep->profiles->notes[slot];
	uint32_t state = keep_state(keep, slot);
	enum relation relation;
	struct record *base;

	if (!keep->store || state == EBPH_STATE_NONE || note->twin)
		return;
	if (note->entry && (!note->path || note->entry->program))
		return; /* nothing new */
	base = base_choose(keep, slot, &relation);
	if (note->entry)
		restore_entry(keep, slot); /* by its path, too */
	if (base)
		base_take(keep, slot, base, relation);
	else
		training_begin(keep, slot);
	keep_pump(keep);
}

const struct record *restore_base(struct keep *keep, uint32_t slot)
{
	enum relation relation;
	struct record *base = base_choose(keep, slot, &relation);

	if (keep_state(keep, slot) == EBPH_STATE_NONE || keep->profiles->notes[slot].twin)
		return NULL;
	if (base && !base->slot)
		return base;
	if (base && base->slot)
		base_take(keep, slot, base, relation); /* it has come into memory meanwhile */
	else
		training_begin(keep, slot); /* it has gone */
	return NULL;
}

/* Will the file never be of use? Else the disk has failed, or memory, and it may be well. */
static bool is_refusal(int error)
{
	return error == -EBADMSG || error == -EPROTONOSUPPORT || error == -EFBIG ||
	       error == -EPERM || error == -ENOENT;
}

void restore_loaded(struct keep *keep, uint32_t slot, const struct saver_job *job)
{
	IMAGE_CLEANUP struct image image = {0};
	enum relation relation;
	struct record *base = base_choose(keep, slot, &relation);
	const char *reason = job->reason;
	int r = job->error;

	if (keep_state(keep, slot) == EBPH_STATE_NONE || keep->profiles->notes[slot].twin)
		return;
	if (!base || base->slot || strcmp(base->file, job->name)) {
		queue_push(&keep->loads, slot); /* something has changed meanwhile */
		return;
	}
	if (!r)
		r = image_decode(job->data, job->bytes, &image, &reason);
	if (!r) {
		free(keep->profiles->notes[slot].loaded);
		keep->profiles->notes[slot].loaded = relation == SAME ? strdup(job->name) : NULL;
		image_take(keep, slot, &image, relation);
		return;
	}
	if (!is_refusal(r)) {
		load_failed(keep, slot, r);
		return;
	}
	keep->load_failed++;
	log_error("%s/%s cannot be used: %s. %s learns anew", keep->store->dir, job->name,
		  *reason ? reason : strerror(-r), profile_name(keep->profiles, slot));
	catalog_saved(&keep->catalog, base, NULL);
	if (base->slot == 0 && base != keep->profiles->notes[slot].entry)
		catalog_remove(&keep->catalog, base);
	training_begin(keep, slot);
}

static int64_t last_run_ns(const struct keep *keep, const struct record *version)
{
	return version->slot ? keep_head(keep, version->slot)->last_run_ns + keep->real_offset_ns :
			       version->last_run_ns;
}

/* Of the other versions of a program stay the last one that was normal and the last one. */
static void versions_thin(struct keep *keep, const struct record *entry)
{
	struct record *normal = NULL, *last = NULL, *next;

	for (struct record *v = entry->program->versions; v; v = v->next) {
		if (v == entry ||
		    (entry->state == EBPH_STATE_NORMAL && v->machine == keep->catalog.machine))
			continue;
		if (!last || last->last_run_ns < v->last_run_ns)
			last = v;
		if (v->state == EBPH_STATE_NORMAL &&
		    (!normal || normal->last_run_ns < v->last_run_ns))
			normal = v;
	}
	for (struct record *v = entry->program->versions; v; v = next) {
		next = v->next;
		/* An older one may be saved while it still runs: not the newer one goes then. */
		if (v == entry || v == normal || v == last ||
		    last_run_ns(keep, v) > entry->last_run_ns)
			continue;
		/* Whoever runs it still keeps it. */
		if (!v->slot || keep_give_up(keep, v->slot))
			keep_drop(keep, v);
	}
}

void restore_saved(struct keep *keep, uint32_t slot)
{
	struct profile_note *note = &keep->profiles->notes[slot];
	const struct record *entry = note->entry;
	struct record *loaded = NULL;

	/* What it was loaded from under another name is all in its own file now; unless that one's
	 * own executable has come into memory meanwhile. */
	for (struct record *v = entry->program ? entry->program->versions : NULL; v; v = v->next)
		if (v != entry && v->file && !v->slot && note->loaded &&
		    !strcmp(v->file, note->loaded))
			loaded = v;
	if (loaded)
		keep_drop(keep, loaded);
	free(note->loaded);
	note->loaded = NULL;
	if (entry->program)
		versions_thin(keep, entry);
}

/* Looks for what nobody has told of a slot. */
static void slot_tick(struct keep *keep, uint32_t slot)
{
	struct profile_note *note = &keep->profiles->notes[slot];

	if (note->twin && !note->n_twins && !profile_runs(keep->profiles, slot))
		twin_end(keep, slot);
	if (keep_state(keep, slot) != EBPH_STATE_LOADING || is_fresh(keep, slot) ||
	    keep->loads.queued[slot] || (keep->saver.busy && keep->job.slot == slot))
		return;
	/* It is not read again before there is a chance. */
	if (note->load_waits && slot_room(keep, slot, note->load_waits))
		return;
	/* Its event was lost, or is still on its way: then there is one tick more. */
	if (note->unannounced && note->entry)
		queue_push(&keep->loads, slot);
	else if (note->unannounced)
		keep_announced(keep, slot);
	note->unannounced = !note->unannounced;
}

static bool is_waiting(const struct keep *keep, uint32_t slot)
{
	const struct profile_note *note = &keep->profiles->notes[slot];

	return keep_state(keep, slot) == EBPH_STATE_LOADING &&
	       (note->load_waits || note->grow_waits);
}

void restore_tick(struct keep *keep, uint64_t until_ns)
{
	struct profiles *profiles = keep->profiles;
	uint32_t n = profiles->next_slot - 1;

	profiles->n_load_waits = 0;
	for (uint32_t slot = 1; slot <= n; slot++)
		profiles->n_load_waits += is_waiting(keep, slot);
	/* What is to be done for one may have to wait for all running programs. */
	for (uint32_t i = 0; i < n && now_ns(CLOCK_MONOTONIC) < until_ns; i++) {
		keep->ticked = keep->ticked % n + 1;
		slot_tick(keep, keep->ticked);
	}
}

void restore_finish(struct keep *keep)
{
	restore_begin(keep, keep->begins.n);
	/* No event is on its way any more, and programs run that nobody follows. */
	for (uint32_t slot = 1; slot < keep->profiles->next_slot; slot++)
		keep->profiles->notes[slot].unannounced = true;
	restore_tick(keep, UINT64_MAX);
	for (uint32_t slot = 1; slot < keep->profiles->next_slot; slot++)
		if (keep->profiles->notes[slot].twin)
			twin_take(keep, slot);
	restore_begin(keep, keep->begins.n);
}
