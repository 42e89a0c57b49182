// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/history.h"

#include <stdlib.h>
#include <string.h>

static uint32_t number_of(const json_t *object, const char *member)
{
	return (uint32_t)json_integer_value(json_object_get(object, member));
}

static void entry_set(struct history_entry *entry, uint64_t number, const json_t *object,
		      const char *text)
{
	const char *name = json_string_value(json_object_get(object, "event"));
	bool anomaly = name && !strcmp(name, "anomaly");

	free(entry->text);
	*entry = (struct history_entry){
		.anomaly = anomaly,
		.answered = anomaly || (name && (!strcmp(name, "stop") || !strcmp(name, "abort") ||
						 !strcmp(name, "release"))),
		.number = number,
		.slot = number_of(object, "profile"),
		.pid = number_of(object, "pid"),
		.text = strdup(text),
	};
	if (!entry->text)
		entry->number = 0;
}

/* The place of a new anomaly: the oldest one's, or its profile's oldest when it has its share. */
static struct history_entry *anomaly_place(struct history *history, uint32_t slot)
{
	struct history_entry *oldest = NULL, *own = NULL;
	unsigned int n_own = 0;

	for (size_t i = 0; i < HISTORY_ANOMALIES; i++) {
		struct history_entry *entry = &history->anomalies[i];

		if (!oldest || entry->number < oldest->number)
			oldest = entry;
		if (!entry->number || entry->slot != slot)
			continue;
		n_own++;
		if (!own || entry->number < own->number)
			own = entry;
	}
	return n_own >= HISTORY_SHARE ? own : oldest;
}

/* The slot will have another profile. */
static void slot_forget(struct history *history, uint32_t slot)
{
	for (size_t i = 0; i < HISTORY_EVENTS; i++)
		if (history->events[i].slot == slot)
			history->events[i].slot = 0;
	for (size_t i = 0; i < HISTORY_ANOMALIES; i++)
		if (history->anomalies[i].slot == slot)
			history->anomalies[i].slot = 0;
}

void history_add(struct history *history, const json_t *object, const char *text)
{
	const char *name = json_string_value(json_object_get(object, "event"));
	uint64_t number = ++history->last;

	entry_set(&history->events[number % HISTORY_EVENTS], number, object, text);
	if (name && !strcmp(name, "anomaly"))
		entry_set(anomaly_place(history, number_of(object, "profile")), number, object,
			  text);
	else if (name && !strcmp(name, "evict"))
		slot_forget(history, number_of(object, "profile"));
}

void history_clear(struct history *history)
{
	for (size_t i = 0; i < HISTORY_EVENTS; i++)
		free(history->events[i].text);
	for (size_t i = 0; i < HISTORY_ANOMALIES; i++)
		free(history->anomalies[i].text);
	memset(history, 0, sizeof(*history));
}

const struct history_entry *history_next(const struct history *history, uint64_t number)
{
	if (history->last > HISTORY_EVENTS && number < history->last - HISTORY_EVENTS)
		number = history->last - HISTORY_EVENTS;
	for (number++; number <= history->last; number++) {
		const struct history_entry *entry = &history->events[number % HISTORY_EVENTS];

		if (entry->number == number)
			return entry;
	}
	return NULL;
}

const struct history_entry *history_find(const struct history *history, uint64_t number)
{
	const struct history_entry *entry = &history->events[number % HISTORY_EVENTS];

	if (!number)
		return NULL;
	if (entry->number == number)
		return entry;
	for (size_t i = 0; i < HISTORY_ANOMALIES; i++)
		if (history->anomalies[i].number == number)
			return &history->anomalies[i];
	return NULL;
}

/* The later one of @last, which may be NULL, and what may be the reason of @event among @entries.
 */
static const struct history_entry *reason_among(const struct history_entry *entries, size_t n,
						const struct history_entry *event,
						const struct history_entry *last)
{
	for (size_t i = 0; i < n; i++) {
		const struct history_entry *entry = &entries[i];

		if (entry->number && entry->anomaly && entry->pid == event->pid &&
		    entry->number <= event->number && (!last || last->number < entry->number))
			last = entry;
	}
	return last;
}

const struct history_entry *history_reason(const struct history *history,
					   const struct history_entry *event)
{
	const struct history_entry *last;

	if (!event->answered || !event->pid)
		return NULL;
	/* In both: a profile's anomalies that are more than its share are among the events only. */
	last = reason_among(history->anomalies, HISTORY_ANOMALIES, event, NULL);
	return reason_among(history->events, HISTORY_EVENTS, event, last);
}

static int entry_compare(const void *left, const void *right)
{
	const struct history_entry *a = *(const struct history_entry *const *)left;
	const struct history_entry *b = *(const struct history_entry *const *)right;

	return (a->number > b->number) - (a->number < b->number);
}

json_t *history_anomalies(const struct history *history, uint32_t pid, uint32_t slot,
			  uint32_t *ret_slot)
{
	const struct history_entry *found[HISTORY_ANOMALIES];
	json_t *array = json_array();
	size_t n = 0;

	for (size_t i = 0; i < HISTORY_ANOMALIES; i++) {
		const struct history_entry *entry = &history->anomalies[i];

		if (entry->number && (!pid || entry->pid == pid) && (!slot || entry->slot == slot))
			found[n++] = entry;
	}
	qsort(found, n, sizeof(struct history_entry *), entry_compare);
	*ret_slot = n ? found[n - 1]->slot : 0;
	for (size_t i = n > HISTORY_SHARE ? n - HISTORY_SHARE : 0; i < n; i++)
		json_array_append_new(array, json_loads(found[i]->text, 0, NULL));
	return array;
}
