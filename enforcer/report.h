/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the daemon says of itself: at the start, every minute, at the end. */
#ifndef EBPH_REPORT_H
#define EBPH_REPORT_H

#include <stdint.h>
#include <stdio.h>

#include "enforcer/event.h"

struct report {
	uint64_t since_ns; /* CLOCK_MONOTONIC of the last report */
	uint64_t cpu_ns;   /* our CPU time until then */
	json_t *counters;  /* as they stand in the event file */
};

/* Says that we follow calls now, in which mode, and how we could answer. */
void report_start(struct report *report, const struct conf *conf, struct kernel *kernel);

/*
 * Says how many profiles there are, what we cost, and every counter that is not zero; all counters
 * go into the event file if they have changed, or somebody has @asked.
 */
void report_print(struct report *report, struct kernel *kernel, struct profiles *profiles,
		  struct event_sink *sink, bool asked);

/* Told of each counter: its name, how much, and what it means. */
typedef void counter_visit_fn(void *context, const char *name, uint64_t value, const char *help);
void counters_visit(struct kernel *kernel, const struct event_sink *sink, counter_visit_fn *visit,
		    void *context);

/* Resident memory of ebphd, in bytes. */
uint64_t resident_memory(void);

/* What each counter means, one a line. */
void counters_explain(FILE *out);

/* Gives up what a report holds; fine for one that was never made. */
void report_end(struct report *report);

#endif
