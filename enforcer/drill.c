// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/drill.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "enforcer/log.h"
#include "enforcer/util.h"

static struct ebph_settings *settings_of(const struct event_sink *sink)
{
	return kernel_settings(sink->profiles->kernel);
}

void drill_start(struct drill *drill, const struct conf *conf, struct event_sink *sink)
{
	struct ebph_settings *settings = settings_of(sink);
	const char *path = conf->drill.executable;

	sink->drill = drill;
	if (!*path)
		return;
	drill->path = realpath(path, NULL);
	if (!drill->path) {
		log_error("there is no drill: %s: %s", path, strerror(errno));
		return;
	}
	settings->drill_delay_ns = conf->drill.delay_ns;
	settings->drill_one_in = conf->drill.one_in;
	settings->drill_until_ns = now_ns(CLOCK_MONOTONIC) + conf->drill.duration_ns;
	log_warn("a drill: one in %u calls of %s %s for %" PRIu64 " ms, for nothing; it ends in "
		 "%" PRIu64 " s",
		 conf->drill.one_in, drill->path,
		 conf->enforcer.mode == CONF_MODE_ENFORCE ? "is delayed" : "would be delayed",
		 (uint64_t)(conf->drill.delay_ns / NSEC_PER_MSEC),
		 (uint64_t)(conf->drill.duration_ns / NSEC_PER_SEC));
	event_self(sink, "drill",
		   json_pack("{s:s, s:s, s:i, s:I, s:I}", "state", "begins", "path", drill->path,
			     "one_in", (int)conf->drill.one_in, "delay_ms",
			     (json_int_t)(conf->drill.delay_ns / NSEC_PER_MSEC), "duration_s",
			     (json_int_t)(conf->drill.duration_ns / NSEC_PER_SEC)));
}

void drill_mark(struct event_sink *sink, uint32_t slot)
{
	struct ebph_profile *head = &sink->profiles->kernel->heads[slot];
	const char *path = sink->profiles->notes[slot].path;

	if (!sink->drill || !sink->drill->path || !path || strcmp(path, sink->drill->path) ||
	    (head->flags & EBPH_PROFILE_DRILLED))
		return;
	__atomic_or_fetch(&head->flags, EBPH_PROFILE_DRILLED, __ATOMIC_RELAXED);
	if (head->flags & EBPH_PROFILE_PROTECTED) {
		log_error("no drill of %s: it is protected, and never delayed", path);
		event_profile(sink, "drill", slot, json_pack("{s:s}", "state", "refused"));
		return;
	}
	event_profile(sink, "drill", slot, json_pack("{s:s}", "state", "found"));
}

static uint64_t drills(const struct event_sink *sink)
{
	uint64_t sum = 0;

	for (uint32_t slot = 1; slot < sink->profiles->next_slot; slot++)
		sum += sink->profiles->kernel->heads[slot].drills;
	return sum;
}

void drill_report(const struct event_sink *sink)
{
	const struct ebph_settings *settings = settings_of(sink);

	if (settings->drill_one_in)
		log_info("drill: %" PRIu64 " calls %s for nothing, %.2f s together", drills(sink),
			 settings->mode == EBPH_MODE_ENFORCE ? "delayed" :
							       "would have been delayed",
			 (double)drills(sink) * (double)settings->drill_delay_ns /
				 (double)NSEC_PER_SEC);
}

static void drill_end(struct drill *drill, struct event_sink *sink)
{
	log_warn("the drill is over");
	drill_report(sink);
	event_self(sink, "drill",
		   json_pack("{s:s, s:s, s:I}", "state", "ends", "path", drill->path, "delays",
			     (json_int_t)drills(sink)));
	for (uint32_t slot = 1; slot < sink->profiles->next_slot; slot++)
		__atomic_and_fetch(&sink->profiles->kernel->heads[slot].flags,
				   ~EBPH_PROFILE_DRILLED, __ATOMIC_RELAXED);
	drill_free(drill);
}

void drill_tick(struct drill *drill, struct event_sink *sink)
{
	if (!drill->path)
		return;
	if (now_ns(CLOCK_MONOTONIC) >= settings_of(sink)->drill_until_ns) {
		drill_end(drill, sink);
		return;
	}
	for (uint32_t slot = 1; slot < sink->profiles->next_slot; slot++)
		drill_mark(sink, slot);
}

void drill_free(struct drill *drill)
{
	free(drill->path);
	drill->path = NULL;
}
