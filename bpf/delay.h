/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long a call has to wait. Pure C. */
#ifndef EBPH_BPF_DELAY_H
#define EBPH_BPF_DELAY_H

#include "abi.h"

/* pH's delay: base x 2^recent. */
static inline __u64 ebph_delay_exponential(__u64 base_ns, __u64 max_ns, __u32 recent)
{
	__u64 delay_ns;

	if (recent >= 40) /* 2^40 ms are 35 years: no base makes that too short */
		return max_ns;
	delay_ns = base_ns << recent;
	/* A shift that went over the top is larger than any bound, too. */
	return delay_ns >> recent != base_ns || delay_ns > max_ns ? max_ns : delay_ns;
}

static inline __u64 ebph_delay_linear(__u64 base_ns, __u64 max_ns, __u32 recent)
{
	return base_ns && recent > max_ns / base_ns ? max_ns : base_ns * recent;
}

/**
 * ebph_delay_ns() - the delay of a call, in nanoseconds.
 * @recent:  recent anomalies, this one included: LFC or heat
 * @anomaly: not 0 if the call itself is one
 *
 * After pH_do_delay() of pH 0.22, with a bound and the choices of the rule.
 *
 * Return: 0: it is not delayed.
 */
static inline __u64 ebph_delay_ns(const struct ebph_rule *rule, __u32 recent, __u32 anomaly)
{
	if (recent <= rule->tolerance || (!anomaly && rule->delay_on == EBPH_DELAY_ON_ANOMALY))
		return 0;
	if (rule->delay_curve == EBPH_CURVE_LINEAR)
		return ebph_delay_linear(rule->delay_base_ns, rule->max_delay_ns, recent);
	return ebph_delay_exponential(rule->delay_base_ns, rule->max_delay_ns, recent);
}

#endif
