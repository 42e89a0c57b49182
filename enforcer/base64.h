/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes as text, for JSON: base64 of RFC 4648, padded. */
#ifndef EBPH_ENFORCER_BASE64_H
#define EBPH_ENFORCER_BASE64_H

#include <stddef.h>

/* Return: the text, to be freed; NULL: no memory. */
char *base64_text(const void *data, size_t bytes);

/**
 * base64_bytes() - reads text, trusting nothing of it.
 * @ret: to be freed by the caller; untouched on failure
 *
 * Return: 0; -EBADMSG when it is not what base64_text() would make of any bytes; -ENOMEM.
 */
int base64_bytes(const char *text, void **ret, size_t *ret_bytes);

#endif
