/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "diag.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* More of a line than is read at all helps nobody. */
enum { TEXT_MAX = CONF_LINE_MAX + 3, MESSAGE_MAX = 1024 };

/* Copy bytes of a file for a terminal: whatever could steer it becomes '?'. NULL: no memory. */
static char *printable_copy(const char *text, size_t len)
{
	char *copy = malloc(len + 1);

	if (!copy)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		const unsigned char c = (unsigned char)text[i];

		copy[i] = (c < ' ' && c != '\t') || c == 0x7f ? '?' : (char)c;
	}
	copy[len] = '\0';
	return copy;
}

void conf_diag_add(struct conf_diag *diag, enum conf_severity severity,
		   const struct conf_place *place, const char *format, ...)
{
	struct conf_diag_item *item;
	char message[MESSAGE_MAX];
	va_list args;

	/* Each has room of its own: many warnings hide no error. */
	if ((severity == CONF_ERROR ? diag->n_errors++ : diag->n_warnings++) >= CONF_DIAG_MAX)
		return;

	item = &diag->items[diag->n_items++];
	*item = (struct conf_diag_item){
		.severity = severity, .line = place->line, .column = place->column};
	item->file = printable_copy(place->file, strlen(place->file));
	if (place->text) {
		const size_t len = place->text_len;

		item->text = printable_copy(place->text, len < TEXT_MAX ? len : TEXT_MAX);
	}
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	item->message = printable_copy(message, strlen(message));
}

/* Put a mark below the column: tabs repeated, one space for each character of UTF-8. */
static void mark_print(const char *text, unsigned int column, FILE *out)
{
	fputs("    ", out);
	for (size_t i = 0; text[i] && i + 1 < column; i++) {
		if (((unsigned char)text[i] & 0xc0) == 0x80)
			continue;
		fputc(text[i] == '\t' ? '\t' : ' ', out);
	}
	fputs("^\n", out);
}

static void item_print(const struct conf_diag_item *item, FILE *out)
{
	fputs(item->file ? item->file : "?", out);
	if (item->line)
		fprintf(out, ":%u", item->line);
	if (item->line && item->column)
		fprintf(out, ":%u", item->column);
	fprintf(out, ": %s%s\n", item->severity == CONF_WARNING ? "warning: " : "",
		item->message ? item->message : "out of memory");
	if (!item->text)
		return;
	fprintf(out, "    %s\n", item->text);
	if (item->column && item->column <= strlen(item->text) + 1)
		mark_print(item->text, item->column, out);
}

void conf_diag_print(const struct conf_diag *diag, FILE *out)
{
	const size_t n_more = diag->n_errors + diag->n_warnings - diag->n_items;

	for (size_t i = 0; i < diag->n_items; i++)
		item_print(&diag->items[i], out);
	if (n_more)
		fprintf(out, "... and %zu more\n", n_more);
}

void conf_diag_clear(struct conf_diag *diag)
{
	for (size_t i = 0; i < diag->n_items; i++) {
		free(diag->items[i].file);
		free(diag->items[i].message);
		free(diag->items[i].text);
	}
	*diag = (struct conf_diag){0};
}
