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
	/* struct conf_list each, of words with blanks between them: */
	CONF_TYPE_PATHS,   /* absolute paths and globs */
	CONF_TYPE_CALLS,   /* system calls by name */
	CONF_TYPE_USERS,   /* by name or number */
	CONF_TYPE_GROUPS,  /* likewise */
	CONF_TYPE_CGROUPS, /* absolute paths and globs, or names of systemd units */
};

static inline bool conf_type_is_list(enum conf_type type)
{
	return type >= CONF_TYPE_PATHS;
}

struct conf_option {
	const char *section;
	const char *name;
	enum conf_type type;
	size_t offset;		  /* of the field in struct conf, see conf_option_set() */
	uint64_t min;		  /* counts: least value; durations: in ns; sizes, paths: bytes */
	uint64_t max;		  /* greatest, likewise; of an enum: the last of its names */
	const char *const *names; /* of an enum, NULL at the end */
	/* As in the file, in the form that the dump has too; NULL: that of the option for all. */
	const char *default_text;
	const char *help; /* for the administrator; one paragraph */
	bool at_start;	  /* what it says is done when ebphd starts: a reload changes nothing */
};

struct conf_section {
	const char *name;
	const char *help; /* one line */
};

/** All options; those of one section together, in the order of conf_sections. */
extern const struct conf_option conf_options[];
extern const size_t conf_n_options;

/** The section that there may be many of, each with a path. */
#define CONF_SECTION_BINARY "binary"

extern const struct conf_section conf_sections[];
extern const size_t conf_n_sections;

#define CONF_SECTIONS_MAX 16

/** Most bytes of a path; with its name it must fit a line of CONF_LINE_MAX. */
#define CONF_PATH_LEN_MAX 170

/** Most words of a list. */
#define CONF_LIST_MAX 4096

/** Why a value is refused, and what was expected. */
#define CONF_REASON_MAX 512

struct conf_reason {
	size_t at; /* what it is about begins there in the value */
	char text[CONF_REASON_MAX];
};

/** Of each enum, by its values, NULL at the end. */
extern const char *const conf_mode_names[];
extern const char *const conf_upgrade_names[];
extern const char *const conf_scope_names[];
extern const char *const conf_curve_names[];
extern const char *const conf_delay_on_names[];

/** The option of this name in this section, or NULL; section NULL: in any section. */
const struct conf_option *conf_option_find(const char *section, const char *name);

/** Which line has decided the value of an option, in the section [binary], if one is given. */
struct conf_origin *conf_option_origin(const struct conf_option *option, struct conf *conf,
				       struct conf_binary *binary);

/** Where options are stored: in the section [binary], if one is given; else in .binary. */
void *conf_option_record(const struct conf_option *option, struct conf *conf,
			 struct conf_binary *binary);

/** Option number i of a section [binary], in the order of its origins; NULL: there are no more. */
const struct conf_option *conf_binary_option(size_t i);

/** The option for all programs with the name of one of a section [binary]; NULL: there is none. */
const struct conf_option *conf_option_for_all(const struct conf_option *option);

/** What the header of a section has between its brackets: its name, or "binary PATH". */
const char *conf_section_label(const struct conf_section *section);

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
 * @param record Where it is stored: a struct conf; the struct conf_settings for an option of a
 * section [binary]. It is untouched on failure. A path stored there before is freed. To a list the
 * words are added; no words empty it.
 * @param text The value, without spaces around it.
 * @param ret_reason Why the value is refused; written on -EINVAL only.
 * @return 0, -EINVAL or -ENOMEM.
 */
int conf_option_set(const struct conf_option *option, void *record, const char *text,
		    struct conf_reason *ret_reason);

/** Free what the field of an option holds, and make it empty. */
void conf_option_clear(const struct conf_option *option, void *record);

/** Write the value of an option as conf_option_set() reads it. */
void conf_option_print(const struct conf_option *option, const void *record, FILE *out);

/**
 * Say what values an option takes: "yes or no", "a duration from 1ms to 10s", "a size from 4M to
 * 64G".
 *
 * @param option Which option.
 * @param ret_text Result; cut if it does not fit.
 * @param size Size of ret_text in bytes, at least 1.
 */
void conf_option_expected(const struct conf_option *option, char *ret_text, size_t size);

/** Is it a path or a list, and nothing in it? */
bool conf_option_is_empty(const struct conf_option *option, const void *record);

/** The field of a list. */
struct conf_list *conf_option_list(const struct conf_option *option, void *record);

/**
 * Copy a value from the field of another option of the same type. Paths and lists keep their owner:
 * the copy must not be cleared.
 */
void conf_option_borrow(const struct conf_option *to_option, void *to,
			const struct conf_option *from_option, const void *from);

/** Say "'text' is WRONG; expected WHAT". Returns -EINVAL. */
int conf_option_refuse(const struct conf_option *option, const char *text, const char *wrong,
		       struct conf_reason *ret_reason);

/** Exchange the values of an option in two records. */
void conf_option_swap(const struct conf_option *option, void *a, void *b);

/* ---- sections [binary] (binary.c) ----------------------------------------------------------- */

/** The section with this path or glob; NULL: there is none. */
struct conf_binary *conf_binary_find(const struct conf *conf, const char *path);

/**
 * Add a section.
 *
 * @return 0, or -ENOMEM.
 */
int conf_binary_add(struct conf *conf, const char *path, struct conf_binary **ret_binary);

/** Free all sections. */
void conf_binaries_free(struct conf *conf);

/**
 * Prepare for conf_for_path(): to be called when an option or a section has changed.
 *
 * @return 0, or -ENOMEM.
 */
int conf_settle(struct conf *conf);

/** Let the options that a section sets override what is in ret. */
void conf_binary_apply(const struct conf_binary *binary, struct conf_effective *ret);

/** What holds where no section says anything. */
void conf_for_others(const struct conf *conf, struct conf_effective *ret);

/* ---- lists (list.c) ------------------------------------------------------------------------ */

/** Add the words of a value: what conf_option_set() does for lists. */
int conf_list_add(const struct conf_option *option, struct conf_list *list, const char *text,
		  struct conf_reason *ret_reason);

void conf_list_clear(struct conf_list *list);

/** Why a text is no path or glob that programs could have, as in "'text' is ..."; or NULL. */
const char *conf_pattern_wrong(const char *text);

/** Fill in all of a word that follows from its text, a path or glob. */
void conf_word_classify(struct conf_word *word);

/* ---- what is asked of the host (host.c, with conf_cgroup_root(); the fuzzer has its own) ----- */

/**
 * The number of a user.
 *
 * From /etc/passwd alone: to ask name services would let ebphd wait for others, whom it may have
 * stopped, and open sockets.
 *
 * @return 0, or -ENOENT.
 */
int conf_user_find(const char *name, uint32_t *ret_uid);

/** The number of a group, from /etc/group alone. @return 0, or -ENOENT. */
int conf_group_find(const char *name, uint32_t *ret_gid);

/** Where a path leads, free of symbolic links; on the heap. NULL: nowhere, or no memory. */
char *conf_path_real(const char *path);

#endif
