/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration as ebphd is told to use it, at its start and at a reload. */
#ifndef EBPH_CONFIG_H
#define EBPH_CONFIG_H

#include "conf/conf.h"

struct config_source {
	const char *path;    /* absolute, for a reload */
	bool has_mode;	     /* the command line gives a mode */
	enum conf_mode mode; /* which one */
};

/**
 * config_load() - reads the configuration, with what the command line says on top.
 * @ret:  result, to be freed with conf_free()
 * @diag: what there is to be said; some, too, when it succeeds
 *
 * Return: 0; -errno, and then diag says why unless it is -ENOMEM.
 */
int config_load(const struct config_source *source, struct conf **ret, struct conf_diag *diag);

#endif
