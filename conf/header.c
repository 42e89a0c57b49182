/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The headers of sections. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "parser.h"

enum { SECTION_NAME_MAX = 49 }; /* of inih */

static void report_unknown_section(struct parser *p, const char *name)
{
	const struct conf_section *near = conf_section_near(name);
	char known[256] = "";

	if (near) {
		ERROR(p, 1, "unknown section [%s]; did you mean [%s]?", name,
		      conf_section_label(near));
		return;
	}
	for (size_t i = 0; i < conf_n_sections; i++) {
		const size_t used = strlen(known);

		snprintf(known + used, sizeof(known) - used, " [%s]",
			 conf_section_label(&conf_sections[i]));
	}
	ERROR(p, 1, "unknown section [%s]; expected one of%s", name, known);
}

/* Report a section that is not known, or known already. */
static bool check_section_name(struct parser *p, const char *name)
{
	const struct conf_section *section = conf_section_find(name);
	unsigned int *line;

	if (!section) {
		report_unknown_section(p, name);
		return false;
	}
	line = &p->section_lines[section - conf_sections];
	p->where = IN_SECTION;
	p->section = section;
	p->binary = NULL;
	if (*line)
		ERROR(p, 1, "section [%s] was there before, in line %u; put its options there",
		      name, *line);
	else
		*line = p->place.line;
	return true;
}

/* Report what follows the bracket. */
static bool check_end(struct parser *p, const char *bracket)
{
	const char *text = p->place.text;
	size_t after = (size_t)(bracket - text) + 1;

	while (after < p->place.text_len && is_blank(text[after]))
		after++;
	if (after == p->place.text_len)
		return true;
	if (text[after] == ';' || text[after] == '#')
		ERROR(p, after, "comment after a section; put it on a line of its own");
	else
		ERROR(p, after, "text after a section; expected the end of the line");
	return false;
}

/* ---- [binary PATH] -------------------------------------------------------------------------- */

static int binary_take(struct parser *p, const char *path, size_t index)
{
	const struct conf_origin here = {.line = p->place.line, .file = p->file};
	struct conf_binary *binary = conf_binary_find(p->conf, path);
	int err;

	if (!binary) {
		err = conf_binary_add(p->conf, path, &binary);
		if (err)
			return err;
	} else if (binary->origin.file == here.file) {
		ERROR(p, index,
		      "section [binary %s] was there before, in line %u; put its options "
		      "there",
		      path, binary->origin.line);
		return 0;
	}
	binary->origin = here;
	p->where = IN_SECTION;
	p->section = conf_section_find(CONF_SECTION_BINARY);
	p->binary = binary;
	word_ask(p, CONF_TYPE_PATHS, &binary->path, index);
	return 0;
}

/* Where in the text a comment seems to begin; its length if there is none. */
static size_t comment_index(const char *text, size_t len)
{
	for (size_t i = 1; i < len; i++)
		if ((text[i] == ';' || text[i] == '#') && is_blank(text[i - 1]))
			return i;
	return len;
}

/* The path lies between start and the last bracket: a glob may have brackets of its own. */
static void binary_read(struct parser *p, size_t start)
{
	const char *text = p->place.text;
	const char *bracket = memrchr(text, ']', p->place.text_len);
	const size_t comment = comment_index(text, p->place.text_len);
	char path[CONF_LINE_MAX + 1] = "";
	const char *wrong;
	size_t end = (size_t)(bracket - text);

	if (comment < p->place.text_len) {
		ERROR(p, comment, "comment after a section; put it on a line of its own");
		return;
	}
	if (!check_end(p, bracket))
		return;
	while (start < end && is_blank(text[start]))
		start++;
	while (end > start && is_blank(text[end - 1]))
		end--;
	memcpy(path, text + start, end - start);
	wrong = conf_pattern_wrong(path);
	if (start == end)
		ERROR(p, start, "no path; expected [" CONF_SECTION_BINARY " PATH]");
	else if (wrong)
		ERROR(p, start,
		      "'%s' %s; expected [" CONF_SECTION_BINARY " PATH] with an absolute "
		      "path or glob",
		      path, wrong);
	else if (binary_take(p, path, start))
		p->err = -ENOMEM;
}

/* ---- all ------------------------------------------------------------------------------------ */

bool header_read(struct parser *p)
{
	const size_t binary_len = strlen(CONF_SECTION_BINARY);
	const char *text = p->place.text;
	const char *bracket = memchr(text, ']', p->place.text_len);
	char name[SECTION_NAME_MAX + 1] = "";
	size_t len;

	p->where = IN_REFUSED_SECTION;
	if (!bracket) {
		ERROR(p, p->place.text_len, "no ']' after the name of the section");
		return false;
	}
	len = (size_t)(bracket - text) - 1;
	if (len >= binary_len && !memcmp(text + 1, CONF_SECTION_BINARY, binary_len) &&
	    (len == binary_len || is_blank(text[1 + binary_len]))) {
		binary_read(p, 1 + binary_len);
		return p->where == IN_SECTION;
	}
	if (len > SECTION_NAME_MAX) {
		ERROR(p, 1, "name of the section too long: %zu bytes; expected at most %d", len,
		      SECTION_NAME_MAX);
		return false;
	}
	memcpy(name, text + 1, len);
	return check_section_name(p, name) && check_end(p, bracket);
}
