// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/catalog.h"

#include <errno.h>
#include <search.h>
#include <string.h>

#include "enforcer/util.h"

#define COMPARE(a, b) (((a) > (b)) - ((a) < (b)))

static int exe_compare(const void *left, const void *right)
{
	const struct record *a = left, *b = right;
	int r = COMPARE(a->machine, b->machine);

	if (!r)
		r = COMPARE(a->exe.ino, b->exe.ino);
	if (!r)
		r = COMPARE(a->exe.mtime_ns, b->exe.mtime_ns);
	if (!r)
		r = COMPARE(a->exe.dev, b->exe.dev);
	return r ? r : COMPARE(a->exe.generation, b->exe.generation);
}

static int path_compare(const void *left, const void *right)
{
	const struct program *a = left, *b = right;

	return strcmp(a->path, b->path);
}

struct record *catalog_find_of(const struct catalog *catalog, const struct ebph_exe *exe,
			       uint64_t machine)
{
	const struct record key = {.exe = *exe, .machine = machine};
	struct record *const *found = tfind(&key, &catalog->by_exe, exe_compare);

	return found ? *found : NULL;
}

struct record *catalog_find(const struct catalog *catalog, const struct ebph_exe *exe)
{
	return catalog_find_of(catalog, exe, catalog->machine);
}

struct program *catalog_program(const struct catalog *catalog, const char *path)
{
	const struct program key = {.path = (char *)path};
	struct program *const *found = tfind(&key, &catalog->by_path, path_compare);

	return found ? *found : NULL;
}

static struct program *program_add(struct catalog *catalog, const char *path)
{
	struct program *program = catalog_program(catalog, path);

	if (program)
		return program;
	program = calloc(1, sizeof(*program));
	if (program)
		program->path = strdup(path);
	if (!program || !program->path || !tsearch(program, &catalog->by_path, path_compare)) {
		free(program ? program->path : NULL);
		free(program);
		return NULL;
	}
	return program;
}

/* Takes an entry out of its program, which goes with its last version. */
static void version_remove(struct catalog *catalog, struct record *entry)
{
	struct program *program = entry->program;
	struct record **link;

	if (!program)
		return;
	for (link = &program->versions; *link != entry; link = &(*link)->next)
		;
	*link = entry->next;
	entry->next = NULL;
	entry->program = NULL;
	if (program->versions)
		return;
	tdelete(program, &catalog->by_path, path_compare);
	free(program->path);
	free(program);
}

int catalog_name(struct catalog *catalog, struct record *entry, const char *path)
{
	struct program *program;

	if (entry->program && !strcmp(entry->program->path, path))
		return 0;
	program = program_add(catalog, path);
	if (!program)
		return -ENOMEM;
	version_remove(catalog, entry);
	entry->program = program;
	entry->next = program->versions;
	program->versions = entry;
	return 0;
}

struct record *catalog_add(struct catalog *catalog, const struct ebph_exe *exe, uint64_t machine,
			   const char *path)
{
	struct record *entry = calloc(1, sizeof(*entry)), **place;

	if (!entry)
		return NULL;
	entry->exe = *exe;
	entry->machine = machine;
	place = tsearch(entry, &catalog->by_exe, exe_compare);
	if (!place || *place != entry) {
		free(entry);
		return place ? *place : NULL;
	}
	catalog->n_entries++;
	if (path && catalog_name(catalog, entry, path)) {
		catalog_remove(catalog, entry);
		return NULL;
	}
	return entry;
}

int catalog_saved(struct catalog *catalog, struct record *entry, const char *file)
{
	char *copy = file ? strdup(file) : NULL;

	if (file && !copy)
		return -ENOMEM;
	catalog->n_saved += !!copy - !!entry->file;
	free(entry->file);
	entry->file = copy;
	return 0;
}

void catalog_remove(struct catalog *catalog, struct record *entry)
{
	catalog_saved(catalog, entry, NULL);
	version_remove(catalog, entry);
	tdelete(entry, &catalog->by_exe, exe_compare);
	catalog->n_entries--;
	free(entry);
}

static void record_free(void *record)
{
	free(((struct record *)record)->file);
	free(record);
}

static void program_free(void *program)
{
	free(((struct program *)program)->path);
	free(program);
}

void catalog_clear(struct catalog *catalog)
{
	tdestroy(catalog->by_exe, record_free);
	tdestroy(catalog->by_path, program_free);
	*catalog = (struct catalog){.machine = catalog->machine};
}

bool record_before(const struct record *a, const struct record *b)
{
	bool a_normal = a->state == EBPH_STATE_NORMAL, b_normal = b->state == EBPH_STATE_NORMAL;

	if (!a->program != !b->program)
		return !a->program;
	if (a_normal != b_normal)
		return b_normal;
	return a->last_run_ns < b->last_run_ns;
}

struct listing {
	struct record **records;
	size_t n;
};

static void list_visit(const void *node, VISIT visit, void *context)
{
	struct record *record = *(struct record *const *)node;
	struct listing *listing = context;

	if ((visit == postorder || visit == leaf) && record->file && !record->slot)
		listing->records[listing->n++] = record;
}

int catalog_list(const struct catalog *catalog, struct record ***ret, size_t *ret_n)
{
	struct listing listing = {.records = calloc(catalog->n_entries, sizeof(struct record *))};

	if (!listing.records)
		return -ENOMEM;
	twalk_r(catalog->by_exe, list_visit, &listing);
	*ret = listing.records;
	*ret_n = listing.n;
	return 0;
}
