/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parser's own: what its parts share. */
#ifndef EBPH_CONF_PARSER_H
#define EBPH_CONF_PARSER_H

#include <stdbool.h>
#include <stddef.h>

#include "conf.h"
#include "diag.h"
#include "option.h"

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
	const struct conf_section *section; /* if IN_SECTION */
	struct conf_binary *binary;	    /* if that is [binary PATH] */
	struct conf *conf;
	struct conf_diag *diag;
	int err;	/* -ENOMEM */
	bool asks_host; /* do paths exist, and where do they lead? */
	const struct conf_source *sources;
	uint32_t file;				       /* the current one of them */
	unsigned int section_lines[CONF_SECTIONS_MAX]; /* in this file; 0: not there */
};

static inline bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The current line with the column of one of its characters; index from 0. */
static inline const struct conf_place *at(struct parser *p, size_t index)
{
	p->place.column = (unsigned int)index + 1;
	return &p->place;
}

#define ERROR(p, index, ...)   conf_diag_add((p)->diag, CONF_ERROR, at(p, index), __VA_ARGS__)

#define WARNING(p, index, ...) conf_diag_add((p)->diag, CONF_WARNING, at(p, index), __VA_ARGS__)

/* Begin with a file; its lines are then read one by one with line_next(). */
void text_begin(struct parser *p, uint32_t file);

/* Make the next line the current one, without the blanks and the "\r" at its end. */
void line_next(struct parser *p);

/* Where the value of a line, an assignment, begins; its end if there is none. Index from 0. */
size_t value_index(const struct conf_place *place);

/* Ask the host about a path, glob or control group in the current line. Index from 0. */
void word_ask(struct parser *p, enum conf_type type, struct conf_word *word, size_t index);

/* Read the current line as the header of a section. Return: is it one? If not, it is reported. */
bool header_read(struct parser *p);

/* conf_parse_all(), and the host is asked about paths if asks_host. */
int conf_parse_sources(const struct conf_source *sources, size_t n_sources, bool asks_host,
		       struct conf **ret_conf, struct conf_diag *diag);

/* Find values that are fine alone, but not together. */
void together_check(struct parser *p);

#endif
