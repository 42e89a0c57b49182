/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parser of ebph.conf, on inih.
 *
 * inih r55 forgives too much for a file that can stop a production service: it gives its handler
 * no line number, parses the tail of an overlong line as a line of its own, takes an indented
 * line as a second value of the line above, cuts values at " ;" and section names at 49 bytes,
 * ignores what follows ']', and stops telling errors apart after the first. So it reads through
 * line_read(), which counts the lines and hands over only those that leave it no such choice; all
 * others are reported and replaced by an empty line.
 */
#include <assert.h>
#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "diag.h"
#include "option.h"

/* inih needs room for the line, "\r\n" and the terminator. */
static_assert(CONF_LINE_MAX + 3 <= INI_MAX_LINE, "longer lines would be split");

enum { SECTION_NAME_MAX = 49 }; /* of inih */
enum { LOCALITY_FRAME = 128 };	/* a tolerance of all of it: no delays are wanted */

/* What the lines below a section header belong to. */
enum where {
	BEFORE_SECTIONS,
	IN_SECTION,
	IN_REFUSED_SECTION, /* reported with its header: its options are passed over */
};

struct parser {
	struct conf_place place; /* the current line */
	const char *next;	 /* the unread rest of the text */
	const char *end;
	enum where where;
	struct conf *conf;
	struct conf_diag *diag;
	int err;					   /* -ENOMEM */
	struct conf_place option_places[CONF_OPTIONS_MAX]; /* line 0: not in the file */
	unsigned int section_lines[CONF_SECTIONS_MAX];	   /* likewise */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The current line with the column of one of its characters; index from 0. */
static const struct conf_place *at(struct parser *p, size_t index)
{
	p->place.column = (unsigned int)index + 1;
	return &p->place;
}

#define ERROR(p, index, ...) conf_diag_add((p)->diag, CONF_ERROR, at(p, index), __VA_ARGS__)

/* Characters that have no business in plain text, in a comment neither. */
static bool check_characters(struct parser *p)
{
	for (size_t i = 0; i < p->place.text_len; i++) {
		const unsigned char c = (unsigned char)p->place.text[i];

		if ((c >= ' ' && c != 0x7f) || c == '\t')
			continue;
		if (c)
			ERROR(p, i, "control character 0x%02x; expected plain text", c);
		else
			ERROR(p, i, "NUL byte; expected plain text");
		return false;
	}
	return true;
}

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
	if (*line)
		ERROR(p, 1, "section [%s] was there before, in line %u; put its options there",
		      name, *line);
	else
		*line = p->place.line;
	return true;
}

static bool check_section(struct parser *p)
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

/* Report a comment after a value: inih would cut it off at " ;" and take " #" as value. */
static bool check_value(struct parser *p, size_t start)
{
	const char *text = p->place.text;

	for (size_t i = start; i < p->place.text_len; i++) {
		if (text[i] != ';' && text[i] != '#')
			continue;
		if (i > start && !is_blank(text[i - 1]))
			continue;
		ERROR(p, i, "comment after a value; put it on a line of its own");
		return false;
	}
	return true;
}

static void report_unknown_option(struct parser *p, const char *section, const char *name)
{
	const struct conf_option *near = conf_option_near(section, name);
	const struct conf_option *elsewhere = conf_option_find(NULL, name);

	if (elsewhere)
		ERROR(p, 0, "unknown option '%s' in [%s]; it belongs in [%s]", name, section,
		      elsewhere->section);
	else if (near)
		ERROR(p, 0, "unknown option '%s' in [%s]; did you mean '%s'?", name, section,
		      near->name);
	else
		ERROR(p, 0, "unknown option '%s' in [%s]; ebph.conf.example lists all options",
		      name, section);
}

/* Report an assignment that is none. Its name and its value are the handler's business. */
static bool check_assignment(struct parser *p)
{
	const char *text = p->place.text;
	const size_t len = p->place.text_len;
	size_t name_len = 0, equals;

	while (name_len < len && !is_blank(text[name_len]) && !strchr("=:", text[name_len]))
		name_len++;
	for (equals = name_len; equals < len && is_blank(text[equals]);)
		equals++;

	if (equals < len && text[equals] == ':') {
		ERROR(p, equals, "':' after the name of an option; expected '='");
		return false;
	}
	if (equals == len || text[equals] != '=') {
		ERROR(p, name_len, "no '='; expected NAME = VALUE");
		return false;
	}
	if (!name_len) {
		ERROR(p, 0, "no name before '='; expected NAME = VALUE");
		return false;
	}
	if (p->where == BEFORE_SECTIONS) {
		ERROR(p, 0, "option '%.*s' before any section; expected a line such as [%s] above",
		      (int)name_len, text, conf_sections[0].name);
		return false;
	}
	return check_value(p, equals + 1);
}

/* Decide whether inih may see the current line. */
static bool check_line(struct parser *p, size_t max_len)
{
	const char *text = p->place.text;
	size_t indent = 0;

	if (!check_characters(p))
		return false;
	while (indent < p->place.text_len && is_blank(text[indent]))
		indent++;
	if (indent == p->place.text_len || text[indent] == '#' || text[indent] == ';')
		return false;
	if (p->place.text_len > max_len) {
		ERROR(p, max_len, "line too long: %zu bytes; expected at most %zu",
		      p->place.text_len, max_len);
		return false;
	}
	if (indent) {
		ERROR(p, 0, "indented line; expected it to begin in the first column");
		return false;
	}
	if (*text == '[')
		return check_section(p);
	return check_assignment(p) && p->where == IN_SECTION;
}

/* Make the next line the current one, without the blanks and the "\r" at its end. */
static void line_next(struct parser *p)
{
	const char *newline = memchr(p->next, '\n', (size_t)(p->end - p->next));
	const char *end = newline ? newline : p->end;

	p->place.line++;
	p->place.text = p->next;
	p->next = newline ? newline + 1 : p->end;
	if (end > p->place.text && end[-1] == '\r')
		end--;
	while (end > p->place.text && is_blank(end[-1]))
		end--;
	p->place.text_len = (size_t)(end - p->place.text);
}

/* The reader of inih, with the contract of fgets(3): one line, always whole. */
static char *line_read(char *buffer, int size, void *stream)
{
	struct parser *p = stream;
	const size_t room = (size_t)size - 2; /* without "\n" and the terminator */
	size_t len = 0;

	if (p->next == p->end)
		return NULL;
	line_next(p);
	if (check_line(p, room < CONF_LINE_MAX ? room : CONF_LINE_MAX)) {
		len = p->place.text_len;
		memcpy(buffer, p->place.text, len);
	}
	buffer[len] = '\n';
	buffer[len + 1] = '\0';
	return buffer;
}

/* Where the value of the current line, an assignment, begins; its end if there is none. */
static size_t value_index(const struct parser *p)
{
	const char *equals = memchr(p->place.text, '=', p->place.text_len);
	size_t i = (size_t)(equals - p->place.text) + 1;

	while (i < p->place.text_len && is_blank(p->place.text[i]))
		i++;
	return i;
}

/* The handler of inih. Never fails: what is wrong is in diag. */
static int option_read(void *user, const char *section, const char *name, const char *value)
{
	const struct conf_option *option = conf_option_find(section, name);
	struct parser *p = user;
	char reason[CONF_REASON_MAX];
	struct conf_place *first;
	int err;

	if (!option) {
		report_unknown_option(p, section, name);
		return 1;
	}
	first = &p->option_places[option - conf_options];
	if (first->line) {
		ERROR(p, 0, "option '%s' was there before, in line %u; expected it once", name,
		      first->line);
		return 1;
	}
	*first = *at(p, value_index(p));
	err = conf_option_set(option, p->conf, value, reason);
	if (err == -EINVAL)
		ERROR(p, value_index(p), "%s: %s", name, reason);
	else if (err)
		p->err = err;
	return 1;
}

/* Of two options of a section, the place of the one that stands further down in the file. */
static const struct conf_place *later(const struct parser *p, const char *section, const char *a,
				      const char *b)
{
	const struct conf_place *pa =
		&p->option_places[conf_option_find(section, a) - conf_options];
	const struct conf_place *pb =
		&p->option_places[conf_option_find(section, b) - conf_options];

	return pa->line > pb->line ? pa : pb;
}

/* Values that are fine alone, but not together. */
static void check_together(struct parser *p)
{
	const struct conf *conf = p->conf;

	if (conf->response.delay_base_ns > conf->response.max_delay_ns)
		conf_diag_add(p->diag, CONF_ERROR, later(p, "response", "delay_base", "max_delay"),
			      "delay_base exceeds max_delay; lower it or raise the other");
	if (conf->response.tolerance >= conf->response.exec_abort_limit &&
	    conf->response.tolerance < LOCALITY_FRAME)
		conf_diag_add(p->diag, CONF_WARNING,
			      later(p, "response", "tolerance", "exec_abort_limit"),
			      "tolerance is not less than exec_abort_limit: "
			      "execve fails before any call is delayed");
	if (conf->detection.normal_factor <= conf->detection.normal_factor_den)
		conf_diag_add(p->diag, CONF_WARNING,
			      later(p, "detection", "normal_factor", "normal_factor_den"),
			      "normal_factor is not more than normal_factor_den: "
			      "a profile freezes as soon as one call brings nothing new");
}

/* Run inih over the text. */
static int parse(struct parser *p)
{
	static const char bom[] = "\xef\xbb\xbf";
	const size_t bom_len = sizeof(bom) - 1, n_errors = p->diag->n_errors;
	int line;

	if ((size_t)(p->end - p->next) >= bom_len && !memcmp(p->next, bom, bom_len))
		p->next += bom_len;
	line = ini_parse_stream(line_read, p, option_read, p);
	if (line < 0 || p->err)
		return -ENOMEM;
	if (line > 0 && p->diag->n_errors == n_errors) {
		const struct conf_place place = {.file = p->place.file, .line = (unsigned int)line};

		conf_diag_add(p->diag, CONF_ERROR, &place, "cannot be understood");
	}
	if (p->diag->n_errors == n_errors)
		check_together(p);
	return p->diag->n_errors == n_errors ? 0 : -EINVAL;
}

int conf_parse(const char *name, const char *text, size_t len, struct conf **ret_conf,
	       struct conf_diag *diag)
{
	CONF_CLEANUP struct conf *conf = NULL;
	struct parser p = {.place = {.file = name}, .next = text, .diag = diag};
	int err = conf_new_default(&conf);

	if (err)
		return err;
	p.conf = conf;
	p.end = len ? text + len : text;
	err = parse(&p);
	if (err)
		return err;
	*ret_conf = conf;
	conf = NULL;
	return 0;
}
