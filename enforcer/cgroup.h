/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control groups whose processes are never delayed or refused anything. */
#ifndef EBPH_ENFORCER_CGROUP_H
#define EBPH_ENFORCER_CGROUP_H

#include "conf/conf.h"
#include "enforcer/kernel.h"

/* Those that the programs know of. Begin with {0}. */
struct cgroups {
	uint64_t *ids; /* in order, each once */
	size_t n;
	bool too_many; /* that has been said */
};

/**
 * cgroups_renew() - looks for the control groups that a list names, and tells the programs.
 *
 * To be called now and then: a service that is started again has a new one.
 *
 * Return: 0; -E2BIG when there are too many, with a line logged; -errno. Then all is as it was.
 */
int cgroups_renew(struct cgroups *cgroups, struct kernel *kernel, const struct conf_list *words);

void cgroups_free(struct cgroups *cgroups);

#endif
