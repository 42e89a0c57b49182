// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/measure.h"

#include <sched.h>
#include <string.h>

#include "enforcer/util.h"

double measure_now(void)
{
	return (double)now_ns(CLOCK_MONOTONIC);
}

int measure_pin(void)
{
	int cpu = sched_getcpu();
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : cpu;
}

/* All works in one variant. */
static void turn(struct measurement *m, size_t variant, size_t round)
{
	const struct variant *v = &m->variants[variant];

	if (v->attach)
		v->attach(v->context);
	for (size_t i = 0; i < m->n_works; i++) {
		const struct work *work = &m->works[i];
		double least = 0;

		if (work->prepare)
			work->prepare(work->context, v);
		for (int k = 0; k < work->n_samples; k++) {
			double ns = work->sample(work->context);

			if (!k || ns < least)
				least = ns;
		}
		m->ns[(i * m->n_variants + variant) * m->n_rounds + round] = least;
	}
	if (v->detach)
		v->detach(v->context);
}

int measure(const struct work *works, size_t n_works, const struct variant *variants,
	    size_t n_variants, size_t n_rounds, struct measurement *ret)
{
	struct measurement m = {
		.works = works,
		.variants = variants,
		.n_works = n_works,
		.n_variants = n_variants,
		.n_rounds = n_rounds,
		.ns = calloc(n_works * n_variants * n_rounds, sizeof(double)),
	};

	if (!m.ns)
		return -ENOMEM;
	for (size_t round = 0; round < n_rounds; round++) {
		fprintf(stderr, "\r%s ...: round %zu of %zu ", works[0].name, round + 1, n_rounds);
		for (size_t i = 0; i < n_variants; i++)
			turn(&m, (round + i) % n_variants, round);
	}
	fputs("\r\033[K", stderr);
	*ret = m;
	return 0;
}

void measurement_free(struct measurement *m)
{
	free(m->ns);
	m->ns = NULL;
}

const double *measured(const struct measurement *m, size_t work, size_t variant)
{
	return &m->ns[(work * m->n_variants + variant) * m->n_rounds];
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The value below which the share @p of the sorted values lies, between two if need be. */
static double quantile(const double *sorted, size_t n, double p)
{
	double at = p * (double)(n - 1);
	size_t low = (size_t)at, high = low + 1 < n ? low + 1 : low;

	return sorted[low] + (at - (double)low) * (sorted[high] - sorted[low]);
}

struct spread spread_of(const double *values, size_t n)
{
	AUTO_FREE double *sorted = malloc(n * sizeof(*sorted));
	struct spread spread = {};

	if (!sorted || !n)
		return spread;
	memcpy(sorted, values, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare);
	spread.q1 = quantile(sorted, n, 0.25);
	spread.median = quantile(sorted, n, 0.5);
	spread.q3 = quantile(sorted, n, 0.75);
	return spread;
}
