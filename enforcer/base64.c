// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/base64.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_text(const void *data, size_t bytes)
{
	const uint8_t *in = data;
	char *text = malloc((bytes + 2) / 3 * 4 + 1), *out = text;

	if (!text)
		return NULL;
	for (size_t i = 0; i < bytes; i += 3) {
		size_t n = bytes - i < 3 ? bytes - i : 3;
		uint32_t bits = (uint32_t)in[i] << 16;

		if (n > 1)
			bits |= (uint32_t)in[i + 1] << 8;
		if (n > 2)
			bits |= in[i + 2];
		*out++ = digits[bits >> 18];
		*out++ = digits[bits >> 12 & 63];
		*out++ = n > 1 ? digits[bits >> 6 & 63] : '=';
		*out++ = n > 2 ? digits[bits & 63] : '=';
	}
	*out = '\0';
	return text;
}

/* Three bytes from four digits, of which the last ones may be padding. Return: how many; -1. */
static int group_read(const char *text, uint8_t *out)
{
	uint32_t bits = 0;
	int n = 0;

	for (; n < 4 && text[n] != '='; n++) {
		const char *digit = text[n] ? strchr(digits, text[n]) : NULL;

		if (!digit)
			return -1;
		bits |= (uint32_t)(digit - digits) << (18 - 6 * n);
	}
	if (n < 2 || (n == 2 && text[3] != '='))
		return -1;
	out[0] = (uint8_t)(bits >> 16);
	out[1] = (uint8_t)(bits >> 8);
	out[2] = (uint8_t)bits;
	/* What stands for no byte is 0. */
	for (int i = n - 1; i < 3; i++)
		if (out[i])
			return -1;
	return n - 1;
}

int base64_bytes(const char *text, void **ret, size_t *ret_bytes)
{
	size_t length = strlen(text), bytes = 0;
	uint8_t *data;

	if (length % 4)
		return -EBADMSG;
	data = malloc(length / 4 * 3 + 1);
	if (!data)
		return -ENOMEM;
	for (size_t i = 0; i < length; i += 4) {
		int n = group_read(text + i, data + bytes);

		if (n < 0 || (n < 3 && i + 4 < length)) {
			free(data);
			return -EBADMSG;
		}
		bytes += (size_t)n;
	}
	*ret = data;
	*ret_bytes = bytes;
	return 0;
}
