/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be done with profiles on disk while ebphd does not run. */
#ifndef EBPH_ENFORCER_MANAGE_H
#define EBPH_ENFORCER_MANAGE_H

#include <stdio.h>

#include "conf/conf.h"

/* All return 0; -errno with a line logged. */

/* Lists the profiles, one a line: state, words, runs, path. */
int profiles_list(const struct conf *conf, FILE *out);

/**
 * profile_import() - takes a profile from a file, of another host for instance.
 *
 * It is for the program at its path on this host. Where that has a profile already, the two are
 * united: image_merge().
 */
int profile_import(const struct conf *conf, const char *file);

/**
 * profile_put_back() - makes the profile of the version before the one in use.
 * @path: of the program
 *
 * For whatever lies at the path now; what the newer version has learned is removed. Possible until
 * that is normal.
 */
int profile_put_back(const struct conf *conf, const char *path);

#endif
