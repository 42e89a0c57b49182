/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control groups (version 2) that the words of a list name: directories, found by path or unit. */
#include <fnmatch.h>
#include <fts.h>
#include <glob.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "option.h"

/* Who is told, and how often. */
struct search {
	conf_cgroup_fn *found;
	void *context;
	size_t n;
};

static void tell(struct search *search, const struct stat *st)
{
	if (!S_ISDIR(st->st_mode))
		return;
	search->found(search->context, st->st_ino);
	search->n++;
}

static bool is_slice(const char *name)
{
	const size_t len = strlen(name), suffix_len = strlen(".slice");

	return len > suffix_len && !strcmp(name + len - suffix_len, ".slice");
}

/*
 * Of units, only those that the host's own manager has made: all above them are slices. Whoever is
 * given a subtree to manage, a user or a container, makes groups of any name in there.
 */
static void unit_search(struct search *search, const char *root, const char *unit)
{
	char path[PATH_MAX];
	char *const paths[] = {path, NULL};
	FTSENT *entry;
	FTS *tree;

	snprintf(path, sizeof(path), "%s", root);
	tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	while (tree && (entry = fts_read(tree))) {
		if (entry->fts_info != FTS_D || entry->fts_level == FTS_ROOTLEVEL)
			continue;
		if (!fnmatch(unit, entry->fts_name, FNM_NOESCAPE))
			tell(search, entry->fts_statp);
		else if (is_slice(entry->fts_name))
			continue;
		fts_set(tree, entry, FTS_SKIP);
	}
	if (tree)
		fts_close(tree);
}

static void path_search(struct search *search, const char *root, const struct conf_word *word)
{
	char path[PATH_MAX];
	struct stat st;
	glob_t paths;

	snprintf(path, sizeof(path), "%s%s", root, word->text);
	if (!word->is_glob) {
		if (!stat(path, &st))
			tell(search, &st);
		return;
	}
	if (!glob(path, GLOB_NOESCAPE | GLOB_NOSORT | GLOB_ONLYDIR, NULL, &paths)) {
		for (size_t i = 0; i < paths.gl_pathc; i++)
			if (!stat(paths.gl_pathv[i], &st))
				tell(search, &st);
		globfree(&paths);
	}
}

size_t conf_cgroup_find(const char *root, const struct conf_word *word, conf_cgroup_fn *found,
			void *context)
{
	struct search search = {.found = found, .context = context};

	if (*word->text == '/')
		path_search(&search, root, word);
	else
		unit_search(&search, root, word->text);
	return search.n;
}

/* As unit_search(): nothing below what is no slice. */
static bool unit_has(const char *unit, const char *cgroup)
{
	char part[NAME_MAX + 1];

	for (const char *at = cgroup; *at;) {
		size_t len;

		at += strspn(at, "/");
		len = strcspn(at, "/");
		if (!len || len >= sizeof(part))
			return false;
		memcpy(part, at, len);
		part[len] = '\0';
		if (!fnmatch(unit, part, FNM_NOESCAPE))
			return true;
		if (!is_slice(part))
			return false;
		at += len;
	}
	return false;
}

bool conf_list_has_cgroup(const struct conf_list *list, const char *cgroup)
{
	const int below = FNM_PATHNAME | FNM_LEADING_DIR | FNM_NOESCAPE;

	for (size_t i = 0; i < list->n; i++) {
		const char *text = list->words[i].text;

		if (*text == '/' ? !fnmatch(text, cgroup, below) : unit_has(text, cgroup))
			return true;
	}
	return false;
}
