// SPDX-License-Identifier: GPL-2.0-or-later
/* Events: the latest, those to come, and what they say of a process or profile. */
#include <string.h>

#include "enforcer/control_parts.h"
#include "enforcer/util.h"

/* Is the event one of those that the client wants? */
static bool is_wanted(const struct client *client, const json_t *event)
{
	const json_t *names = json_object_get(client->call.parameters, "names"), *name;
	const char *path = client_string(client, "path");
	json_int_t pid = client_integer(client, "pid");
	bool named = !json_array_size(names);
	size_t i;

	json_array_foreach((json_t *)names, i, name) {
		named |= json_equal(name, json_object_get(event, "event"));
	}
	if (!named || (pid >= 0 && json_integer_value(json_object_get(event, "pid")) != pid))
		return false;
	return !path || !strcmp(path, json_string_value(json_object_get(event, "path")) ?: "");
}

void control_tell(void *context, const json_t *object, const char *text)
{
	struct control *control = context;

	history_add(&control->history, object, text);
	for (struct client *client = control->clients; client; client = client->next) {
		if (!client->subscribed || client->dead || !is_wanted(client, object))
			continue;
		client_reply_event(client, control->history.last, text);
		control_push(control, client);
	}
}

/* A portion of the past; .cursor is the number of the last one that was looked at. */
static void step_events(struct control *control, struct client *client)
{
	const struct history_entry *entry = NULL;

	for (int i = 0; i < BATCH && (entry = history_next(&control->history, client->cursor));
	     i++) {
		json_t *event = json_loads(entry->text, 0, NULL);

		client->cursor = entry->number;
		if (event && is_wanted(client, event))
			client_reply_event(client, entry->number, entry->text);
		json_decref(event);
	}
	if (entry)
		return;
	client->step = NULL;
	client->subscribed = client_flag(client, "follow");
	if (!client->subscribed)
		client_reply(client, json_object(), false);
}

void method_events(struct control *control, struct client *client)
{
	(void)control;
	client->step = step_events;
}

/* ---- explain ------------------------------------------------------------------------------ */

/* The process, from all its threads. Return: false when it is not there, or not followed. */
static bool process_find(struct control *control, uint32_t pid, struct ebph_thread *ret)
{
	AUTO_FREE struct ebph_thread *threads = NULL;
	size_t n = 0;

	if (kernel_threads(control->kernel, EBPH_PARDON_NOBODY, &threads, &n))
		return false;
	n = threads_unite(threads, n);
	for (size_t i = 0; i < n; i++) {
		if (threads[i].pid != pid)
			continue;
		*ret = threads[i];
		return true;
	}
	return false;
}

static void explain_process(struct control *control, struct client *client, uint32_t pid)
{
	struct ebph_thread process = {0};
	bool found = process_find(control, pid, &process);
	uint32_t slot = 0;
	json_t *anomalies = history_anomalies(&control->history, pid, 0, &slot);

	if (!found && !json_array_size(anomalies)) {
		json_decref(anomalies);
		client_fail(client, ERROR(NoSuchProcess),
			    json_pack("{s:I}", "pid", (json_int_t)pid));
		return;
	}
	if (found)
		slot = process.slot;
	client_reply(client,
		     json_pack("{s:o*, s:o*, s:o}", "profile",
			       slot ? profile_object(control, slot) : NULL, "process",
			       found ? process_object(control, &process) : NULL, "anomalies",
			       anomalies),
		     false);
}

/* A stop, a refusal, a release have their reason in an anomaly before them. */
static void explain_event(struct control *control, struct client *client, uint64_t number)
{
	const struct history_entry *entry = history_find(&control->history, number);
	const struct history_entry *anomaly =
		entry ? history_reason(&control->history, entry) : NULL;
	struct ebph_thread process = {0};
	json_t *anomalies;
	uint32_t slot;

	if (!entry) {
		client_fail(client, ERROR(NoSuchEvent),
			    json_pack("{s:I}", "event", (json_int_t)number));
		return;
	}
	slot = entry->slot ? entry->slot : anomaly ? anomaly->slot : 0;
	anomalies = json_array();
	if (anomaly)
		json_array_append_new(anomalies, json_loads(anomaly->text, 0, NULL));
	client_reply(client,
		     json_pack("{s:o*, s:o*, s:o, s:o}", "profile",
			       slot ? profile_object(control, slot) : NULL, "process",
			       entry->pid && process_find(control, entry->pid, &process) ?
				       process_object(control, &process) :
				       NULL,
			       "event", json_loads(entry->text, 0, NULL), "anomalies", anomalies),
		     false);
}

static void explain_profile(struct control *control, struct client *client)
{
	uint32_t slot = profile_select(control, client, NULL), last;
	json_t *anomalies;

	if (!slot)
		return;
	anomalies = history_anomalies(&control->history, 0, slot, &last);
	client_reply(client,
		     json_pack("{s:o, s:o}", "profile", profile_object(control, slot), "anomalies",
			       anomalies),
		     false);
}

void method_explain(struct control *control, struct client *client)
{
	json_int_t pid = client_integer(client, "pid"), event = client_integer(client, "event");
	const char *name = client_string(client, "name");

	if ((pid >= 0) + (event >= 0) + !!name != 1 || pid > UINT32_MAX)
		client_fail(client, SERVICE_ERROR(InvalidParameter),
			    json_pack("{s:s}", "parameter", event >= 0 ? "event" : "pid"));
	else if (pid >= 0)
		explain_process(control, client, (uint32_t)pid);
	else if (event >= 0)
		explain_event(control, client, (uint64_t)event);
	else
		explain_profile(control, client);
}
