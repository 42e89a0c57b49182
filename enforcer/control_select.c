// SPDX-License-Identifier: GPL-2.0-or-later
/* Profiles as JSON, and which of them a name means. */
#include <string.h>

#include "enforcer/control_parts.h"
#include "enforcer/restore.h"
#include "enforcer/set.h"
#include "enforcer/util.h"

#define CANDIDATES_MAX 20 /* that are told */

json_t *profile_object(struct control *control, uint32_t slot)
{
	const struct ebph_profile *head = &control->kernel->heads[slot];
	const struct profile_note *note = &control->profiles->notes[slot];

	return json_pack(
		"{s:I, s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b, "
		"s:s*}",
		"id", (json_int_t)slot, "path", json_text(profile_name(control->profiles, slot)),
		"state", state_name((enum ebph_state)head->state), "pairs", (json_int_t)head->words,
		"calls", (json_int_t)head->calls, "normal_calls", (json_int_t)head->normal_calls,
		"runs", (json_int_t)head->runs, "threads", (json_int_t)head->tasks, "anomalies",
		(json_int_t)head->anomalies, "recent_anomalies", (json_int_t)head->normal_anomalies,
		"delays", (json_int_t)head->stops, "delays_ms",
		(json_int_t)(head->stop_ns / NSEC_PER_MSEC), "aborts", (json_int_t)head->aborts,
		"memory", (json_int_t)set_memory(note->blocks) + (json_int_t)sizeof(*head),
		"protected", !!(head->flags & EBPH_PROFILE_PROTECTED), "saved",
		note->entry && keep_is_saved(control->keep, slot), "file",
		note->entry ? note->entry->file : NULL);
}

json_t *record_object(const struct record *record)
{
	return json_pack("{s:i, s:o, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, "
			 "s:b, s:b, s:s*}",
			 "id", 0, "path", json_text(record->program ? record->program->path : ""),
			 "state", state_name((enum ebph_state)record->state), "pairs", 0, "calls",
			 0, "normal_calls", 0, "runs", 0, "threads", 0, "anomalies", 0,
			 "recent_anomalies", 0, "delays", 0, "delays_ms", 0, "aborts", 0, "memory",
			 0, "protected", false, "saved", true, "file", record->file);
}

/* ---- names ----------------------------------------------------------------------------------- */

/* What a name may mean. */
struct match {
	uint32_t slot;
	struct record *record; /* .slot is 0 */
	bool by_pid;
	uint32_t pid;
};

struct matches {
	struct match items[CANDIDATES_MAX];
	size_t n;
};

static void match_add(struct matches *matches, const struct match *match)
{
	for (size_t i = 0; i < matches->n; i++)
		if (matches->items[i].slot == match->slot &&
		    matches->items[i].record == match->record)
			return;
	if (matches->n < CANDIDATES_MAX)
		matches->items[matches->n++] = *match;
}

static bool slot_is_used(const struct control *control, uint64_t slot)
{
	return slot > 0 && slot < control->profiles->next_slot &&
	       control->kernel->heads[slot].state != EBPH_STATE_NONE;
}

static void match_id(struct control *control, uint64_t id, struct matches *matches)
{
	if (slot_is_used(control, id))
		match_add(matches, &(struct match){.slot = (uint32_t)id});
}

static void match_pid(struct control *control, uint64_t pid, struct matches *matches)
{
	AUTO_FREE struct ebph_thread *threads = NULL;
	size_t n = 0;

	if (kernel_threads(control->kernel, EBPH_PARDON_NOBODY, &threads, &n))
		return;
	for (size_t i = 0; i < n; i++)
		if (threads[i].pid == pid)
			match_add(matches, &(struct match){.slot = threads[i].slot,
							   .by_pid = true,
							   .pid = threads[i].pid});
}

/* The whole path, or, without '/', its last part. */
static bool path_matches(const char *path, const char *name)
{
	const char *last = path ? strrchr(path, '/') : NULL;

	if (!path)
		return false;
	return !strcmp(path, name) || (!strchr(name, '/') && last && !strcmp(last + 1, name));
}

static void match_path(struct control *control, const char *name, struct matches *matches)
{
	AUTO_FREE struct record **records = NULL;
	size_t n = 0;

	for (uint32_t slot = 1; slot < control->profiles->next_slot; slot++)
		if (slot_is_used(control, slot) && !control->profiles->notes[slot].twin &&
		    path_matches(control->profiles->notes[slot].path, name))
			match_add(matches, &(struct match){.slot = slot});
	if (matches->n || !control->keep->catalog.n_entries ||
	    catalog_list(&control->keep->catalog, &records, &n))
		return;
	for (size_t i = 0; i < n; i++)
		if (records[i]->program && path_matches(records[i]->program->path, name))
			match_add(matches, &(struct match){.record = records[i]});
}

/* One that is on disk only; of a program there may be several. */
static void match_file(struct control *control, const char *file, struct matches *matches)
{
	AUTO_FREE struct record **records = NULL;
	size_t n = 0;

	if (!control->keep->catalog.n_entries ||
	    catalog_list(&control->keep->catalog, &records, &n))
		return;
	for (size_t i = 0; i < n; i++)
		if (!strcmp(records[i]->file, file))
			match_add(matches, &(struct match){.record = records[i]});
}

/* "4711", or what follows "id:". Return: false when it is no number. */
static bool number_read(const char *text, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && !errno;
}

static void name_match(struct control *control, const char *name, struct matches *matches)
{
	uint64_t number;

	if (!strncmp(name, "id:", 3) && number_read(name + 3, &number)) {
		match_id(control, number, matches);
	} else if (!strncmp(name, "pid:", 4) && number_read(name + 4, &number)) {
		match_pid(control, number, matches);
	} else if (!strncmp(name, "file:", 5)) {
		match_file(control, name + 5, matches);
	} else if (number_read(name, &number)) {
		match_id(control, number, matches);
		match_pid(control, number, matches);
	} else {
		match_path(control, name, matches);
	}
}

static const char *match_path_of(struct control *control, const struct match *match)
{
	if (match->slot)
		return profile_name(control->profiles, match->slot);
	return match->record && match->record->program ? match->record->program->path : "";
}

/* How to name it so that nothing else is meant. */
static json_t *match_text(struct control *control, const struct match *match)
{
	const char *path = match_path_of(control, match);
	AUTO_FREE char *text = NULL;
	int n;

	if (match->by_pid)
		n = asprintf(&text, "pid:%u %s", match->pid, path);
	else if (match->slot)
		n = asprintf(&text, "id:%u %s", match->slot, path);
	else
		n = asprintf(&text, "file:%s %s", match->record->file, path);
	if (n < 0)
		text = NULL;
	return json_text(text ? text : path);
}

static void ambiguous_fail(struct control *control, struct client *client,
			   const struct matches *matches)
{
	json_t *candidates = json_array();

	for (size_t i = 0; i < matches->n; i++)
		json_array_append_new(candidates, match_text(control, &matches->items[i]));
	client_fail(client, ERROR(AmbiguousProfile),
		    json_pack("{s:s, s:o}", "name", client_string(client, "name"), "candidates",
			      candidates));
}

uint32_t profile_select(struct control *control, struct client *client, struct record **ret_record)
{
	const char *name = client_string(client, "name");
	struct matches matches = {.n = 0};

	name_match(control, name, &matches);
	if (!matches.n)
		client_fail(client, ERROR(NoSuchProfile), json_pack("{s:s}", "name", name));
	else if (matches.n > 1)
		ambiguous_fail(control, client, &matches);
	else if (matches.items[0].slot)
		return matches.items[0].slot;
	else if (ret_record)
		*ret_record = matches.items[0].record;
	else
		client_fail(client, ERROR(NotInMemory),
			    json_pack("{s:o}", "path",
				      json_text(match_path_of(control, &matches.items[0]))));
	return 0;
}
