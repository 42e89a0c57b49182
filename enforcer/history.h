/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The latest events, for those who ask afterwards. Bounded: about 300 KB when it is full. */
#ifndef EBPH_ENFORCER_HISTORY_H
#define EBPH_ENFORCER_HISTORY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define HISTORY_EVENTS	  256
#define HISTORY_ANOMALIES 256
#define HISTORY_SHARE                                                                              \
	16 /* of the anomalies, so many of one profile, or who floods hides the rest */

struct history_entry {
	uint64_t number; /* of all events, from 1 in the order they came; 0: the entry is empty */
	uint32_t slot;	 /* 0: of no profile, or of one that has left memory */
	uint32_t pid;	 /* 0: of no process */
	bool anomaly;
	bool answered; /* an anomaly, or what was done about one */
	char *text;    /* JSON */
};

struct history {
	uint64_t last; /* number */
	struct history_entry events[HISTORY_EVENTS];
	struct history_entry anomalies[HISTORY_ANOMALIES]; /* once more, for longer */
};

/* Keeps an event, if there is memory. @text: the same as JSON */
void history_add(struct history *history, const json_t *object, const char *text);

void history_clear(struct history *history);

/* The event that follows @number. Return: NULL: there is none. */
const struct history_entry *history_next(const struct history *history, uint64_t number);

/* The event with this number. Return: NULL: it is not kept any more, or there was none. */
const struct history_entry *history_find(const struct history *history, uint64_t number);

/*
 * Why there was this event: the anomaly that it is, or the last one of its process before it. A
 * release has the process's pid only. Return: NULL: none is known.
 */
const struct history_entry *history_reason(const struct history *history,
					   const struct history_entry *event);

/**
 * history_anomalies() - what was unusual about a process or a profile.
 * @pid:  0: any
 * @slot: likewise
 * @ret_slot: of the last one; 0: it has left memory, or there is none
 *
 * Return: an array of the events, the latest last; NULL: no memory.
 */
json_t *history_anomalies(const struct history *history, uint32_t pid, uint32_t slot,
			  uint32_t *ret_slot);

#endif
