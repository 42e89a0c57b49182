/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What differs between two configurations, and how one takes the place of the other. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "option.h"

struct diff {
	conf_change_fn *on_change;
	void *context;
	int err;
};

/* A line in the making. */
struct line {
	char *text;
	size_t size;
	FILE *out; /* NULL: no memory */
};

/* The section is named by its path, if it has one. */
static void line_begin(struct line *line, const char *section, const char *path)
{
	*line = (struct line){0};
	line->out = open_memstream(&line->text, &line->size);
	if (line->out)
		fprintf(line->out, path ? "[%s %s]" : "[%s]", section, path);
}

static void line_tell(struct line *line, struct diff *diff, bool at_start)
{
	if (!line->out || fclose(line->out))
		diff->err = -ENOMEM;
	else
		diff->on_change(diff->context, line->text, at_start);
	free(line->text);
}

static bool has_word(const struct conf_list *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++)
		if (!strcmp(list->words[i].text, text))
			return true;
	return false;
}

/* Words of a that b lacks. Return: are there any? */
static bool words_print(const struct conf_list *a, const struct conf_list *b, char sign, FILE *out)
{
	bool any = false;

	for (size_t i = 0; i < a->n; i++) {
		if (has_word(b, a->words[i].text))
			continue;
		if (out)
			fprintf(out, " %c%s", sign, a->words[i].text);
		any = true;
	}
	return any;
}

static void lists_compare(struct diff *diff, const struct conf_option *option, const char *path,
			  const struct conf_list *before, const struct conf_list *after)
{
	struct line line;

	if (!words_print(before, after, '-', NULL) && !words_print(after, before, '+', NULL))
		return;
	line_begin(&line, option->section, path);
	if (line.out) {
		fprintf(line.out, " %s:", option->name);
		words_print(before, after, '-', line.out);
		words_print(after, before, '+', line.out);
	}
	line_tell(&line, diff, option->at_start);
}

/* The value in words; on the heap. NULL: no memory. */
static char *value_text(const struct conf_option *option, const void *record)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	if (!record)
		fputs("as for all", out);
	else if (conf_option_is_empty(option, record))
		fputs("nothing", out);
	else
		conf_option_print(option, record, out);
	if (!fclose(out))
		return text;
	free(text);
	return NULL;
}

/* A record that is NULL does not set the option. */
static void values_compare(struct diff *diff, const struct conf_option *option, const char *path,
			   const void *before, const void *after)
{
	char *from = value_text(option, before), *to = value_text(option, after);
	struct line line;

	if (!from || !to) {
		diff->err = -ENOMEM;
	} else if (strcmp(from, to) != 0) {
		line_begin(&line, option->section, path);
		if (line.out)
			fprintf(line.out, " %s: %s -> %s", option->name, from, to);
		line_tell(&line, diff, option->at_start);
	}
	free(from);
	free(to);
}

static void option_compare(struct diff *diff, const struct conf_option *option, const char *path,
			   void *before, void *after)
{
	if (before && after && conf_type_is_list(option->type))
		lists_compare(diff, option, path, conf_option_list(option, before),
			      conf_option_list(option, after));
	else
		values_compare(diff, option, path, before, after);
}

static void section_tell(struct diff *diff, const char *path, const char *what)
{
	struct line line;

	line_begin(&line, CONF_SECTION_BINARY, path);
	if (line.out)
		fprintf(line.out, ": %s", what);
	line_tell(&line, diff, false);
}

static void *set_record(struct conf_binary *binary, size_t i)
{
	return binary && binary->origins[i].line ? &binary->settings : NULL;
}

static void binary_compare(struct diff *diff, struct conf_binary *before, struct conf_binary *after)
{
	const struct conf_option *option;

	if (!before)
		section_tell(diff, after->path.text, "new");
	for (size_t i = 0; (option = conf_binary_option(i)); i++)
		option_compare(diff, option, after->path.text, set_record(before, i),
			       set_record(after, i));
}

int conf_diff(const struct conf *before, const struct conf *after, conf_change_fn *on_change,
	      void *context)
{
	struct diff diff = {on_change, context, 0};

	for (size_t i = 0; i < conf_n_options; i++)
		if (strcmp(conf_options[i].section, CONF_SECTION_BINARY) != 0)
			option_compare(&diff, &conf_options[i], NULL, (void *)before,
				       (void *)after);
	for (size_t i = 0; i < before->n_binaries; i++) {
		const char *path = before->binaries[i]->path.text;

		if (!conf_binary_find(after, path))
			section_tell(&diff, path, "gone");
	}
	for (size_t i = 0; i < after->n_binaries; i++)
		binary_compare(&diff, conf_binary_find(before, after->binaries[i]->path.text),
			       after->binaries[i]);
	return diff.err;
}

void conf_keep(struct conf *next, struct conf *current, const char *section, const char *name)
{
	for (size_t i = 0; i < conf_n_options; i++) {
		const struct conf_option *option = &conf_options[i];
		const bool is_it =
			section ? option == conf_option_find(section, name) : option->at_start;

		if (!is_it)
			continue;
		conf_option_swap(option, next, current);
		next->origins[i] = CONF_ORIGIN_KEPT;
	}
}

void conf_exchange(struct conf *a, struct conf *b)
{
	const struct conf kept = *a;

	*a = *b;
	*b = kept;
}
