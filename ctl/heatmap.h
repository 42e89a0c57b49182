/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A profile as a picture. */
#ifndef EBPH_CTL_HEATMAP_H
#define EBPH_CTL_HEATMAP_H

#include <jansson.h>

/**
 * heatmap_write() - an SVG file: a row for each call, a column for each call before it, the darker
 * the more of the eight distances belong to the profile.
 * @title: of the picture
 * @pairs: as ListPairs has them
 *
 * Return: 0; -errno, and why has been said.
 */
int heatmap_write(const char *file, const char *title, const json_t *pairs);

#endif
