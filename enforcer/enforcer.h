/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon: one struct, one thread, one epoll. */
#ifndef EBPH_ENFORCER_H
#define EBPH_ENFORCER_H

#include "conf/conf.h"
#include "enforcer/config.h"
#include "enforcer/rung.h"

struct enforcer;

/**
 * enforcer_new() - prepares everything: lock, leftovers of a predecessor, programs, maps.
 * @conf: stays the caller's and must outlive the enforcer; a reload changes what is in it
 * @source: where a reload finds the configuration; must outlive the enforcer
 * @best: the first rung of the abort to be tried; ABORT_OVERRIDE to try all
 * @ret:  result, to be freed with enforcer_free()
 *
 * Return: 0; -errno, and then one line that says why has been logged.
 */
int enforcer_new(struct conf *conf, const struct config_source *source, enum abort_rung best,
		 struct enforcer **ret);

/**
 * enforcer_start() - from now on calls are followed.
 * @background: once it works, what it says goes to syslog
 *
 * Return: 0; -errno with a line logged.
 */
int enforcer_start(struct enforcer *enforcer, bool background);

/* Releases whom a daemon that died together with its guardian left stopped. Return: 0; -errno. */
int leftovers_release(const struct conf *conf, unsigned int *ret_released);

/* Works until a signal ends it. Return: 0; -errno with a line logged. */
int enforcer_loop(struct enforcer *enforcer);

/* Stops following, releases everyone, takes everything away. NULL is fine. */
void enforcer_free(struct enforcer *enforcer);

/**
 * enforcer_release() - `ebphd --release`: releases whom a dead daemon left stopped.
 * Return: 0; -errno with a line logged.
 */
int enforcer_release(const struct conf *conf);

#endif
