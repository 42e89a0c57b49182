// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/response.h"

#include <errno.h>
#include <inttypes.h>

#include "enforcer/log.h"
#include "enforcer/util.h"

static void breaker_tell_open(struct event_sink *sink, const struct ebph_settings *settings)
{
	uint64_t window_s = settings->breaker_window_ns / NSEC_PER_SEC;
	uint64_t pause_s = settings->breaker_pause_ns / NSEC_PER_SEC;

	log_error("THE CIRCUIT BREAKER %s: more than %u programs were to be answered within "
		  "%" PRIu64 " s. Nobody is delayed or refused now; this ends %" PRIu64
		  " s after the last program that is too many. Have many programs changed, or "
		  "libraries? Then their profiles must learn anew",
		  settings->mode == EBPH_MODE_ENFORCE ? "HAS OPENED" : "WOULD HAVE OPENED",
		  settings->breaker_limit, window_s, pause_s);
	event_self(sink, "breaker",
		   json_pack("{s:s, s:s, s:i, s:i, s:i}", "state", "open", "mode",
			     conf_mode_name((enum conf_mode)settings->mode), "limit",
			     (int)settings->breaker_limit, "window_s", (int)window_s, "pause_s",
			     (int)pause_s));
}

static void breaker_tell_closed(struct event_sink *sink)
{
	log_warn("the circuit breaker has closed: anomalies are answered again");
	event_self(sink, "breaker", json_pack("{s:s}", "state", "closed"));
}

void response_tick(struct response *response, struct event_sink *sink)
{
	const struct ebph_breaker *breaker = kernel_breaker(sink->profiles->kernel);
	uint64_t openings = __atomic_load_n(&breaker->openings, __ATOMIC_ACQUIRE);
	uint64_t until_ns = __atomic_load_n(&breaker->open_until_ns, __ATOMIC_RELAXED);
	bool open = now_ns(CLOCK_MONOTONIC) < until_ns;

	/* It may have been open, or closed, for less than a tick. */
	if (response->breaker_open && (!open || openings != response->openings))
		breaker_tell_closed(sink);
	if (openings != response->openings)
		breaker_tell_open(sink, kernel_settings(sink->profiles->kernel));
	if (openings != response->openings && !open)
		breaker_tell_closed(sink);
	response->openings = openings;
	response->breaker_open = open;
	drill_tick(&response->drill, sink);
	/* At each tick: a stop that was under way when it opened comes after it. */
	if (open)
		delays_release(sink->delays);
}
