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

#include "parser.h"

/* inih needs room for the line, "\r\n" and the terminator. */
static_assert(CONF_LINE_MAX + 3 <= INI_MAX_LINE, "longer lines would be split");

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
		      conf_section_label(conf_section_find(elsewhere->section)));
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
		return header_read(p);
	return check_assignment(p) && p->where == IN_SECTION;
}

/* Make the next line the current one, without the blanks and the "\r" at its end. */
void line_next(struct parser *p)
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
		/* Of a header inih needs no more than that it is one. */
		const char *text = *p->place.text == '[' ? "[s]" : p->place.text;

		len = text == p->place.text ? p->place.text_len : strlen(text);
		memcpy(buffer, text, len);
	}
	buffer[len] = '\n';
	buffer[len + 1] = '\0';
	return buffer;
}

size_t value_index(const struct conf_place *place)
{
	const char *equals = memchr(place->text, '=', place->text_len);
	size_t i = (size_t)(equals - place->text) + 1;

	while (i < place->text_len && is_blank(place->text[i]))
		i++;
	return i;
}

/* The words of the current line are the last of the list, in its order. */
static void words_ask(struct parser *p, enum conf_type type, struct conf_list *list,
		      size_t n_before)
{
	size_t index = value_index(&p->place);

	for (size_t i = n_before; i < list->n; i++) {
		struct conf_word *word = &list->words[i];
		const size_t len = strlen(word->text);

		/* Between them there may be words that were in the list. */
		while (memcmp(p->place.text + index, word->text, len) != 0)
			index++;
		word_ask(p, type, word, index);
		index += len;
	}
}

/*
 * The handler of inih. Never fails: what is wrong is in diag. The section is known from its header:
 * inih cuts its name.
 */
static int option_read(void *user, const char *inih_section, const char *name, const char *value)
{
	struct parser *p = user;
	const char *section = p->section->name;
	const struct conf_option *option = conf_option_find(section, name);
	const struct conf_origin here = {.line = p->place.line, .file = p->file};
	struct conf_reason reason;
	struct conf_origin *origin;
	size_t n_words;
	void *record;
	int err;

	(void)inih_section;
	if (!option) {
		report_unknown_option(p, section, name);
		return 1;
	}
	origin = conf_option_origin(option, p->conf, p->binary);
	/* A list may go on in another line; to empty it then would be a mistake. */
	if (origin->line && origin->file == here.file &&
	    !(conf_type_is_list(option->type) && *value)) {
		ERROR(p, 0, "option '%s' was there before, in line %u; expected it once", name,
		      origin->line);
		return 1;
	}
	*origin = here;
	record = conf_option_record(option, p->conf, p->binary);
	n_words = conf_type_is_list(option->type) ? conf_option_list(option, record)->n : 0;
	err = conf_option_set(option, record, value, &reason);
	if (err == -EINVAL)
		ERROR(p, value_index(&p->place) + reason.at, "%s: %s", name, reason.text);
	else if (err)
		p->err = err;
	else if (option->type == CONF_TYPE_PATHS || option->type == CONF_TYPE_CGROUPS)
		words_ask(p, option->type, conf_option_list(option, record), n_words);
	return 1;
}

/* ---- texts --------------------------------------------------------------------------------- */

void text_begin(struct parser *p, uint32_t file)
{
	static const char bom[] = "\xef\xbb\xbf";
	const size_t bom_len = sizeof(bom) - 1;
	const struct conf_source *source = &p->sources[file];

	p->file = file;
	p->place = (struct conf_place){.file = source->name};
	p->where = BEFORE_SECTIONS;
	p->next = source->text;
	p->end = source->len ? source->text + source->len : source->text;
	memset(p->section_lines, 0, sizeof(p->section_lines));
	if (source->len >= bom_len && !memcmp(p->next, bom, bom_len))
		p->next += bom_len;
}

/* Run inih over a text. */
static int text_parse(struct parser *p, uint32_t file)
{
	const size_t n_errors = p->diag->n_errors;
	int line;

	text_begin(p, file);
	line = ini_parse_stream(line_read, p, option_read, p);
	if (line < 0 || p->err)
		return -ENOMEM;
	if (line > 0 && p->diag->n_errors == n_errors) {
		const struct conf_place place = {.file = p->place.file, .line = (unsigned int)line};

		conf_diag_add(p->diag, CONF_ERROR, &place, "cannot be understood");
	}
	return 0;
}

/* Remember the names of the texts, for the origins of values. */
static int files_name(struct conf *conf, const struct conf_source *sources, size_t n_sources)
{
	conf->files = calloc(n_sources + 1, sizeof(*conf->files));
	if (!conf->files)
		return -ENOMEM;
	for (; conf->n_files < n_sources; conf->n_files++) {
		conf->files[conf->n_files] = strdup(sources[conf->n_files].name);
		if (!conf->files[conf->n_files])
			return -ENOMEM;
	}
	return 0;
}

int conf_parse_sources(const struct conf_source *sources, size_t n_sources, bool asks_host,
		       struct conf **ret_conf, struct conf_diag *diag)
{
	CONF_CLEANUP struct conf *conf = NULL;
	struct parser p = {.sources = sources, .diag = diag, .asks_host = asks_host};
	const size_t n_errors = diag->n_errors;
	int err = conf_new_default(&conf);

	if (!err)
		err = files_name(conf, sources, n_sources);
	p.conf = conf;
	for (uint32_t i = 0; i < n_sources && !err; i++)
		err = text_parse(&p, i);
	if (!err)
		err = conf_settle(conf);
	if (err)
		return err;
	if (diag->n_errors == n_errors)
		together_check(&p);
	if (diag->n_errors != n_errors)
		return -EINVAL;
	*ret_conf = conf;
	conf = NULL;
	return 0;
}

int conf_parse_all(const struct conf_source *sources, size_t n_sources, struct conf **ret_conf,
		   struct conf_diag *diag)
{
	return conf_parse_sources(sources, n_sources, false, ret_conf, diag);
}

int conf_parse(const char *name, const char *text, size_t len, struct conf **ret_conf,
	       struct conf_diag *diag)
{
	const struct conf_source source = {name, text, len};

	return conf_parse_all(&source, 1, ret_conf, diag);
}
