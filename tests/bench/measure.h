/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Timing on a machine that is busy with other things, too. What is to be compared is measured in
 * turns, all variants in each round, and compared within the round: what disturbs comes and goes
 * more slowly than that. Within a turn the least of many short samples counts (nothing makes a
 * processor faster than it is); over the rounds the median.
 */
#ifndef EBPH_MEASURE_H
#define EBPH_MEASURE_H

#include <stdbool.h>
#include <stddef.h>

/* A state of the kernel in which all works are measured. */
struct variant {
	const char *name;
	void (*attach)(void *context); /* NULL: nothing to do */
	void (*detach)(void *context);
	void *context;
};

/* Something whose time is taken. */
struct work {
	const char *name;
	/* Run in each turn before the first sample; may be NULL. */
	void (*prepare)(void *context, const struct variant *variant);
	double (*sample)(void *context); /* returns nanoseconds for one operation */
	void *context;
	int n_samples;
};

struct measurement {
	const struct work *works;
	const struct variant *variants;
	size_t n_works, n_variants, n_rounds;
	double *ns; /* [work][variant][round] */
};

/* The first quarter, the middle and the third quarter of some values. */
struct spread {
	double q1, median, q3;
};

/* Keeps the calling thread, and what it starts, on one processor. Return: which, or -errno. */
int measure_pin(void);

/**
 * measure() - takes the times of all works in all variants, @n_rounds times.
 * @ret: to be freed with measurement_free(); works and variants must live as long
 *
 * Each round begins with another variant. Says on stderr how far it is.
 *
 * Return: 0 or -ENOMEM.
 */
int measure(const struct work *works, size_t n_works, const struct variant *variants,
	    size_t n_variants, size_t n_rounds, struct measurement *ret);
void measurement_free(struct measurement *m);

/* The times of one work in one variant, by round. */
const double *measured(const struct measurement *m, size_t work, size_t variant);

/* The spread of @n values. */
struct spread spread_of(const double *values, size_t n);

/* Time on the clock that all of this goes by, ns. */
double measure_now(void);

#endif
