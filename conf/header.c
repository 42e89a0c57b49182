/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The headers of sections. */
#include <stdio.h>
#include <string.h>

#include "parser.h"

enum { SECTION_NAME_MAX = 49 }; /* of inih */

static void report_unknown_section(struct parser *p, const char *name)
{
	const struct conf_section *near = conf_section_near(name);
	char known[256] = "";

	if (near) {
		ERROR(p, 1, "unknown section [%s]; did you mean [%s]?", name, near->name);
		return;
	}
	for (size_t i = 0; i < conf_n_sections; i++) {
		const size_t used = strlen(known);

		snprintf(known + used, sizeof(known) - used, " [%s]", conf_sections[i].name);
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
	if (*line)
		ERROR(p, 1, "section [%s] was there before, in line %u; put its options there",
		      name, *line);
	else
		*line = p->place.line;
	return true;
}

bool header_read(struct parser *p)
{
	const char *text = p->place.text;
	const char *bracket = memchr(text, ']', p->place.text_len);
	char name[SECTION_NAME_MAX + 1] = "";
	size_t len, after;

	p->where = IN_REFUSED_SECTION;
	if (!bracket) {
		ERROR(p, p->place.text_len, "no ']' after the name of the section");
		return false;
	}
	len = (size_t)(bracket - text) - 1;
	if (len > SECTION_NAME_MAX) {
		ERROR(p, 1, "name of the section too long: %zu bytes; expected at most %d", len,
		      SECTION_NAME_MAX);
		return false;
	}
	memcpy(name, text + 1, len);
	if (!check_section_name(p, name))
		return false;

	for (after = len + 2; after < p->place.text_len && is_blank(text[after]);)
		after++;
	if (after == p->place.text_len)
		return true;
	if (text[after] == ';' || text[after] == '#')
		ERROR(p, after, "comment after a section; put it on a line of its own");
	else
		ERROR(p, after, "text after a section; expected the end of the line");
	return true;
}
