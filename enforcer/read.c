// SPDX-License-Identifier: GPL-2.0-or-later
/* The start: what is on disk, and what of it comes into memory before any program is followed. */
#include <errno.h>
#include <string.h>

#include "enforcer/log.h"
#include "enforcer/restore.h"
#include "enforcer/util.h"

/*
 * Until Linux 6.8 each profile that comes into memory takes a wait for all CPUs. What does not come
 * now comes when its program runs.
 */
#define PLACE_NS NSEC_PER_SEC

/* Images by when they were executed last, those first that come into memory first. */
struct reading {
	struct keep *keep;
	struct loaded {
		struct image image;
		struct record *entry;
	} * loaded;
	size_t n, room;
	unsigned int n_bad;
};

/*
 * An executable's profile under two names: its path became known, and then we died. Return: is it
 * this file that counts?
 */
static bool twice_resolve(struct reading *reading, struct record *entry, const char *name,
			  const struct image *image)
{
	size_t i = reading->n;

	if (image->last_run_ns < entry->last_run_ns ||
	    (image->last_run_ns == entry->last_run_ns && !image->path)) {
		keep_remove(reading->keep, name);
		return false;
	}
	while (i && reading->loaded[i - 1].entry != entry)
		i--;
	if (i) {
		image_clear(&reading->loaded[i - 1].image);
		reading->loaded[i - 1] = reading->loaded[--reading->n];
	}
	keep_remove(reading->keep, entry->file);
	return true;
}

static int each_file(void *context, const char *name, struct image *image)
{
	struct reading *reading = context;
	struct catalog *catalog = &reading->keep->catalog;
	struct record *entry;

	entry = catalog_add(catalog, &image->exe, image->machine, image->path);
	if (!entry)
		return -ENOMEM;
	if (entry->file && !twice_resolve(reading, entry, name, image))
		return 0;
	if (image->path && catalog_name(catalog, entry, image->path))
		return -ENOMEM;
	entry->state = image->state;
	entry->last_run_ns = image->last_run_ns;
	if (catalog_saved(catalog, entry, name))
		return -ENOMEM;
	if (reading->n == reading->room) {
		size_t room = reading->room ? reading->room * 2 : 256;
		struct loaded *more = reallocarray(reading->loaded, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		reading->loaded = more;
		reading->room = room;
	}
	reading->loaded[reading->n++] = (struct loaded){.image = *image, .entry = entry};
	image->path = NULL;
	image->words = NULL;
	return 0;
}

static void bad_file(void *context, const char *name, int error, const char *reason)
{
	struct reading *reading = context;
	log_error("%s/%s is not used: %s%s", reading->keep->conf->store.state_dir, name, reason,
		  error == -EBADMSG ? "; it is set aside as .damaged" : "");
	reading->n_bad++;
	reading->keep->load_failed++;
}

/* Those first that may be given up last. */
static int loaded_compare(const void *left, const void *right)
{
	const struct loaded *a = left, *b = right;

	return record_before(a->entry, b->entry) - record_before(b->entry, a->entry);
}

/* Is it worth a place before its program runs: is its file where it was? */
static bool is_present(struct keep *keep, const struct loaded *loaded)
{
	return loaded->image.path && loaded->entry->machine == keep->catalog.machine &&
	       path_is_exe(loaded->image.path, &loaded->image.exe);
}

/* Puts a profile into memory as it was saved. Return: 0; -ENOSPC; -errno. */
static int image_place(struct keep *keep, struct loaded *loaded)
{
	const struct image *image = &loaded->image;
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
	note->entry = loaded->entry;
	note->kept = *head;
	loaded->entry->slot = slot;
	return 0;
}

static int images_place(struct reading *reading)
{
	struct keep *keep = reading->keep;
	uint64_t until = now_ns(CLOCK_MONOTONIC) + PLACE_NS;
	uint32_t most = keep->profiles->kernel->n_slots - keep->profiles->stock;
	int r = 0;

	qsort(reading->loaded, reading->n, sizeof(*reading->loaded), loaded_compare);
	for (size_t i = 0; i < reading->n && !r; i++) {
		if (keep->profiles->next_slot > most || now_ns(CLOCK_MONOTONIC) > until)
			break;
		if (is_present(keep, &reading->loaded[i]))
			r = image_place(keep, &reading->loaded[i]);
	}
	keep->profiles->wants_memory = false;
	if (r == -ENOSPC)
		r = 0;
	return r ? r : profiles_placed(keep->profiles);
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
		r = images_place(&reading);
	if (r)
		log_error("cannot read the profiles in %s: %s", dir, strerror(-r));
	else if (reading.n || reading.n_bad)
		log_info("%zu profiles in %s, %u of them in memory now, %u files not used",
			 reading.n, dir, keep->profiles->next_slot - 1, reading.n_bad);
	for (size_t i = 0; i < reading.n; i++)
		image_clear(&reading.loaded[i].image);
	free(reading.loaded);
	return r;
}
