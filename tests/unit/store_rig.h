/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A folder for the tests of store.c, and what a scan says of a directory in it. */
#ifndef EBPH_TESTS_STORE_RIG_H
#define EBPH_TESTS_STORE_RIG_H

/* After cmocka.h, random.h and image_sample.h. */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sys/stat.h>

#include "enforcer/store.h"

static char folder[64];	  /* for the test that runs */
static char profiles[80]; /* in it; the directory of profiles */

/* In memory if there is such a place: nothing here needs a real disk, which takes ten times as
 * long. */
static inline int folder_setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	if (!tmp)
		tmp = access("/dev/shm", W_OK | X_OK) ? "/tmp" : "/dev/shm";
	snprintf(folder, sizeof(folder), "%.40s/ebph-store-XXXXXX", tmp);
	if (!mkdtemp(folder))
		return -1;
	snprintf(profiles, sizeof(profiles), "%s/profiles", folder);
	return 0;
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static inline int folder_teardown(void **state)
{
	(void)state;
	return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void store_cleanup(struct store **store)
{
	store_free(*store);
}
#define STORE_CLEANUP __attribute__((cleanup(store_cleanup)))

static inline struct store *opened(const char *dir)
{
	char reason[STORE_REASON_MAX] = "";
	struct store *store = NULL;

	if (store_open(dir, &store, reason))
		fail_msg("%s: %s", dir, reason);
	return store;
}

/* How many entries the directory has, and how many of them end in @suffix (NULL: any). */
static inline unsigned int entries(const char *dir, const char *suffix)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	unsigned int n = 0;

	assert_non_null(d);
	while ((entry = readdir(d))) {
		size_t bytes = strlen(entry->d_name), tail = suffix ? strlen(suffix) : 0;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		n += bytes >= tail && (!tail || !strcmp(entry->d_name + bytes - tail, suffix));
	}
	closedir(d);
	return n;
}

#define SEEN_MAX 16

/* What a scan found: images in the order of names, then names that are bad. */
struct seen {
	struct image good[SEEN_MAX];
	unsigned int n_good, n_bad;
	int error[SEEN_MAX];
	char bad[SEEN_MAX][STORE_NAME_MAX];
	char reason[SEEN_MAX][STORE_REASON_MAX];
};

static inline int seen_good(void *context, const char *name, struct image *image)
{
	char expected[STORE_NAME_MAX];
	struct seen *seen = context;

	store_name(image, expected);
	assert_string_equal(name, expected);
	assert_true(seen->n_good < SEEN_MAX);
	seen->good[seen->n_good++] = *image;
	image->path = NULL;
	image->words = NULL;
	return 0;
}

static inline void seen_bad(void *context, const char *name, int error, const char *reason)
{
	struct seen *seen = context;

	assert_true(seen->n_bad < SEEN_MAX);
	seen->error[seen->n_bad] = error;
	snprintf(seen->bad[seen->n_bad], STORE_NAME_MAX, "%s", name);
	snprintf(seen->reason[seen->n_bad], STORE_REASON_MAX, "%s", reason);
	seen->n_bad++;
}

static inline void seen_clear(struct seen *seen)
{
	for (unsigned int i = 0; i < seen->n_good; i++)
		image_clear(&seen->good[i]);
}
#define SEEN_CLEANUP __attribute__((cleanup(seen_clear)))

static inline struct seen scanned(struct store *store)
{
	struct seen seen = {0};

	assert_int_equal(store_scan(store, seen_good, seen_bad, &seen), 0);
	return seen;
}

/* What became of the file @name in the scan: 0 when nothing bad was said. */
static inline int seen_error(const struct seen *seen, const char *name)
{
	for (unsigned int i = 0; i < seen->n_bad; i++)
		if (!strcmp(seen->bad[i], name))
			return seen->error[i];
	return 0;
}

#endif
