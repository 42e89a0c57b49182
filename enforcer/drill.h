/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The drill: which profiles it is for, when it begins and ends, and what came of it. */
#ifndef EBPH_DRILL_H
#define EBPH_DRILL_H

#include "enforcer/event.h"

struct drill {
	char *path; /* of the executable, without links; NULL: no drill, or no more */
};

/* Begins the drill that is configured, if there is one; sets sink->drill. Before attaching. */
void drill_start(struct drill *drill, const struct conf *conf, struct event_sink *sink);

/* Puts the profile in @slot under the drill if it is the executable's. */
void drill_mark(struct event_sink *sink, uint32_t slot);

/* To be called now and then: finds profiles that were loaded, and ends the drill on time. */
void drill_tick(struct drill *drill, struct event_sink *sink);

/* Says how many calls it was so far. */
void drill_report(const struct event_sink *sink);

void drill_free(struct drill *drill);

#endif
