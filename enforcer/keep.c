// SPDX-License-Identifier: GPL-2.0-or-later
/* What is saved when; the dialogue with the saver. */
#include "enforcer/keep.h"

#include <string.h>

#include "enforcer/event.h"
#include "enforcer/log.h"
#include "enforcer/restore.h"
#include "enforcer/util.h"

#define RETRY_NS (30 * NSEC_PER_SEC) /* until what could not be saved is tried again */
#define SLOW_NS	 (10 * NSEC_PER_SEC) /* a job that takes longer is worth a line */

/* ---- what goes -------------------------------------------------------------------------- */

void keep_remove(struct keep *keep, const char *file)
{
	char **more = reallocarray(keep->removals, keep->n_removals + 1, sizeof(*more));
	char *copy = strdup(file);

	if (more)
		keep->removals = more;
	if (more && copy)
		more[keep->n_removals++] = copy;
	else
		free(copy); /* it stays on disk; the next start finds it */
}

void keep_unremove(struct keep *keep, const char *file)
{
	for (size_t i = 0; i < keep->n_removals;) {
		if (strcmp(keep->removals[i], file) != 0) {
			i++;
			continue;
		}
		free(keep->removals[i]);
		keep->removals[i] = keep->removals[--keep->n_removals];
	}
}

void keep_drop(struct keep *keep, struct record *entry)
{
	if (entry->file)
		keep_remove(keep, entry->file);
	catalog_remove(&keep->catalog, entry);
}

/* ---- jobs -------------------------------------------------------------------------------- */

/* The saver died before it had done its job: the next one is to do it. */
static void job_again(struct keep *keep)
{
	if (keep->job.errand) {
		errand_again(keep);
		return;
	}
	switch (keep->saver.job->op) {
	case SAVER_SAVE:
		queue_push(&keep->saves, keep->job.slot);
		break;
	case SAVER_LOAD:
		queue_push(&keep->loads, keep->job.slot);
		break;
	case SAVER_REMOVE:
		keep_remove(keep, keep->saver.job->name);
		break;
	case SAVER_UNITE: /* an errand's only */
		break;
	}
}

static int job_begin(struct keep *keep, enum saver_op op, const char *name, uint32_t slot)
{
	int r;

	keep->saver.job->op = op;
	snprintf(keep->saver.job->name, sizeof(keep->saver.job->name), "%s", name);
	keep->job.slot = slot;
	keep->job.errand = NULL;
	keep->job.was_errand = false;
	keep->job.stale = false;
	r = saver_begin(&keep->saver);
	if (r)
		job_again(keep);
	return r;
}

bool keep_is_unsaved(const struct keep *keep, uint32_t slot)
{
	uint32_t state = keep_state(keep, slot);

	return state != EBPH_STATE_NONE && state != EBPH_STATE_LOADING &&
	       keep->profiles->notes[slot].entry && !keep_is_saved(keep, slot);
}

/* Return: 0: the saver has a job; -EAGAIN: there was nothing to save; -errno. */
static int save_try(struct keep *keep, uint32_t slot)
{
	IMAGE_CLEANUP struct image image = {0};
	char name[STORE_NAME_MAX];
	AUTO_FREE void *data = NULL;
	size_t bytes;
	int r;

	if (!keep_is_unsaved(keep, slot))
		return -EAGAIN;
	r = keep_image(keep, slot, &keep->job.head, &image);
	if (!r)
		r = image_encode(&image, &data, &bytes);
	if (r)
		return r;
	/* What began loading in between is not what the image says. */
	if (keep->job.head.state == EBPH_STATE_NONE || keep->job.head.state == EBPH_STATE_LOADING)
		return -EAGAIN;
	store_name(&image, name);
	keep_unremove(keep, name);
	memcpy(keep->saver.job->data, data, bytes);
	keep->saver.job->bytes = bytes;
	return job_begin(keep, SAVER_SAVE, name, slot);
}

/* As save_try(), but the fault of one profile is none of the others. */
static int save_begin(struct keep *keep, uint32_t slot)
{
	int r = save_try(keep, slot);

	if (!r || r == -EAGAIN || r == -EPIPE || r == -EBUSY)
		return r;
	keep->save_failed++;
	log_error("cannot save the profile of %s: %s", profile_name(keep->profiles, slot),
		  strerror(-r));
	return -EAGAIN;
}

static int load_begin(struct keep *keep, uint32_t slot)
{
	const struct record *base = restore_base(keep, slot);

	if (!base)
		return -EAGAIN; /* it has been answered otherwise */
	return job_begin(keep, SAVER_LOAD, base->file, slot);
}

/* The next slot of the pass over all. Return: as save_begin(); -EAGAIN at the end, too. */
static int pass_next(struct keep *keep)
{
	while (keep->cursor && keep->cursor < keep->profiles->next_slot) {
		int r = save_begin(keep, keep->cursor++);

		if (r != -EAGAIN)
			return r;
	}
	keep->cursor = 0;
	return -EAGAIN;
}

static int removal_begin(struct keep *keep)
{
	char *name = keep->removals[--keep->n_removals];
	int r = job_begin(keep, SAVER_REMOVE, name, 0);

	free(name);
	return r;
}

/* Gives the saver what is most urgent, until it has a job or there is none. */
void keep_pump(struct keep *keep)
{
	int r = -EAGAIN;

	while (keep->saver.fd >= 0 && !keep->saver.busy && (r == -EAGAIN || r == -ENOMEM)) {
		bool saves = keep->saves.n && !keep->failing;
		bool rest = keep->n_removals || keep->cursor;

		/* In turns: who waits to be loaded may wait for others to leave, once they are
		 * saved. */
		if (keep->loads.n && !(saves && keep->saver.job->op == SAVER_LOAD))
			r = load_begin(keep, queue_pop(&keep->loads));
		else if (saves)
			r = save_begin(keep, queue_pop(&keep->saves));
		else if (keep->errands && !(rest && keep->job.was_errand)) /* in turns, too */
			r = errand_begin(keep);
		else if (keep->n_removals)
			r = removal_begin(keep);
		else if (keep->cursor)
			r = pass_next(keep);
		else
			break;
	}
}

/* All saving would fail now. */
static void pass_postpone(struct keep *keep)
{
	uint64_t interval = keep->conf->store.save_interval_ns;

	keep->cursor = 0;
	keep->next_pass_ns = now_ns(CLOCK_MONOTONIC) + (interval < RETRY_NS ? interval : RETRY_NS);
}

static void save_failed(struct keep *keep, int error)
{
	keep->save_failed++;
	if (!keep->failing) {
		log_error("cannot save profiles in %s: %s. They stay in memory, and saving is "
			  "tried again",
			  keep->store->dir, strerror(-error));
		event_self(keep->sink, "store",
			   json_pack("{s:s, s:s}", "state", "failing", "error", strerror(-error)));
	}
	keep->failing = error;
	pass_postpone(keep);
}

static void save_done(struct keep *keep, const char *name, int error)
{
	struct profile_note *note = &keep->profiles->notes[keep->job.slot];
	const struct ebph_profile *saved = &keep->job.head;
	struct record *entry = note->entry;

	/* While it was being saved the slot may have got another profile. */
	if (memcmp(&saved->exe, &keep_head(keep, keep->job.slot)->exe, sizeof(saved->exe)))
		entry = NULL;
	if (error) {
		save_failed(keep, error);
		return;
	}
	if (keep->failing) {
		log_info("profiles are saved in %s again", keep->store->dir);
		event_self(keep->sink, "store", json_pack("{s:s}", "state", "good"));
		keep->failing = 0;
	}
	if (!entry)
		return;
	if (!keep->job.stale)
		note->kept = *saved;
	entry->state = saved->state;
	entry->last_run_ns = saved->last_run_ns + keep->real_offset_ns;
	if (entry->file && strcmp(entry->file, name))
		keep_remove(keep, entry->file); /* its name has changed, its path is known now */
	catalog_saved(&keep->catalog, entry, name);
	restore_saved(keep, keep->job.slot);
}

/* What there is to do the next tick begins, not we: that one may die of it, too. */
void keep_renew_saver(struct keep *keep)
{
	saver_end(&keep->saver);
	if (keep_start(keep))
		pass_postpone(keep);
}

/* What was told of a slow disk is not true any more; nor before another saver has done a job. */
static void slow_end(struct keep *keep)
{
	if (!keep->slow_reported)
		return;
	keep->slow_reported = false;
	log_info("the disk that holds %s answers again", keep->store->dir);
	if (!keep->failing)
		event_self(keep->sink, "store", json_pack("{s:s}", "state", "good"));
}

void keep_answered(struct keep *keep)
{
	const struct saver_job *job = keep->saver.job;
	bool had_job = keep->saver.busy;
	int r = saver_done(&keep->saver);

	if (r == -EAGAIN)
		return;
	if (r) {
		log_warn("the process that saves profiles died: starting another");
		keep->saver_died++;
		if (had_job)
			job_again(keep);
		keep_renew_saver(keep);
		return;
	}
	slow_end(keep);
	if (keep->job.errand)
		errand_done(keep, job);
	else if (job->op == SAVER_SAVE)
		save_done(keep, job->name, job->error);
	else if (job->op == SAVER_LOAD)
		restore_loaded(keep, keep->job.slot, job);
	else if (job->error)
		log_warn("cannot remove %s/%s: %s", keep->store->dir, job->name,
			 strerror(-job->error));
	keep_pump(keep);
}

/* ---- now and then -------------------------------------------------------------------------- */

void keep_became_normal(struct keep *keep, uint32_t slot)
{
	if (!keep->store || !keep->profiles->notes[slot].entry)
		return;
	queue_push(&keep->saves, slot);
	keep_pump(keep);
}

static int record_compare(const void *left, const void *right)
{
	const struct record *a = *(struct record *const *)left;
	const struct record *b = *(struct record *const *)right;

	return record_before(b, a) - record_before(a, b);
}

/* Removes the files that are more than max_saved. */
static void files_thin(struct keep *keep)
{
	AUTO_FREE struct record **records = NULL;
	size_t n = 0, more;

	if (keep->catalog.n_saved <= keep->conf->store.max_saved)
		return;
	more = keep->catalog.n_saved - keep->conf->store.max_saved;
	if (catalog_list(&keep->catalog, &records, &n))
		return;
	qsort(records, n, sizeof(struct record *), record_compare);
	for (size_t i = 0; i < n && more; i++, more--)
		keep_drop(keep, records[i]);
}

static void pass_begin(struct keep *keep, uint64_t now)
{
	if (keep->saver.fd < 0)
		keep_renew_saver(keep);
	if (keep->saver.fd < 0)
		return;
	keep->cursor = 1;
	keep->next_pass_ns = now + keep->conf->store.save_interval_ns;
	files_thin(keep);
}

static void slow_report(struct keep *keep, uint64_t now)
{
	if (!keep->saver.busy || keep->slow_reported || now < keep->saver.since_ns + SLOW_NS)
		return;
	log_warn("the disk that holds %s has been busy with one profile for %llu s",
		 keep->store->dir, SLOW_NS / NSEC_PER_SEC);
	event_self(keep->sink, "store", json_pack("{s:s}", "state", "slow"));
	keep->slow_reported = true;
}

#define TURN_NS (10 * NSEC_PER_MSEC) /* what others have to wait for us */

void keep_grow(struct keep *keep, uint32_t slot)
{
	queue_push(&keep->grows, slot);
}

/* Growing waits for all running programs: a few at a time. */
static void grows_run(struct keep *keep, uint64_t now)
{
	while (keep->grows.n && now_ns(CLOCK_MONOTONIC) < now + TURN_NS)
		event_grow(keep->sink, queue_pop(&keep->grows));
}

int keep_run(struct keep *keep)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);

	grows_run(keep, now);
	if (keep->begins.n && (!keep->begins_due || now >= keep->begins_ns))
		restore_begin(keep, keep->begins_due);
	if (keep->grows.n)
		return 0;
	if (!keep->begins.n)
		return -1;
	return now < keep->begins_ns ? (int)((keep->begins_ns - now) / NSEC_PER_MSEC) + 1 : 0;
}

void keep_tick(struct keep *keep)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);

	keep_make_room(keep);
	if (!keep->store)
		return;
	restore_tick(keep, now_ns(CLOCK_MONOTONIC) + TURN_NS);
	slow_report(keep, now);
	if (!keep->cursor && now >= keep->next_pass_ns)
		pass_begin(keep, now);
	keep_pump(keep);
}

/* ---- life ---------------------------------------------------------------------------------- */

int keep_new(const struct conf *conf, struct profiles *profiles, struct event_sink *sink,
	     struct keep **ret)
{
	struct keep *keep = calloc(1, sizeof(*keep));
	int r;

	if (!keep)
		return -ENOMEM;
	keep->conf = conf;
	keep->profiles = profiles;
	keep->sink = sink;
	keep->saver.fd = -1;
	keep->catalog.machine = image_machine();
	keep->real_offset_ns = (int64_t)now_ns(CLOCK_REALTIME) - (int64_t)now_ns(CLOCK_BOOTTIME);
	keep->next_pass_ns = now_ns(CLOCK_MONOTONIC) + conf->store.save_interval_ns;
	r = queue_new(&keep->loads, profiles->kernel->n_slots);
	if (!r)
		r = queue_new(&keep->saves, profiles->kernel->n_slots);
	if (!r)
		r = queue_new(&keep->begins, profiles->kernel->n_slots);
	if (!r)
		r = queue_new(&keep->grows, profiles->kernel->n_slots);
	if (!r && *conf->store.state_dir)
		r = keep_read(keep);
	if (r) {
		keep_free(keep);
		return r;
	}
	kernel_settings(profiles->kernel)->store = !!keep->store;
	*ret = keep;
	return 0;
}

int keep_start(struct keep *keep)
{
	int r;

	if (!keep->store)
		return 0;
	r = saver_new(keep->store, keep->profiles->kernel, &keep->saver);
	if (r)
		log_error("cannot start the process that saves profiles: %s", strerror(-r));
	return r;
}

void keep_free(struct keep *keep)
{
	if (!keep)
		return;
	saver_end(&keep->saver);
	queue_free(&keep->loads);
	queue_free(&keep->saves);
	queue_free(&keep->begins);
	queue_free(&keep->grows);
	for (size_t i = 0; i < keep->n_removals; i++)
		free(keep->removals[i]);
	errands_clear(keep);
	free(keep->removals);
	catalog_clear(&keep->catalog);
	store_free(keep->store);
	free(keep);
}
