/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sections [binary PATH]: which there are, and which of them are for a program. */
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "option.h"

/* ---- trees --------------------------------------------------------------------------------- */

static int path_compare(const void *a, const void *b)
{
	return strcmp(((const struct conf_binary *)a)->path.text,
		      ((const struct conf_binary *)b)->path.text);
}

static int real_compare(const void *a, const void *b)
{
	return strcmp(((const struct conf_binary *)a)->path.real,
		      ((const struct conf_binary *)b)->path.real);
}

static struct conf_binary *tree_find(void *const *root, const char *path,
				     int (*compare)(const void *, const void *))
{
	const struct conf_binary key = {.path = {.text = (char *)path, .real = (char *)path}};
	struct conf_binary **found = tfind(&key, root, compare);

	return found ? *found : NULL;
}

static void nothing(void *node)
{
	(void)node;
}

/* ---- sections ------------------------------------------------------------------------------ */

struct conf_binary *conf_binary_find(const struct conf *conf, const char *path)
{
	return tree_find(&conf->by_path, path, path_compare);
}

static void binary_free(struct conf_binary *binary)
{
	const struct conf_option *option;

	for (size_t i = 0; (option = conf_binary_option(i)); i++)
		conf_option_clear(option, &binary->settings);
	free(binary->path.text);
	free(binary->path.real);
	free(binary);
}

/* Takes the section. There is room for a power of two of them. */
static int binary_keep(struct conf *conf, struct conf_binary *binary)
{
	const size_t n = conf->n_binaries;
	struct conf_binary **binaries = conf->binaries;

	if (!(n & (n - 1))) {
		binaries = realloc(binaries, (n ? 2 * n : 1) * sizeof(struct conf_binary *));
		if (!binaries)
			return -ENOMEM;
		conf->binaries = binaries;
	}
	if (!tsearch(binary, &conf->by_path, path_compare))
		return -ENOMEM;
	binaries[conf->n_binaries++] = binary;
	return 0;
}

int conf_binary_add(struct conf *conf, const char *path, struct conf_binary **ret_binary)
{
	struct conf_binary *binary = calloc(1, sizeof(*binary));

	if (!binary)
		return -ENOMEM;
	binary->path.text = strdup(path);
	if (binary->path.text)
		conf_word_classify(&binary->path);
	if (!binary->path.text || binary_keep(conf, binary)) {
		binary_free(binary);
		return -ENOMEM;
	}
	*ret_binary = binary;
	return 0;
}

void conf_binaries_free(struct conf *conf)
{
	tdestroy(conf->by_path, nothing);
	tdestroy(conf->by_real, nothing);
	for (size_t i = 0; i < conf->n_binaries; i++)
		binary_free(conf->binaries[i]);
	free(conf->binaries);
	free(conf->globs);
}

/* ---- order --------------------------------------------------------------------------------- */

static int origin_compare(const void *a, const void *b)
{
	const struct conf_origin *oa = &(*(struct conf_binary *const *)a)->origin;
	const struct conf_origin *ob = &(*(struct conf_binary *const *)b)->origin;

	if (oa->file != ob->file)
		return oa->file < ob->file ? -1 : 1;
	return (oa->line > ob->line) - (oa->line < ob->line);
}

static int specific_compare(const void *a, const void *b)
{
	const struct conf_word *wa = &(*(struct conf_binary *const *)a)->path;
	const struct conf_word *wb = &(*(struct conf_binary *const *)b)->path;

	if (wa->n_literal != wb->n_literal)
		return wa->n_literal < wb->n_literal ? -1 : 1;
	return origin_compare(a, b);
}

static void others_settle(struct conf *conf)
{
	const struct conf_option *option, *for_all;

	for (size_t i = 0; (option = conf_binary_option(i)); i++) {
		for_all = conf_option_for_all(option);
		if (for_all)
			conf_option_borrow(option, &conf->binary, for_all, conf);
	}
}

int conf_settle(struct conf *conf)
{
	others_settle(conf);
	tdestroy(conf->by_real, nothing);
	conf->by_real = NULL;
	conf->n_globs = 0;
	free(conf->globs);
	conf->globs = calloc(conf->n_binaries + 1, sizeof(struct conf_binary *));
	if (!conf->globs)
		return -ENOMEM;
	if (conf->n_binaries)
		qsort(conf->binaries, conf->n_binaries, sizeof(struct conf_binary *),
		      origin_compare);
	/* From the end: of two links to one file, the one further down is the first in the tree. */
	for (size_t i = conf->n_binaries; i-- > 0;) {
		struct conf_binary *binary = conf->binaries[i];

		if (binary->path.is_glob)
			conf->globs[conf->n_globs++] = binary;
		else if (binary->path.real && !tsearch(binary, &conf->by_real, real_compare))
			return -ENOMEM;
	}
	qsort(conf->globs, conf->n_globs, sizeof(struct conf_binary *), specific_compare);
	return 0;
}

/* ---- for a program -------------------------------------------------------------------------- */

void conf_for_others(const struct conf *conf, struct conf_effective *ret)
{
	const struct conf_option *option, *for_all;

	*ret = (struct conf_effective){.settings = conf->binary};
	for (size_t i = 0; (option = conf_binary_option(i)); i++) {
		for_all = conf_option_for_all(option);
		if (for_all)
			ret->origins[i] = conf->origins[for_all - conf_options];
	}
}

void conf_binary_apply(const struct conf_binary *binary, struct conf_effective *ret)
{
	const struct conf_option *option;

	for (size_t i = 0; (option = conf_binary_option(i)); i++) {
		if (!binary->origins[i].line)
			continue;
		conf_option_borrow(option, &ret->settings, option, &binary->settings);
		ret->origins[i] = binary->origins[i];
	}
	ret->listed = true;
}

void conf_for_path(const struct conf *conf, const char *path, struct conf_effective *ret)
{
	const struct conf_binary *exact = conf_binary_find(conf, path);
	const struct conf_binary *link = tree_find(&conf->by_real, path, real_compare);

	conf_for_others(conf, ret);
	for (size_t i = 0; i < conf->n_globs; i++)
		if (conf_word_matches(&conf->globs[i]->path, path))
			conf_binary_apply(conf->globs[i], ret);
	if (link)
		conf_binary_apply(link, ret);
	/* The path of a program may look like a glob; then it is not that section's. */
	if (exact && !exact->path.is_glob)
		conf_binary_apply(exact, ret);
}

void conf_for_container(const struct conf *conf, const char *path, const char *cgroup,
			struct conf_effective *ret)
{
	const struct conf_binary *exact = conf_binary_find(conf, path);

	conf_for_others(conf, ret);
	for (size_t i = 0; i < conf->n_globs; i++)
		if (conf_list_has_cgroup(&conf->globs[i]->settings.containers, cgroup) &&
		    conf_word_matches(&conf->globs[i]->path, path))
			conf_binary_apply(conf->globs[i], ret);
	/* A symbolic link of the host's means nothing there. */
	if (exact && !exact->path.is_glob &&
	    conf_list_has_cgroup(&exact->settings.containers, cgroup))
		conf_binary_apply(exact, ret);
}

bool conf_enforces(const struct conf *conf)
{
	const struct conf_option *option = conf_option_find(CONF_SECTION_BINARY, "mode");

	if (conf->enforcer.mode == CONF_MODE_ENFORCE)
		return true;
	for (size_t i = 0; i < conf->n_binaries; i++)
		if (conf_option_origin(option, NULL, conf->binaries[i])->line &&
		    conf->binaries[i]->settings.mode == CONF_MODE_ENFORCE)
			return true;
	return false;
}
