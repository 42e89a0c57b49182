/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the configuration says of single programs, in the terms of those in the kernel. */
#ifndef EBPH_ENFORCER_RULE_H
#define EBPH_ENFORCER_RULE_H

#include "conf/conf.h"
#include "enforcer/cgroup.h"
#include "enforcer/finder.h"
#include "enforcer/kernel.h"

struct profiles;

/* Rules that are in the kernel. */
struct rules {
	struct kernel *kernel;
	const struct conf *conf; /* NULL: there are none */
	struct {
		uint32_t number;
		struct ebph_ruling ruling;
	} * known;
	size_t n;
	uint32_t last;	    /* number given; none is given twice */
	uint32_t last_list; /* likewise: of what may be executed */
	struct finder finder;
	struct cgroups cgroups;
};

void rules_free(struct rules *rules);

/* In the terms of the kernel, but for .allowed, which stays. */
void rule_of_settings(const struct conf_settings *settings, struct ebph_rule *ret);

/**
 * rules_renew() - hands the programs what the configuration says of single programs, at the start
 * and at a reload; it holds for those that run, too.
 *
 * Return: 0; -errno with a line logged, then some programs are as all others.
 */
int rules_renew(struct profiles *profiles, const struct conf *conf);

/* Control groups come and go: looks for them again. */
void rules_tick(struct rules *rules);

/* The path of a slot's executable has become known. */
void rule_apply(struct profiles *profiles, uint32_t slot);

#endif
