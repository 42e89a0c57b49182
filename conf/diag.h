/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EBPH_CONF_DIAG_H
#define EBPH_CONF_DIAG_H

#include <stddef.h>

#include "conf.h"

/** What a diagnostic points at; nothing of it needs to outlive the call. */
struct conf_place {
	const char *file;
	unsigned int line;   /* from 1; 0: the file as a whole */
	unsigned int column; /* in bytes, from 1; 0: none */
	const char *text;    /* the line, without its line end, any bytes; NULL: none */
	size_t text_len;
};

/**
 * Add a diagnostic. Beyond CONF_DIAG_MAX it is only counted.
 *
 * @param diag Where to.
 * @param severity Error or warning.
 * @param place What it is about.
 * @param format As for printf(3).
 */
void conf_diag_add(struct conf_diag *diag, enum conf_severity severity,
		   const struct conf_place *place, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
