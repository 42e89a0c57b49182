/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes, in the order in which they came: the model's only container. */
#ifndef EBPH_LIST_H
#define EBPH_LIST_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct list {
	uint8_t *at;
	size_t n, room;
};

static inline void list_add(struct list *list, uint8_t value)
{
	if (list->n == list->room) {
		list->room = list->room ? 2 * list->room : 64;
		list->at = realloc(list->at, list->room);
		if (!list->at)
			abort();
	}
	list->at[list->n++] = value;
}

static inline void list_end(struct list *list)
{
	free(list->at);
	memset(list, 0, sizeof(*list));
}

static inline void list_copy(struct list *to, const struct list *from)
{
	list_end(to);
	for (size_t i = 0; i < from->n; i++)
		list_add(to, from->at[i]);
}

#endif
