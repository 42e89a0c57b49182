/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the programs report: told to people, to the event file, and acted upon. */
#ifndef EBPH_EVENT_H
#define EBPH_EVENT_H

#include <stddef.h>

#include "enforcer/delay.h"
#include "enforcer/journal.h"
#include "enforcer/profile.h"

struct drill;
struct keep;

/* Whom events concern. */
struct event_sink {
	struct profiles *profiles;
	struct delays *delays;
	struct keep *keep;
	struct drill *drill;
	struct journal journal;
	uint64_t malformed;   /* records of an unknown type or size */
	unsigned int portion; /* records taken since event_handle() said that it was enough */
};

/**
 * event_handle() - takes one record of the ring buffer.
 * @context: struct event_sink
 *
 * Return: 0; now and then -EAGAIN, which makes ring_buffer__consume() return although there is
 * more: whoever floods the ring must not keep the daemon from releasing others.
 */
int event_handle(void *context, void *record, size_t size);

/* A delay is over; a delay_released_fn. */
void event_released(void *context, uint32_t pid, uint32_t foreign);

/* Something about ebphd itself, such as "start" and "end", in the event file; takes @members. */
void event_self(struct event_sink *sink, const char *name, json_t *members);

/* Something about the profile in @slot that the daemon has done; takes @members. */
void event_profile(struct event_sink *sink, const char *name, uint32_t slot, json_t *members);

/* A path may hold bytes that are no UTF-8, which JSON cannot: these are shown as "?". */
json_t *json_text(const char *text);

/* Enlarges the pair set of @slot, as a program has asked for, and says so. */
void event_grow(struct event_sink *sink, uint32_t slot);

/* Says that @slot changed its state to @after, at @boot_ns of CLOCK_BOOTTIME. */
void event_state(struct event_sink *sink, uint32_t slot, enum ebph_state before,
		 enum ebph_state after, uint64_t boot_ns);

#endif
