/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The option table, and how the text of a value becomes a field of struct conf and back. */
#ifndef EBPH_CONF_OPTION_H
#define EBPH_CONF_OPTION_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "conf.h"

enum conf_type {
	CONF_TYPE_BOOL,	    /* bool: yes or no */
	CONF_TYPE_COUNT32,  /* uint32_t */
	CONF_TYPE_COUNT64,  /* uint64_t */
	CONF_TYPE_DURATION, /* uint64_t, nanoseconds; a whole number and a unit */
	CONF_TYPE_SIZE,	    /* uint64_t, bytes; a whole number with K, M, G (1024^n) or no unit */
	CONF_TYPE_ENUM,	    /* unsigned int: index of one of the names */
	CONF_TYPE_PATH,	    /* char *, absolute, on the heap */
};

struct conf_option {
	const char *section;
	const char *name;
	enum conf_type type;
	size_t offset;		  /* of the field in struct conf */
	uint64_t min;		  /* counts: least value; durations: in ns; sizes, paths: bytes */
	uint64_t max;		  /* greatest, likewise */
	const char *const *names; /* of an enum, NULL at the end */
	const char *default_text; /* as in the file, in the form that the dump has too */
	const char *help;	  /* for the administrator; one paragraph */
};

struct conf_section {
	const char *name;
	const char *help; /* one line */
};

/** All options; those of one section together, in the order of conf_sections. */
extern const struct conf_option conf_options[];
extern const size_t conf_n_options;

extern const struct conf_section conf_sections[];
extern const size_t conf_n_sections;

#define CONF_SECTIONS_MAX 16

/** Most bytes of a path; with its name it must fit a line of CONF_LINE_MAX. */
#define CONF_PATH_LEN_MAX 170

/** Room for any message about a value. */
#define CONF_REASON_MAX 512

/** Of each enum, by its values, NULL at the end. */
extern const char *const conf_mode_names[];
extern const char *const conf_upgrade_names[];

/** The option of this name in this section, or NULL; section NULL: in any section. */
const struct conf_option *conf_option_find(const char *section, const char *name);

/** Which line has decided the value of an option. */
struct conf_origin *conf_option_origin(const struct conf_option *option, struct conf *conf);

/** The section of this name, or NULL. */
const struct conf_section *conf_section_find(const char *name);

/** The option in this section that name most likely misspells, or NULL. */
const struct conf_option *conf_option_near(const char *section, const char *name);

/** The section that name most likely misspells, or NULL. */
const struct conf_section *conf_section_near(const char *name);

/**
 * Parse a value and store it.
 *
 * @param option Which option.
 * @param conf Where it is stored; untouched on failure. A path stored there before is freed.
 * @param text The value, without spaces around it.
 * @param ret_reason Why the value is refused, and what was expected; written on -EINVAL only.
 * @return 0, -EINVAL or -ENOMEM.
 */
int conf_option_set(const struct conf_option *option, struct conf *conf, const char *text,
		    char ret_reason[static CONF_REASON_MAX]);

/** Write the value of an option as conf_option_set() reads it. */
void conf_option_print(const struct conf_option *option, const struct conf *conf, FILE *out);

/**
 * Say what values an option takes: "yes or no", "a duration from 1ms to 10s", "a size from 4M to
 * 64G".
 *
 * @param option Which option.
 * @param ret_text Result; cut if it does not fit.
 * @param size Size of ret_text in bytes, at least 1.
 */
void conf_option_expected(const struct conf_option *option, char *ret_text, size_t size);

#endif
