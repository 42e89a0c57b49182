/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A new configuration while ebphd runs: all of it, or none. */
#ifndef EBPH_RELOAD_H
#define EBPH_RELOAD_H

#include "enforcer/config.h"
#include "enforcer/enforcing.h"

/* What a configuration is for. */
struct reload {
	struct conf *conf; /* the current one; others point to it */
	const struct config_source *source;
	struct profiles *profiles;
	struct enforcing *enforcing;
	struct event_sink *sink;
};

/**
 * config_fits() - is there room for what the configuration asks for?
 * Return: 0; -EINVAL with a line logged.
 */
int config_fits(const struct conf *conf, struct profiles *profiles);

/**
 * config_reload() - reads the configuration again and puts it into effect.
 *
 * Anything wrong with it, or that cannot be done, is logged, and all stays as it was. What changes
 * is logged line by line; options whose change takes a restart keep their values, and that is
 * logged, too. The event file is opened anew, for those who move it away.
 *
 * Return: 0 or -errno.
 */
int config_reload(const struct reload *reload);

/**
 * config_change() - puts a little into effect on top of what is, until the next reload.
 * @text: as in a file
 * @mode: instead of @text; as --mode. NULL: none
 *
 * Likewise. Return: 0 or -errno.
 */
int config_change(const struct reload *reload, const char *text, const enum conf_mode *mode);

#endif
