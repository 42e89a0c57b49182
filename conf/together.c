/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values that are fine alone, but not together. */
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

/* Of two options of a section, the place of the one that was set later. */
static struct conf_place later(const struct parser *p, const char *section, const char *a,
			       const char *b)
{
	const struct conf_origin oa = *conf_option_origin(conf_option_find(section, a), p->conf);
	const struct conf_origin ob = *conf_option_origin(conf_option_find(section, b), p->conf);
	const bool a_is_later = oa.file != ob.file ? oa.file > ob.file : oa.line > ob.line;

	/* A default is in no file; not both are. */
	if (!oa.line || !ob.line)
		return place_of(p, oa.line ? oa : ob);
	return place_of(p, a_is_later ? oa : ob);
}

void together_check(struct parser *p)
{
	const struct conf *conf = p->conf;
	struct conf_place place;

	if (conf->response.delay_base_ns > conf->response.max_delay_ns) {
		place = later(p, "response", "delay_base", "max_delay");
		conf_diag_add(p->diag, CONF_ERROR, &place,
			      "delay_base exceeds max_delay; lower it or raise the other");
	}
	if (conf->response.tolerance >= conf->response.exec_abort_limit &&
	    conf->response.tolerance < LOCALITY_FRAME) {
		place = later(p, "response", "tolerance", "exec_abort_limit");
		conf_diag_add(p->diag, CONF_WARNING, &place,
			      "tolerance is not less than exec_abort_limit: "
			      "execve fails before any call is delayed");
	}
	if (conf->detection.normal_factor <= conf->detection.normal_factor_den) {
		place = later(p, "detection", "normal_factor", "normal_factor_den");
		conf_diag_add(p->diag, CONF_WARNING, &place,
			      "normal_factor is not more than normal_factor_den: "
			      "a profile freezes as soon as one call brings nothing new");
	}
}
