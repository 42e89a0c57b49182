/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Profiles on disk, looked at from outside while a daemon uses them or not; files for tests. */
#ifndef EBPH_SHELF_H
#define EBPH_SHELF_H

#include <stdbool.h>
#include <stddef.h>

#include "enforcer/image.h"

/* The name of a directory that is not there yet, in a folder of its own; to be freed. */
char *shelf_new(void);

/* How many files there are whose names begin with @prefix and end in @suffix. */
int shelf_count(const char *dir, const char *prefix, const char *suffix);

/* Waits until there are exactly @n of these. The test fails when that takes too long. */
bool shelf_await(const char *dir, const char *prefix, const char *suffix, int n);

/*
 * The path of the @i-th profile, in the order of names, whose file name begins with @prefix; to be
 * freed. The test ends when there is none.
 */
char *shelf_at(const char *dir, const char *prefix, int i);

/* Reads the profile in a file. The test ends when that cannot be done. */
void shelf_read(const char *path, struct image *ret);

/* Is all of @part in @whole: every word, with every bit? */
bool image_holds(const struct image *whole, const struct image *part);

/* The bytes of a file, to be freed. The test ends when it cannot be read. */
unsigned char *file_bytes(const char *path, size_t *ret_bytes);

/* Makes a file of them, or a new one of the same name. */
void file_put(const char *path, const void *data, size_t bytes, unsigned int mode);

/* Copies the program @from into @folder under @name: another executable. To be freed. */
char *program_copy(const char *from, const char *folder, const char *name);

#endif
