// SPDX-License-Identifier: GPL-2.0-or-later
/* Profiles: which there are, what they hold, and what an operator says of them. */
#include <string.h>

#include "enforcer/callname.h"
#include "enforcer/control_parts.h"
#include "enforcer/log.h"
#include "enforcer/restore.h"
#include "enforcer/util.h"

/* ---- listing --------------------------------------------------------------------------------- */

/* Those that are on disk only, as they were when it began: they may go meanwhile. */
struct on_disk {
	json_t *profiles;
	size_t next;
};

static void on_disk_free(void *work)
{
	struct on_disk *on_disk = work;

	json_decref(on_disk->profiles);
	free(on_disk);
}

static int on_disk_list(struct control *control, struct on_disk **ret)
{
	AUTO_FREE struct record **records = NULL;
	struct on_disk *on_disk = calloc(1, sizeof(*on_disk));
	size_t n = 0;
	int r = 0;

	if (!on_disk)
		return -ENOMEM;
	on_disk->profiles = json_array();
	if (control->keep->catalog.n_entries)
		r = catalog_list(&control->keep->catalog, &records, &n);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(on_disk->profiles, record_object(records[i]));
	*ret = on_disk;
	return r;
}

static bool is_wanted(const struct client *client, const json_t *profile)
{
	const char *state = client_string(client, "state");

	return !state || !strcmp(state, json_string_value(json_object_get(profile, "state")));
}

/* The next profile. Return: NULL: there are no more. */
static json_t *profile_next(struct control *control, struct client *client)
{
	struct on_disk *on_disk = client->work;

	while (++client->cursor < control->profiles->next_slot)
		if (control->kernel->heads[client->cursor].state != EBPH_STATE_NONE)
			return profile_object(control, (uint32_t)client->cursor);
	return json_incref(json_array_get(on_disk->profiles, on_disk->next++));
}

static void step_profiles(struct control *control, struct client *client)
{
	json_t *profiles = json_array(), *profile = NULL;

	for (int i = 0; i < BATCH && (profile = profile_next(control, client)); i++) {
		if (is_wanted(client, profile))
			json_array_append(profiles, profile);
		json_decref(profile);
	}
	client_reply(client, json_pack("{s:o}", "profiles", profiles), profile != NULL);
}

void method_profiles(struct control *control, struct client *client)
{
	struct on_disk *on_disk = NULL;
	int r = on_disk_list(control, &on_disk);

	if (r && on_disk)
		on_disk_free(on_disk);
	if (r) {
		client_fail_errno(client, r);
		return;
	}
	client->work = on_disk;
	client->work_free = on_disk_free;
	client->step = step_profiles;
}

/* ---- one of them
 * --------------------------------------------------------------------------------- */

void method_profile(struct control *control, struct client *client)
{
	struct record *record = NULL;
	uint32_t slot = profile_select(control, client, &record);

	if (slot || record)
		client_reply(
			client,
			json_pack("{s:o}", "profile",
				  slot ? profile_object(control, slot) : record_object(record)),
			false);
}

struct pairs {
	uint64_t *words;
	size_t n;
};

static void pairs_free(void *work)
{
	struct pairs *pairs = work;

	free(pairs->words);
	free(pairs);
}

static json_t *distances(uint32_t mask)
{
	json_t *array = json_array();

	for (int d = 1; d <= EBPH_DISTANCES; d++)
		if (mask & (1u << (d - 1)))
			json_array_append_new(array, json_integer(d));
	return array;
}

static json_t *pair_object(uint64_t word)
{
	char current[CALLNAME_MAX], earlier[CALLNAME_MAX];
	uint32_t normal = ebph_word_normal(word), seen = ebph_word_training(word) & ~normal;

	return json_pack("{s:s, s:s, s:o, s:o}", "current",
			 callname(ebph_word_current(word), current), "earlier",
			 callname(ebph_word_earlier(word), earlier), "normal", distances(normal),
			 "seen", distances(seen));
}

static void step_pairs(struct control *control, struct client *client)
{
	const struct pairs *pairs = client->work;
	json_t *array = json_array();

	(void)control;
	for (int i = 0; i < BATCH && client->cursor < pairs->n; i++)
		json_array_append_new(array, pair_object(pairs->words[client->cursor++]));
	client_reply(client, json_pack("{s:o}", "pairs", array), client->cursor < pairs->n);
}

void method_pairs(struct control *control, struct client *client)
{
	uint32_t slot = profile_select(control, client, NULL);
	struct pairs *pairs;
	struct image image = {0};
	int r;

	if (!slot)
		return;
	pairs = calloc(1, sizeof(*pairs));
	r = pairs ? profile_words(control->profiles, slot, &pairs->words, &pairs->n) : -ENOMEM;
	if (r) {
		free(pairs);
		client_fail_errno(client, r);
		return;
	}
	image_words_set(&image, pairs->words, pairs->n); /* in order, without empty ones */
	*pairs = (struct pairs){.words = image.words, .n = image.n_words};
	client->work = pairs;
	client->work_free = pairs_free;
	client->step = step_pairs;
}

/* ---- what an operator says --------------------------------------------------------------------
 */

/* Words without bits, as a reset leaves them, are no knowledge: all would be an anomaly. */
static int something_is_known(struct control *control, uint32_t slot)
{
	AUTO_FREE uint64_t *words = NULL;
	size_t n = 0;
	int r = profile_words(control->profiles, slot, &words, &n);

	for (size_t i = 0; i < n; i++)
		if (words[i] & ~EBPH_WORD_KEY_MASK)
			return 0;
	return r ? r : -ENODATA;
}

static int verb_normalize(struct control *control, uint32_t slot)
{
	int r = something_is_known(control, slot);

	return r ? r : profile_command(control->profiles, slot, EBPH_VERB_NORMALIZE);
}

static int verb_sensitize(struct control *control, uint32_t slot)
{
	return profile_command(control->profiles, slot, EBPH_VERB_SENSITIZE);
}

static int verb_tolerize(struct control *control, uint32_t slot)
{
	return profile_command(control->profiles, slot, EBPH_VERB_TOLERIZE);
}

/* Who trains and is sensitized knows nothing. */
static int verb_reset(struct control *control, uint32_t slot)
{
	int r = verb_tolerize(control, slot);

	return r ? r : verb_sensitize(control, slot);
}

static int verb_delete(struct control *control, uint32_t slot)
{
	struct keep *keep = control->keep;
	struct record *entry = control->profiles->notes[slot].entry;

	if (!entry)
		return -EOPNOTSUPP;
	if (keep->saver.busy && keep->job.slot == slot)
		return -EAGAIN;
	if (!keep_give_up(keep, slot))
		return -EBUSY;
	keep_drop(keep, entry);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(struct control *control, uint32_t slot);
} verbs[] = {
	{"normalize", verb_normalize}, {"sensitize", verb_sensitize}, {"tolerize", verb_tolerize},
	{"reset", verb_reset},	       {"delete", verb_delete},
};

/* Why not, where that is known. */
static const struct {
	int error;
	const char *reason;
} reasons[] = {
	{-EINVAL, "it is being loaded, or is just changing: try again in a moment"},
	{-EAGAIN, "it is just being saved: try again in a moment"},
	{-EOPNOTSUPP, "it is not kept on disk, there is nothing to delete: reset it"},
};

static void change_fail(struct control *control, struct client *client, uint32_t slot, int r)
{
	const char *name = profile_name(control->profiles, slot);

	if (r == -EBUSY) {
		client_fail(client, ERROR(ProfileInUse),
			    json_pack("{s:o, s:I}", "path", json_text(name), "threads",
				      (json_int_t)control->kernel->heads[slot].tasks));
		return;
	}
	if (r == -ENODATA) {
		client_fail(client, ERROR(NothingLearned),
			    json_pack("{s:o}", "path", json_text(name)));
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (reasons[i].error != r)
			continue;
		client_fail(client, ERROR(Refused),
			    json_pack("{s:s}", "reason", reasons[i].reason));
		return;
	}
	client_fail_errno(client, r);
}

static void change_tell(struct control *control, const struct client *client, uint32_t slot,
			const char *verb)
{
	log_info("control: %s of %s by process %d (uid %u)", verb,
		 profile_name(control->profiles, slot), client->pid, client->uid);
	event_profile(control->reload.sink, "operator", slot,
		      json_pack("{s:s, s:i, s:i}", "verb", verb, "by_pid", (int)client->pid,
				"by_uid", (int)client->uid));
}

/* One on disk only: all that can be done with it is to delete it. */
static void record_change(struct control *control, struct client *client, struct record *record,
			  const char *verb)
{
	json_t *profile;

	if (strcmp(verb, "delete") != 0) {
		client_fail(client, ERROR(NotInMemory),
			    json_pack("{s:o}", "path",
				      json_text(record->program ? record->program->path : "")));
		return;
	}
	profile = record_object(record);
	log_info("control: delete of %s by process %d (uid %u)",
		 record->program ? record->program->path : "a profile", client->pid, client->uid);
	keep_drop(control->keep, record);
	client_reply(client, json_pack("{s:o}", "profile", profile), false);
}

static void slot_change(struct control *control, struct client *client, uint32_t slot, size_t verb)
{
	json_t *before = profile_object(control, slot);
	int r = verbs[verb].run(control, slot);
	bool deleted = !strcmp(verbs[verb].name, "delete");

	if (r) {
		json_decref(before);
		change_fail(control, client, slot, r);
		return;
	}
	if (!deleted && control->profiles->notes[slot].entry)
		keep_unsaved(control->keep, slot);
	change_tell(control, client, slot, verbs[verb].name);
	client_reply(client,
		     json_pack("{s:o}", "profile",
			       deleted ? json_incref(before) : profile_object(control, slot)),
		     false);
	json_decref(before);
}

void method_change(struct control *control, struct client *client)
{
	const char *name = client_string(client, "verb");
	struct record *record = NULL;
	size_t verb = 0;
	uint32_t slot;

	while (verb < ARRAY_SIZE(verbs) && strcmp(verbs[verb].name, name) != 0)
		verb++;
	if (verb == ARRAY_SIZE(verbs)) {
		client_fail(client, SERVICE_ERROR(InvalidParameter),
			    json_pack("{s:s}", "parameter", "verb"));
		return;
	}
	slot = profile_select(control, client, &record);
	if (slot)
		slot_change(control, client, slot, verb);
	else if (record)
		record_change(control, client, record, verbs[verb].name);
}
