/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A child of the daemon that knows which files may be executed whatever happens: it looks for what
 * [allow] exec and allow_exec name, again and again, for files are replaced, and tells the programs
 * in the kernel. The daemon itself would wait with a file system that does not answer.
 */
#ifndef EBPH_ENFORCER_FINDER_H
#define EBPH_ENFORCER_FINDER_H

#include <sys/types.h>

#include "conf/conf.h"
#include "enforcer/kernel.h"

struct finder {
	pid_t pid; /* 0: none */
	int fd;	   /* its end is that of the child */
	uint32_t first_list;
	uint32_t n_lists;
};

/* Has the configuration anything to look for? */
bool finder_wanted(const struct conf *conf);

/* The ebph_target.list of a list of a configuration, if .first_list is of [allow] exec. */
uint32_t finder_list(const struct conf *conf, const struct conf_list *list, uint32_t first_list);

/**
 * finder_new() - starts the child.
 * @first_list: number of [allow] exec; those of the sections follow. None was ever used before,
 *		but by a child for the same configuration that has ended
 * @ret:	to be ended with finder_end()
 *
 * Waits a moment until it has looked once, and logs if that is not enough.
 *
 * Return: 0 or -errno.
 */
int finder_new(struct kernel *kernel, const struct conf *conf, uint32_t first_list,
	       struct finder *ret);

/* Is there a child no more that should be there? */
bool finder_has_died(const struct finder *finder);

/* Ends the child. What it has found stays until finder_forget(). */
void finder_end(struct finder *finder);

/* Has the programs know no files but those of @finder. */
void finder_forget(struct kernel *kernel, const struct finder *finder);

#endif
