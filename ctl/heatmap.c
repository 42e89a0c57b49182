// SPDX-License-Identifier: GPL-2.0-or-later
#include "ctl/heatmap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "enforcer/util.h"

#define CELL   12
#define MARGIN 130 /* for the names of calls; the legend stands in the corner between them */
#define NORMAL "#08519c"
#define SEEN   "#d94801"
#define LEGEND 20 /* characters of a line there */

/* The calls that occur, sorted: each has its row and its column. */
struct calls {
	const char **names;
	size_t n;
};

static int name_compare(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static int calls_find(const json_t *pairs, struct calls *ret)
{
	size_t n = 2 * json_array_size(pairs), kept = 0, i;
	const char **names = calloc(n + 1, sizeof(*names));
	const json_t *pair;

	if (!names)
		return -ENOMEM;
	json_array_foreach(pairs, i, pair) {
		names[2 * i] = json_string_value(json_object_get(pair, "current"));
		names[2 * i + 1] = json_string_value(json_object_get(pair, "earlier"));
	}
	qsort(names, n, sizeof(*names), name_compare);
	for (i = 0; i < n; i++)
		if (!kept || strcmp(names[kept - 1], names[i]) != 0)
			names[kept++] = names[i];
	*ret = (struct calls){.names = names, .n = kept};
	return 0;
}

static size_t place_of(const struct calls *calls, const json_t *pair, const char *member)
{
	const char *name = json_string_value(json_object_get(pair, member));
	const char **found =
		bsearch(&name, calls->names, calls->n, sizeof(*calls->names), name_compare);

	return (size_t)(found - calls->names);
}

static void text_write(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '<')
			fputs("&lt;", out);
		else if (*text == '&')
			fputs("&amp;", out);
		else
			fputc(*text, out);
	}
}

static void names_write(FILE *out, const struct calls *calls)
{
	for (size_t i = 0; i < calls->n; i++) {
		size_t at = MARGIN + CELL * i;

		fprintf(out, "<text x=\"%d\" y=\"%zu\" text-anchor=\"end\">", MARGIN - 4, at + 10);
		text_write(out, calls->names[i]);
		fprintf(out, "</text>\n<text transform=\"translate(%zu,%d) rotate(-90)\">", at + 10,
			MARGIN - 4);
		text_write(out, calls->names[i]);
		fputs("</text>\n", out);
	}
}

/* Of one at so many distances. */
static double shade(size_t distances)
{
	return 0.15 + 0.85 * (double)distances / 8;
}

static void cell_write(FILE *out, const struct calls *calls, const json_t *pair)
{
	size_t normal = json_array_size(json_object_get(pair, "normal"));
	size_t seen = json_array_size(json_object_get(pair, "seen"));

	fprintf(out,
		"<rect x=\"%zu\" y=\"%zu\" width=\"%d\" height=\"%d\" fill=\"%s\" "
		"fill-opacity=\"%.2f\"><title>",
		MARGIN + CELL * place_of(calls, pair, "earlier"),
		MARGIN + CELL * place_of(calls, pair, "current"), CELL, CELL,
		normal ? NORMAL : SEEN, shade(normal ? normal : seen));
	text_write(out, text_of(pair, "current"));
	fputs(" after ", out);
	text_write(out, text_of(pair, "earlier"));
	fprintf(out, ": %zu of 8 distances, %zu only seen</title></rect>\n", normal, seen);
}

static void legend_write(FILE *out, const char *title, size_t n_pairs)
{
	const char *slash = strrchr(title, '/');
	char name[LEGEND + 1];

	snprintf(name, sizeof(name), "%s", slash && slash[1] ? slash + 1 : title);
	fputs("<text x=\"4\" y=\"14\" font-weight=\"bold\">", out);
	text_write(out, name);
	fprintf(out,
		"</text>\n<text x=\"4\" y=\"28\">%zu pairs of calls</text>\n"
		"<text x=\"4\" y=\"42\">row: a call</text>\n"
		"<text x=\"4\" y=\"56\">column: one before</text>\n"
		"<text x=\"4\" y=\"74\">at 1 to 8 distances:</text>\n",
		n_pairs);
	for (size_t n = 1; n <= 8; n++)
		for (int kind = 0; kind < 2; kind++)
			fprintf(out,
				"<rect x=\"%zu\" y=\"%d\" width=\"6\" height=\"8\" fill=\"%s\" "
				"fill-opacity=\"%.2f\"/>\n",
				4 + 6 * (n - 1), kind ? 94 : 80, kind ? SEEN : NORMAL, shade(n));
	fputs("<text x=\"58\" y=\"88\">normal</text>\n"
	      "<text x=\"58\" y=\"102\">only seen</text>\n",
	      out);
}

/* Lines to follow from a cell to its names. */
static void grid_write(FILE *out, size_t n)
{
	fputs("<path stroke=\"#dddddd\" stroke-width=\"0.5\" d=\"", out);
	for (size_t i = 0; i <= n; i++)
		fprintf(out, "M%d %zuh%zuM%zu %dv%zu", MARGIN, MARGIN + CELL * i, CELL * n,
			MARGIN + CELL * i, MARGIN, CELL * n);
	fputs("\"/>\n", out);
}

static void picture_write(FILE *out, const char *title, const struct calls *calls,
			  const json_t *pairs)
{
	size_t side = MARGIN + CELL * calls->n + 10, i;
	const json_t *pair;

	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%zu\" height=\"%zu\" "
		"font-family=\"monospace\" font-size=\"10\">\n<title>",
		side, side);
	text_write(out, title);
	fputs("</title>\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n", out);
	legend_write(out, title, json_array_size(pairs));
	grid_write(out, calls->n);
	names_write(out, calls);
	json_array_foreach(pairs, i, pair) {
		cell_write(out, calls, pair);
	}
	fputs("</svg>\n", out);
}

int heatmap_write(const char *file, const char *title, const json_t *pairs)
{
	struct calls calls = {0};
	int r = calls_find(pairs, &calls);
	FILE *out = r ? NULL : fopen(file, "we");

	if (!r && !out)
		r = -errno;
	if (out) {
		picture_write(out, title, &calls, pairs);
		if (fclose(out))
			r = -errno;
	}
	free(calls.names);
	if (r)
		fprintf(stderr, "ebphctl: %s: %s\n", file, strerror(-r));
	return r;
}
