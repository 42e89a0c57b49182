/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is fine alone, but not together, or not on this host. */
#include <stdlib.h>
#include <string.h>

#include "parser.h"

enum { LOCALITY_FRAME = 128 }; /* a tolerance of all of it: no delays are wanted */

/* The value that a line has set. The line is looked up again: there is something to be reported. */
static struct conf_place place_of(const struct parser *p, struct conf_origin origin)
{
	struct parser reader = {.sources = p->sources};

	text_begin(&reader, origin.file);
	while (reader.place.line < origin.line)
		line_next(&reader);
	reader.place.column = (unsigned int)value_index(&reader.place) + 1;
	return reader.place;
}

/* Of two lines, the one that is read later; a default has none, and not both are. */
static struct conf_place later(const struct parser *p, struct conf_origin a, struct conf_origin b)
{
	if (!a.line || !b.line)
		return place_of(p, a.line ? a : b);
	if (a.file != b.file)
		return place_of(p, a.file > b.file ? a : b);
	return place_of(p, a.line > b.line ? a : b);
}

static struct conf_origin origin_of(const struct conf_effective *effective, const char *name)
{
	const struct conf_option *option = conf_option_find(CONF_SECTION_BINARY, name);

	return effective->origins[option - conf_binary_option(0)];
}

/* Options that programs can have for themselves. */
static void effective_check(struct parser *p, const struct conf_effective *effective)
{
	const struct conf_settings *settings = &effective->settings;
	struct conf_place place;

	if (settings->delay_base_ns > settings->max_delay_ns) {
		place = later(p, origin_of(effective, "delay_base"),
			      origin_of(effective, "max_delay"));
		conf_diag_add(p->diag, CONF_ERROR, &place,
			      "delay_base exceeds max_delay; lower it or raise the other");
	}
	if (settings->tolerance >= settings->exec_abort_limit &&
	    settings->tolerance < LOCALITY_FRAME) {
		place = later(p, origin_of(effective, "tolerance"),
			      origin_of(effective, "exec_abort_limit"));
		conf_diag_add(p->diag, CONF_WARNING, &place,
			      "tolerance is not less than exec_abort_limit: "
			      "execve fails before any call is delayed");
	}
}

/*
 * A section over the options for all. What several sections make of a program together may still be
 * odd; then the least delay that they allow is what it gets.
 */
static void binary_check(struct parser *p, const struct conf_binary *binary)
{
	struct conf_effective effective;

	conf_for_others(p->conf, &effective);
	conf_binary_apply(binary, &effective);
	effective_check(p, &effective);
}

/* Does it set what effective_check() looks at? Otherwise that has been said of the options for all.
 */
static bool sets_any(const struct conf_binary *binary)
{
	static const char *const names[] = {"delay_base", "max_delay", "tolerance",
					    "exec_abort_limit"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct conf_option *option = conf_option_find(CONF_SECTION_BINARY, names[i]);

		if (binary->origins[option - conf_binary_option(0)].line)
			return true;
	}
	return false;
}

static struct conf_origin origin_of_all(const struct conf *conf, const char *section,
					const char *name)
{
	return conf->origins[conf_option_find(section, name) - conf_options];
}

void together_check(struct parser *p)
{
	const struct conf *conf = p->conf;
	struct conf_effective others;
	struct conf_place place;

	conf_for_others(conf, &others);
	effective_check(p, &others);
	if (conf->response.breaker_pause_ns < conf->response.breaker_window_ns) {
		place = later(p, origin_of_all(conf, "response", "breaker_window"),
			      origin_of_all(conf, "response", "breaker_pause"));
		conf_diag_add(p->diag, CONF_ERROR, &place,
			      "breaker_pause is less than breaker_window; raise it or lower the "
			      "other");
	}
	if (conf->detection.normal_factor <= conf->detection.normal_factor_den) {
		place = later(p, origin_of_all(conf, "detection", "normal_factor"),
			      origin_of_all(conf, "detection", "normal_factor_den"));
		conf_diag_add(p->diag, CONF_WARNING, &place,
			      "normal_factor is not more than normal_factor_den: "
			      "a profile freezes as soon as one call brings nothing new");
	}
	for (size_t i = 0; i < conf->n_binaries; i++)
		if (sets_any(conf->binaries[i]))
			binary_check(p, conf->binaries[i]);
}

/* ---- paths on this host --------------------------------------------------------------------- */

/* A glob is compared with where programs lie; through a link as directory it would find nothing. */
static void glob_ask(struct parser *p, const struct conf_word *word, size_t index)
{
	char dir[CONF_PATH_LEN_MAX + 1], *real;
	size_t len = word->n_literal;

	while (len && word->text[len] != '/')
		len--;
	if (!len)
		return;
	memcpy(dir, word->text, len);
	dir[len] = '\0';
	real = conf_path_real(dir);
	if (!real)
		WARNING(p, index, "there is no directory %s yet", dir);
	else if (strcmp(real, dir) != 0)
		WARNING(p, index,
			"%s leads to %s, and programs are known by where they lie; "
			"expected %s%s",
			dir, real, real, word->text + len);
	free(real);
}

static void found_ignore(void *context, uint64_t id)
{
	(void)context;
	(void)id;
}

static void cgroup_ask(struct parser *p, const struct conf_word *word, size_t index)
{
	const char *root = conf_cgroup_root();

	if (!root)
		WARNING(p, index,
			"has no effect: this host has no control groups of version 2 mounted at "
			"/sys/fs/cgroup");
	else if (!conf_cgroup_find(root, word, found_ignore, NULL))
		WARNING(p, index, "there is no control group %s yet", word->text);
}

void word_ask(struct parser *p, enum conf_type type, struct conf_word *word, size_t index)
{
	char *real;

	if (!p->asks_host || word->real)
		return;
	if (type == CONF_TYPE_CGROUPS) {
		cgroup_ask(p, word, index);
		return;
	}
	if (word->is_glob) {
		glob_ask(p, word, index);
		return;
	}
	real = conf_path_real(word->text);
	if (!real)
		WARNING(p, index, "there is no %s yet", word->text);
	if (real && strcmp(real, word->text) != 0)
		word->real = real;
	else
		free(real);
}
