// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/manage.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "enforcer/log.h"
#include "enforcer/profile.h"
#include "enforcer/store.h"
#include "enforcer/util.h"
#include "enforcer/whole.h"

/* All profiles of a store. */
struct shelf {
	struct store *store;
	struct image *images;
	char **names; /* of the files */
	size_t n;
};

static int shelf_put(void *context, const char *name, struct image *image)
{
	struct shelf *shelf = context;
	struct image *images = reallocarray(shelf->images, shelf->n + 1, sizeof(*images));
	char **names;

	if (images)
		shelf->images = images;
	names = reallocarray(shelf->names, shelf->n + 1, sizeof(*names));
	if (names)
		shelf->names = names;
	if (!images || !names)
		return -ENOMEM;
	names[shelf->n] = strdup(name);
	if (!names[shelf->n])
		return -ENOMEM;
	images[shelf->n++] = *image;
	image->path = NULL;
	image->words = NULL;
	return 0;
}

static void bad_file(void *context, const char *name, int error, const char *reason)
{
	const struct shelf *shelf = context;

	(void)error;
	log_warn("%s/%s is not used: %s", shelf->store->dir, name, reason);
}

static void shelf_close(struct shelf *shelf)
{
	for (size_t i = 0; i < shelf->n; i++) {
		image_clear(&shelf->images[i]);
		free(shelf->names[i]);
	}
	free(shelf->images);
	free(shelf->names);
	store_free(shelf->store);
}

static int shelf_open(const struct conf *conf, struct shelf *ret)
{
	char reason[STORE_REASON_MAX] = "";
	int r;

	*ret = (struct shelf){0};
	if (!*conf->store.state_dir) {
		log_error("state_dir is empty: no profiles are kept");
		return -ENOENT;
	}
	r = store_open(conf->store.state_dir, &ret->store, reason);
	if (r)
		log_error("%s cannot be used: %s", conf->store.state_dir, reason);
	if (!r)
		r = store_scan(ret->store, shelf_put, bad_file, ret);
	if (r)
		shelf_close(ret);
	return r;
}

int profiles_list(const struct conf *conf, FILE *out)
{
	uint64_t here = image_machine();
	struct shelf shelf;
	int r = shelf_open(conf, &shelf);

	if (r)
		return r;
	for (size_t i = 0; i < shelf.n; i++) {
		const struct image *image = &shelf.images[i];

		fprintf(out, "%-8s %6zu words %8u runs  %s%s\n",
			state_name((enum ebph_state)image->state), image->n_words, image->runs,
			image->path ? image->path : "(path not known)",
			image->machine == here		    ? "" :
			image->machine == IMAGE_MACHINE_ANY ? "  (for the file that is there)" :
							      "  (from another machine)");
	}
	shelf_close(&shelf);
	return 0;
}

/* ---- import ------------------------------------------------------------------------------ */

static int image_read(const char *path, struct image *ret)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	AUTO_FREE void *data = NULL;
	const char *reason = NULL;
	size_t bytes = 0;
	int r = fd < 0 ? -errno : whole_read(fd, IMAGE_BYTES_MAX, &data, &bytes);

	if (!r)
		r = image_decode(data, bytes, ret, &reason);
	if (r)
		log_error("%s cannot be imported: %s", path, reason ? reason : strerror(-r));
	if (!r && !ret->path) {
		log_error("%s cannot be imported: it does not say which program it is for", path);
		image_clear(ret);
		r = -EINVAL;
	}
	return r;
}

/*
 * The profile that is in use for a path: of this machine, executed last; without @own_only else one
 * that came from elsewhere and waits for its program to run. Return: NULL: none.
 */
static struct image *version_last(struct shelf *shelf, const char *path, bool own_only)
{
	uint64_t here = image_machine();
	struct image *last = NULL;

	for (size_t i = 0; i < shelf->n; i++) {
		struct image *image = &shelf->images[i];
		bool own = image->machine == here, last_own = last && last->machine == here;

		if (!image->path || strcmp(image->path, path) || (!own && own_only))
			continue;
		if (!last || (own && !last_own) ||
		    (own == last_own && last->last_run_ns < image->last_run_ns))
			last = image;
	}
	return last;
}

int profile_import(const struct conf *conf, const char *file)
{
	IMAGE_CLEANUP struct image image = {0};
	struct shelf shelf;
	struct image *known;
	int r = image_read(file, &image);

	if (!r)
		r = shelf_open(conf, &shelf);
	if (r)
		return r;
	known = version_last(&shelf, image.path, false);
	if (known) {
		r = image_merge(known, &image);
	} else if (image.machine == image_machine()) {
		image.machine =
			IMAGE_MACHINE_ANY; /* of a file that is not here any more, perhaps */
	}
	if (!r)
		r = store_save(shelf.store, known ? known : &image);
	if (r)
		log_error("cannot import %s: %s", file, strerror(-r));
	else
		log_info("%s: %s, %zu words%s", image.path,
			 state_name((enum ebph_state)(known ? known->state : image.state)),
			 known ? known->n_words : image.n_words,
			 known ? ", united with what was known here" : "");
	shelf_close(&shelf);
	return r;
}

/* ---- putting back ---------------------------------------------------------------------------- */

/* The version before @last that knows most: a normal one, else the latest. */
static struct image *version_before(struct shelf *shelf, const struct image *last)
{
	struct image *best = NULL;

	for (size_t i = 0; i < shelf->n; i++) {
		struct image *image = &shelf->images[i];
		bool normal = image->state == EBPH_STATE_NORMAL;

		if (image == last || image->machine != last->machine || !image->path ||
		    strcmp(image->path, last->path))
			continue;
		if (!best || (normal && best->state != EBPH_STATE_NORMAL) ||
		    (normal == (best->state == EBPH_STATE_NORMAL) &&
		     best->last_run_ns < image->last_run_ns))
			best = image;
	}
	return best;
}

static int put_back(struct shelf *shelf, struct image *before, const struct image *last)
{
	const char *old = shelf->names[before - shelf->images];
	const char *new = shelf->names[last - shelf->images];
	int r;

	before->machine = IMAGE_MACHINE_ANY;
	r = store_save(shelf->store, before);
	/* Only now: should we be stopped in between, nothing is lost. */
	if (!r)
		r = store_remove(shelf->store, new);
	if (!r)
		r = store_remove(shelf->store, old);
	return r;
}

int profile_put_back(const struct conf *conf, const char *path)
{
	struct image *last, *before;
	struct shelf shelf;
	int r = shelf_open(conf, &shelf);

	if (r)
		return r;
	last = version_last(&shelf, path, true);
	before = last ? version_before(&shelf, last) : NULL;
	if (!before) {
		log_error("%s has no older profile%s", path, last ? "" : ", and no profile at all");
		r = -ENOENT;
	} else {
		r = put_back(&shelf, before, last);
		if (r)
			log_error("cannot put the profile of %s back: %s", path, strerror(-r));
		else
			log_info("%s: the profile of its older version (%s, %zu words) is in use "
				 "again",
				 path, state_name((enum ebph_state)before->state), before->n_words);
	}
	shelf_close(&shelf);
	return r;
}
