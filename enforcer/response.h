/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's side of the response: what it tells of the circuit breaker, and does then. */
#ifndef EBPH_ENFORCER_RESPONSE_H
#define EBPH_ENFORCER_RESPONSE_H

#include "enforcer/drill.h"
#include "enforcer/event.h"

struct response {
	uint64_t openings; /* of the breaker that were told */
	bool breaker_open; /* as was told last */
	struct drill drill;
};

/* Tells what has become of the breaker and the drill; releases everybody while it is open. */
void response_tick(struct response *response, struct event_sink *sink);

#endif
