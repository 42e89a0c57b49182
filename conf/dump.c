/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is written from the option table: the effective configuration and the example file. */
#include <string.h>

#include "conf.h"
#include "option.h"

enum { COMMENT_WIDTH = 90 };

/* Write text as comment, filled to COMMENT_WIDTH; "\n" ends a paragraph. */
static void comment_print(const char *text, FILE *out)
{
	size_t column = 1;

	fputc('#', out);
	for (;;) {
		const size_t len = strcspn(text, " \n");

		if (column > 1 && column + 1 + len > COMMENT_WIDTH) {
			fputs("\n#", out);
			column = 1;
		}
		fprintf(out, "%s%.*s", len ? " " : "", (int)len, text);
		column += 1 + len;
		text += len;
		if (*text == '\n') {
			fputs("\n#", out);
			column = 1;
		}
		if (!*text++)
			break;
	}
	fputc('\n', out);
}

/* The header, and above it what it is about. */
static void section_print(const struct conf_section *section, const char *header, FILE *out)
{
	fputc('\n', out);
	comment_print(section->help, out);
	fprintf(out, "%s\n", header);
}

static bool is_binary(const struct conf_section *section)
{
	return !strcmp(section->name, CONF_SECTION_BINARY);
}

void conf_origin_print(const struct conf *conf, struct conf_origin origin, FILE *out)
{
	if (!origin.line)
		fputs("the default", out);
	else if (origin.line == CONF_ORIGIN_COMMAND_LINE.line)
		fputs("the command line", out);
	else if (origin.line == CONF_ORIGIN_KEPT.line)
		fputs("the start", out);
	else
		fprintf(out, "%s:%u", conf->files[origin.file], origin.line);
}

/* A list may take many lines: no line of a file may be too long. */
static void list_dump(const struct conf_option *option, const struct conf_list *list, FILE *out)
{
	size_t column = 0;

	for (size_t i = 0; i < list->n; i++) {
		const size_t len = strlen(list->words[i].text);

		if (!column || column + 1 + len > COMMENT_WIDTH) {
			fprintf(out, "%s%s =", column ? "\n" : "", option->name);
			column = strlen(option->name) + 2;
		}
		fprintf(out, " %s", list->words[i].text);
		column += 1 + len;
	}
	fputc('\n', out);
}

static void origin_comment(const struct conf *conf, struct conf_origin origin, FILE *out)
{
	fputs("# ", out);
	conf_origin_print(conf, origin, out);
	fputc('\n', out);
}

/* The option with its value in a record, which option_set() would read. */
static void option_dump(const struct conf_option *option, const void *record, FILE *out)
{
	if (conf_option_is_empty(option, record)) {
		fprintf(out, "%s =\n", option->name);
		return;
	}
	if (conf_type_is_list(option->type)) {
		list_dump(option, conf_option_list(option, (void *)record), out);
		return;
	}
	fprintf(out, "%s = ", option->name);
	conf_option_print(option, record, out);
	fputc('\n', out);
}

static void section_dump(const struct conf *conf, const struct conf_section *section,
			 bool with_origins, FILE *out)
{
	char header[64];

	snprintf(header, sizeof(header), "[%s]", section->name);
	section_print(section, header, out);
	for (size_t i = 0; i < conf_n_options; i++) {
		if (strcmp(conf_options[i].section, section->name) != 0)
			continue;
		if (with_origins)
			origin_comment(conf, conf->origins[i], out);
		option_dump(&conf_options[i], conf, out);
	}
}

static void binary_dump(const struct conf *conf, const struct conf_binary *binary,
			bool with_origins, FILE *out)
{
	const struct conf_option *option;

	fputc('\n', out);
	if (with_origins)
		origin_comment(conf, binary->origin, out);
	fprintf(out, "[" CONF_SECTION_BINARY " %s]\n", binary->path.text);
	for (size_t i = 0; (option = conf_binary_option(i)); i++) {
		if (!binary->origins[i].line)
			continue;
		if (with_origins)
			origin_comment(conf, binary->origins[i], out);
		option_dump(option, &binary->settings, out);
	}
}

void conf_dump(const struct conf *conf, bool with_origins, FILE *out)
{
	comment_print("The effective configuration of ebphd.", out);
	for (size_t i = 0; i < conf_n_sections; i++)
		if (!is_binary(&conf_sections[i]))
			section_dump(conf, &conf_sections[i], with_origins, out);
	for (size_t i = 0; i < conf->n_binaries; i++)
		binary_dump(conf, conf->binaries[i], with_origins, out);
}

void conf_explain(const struct conf *conf, const char *path, FILE *out)
{
	const struct conf_option *option;
	struct conf_effective effective;

	conf_for_path(conf, path, &effective);
	fprintf(out, "%s:%s\n", path, effective.listed ? "" : " no section is for it");
	if (conf_list_matches(&conf->allow.executables, path))
		fputs("executables in [allow] has it\n", out);
	for (size_t i = 0; (option = conf_binary_option(i)); i++) {
		fprintf(out, "%s = ", option->name);
		conf_option_print(option, &effective.settings, out);
		fputs("  (", out);
		conf_origin_print(conf, effective.origins[i], out);
		fputs(")\n", out);
	}
}

/* ---- the example ---------------------------------------------------------------------------- */

static void option_write_example(const struct conf_option *option, FILE *out)
{
	const struct conf_option *for_all =
		option->default_text ? NULL : conf_option_for_all(option);
	const char *value = for_all ? for_all->default_text : option->default_text;
	char expected[CONF_REASON_MAX];

	fputc('\n', out);
	comment_print(option->help, out);
	conf_option_expected(option, expected, sizeof(expected));
	fprintf(out, "# Value: %s.", expected);
	if (for_all)
		fprintf(out, " Left out: as in [%s].", for_all->section);
	if (option->at_start)
		fputs(" A change takes a restart.", out);
	fprintf(out, "\n#%s =%s%s\n", option->name, *value ? " " : "", value);
}

void conf_write_example(FILE *out)
{
	comment_print(
		"Configuration of ebphd. Copy it to " CONF_PATH_DEFAULT ".\n"
		"\n"
		"Every option stands here at its default, commented out; to change one, remove the "
		"mark before it. A comment needs a line of its own, and every line begins in the "
		"first column. Durations are whole numbers with a unit: ns, us, ms, s, min, h or "
		"d. Sizes are whole numbers of bytes, or with a unit: K, M or G, powers of 1024. "
		"A list may go on in another line with the same name. "
		"`ebphd --check-config` says what is wrong with a file.\n"
		"\n"
		"Files whose names end in .conf in the directory " CONF_PATH_DEFAULT
		".d are read after "
		"this one, in the order of their names. What they say of an option replaces what "
		"was "
		"said before; to a list they add, unless they empty it first, with nothing after "
		"the "
		"=.\n"
		"\n"
		"A lookahead pair is a system call and one of the 8 before it. A profile is what "
		"one "
		"executable has been seen to do: a set of such pairs. An anomaly is a call with a "
		"pair that a normal profile lacks. LFC is how many of the last 128 calls of a "
		"thread "
		"were anomalies.",
		out);
	for (size_t i = 0; i < conf_n_sections; i++) {
		char header[64];

		snprintf(header, sizeof(header),
			 is_binary(&conf_sections[i]) ? "#[%s /usr/sbin/nginx]" : "[%s]",
			 conf_sections[i].name);
		section_print(&conf_sections[i], header, out);
		for (size_t j = 0; j < conf_n_options; j++)
			if (!strcmp(conf_options[j].section, conf_sections[i].name))
				option_write_example(&conf_options[j], out);
	}
}
