// SPDX-License-Identifier: GPL-2.0-or-later
/* The start: what is on disk, and what of it comes into memory before any program is followed. */
#include <errno.h>
#include <string.h>

#include "enforcer/log.h"
#include "enforcer/restore.h"
#include "enforcer/set.h"
#include "enforcer/util.h"

/*
 * Until Linux 6.8 each profile that comes into memory takes a wait for all CPUs. What does not come
 * now comes when its program runs.
 */
#define PLACE_NS NSEC_PER_SEC

/* What there is, without the words: together they may be more than is good for this host. */
struct reading {
	struct keep *keep;
	struct record **records;
	size_t n, room;
	unsigned int n_bad;
};

static int record_add(struct reading *reading, struct record *record)
{
	if (reading->n == reading->room) {
		size_t room = reading->room ? reading->room * 2 : 256;
		struct record **more =
			reallocarray(reading->records, room, sizeof(struct record *));

		if (!more)
			return -ENOMEM;
		reading->records = more;
		reading->room = room;
	}
	reading->records[reading->n++] = record;
	return 0;
}

/*
 * Is this the file that counts? An executable's profile may lie under two names: its path became
 * known, and then we died.
 */
static bool is_latest(const struct record *record, const struct image *image)
{
	return !record->file || image->last_run_ns > record->last_run_ns ||
	       (image->last_run_ns == record->last_run_ns && image->path);
}

static int each_file(void *context, const char *name, struct image *image)
{
	struct reading *reading = context;
	struct catalog *catalog = &reading->keep->catalog;
	struct record *record;
	bool again;
	int r = 0;

	record = catalog_add(catalog, &image->exe, image->machine, image->path);
	if (!record)
		return -ENOMEM;
	again = record->file;
	if (!is_latest(record, image)) {
		keep_remove(reading->keep, name);
		return 0;
	}
	if (again)
		keep_remove(reading->keep, record->file);
	if (image->path)
		r = catalog_name(catalog, record, image->path);
	record->state = image->state;
	record->last_run_ns = image->last_run_ns;
	if (!r)
		r = catalog_saved(catalog, record, name);
	return r || again ? r : record_add(reading, record);
}

static void bad_file(void *context, const char *name, int error, const char *reason)
{
	struct reading *reading = context;
	const char *fate = "";

	if (error == -EBADMSG)
		fate = "; it is set aside as .damaged";
	else if (error == -EPROTONOSUPPORT)
		fate = "; it stays, as .other-CRC should its program run";
	log_error("%s/%s is not used: %s%s", reading->keep->conf->store.state_dir, name, reason,
		  fate);
	reading->n_bad++;
	reading->keep->load_failed++;
}

/* Those first that may be given up last. */
static int record_compare(const void *left, const void *right)
{
	const struct record *a = *(struct record *const *)left;
	const struct record *b = *(struct record *const *)right;

	return record_before(a, b) - record_before(b, a);
}

/* Is it worth a place before its program runs: is its file where it was? */
static bool is_present(const struct keep *keep, const struct record *record)
{
	return record->program && record->machine == keep->catalog.machine &&
	       path_is_exe(record->program->path, &record->exe);
}

/* Puts a profile into memory as it was saved. Return: as profiles_place(). */
static int image_place(struct keep *keep, struct record *record, const struct image *image)
{
	struct profile_note *note;
	struct ebph_profile *head;
	uint32_t slot;
	int r = profiles_place(keep->profiles, &image->exe, image->words, image->n_words, &slot);

	if (r)
		return r;
	head = &keep->profiles->kernel->heads[slot];
	restore_head(keep, slot, image);
	head->last_mod_calls = image->last_mod_calls;
	head->state = image->state;
	profile_known_path(keep->profiles, slot, image->path);
	note = &keep->profiles->notes[slot];
	note->entry = record;
	note->kept = *head;
	record->slot = slot;
	return 0;
}

/* Return: 0, also where this one cannot be had; -ENOSPC when there is no room for more; -errno. */
static int record_place(struct keep *keep, struct record *record)
{
	IMAGE_CLEANUP struct image image = {0};
	char reason[STORE_REASON_MAX];
	int r;

	if (!is_present(keep, record) || store_load(keep->store, record->file, &image, reason) ||
	    !image.path)
		return 0;
	r = image_place(keep, record, &image);
	return r == -E2BIG ? 0 : r;
}

static int records_place(struct reading *reading)
{
	struct keep *keep = reading->keep;
	struct profiles *profiles = keep->profiles;
	uint64_t until = now_ns(CLOCK_MONOTONIC) + PLACE_NS, limit = profiles->memory_limit;
	uint32_t most = profiles->kernel->n_slots - profiles->stock;
	int r = 0;

	/* Room is left for programs that are new. */
	if (limit != UINT64_MAX)
		profiles->memory_limit -=
			limit / 32 + profiles->stock * set_memory(EBPH_SET_BLOCKS_MIN);
	if (reading->n)
		qsort(reading->records, reading->n, sizeof(struct record *), record_compare);
	for (size_t i = 0; i < reading->n && !r; i++) {
		if (profiles->next_slot > most || now_ns(CLOCK_MONOTONIC) > until)
			break;
		r = record_place(keep, reading->records[i]);
	}
	profiles->memory_limit = limit;
	profiles->wants_memory = false;
	if (r == -ENOSPC || r == -ENOMEM)
		r = 0;
	return r ? r : profiles_placed(profiles);
}

int keep_read(struct keep *keep)
{
	struct reading reading = {.keep = keep};
	char reason[STORE_REASON_MAX] = "";
	const char *dir = keep->conf->store.state_dir;
	int r;

	r = store_open(dir, &keep->store, reason);
	if (r) {
		log_error("profiles cannot be kept in %s: %s", dir,
			  *reason ? reason : strerror(-r));
		return r;
	}
	r = store_scan(keep->store, each_file, bad_file, &reading);
	if (!r)
		r = records_place(&reading);
	if (r)
		log_error("cannot read the profiles in %s: %s", dir, strerror(-r));
	else if (reading.n || reading.n_bad)
		log_info("%zu profiles in %s, %u of them in memory now, %u files not used",
			 reading.n, dir, keep->profiles->next_slot - 1, reading.n_bad);
	free(reading.records);
	return r;
}
