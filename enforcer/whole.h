/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file as a whole. */
#ifndef EBPH_WHOLE_H
#define EBPH_WHOLE_H

#include <stddef.h>

/**
 * whole_read() - reads all of a file, from wherever it comes; a pipe will do.
 * @fd:	   open for reading
 * @most:  bytes; of a file that is larger, one byte more is read
 * @ret:   the bytes, to be freed
 *
 * Return: 0 or -errno.
 */
int whole_read(int fd, size_t most, void **ret, size_t *ret_bytes);

#endif
