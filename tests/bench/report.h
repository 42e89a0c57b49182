/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was measured: a Markdown table for people, JSON for programs. */
#ifndef EBPH_BENCH_REPORT_H
#define EBPH_BENCH_REPORT_H

#include <stddef.h>

#include "tests/bench/measure.h"

struct report;

/* Return: 0 or -ENOMEM. To be freed with report_free(). */
int report_new(struct report **ret);
void report_free(struct report *report);

/* The figures that follow are of this case. */
void report_case(struct report *report, const char *name);

/**
 * report_values() - a figure: the median of values, one from each round.
 * @name:  what it is
 * @unit:  "ns", "x", "%", "bytes"
 * @bound: what the median may be at most; 0: there is no bound
 */
void report_values(struct report *report, const char *name, const char *unit, const double *values,
		   size_t n, double bound);

/* A figure that has no spread. */
void report_value(struct report *report, const char *name, const char *unit, double value,
		  double bound);

/* The times of one work in one variant. */
void report_time(struct report *report, const char *name, const struct measurement *m, size_t work,
		 size_t variant);

/* By how many percent @variant takes longer than @base. Return: that, in the median. */
double report_percent(struct report *report, const char *name, const struct measurement *m,
		      size_t work, size_t variant, size_t base, double bound);

/* How many times the time of @base @variant takes. */
void report_ratio(struct report *report, const char *name, const struct measurement *m, size_t work,
		  size_t variant, size_t base, double bound);

/* How many times the time of @base_work @work takes, in one variant. */
void report_over(struct report *report, const char *name, const struct measurement *m, size_t work,
		 size_t base_work, size_t variant);

/* How many times what @base costs over @none @variant costs over @none. */
void report_overhead(struct report *report, const char *name, const struct measurement *m,
		     size_t work, size_t variant, size_t base, size_t none, double bound);

/* The table of the case, on standard output. */
void report_print(struct report *report);

/* Return: 0 or -errno. */
int report_write(const struct report *report, const char *path);

#endif
