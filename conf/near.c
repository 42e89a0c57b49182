/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a misspelt name was meant to be. */
#include <string.h>

#include "option.h"

/* Levenshtein distance: characters inserted, left out or changed. Overlong words are far. */
static size_t distance(const char *a, const char *b)
{
	enum { WORD_MAX = 32 };
	const size_t n = strlen(a), m = strlen(b);
	size_t row[WORD_MAX + 1];

	if (n > WORD_MAX || m > WORD_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= m; j++)
		row[j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			const size_t changed = diagonal + (a[i - 1] != b[j - 1]);
			const size_t added = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;

			diagonal = row[j];
			row[j] = changed < added ? changed : added;
		}
	}
	return row[m];
}

/* True if word is nearer to known than *best, and near enough to be worth a question at all. */
static bool nearer(const char *word, const char *known, size_t *best)
{
	const size_t d = distance(word, known);

	if (d > 2 || 2 * d > strlen(known) || d >= *best)
		return false;
	*best = d;
	return true;
}

const struct conf_option *conf_option_near(const char *section, const char *name)
{
	const struct conf_option *near = NULL;
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < conf_n_options; i++) {
		const struct conf_option *option = &conf_options[i];

		if (!strcmp(option->section, section) && nearer(name, option->name, &best))
			near = option;
	}
	return near;
}

const struct conf_section *conf_section_near(const char *name)
{
	const struct conf_section *near = NULL;
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < conf_n_sections; i++)
		if (nearer(name, conf_sections[i].name, &best))
			near = &conf_sections[i];
	return near;
}
