/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which profiles there are, in memory or on disk: by executable, and by path the versions of a
 * program.
 */
#ifndef EBPH_ENFORCER_CATALOG_H
#define EBPH_ENFORCER_CATALOG_H

#include <stdbool.h>

#include "enforcer/image.h"

struct program;

/* One profile. */
struct record {
	struct ebph_exe exe;
	uint64_t machine;	 /* another than ours: to be taken for whatever has its path */
	uint32_t slot;		 /* 0: not in memory */
	uint32_t state;		 /* enum ebph_state, on disk */
	int64_t last_run_ns;	 /* CLOCK_REALTIME, on disk */
	char *file;		 /* its name in the store; NULL: there is none */
	struct program *program; /* NULL: the path is not known */
	struct record *next;	 /* another version of the program */
};

/* What lies, or lay, at a path. */
struct program {
	char *path;
	struct record *versions;
};

struct catalog {
	void *by_exe, *by_path; /* for tsearch(3) */
	uint64_t machine;	/* this one */
	uint32_t n_entries;
	uint32_t n_saved;
};

void catalog_clear(struct catalog *catalog);

/* Return: the profile of an executable of this machine; NULL. */
struct record *catalog_find(const struct catalog *catalog, const struct ebph_exe *exe);

/* Return: the same of any machine. */
struct record *catalog_find_of(const struct catalog *catalog, const struct ebph_exe *exe,
			       uint64_t machine);

/* Return: what lies at a path; NULL. */
struct program *catalog_program(const struct catalog *catalog, const char *path);

/**
 * catalog_add() - a profile more.
 * @path: NULL: not known
 *
 * Return: the entry, or that which is there already for the machine and executable; NULL: no
 * memory.
 */
struct record *catalog_add(struct catalog *catalog, const struct ebph_exe *exe, uint64_t machine,
			   const char *path);

/* The path of an entry that had none, or another. Return: 0 or -ENOMEM. */
int catalog_name(struct catalog *catalog, struct record *entry, const char *path);

/* Frees the entry. */
void catalog_remove(struct catalog *catalog, struct record *entry);

/* Notes the name of its file, NULL: none; .n_saved is counted here. Return: 0 or -ENOMEM. */
int catalog_saved(struct catalog *catalog, struct record *entry, const char *file);

/* All that are on disk only, in an array to be freed by the caller. Return: 0 or -ENOMEM. */
int catalog_list(const struct catalog *catalog, struct record ***ret, size_t *ret_n);

/*
 * Would @a be given up before @b? What is normal goes last, and what was executed lately; without
 * a path a profile is worth least.
 */
bool record_before(const struct record *a, const struct record *b);

#endif
