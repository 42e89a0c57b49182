/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event file: one JSON object a line, for programs. */
#ifndef EBPH_JOURNAL_H
#define EBPH_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>

struct journal {
	int fd;		 /* -1: no file is wanted */
	uint64_t failed; /* lines that could not be written */
	bool torn;	 /* the last one was written in part */
	/* Told of each line, whether or not there is a file; NULL: nobody is. */
	void (*on_line)(void *context, const json_t *object, const char *text);
	void *context;
};

/**
 * journal_open() - opens the event file for appending, made with mode 0600.
 * @path: "" for none. Folders above it that are missing are made, with mode 0750.
 *
 * .on_line and .context stay as they are.
 *
 * Return: 0 or -errno.
 */
int journal_open(struct journal *journal, const char *path);
void journal_close(struct journal *journal);

/* Appends @object as one line and takes the reference. A line that fails is counted. */
void journal_write(struct journal *journal, json_t *object);

#endif
