// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/event.h"

#include <inttypes.h>
#include <string.h>

#include "enforcer/callname.h"
#include "enforcer/drill.h"
#include "enforcer/keep.h"
#include "enforcer/log.h"
#include "enforcer/util.h"

/*
 * An object with what every event has: when and what.
 * @boot_ns: CLOCK_BOOTTIME when it happened; 0: now
 */
static json_t *object_new(const char *name, uint64_t boot_ns)
{
	uint64_t ns = now_ns(CLOCK_REALTIME);

	if (boot_ns)
		ns -= now_ns(CLOCK_BOOTTIME) - boot_ns;
	return json_pack("{s:f, s:s}", "time", (double)ns / (double)NSEC_PER_SEC, "event", name);
}

void event_self(struct event_sink *sink, const char *name, json_t *members)
{
	json_t *object = object_new(name, 0);

	json_object_update(object, members);
	json_decref(members);
	journal_write(&sink->journal, object);
}

json_t *json_text(const char *text)
{
	json_t *string = json_string(text);
	char *plain;

	if (string)
		return string;
	plain = strdup(text);
	for (char *c = plain; c && *c; c++)
		if (*c & 0x80)
			*c = '?';
	string = json_string(plain ? plain : "?");
	free(plain);
	return string;
}

/* An event about the profile in @slot. */
static json_t *profile_object(struct event_sink *sink, const char *name, uint32_t slot,
			      uint64_t boot_ns)
{
	const struct profile_note *note = &sink->profiles->notes[slot];
	json_t *object = object_new(name, boot_ns);

	json_object_set_new(object, "profile", json_integer(slot));
	if (note->path)
		json_object_set_new(object, "path", json_text(note->path));
	else if (note->hint)
		json_object_set_new(object, "hint", json_text(note->hint));
	return object;
}

void event_profile(struct event_sink *sink, const char *name, uint32_t slot, json_t *members)
{
	json_t *object = profile_object(sink, name, slot, 0);

	json_object_update(object, members);
	json_decref(members);
	journal_write(&sink->journal, object);
}

/* An event about a thread of a profile. */
static json_t *event_object(struct event_sink *sink, const char *name,
			    const struct ebph_event *event)
{
	json_t *object = profile_object(sink, name, event->slot, event->time_ns);

	json_object_set_new(object, "pid", json_integer(event->pid));
	json_object_set_new(object, "tid", json_integer(event->tid));
	return object;
}

static void set_name(json_t *object, const char *key, uint32_t call)
{
	char buffer[CALLNAME_MAX];

	json_object_set_new(object, key, json_string(callname(call, buffer)));
}

static const char *mode_remark(uint32_t mode)
{
	return mode == EBPH_MODE_ENFORCE ? "" : " (not done in this mode)";
}

/* ---- profiles -------------------------------------------------------------------------- */

static void on_profile(struct event_sink *sink, const struct ebph_event_profile *profile)
{
	const struct ebph_event *event = &profile->event;
	struct profile_note *note = &sink->profiles->notes[event->slot];
	bool first = !note->path && !note->hint;
	char hint[EBPH_PATH_HINT + 1] = {};
	json_t *object;

	if (memcmp(&profile->exe, &sink->profiles->kernel->heads[event->slot].exe,
		   sizeof(profile->exe)))
		return; /* the slot has another profile by now */
	memcpy(hint, profile->hint, EBPH_PATH_HINT);
	if (!profile_learn_path(sink->profiles, event->slot, &profile->exe, event->pid, hint) &&
	    !first) {
		keep_announced(sink->keep, event->slot);
		return;
	}
	log_info("%s %s (pid %u)", first ? "new program" : "known by its path now:",
		 profile_name(sink->profiles, event->slot), event->pid);
	object = event_object(sink, "profile", event);
	json_object_set_new(object, "ino", json_integer((json_int_t)profile->exe.ino));
	json_object_set_new(object, "dev", json_integer(profile->exe.dev));
	journal_write(&sink->journal, object);
	drill_mark(sink, event->slot);
	keep_announced(sink->keep, event->slot);
}

void event_state(struct event_sink *sink, uint32_t slot, enum ebph_state before,
		 enum ebph_state after, uint64_t boot_ns)
{
	const struct ebph_profile *head = &sink->profiles->kernel->heads[slot];
	const char *name = profile_name(sink->profiles, slot);
	json_t *object;

	/* A program that still learns is frozen and thawed by every other pair: for debugging. */
	if (after == EBPH_STATE_NORMAL)
		log_info("%s is normal after %llu calls in %u runs: what is new from now on "
			 "is an anomaly",
			 name, head->calls, head->runs);
	else if (after == EBPH_STATE_FROZEN)
		log_debug("%s is frozen after %llu calls in %u runs: %u pairs of calls known", name,
			  head->calls, head->runs, head->words);
	else if (after == EBPH_STATE_TRAINING)
		log_debug("%s did something new and is training again", name);
	object = profile_object(sink, "state", slot, boot_ns);
	json_object_set_new(object, "before", json_string(state_name(before)));
	json_object_set_new(object, "after", json_string(state_name(after)));
	json_object_set_new(object, "calls", json_integer((json_int_t)head->calls));
	json_object_set_new(object, "runs", json_integer(head->runs));
	json_object_set_new(object, "words", json_integer(head->words));
	journal_write(&sink->journal, object);
	if (after == EBPH_STATE_NORMAL)
		keep_became_normal(sink->keep, slot);
}

static void on_state(struct event_sink *sink, const struct ebph_event_state *state)
{
	event_state(sink, state->event.slot, state->before, state->after, state->event.time_ns);
}

void event_grow(struct event_sink *sink, uint32_t slot)
{
	struct profile_note *note = &sink->profiles->notes[slot];
	const struct ebph_profile *head = &sink->profiles->kernel->heads[slot];
	bool waited = note->grow_waits;
	int r;

	note->grow_waits = false;
	if (head->state == EBPH_STATE_NONE || head->grow_blocks != note->blocks)
		return; /* another has it now, or it has grown */
	r = profile_grow(sink->profiles, slot, 0);

	note->grow_waits = r == -EDQUOT;
	if (r == -EDQUOT)
		sink->profiles->grow_waits = true; /* keep_make_room() comes back to it */
	else if (r && r != -ENOSPC) /* asked again by the next pair; at the largest size never */
		__atomic_store_n(&sink->profiles->kernel->heads[slot].grow_blocks, 0,
				 __ATOMIC_RELAXED);
	if (!r)
		r = profile_late_merge(sink->profiles, slot);
	if (r) {
		if (!waited)
			log_warn("the pairs of %s find no room: their set of %u words cannot "
				 "grow: %s",
				 profile_name(sink->profiles, slot),
				 note->blocks * EBPH_BLOCK_WORDS,
				 r == -EDQUOT ? "memory_limit is reached" : strerror(-r));
		return;
	}
	log_debug("%s: room for %u pairs of calls now", profile_name(sink->profiles, slot),
		  note->blocks * EBPH_BLOCK_WORDS);
	event_profile(sink, "grow", slot,
		      json_pack("{s:i}", "room", (int)(note->blocks * EBPH_BLOCK_WORDS)));
}

static void on_grow(struct event_sink *sink, const struct ebph_event_grow *grow)
{
	if (grow->blocks == sink->profiles->notes[grow->event.slot].blocks)
		keep_grow(sink->keep, grow->event.slot);
	/* Else it has been done. */
}

/* ---- anomalies and answers --------------------------------------------------------------- */

static void anomaly_log(struct event_sink *sink, const struct ebph_event_anomaly *anomaly,
			const char *call, unsigned int mismatches)
{
	char answer[96] = "";

	if (anomaly->answer & EBPH_ANSWER_ABORT)
		snprintf(answer, sizeof(answer), "; refuse it%s", mode_remark(anomaly->mode));
	if (anomaly->answer & EBPH_ANSWER_STOP)
		snprintf(answer + strlen(answer), sizeof(answer) - strlen(answer),
			 "; delay %" PRIu64 " ms%s", (uint64_t)(anomaly->delay_ns / NSEC_PER_MSEC),
			 mode_remark(anomaly->mode));
	log_warn("anomaly: %s pid %u: %s, %u of %d earlier calls never seen before it; %u recent "
		 "anomalies%s",
		 profile_name(sink->profiles, anomaly->event.slot), anomaly->event.pid, call,
		 mismatches, EBPH_DISTANCES, ebph_recent(anomaly->lfc, anomaly->heat), answer);
}

static void on_anomaly(struct event_sink *sink, const struct ebph_event_anomaly *anomaly)
{
	unsigned int mismatches = (unsigned int)__builtin_popcount(anomaly->unseen);
	char buffer[CALLNAME_MAX];
	const char *call = callname(ebph_window_at(&anomaly->window, 0), buffer);
	json_t *object, *distances, *window;

	anomaly_log(sink, anomaly, call, mismatches);
	object = event_object(sink, "anomaly", &anomaly->event);
	json_object_set_new(object, "call", json_string(call));
	json_object_set_new(object, "mismatches", json_integer(mismatches));
	distances = json_array();
	window = json_array();
	for (uint32_t d = 1; d <= EBPH_DISTANCES; d++) {
		uint32_t earlier = ebph_window_at(&anomaly->window, d);

		if (anomaly->unseen & (1u << (d - 1)))
			json_array_append_new(distances, json_integer(d));
		json_array_append_new(window, json_string(callname(earlier, buffer)));
	}
	json_object_set_new(object, "distances", distances);
	json_object_set_new(object, "earlier", window);
	json_object_set_new(object, "recent",
			    json_integer(ebph_recent(anomaly->lfc, anomaly->heat)));
	json_object_set_new(object, "lfc", json_integer(anomaly->lfc));
	json_object_set_new(object, "heat", json_integer(anomaly->heat));
	json_object_set_new(object, "stop", json_boolean(anomaly->answer & EBPH_ANSWER_STOP));
	json_object_set_new(object, "defer", json_boolean(anomaly->answer & EBPH_ANSWER_DEFER));
	json_object_set_new(object, "abort", json_boolean(anomaly->answer & EBPH_ANSWER_ABORT));
	json_object_set_new(object, "delay_ms",
			    json_integer((json_int_t)(anomaly->delay_ns / NSEC_PER_MSEC)));
	json_object_set_new(object, "mode",
			    json_string(conf_mode_name((enum conf_mode)anomaly->mode)));
	journal_write(&sink->journal, object);
}

static void stop_log(struct event_sink *sink, const struct ebph_event_stop *stop, const char *call)
{
	const char *name = profile_name(sink->profiles, stop->event.slot);

	if (stop->error) {
		log_warn("not delayed: %s pid %u at %s: the kernel refused the signal: %s", name,
			 stop->event.pid, call, strerror(-stop->error));
		return;
	}
	/* A drill may have thousands. */
	log_line(stop->drill ? LOG_DEBUG : LOG_WARNING, "%s: %s pid %u for %" PRIu64 " ms %s %s",
		 stop->drill ? "drill" : "delayed", name, stop->event.pid,
		 (uint64_t)(stop->delay_ns / NSEC_PER_MSEC), stop->deferred ? "before" : "after",
		 call);
}

static void on_stop(struct event_sink *sink, const struct ebph_event_stop *stop)
{
	char buffer[CALLNAME_MAX];
	const char *call = callname(stop->call, buffer);
	json_t *object;
	int r;

	r = delay_add(sink->delays, stop->event.pid, &stop->delay);
	if (r == -ESRCH)
		return; /* killed meanwhile */
	if (r)
		log_error("cannot keep the delay of process %u, it goes on at once: %s",
			  stop->event.pid, strerror(-r));
	stop_log(sink, stop, call);
	object = event_object(sink, "stop", &stop->event);
	json_object_set_new(object, "call", json_string(call));
	json_object_set_new(object, "recent", json_integer(stop->recent));
	json_object_set_new(object, "deferred", json_boolean(stop->deferred));
	if (stop->drill)
		json_object_set_new(object, "drill", json_true());
	if (stop->error)
		json_object_set_new(object, "error", json_string(strerror(-stop->error)));
	json_object_set_new(object, "delay_ms",
			    json_integer((json_int_t)(stop->delay_ns / NSEC_PER_MSEC)));
	journal_write(&sink->journal, object);
}

static void on_abort(struct event_sink *sink, const struct ebph_event_abort *abort)
{
	json_t *object = event_object(sink, "abort", &abort->event);

	log_warn("refused: an execve of %s pid %u", profile_name(sink->profiles, abort->event.slot),
		 abort->event.pid);
	set_name(object, "call", abort->call);
	json_object_set_new(object, "recent", json_integer(abort->recent));
	journal_write(&sink->journal, object);
}

static void on_doubt(struct event_sink *sink, const struct ebph_event_doubt *doubt)
{
	json_t *object = profile_object(sink, "doubt", doubt->event.slot, doubt->event.time_ns);

	log_warn("%s has had %u anomalies since it became normal: %s",
		 profile_name(sink->profiles, doubt->event.slot), doubt->anomalies,
		 doubt->tolerized ? "it is training again (auto_tolerize = yes)" :
				    "an attack, or its profile is wrong");
	json_object_set_new(object, "anomalies", json_integer(doubt->anomalies));
	json_object_set_new(object, "tolerized", json_boolean(doubt->tolerized));
	journal_write(&sink->journal, object);
}

void event_released(void *context, uint32_t pid, uint32_t foreign)
{
	json_t *members = json_pack("{s:i}", "pid", (int)pid);

	if (foreign)
		json_object_set_new(members, "stopped_by_others", json_true());
	log_info("released: pid %u%s", pid,
		 foreign ? ", and it stays stopped: somebody else has stopped it, too" : "");
	event_self(context, "release", members);
}

/*
 * Records that are taken before the daemon looks after its other work again; fewer if one has taken
 * so long, as those do for which the kernel waits for all running programs.
 */
#define PORTION	   64
#define PORTION_NS NSEC_PER_MSEC

/* ---- dispatch -------------------------------------------------------------------------- */

int event_handle(void *context, void *record, size_t size)
{
	static const size_t sizes[] = {
		[EBPH_EVENT_PROFILE] = sizeof(struct ebph_event_profile),
		[EBPH_EVENT_STATE] = sizeof(struct ebph_event_state),
		[EBPH_EVENT_ANOMALY] = sizeof(struct ebph_event_anomaly),
		[EBPH_EVENT_STOP] = sizeof(struct ebph_event_stop),
		[EBPH_EVENT_ABORT] = sizeof(struct ebph_event_abort),
		[EBPH_EVENT_GROW] = sizeof(struct ebph_event_grow),
		[EBPH_EVENT_DOUBT] = sizeof(struct ebph_event_doubt),
	};
	const struct ebph_event *event = record;
	struct event_sink *sink = context;
	bool enough = ++sink->portion % PORTION == 0;
	uint64_t begun_ns = now_ns(CLOCK_MONOTONIC);

	if (size < sizeof(*event) || event->type >= ARRAY_SIZE(sizes) ||
	    size != sizes[event->type] || event->slot > sink->profiles->kernel->n_slots) {
		sink->malformed++;
		return enough ? -EAGAIN : 0;
	}
	switch ((enum ebph_event_type)event->type) {
	case EBPH_EVENT_PROFILE:
		on_profile(sink, record);
		break;
	case EBPH_EVENT_STATE:
		on_state(sink, record);
		break;
	case EBPH_EVENT_ANOMALY:
		on_anomaly(sink, record);
		break;
	case EBPH_EVENT_STOP:
		on_stop(sink, record);
		break;
	case EBPH_EVENT_ABORT:
		on_abort(sink, record);
		break;
	case EBPH_EVENT_GROW:
		on_grow(sink, record);
		break;
	case EBPH_EVENT_DOUBT:
		on_doubt(sink, record);
		break;
	}
	enough |= now_ns(CLOCK_MONOTONIC) >= begun_ns + PORTION_NS;
	return enough ? -EAGAIN : 0;
}
