// SPDX-License-Identifier: GPL-2.0-or-later
/* Values as people read them. */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl/ctl.h"

#define PROGRESS_LEAST 10 /* fewer are done before anybody has read it */

/* Room for several values in one printf(). */
static char *room(size_t *ret_size)
{
	static char texts[8][4200];
	static unsigned int turn;

	*ret_size = sizeof(texts[0]);
	return texts[turn++ % 8];
}

const char *printable(const char *value, bool lines)
{
	size_t size;
	char *text = room(&size);

	snprintf(text, size, "%s", value ? value : "");
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		bool is_second_set = *c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0;

		if ((*c < ' ' && !(lines && *c == '\n')) || *c == 0x7f || is_second_set)
			*c = '?';
		if (is_second_set)
			*++c = '?';
	}
	return text;
}

const char *text_of(const json_t *object, const char *member)
{
	return printable(json_string_value(json_object_get(object, member)), false);
}

long long number_of(const json_t *object, const char *member)
{
	return (long long)json_integer_value(json_object_get(object, member));
}

const char *time_text(long long ms)
{
	long long s = ms / 1000, min = s / 60, h = min / 60;
	size_t size;
	char *text = room(&size);

	if (ms < 1000)
		snprintf(text, size, "%lld ms", ms);
	else if (s < 60)
		snprintf(text, size, "%lld.%lld s", s, ms % 1000 / 100);
	else if (min < 60)
		snprintf(text, size, "%lld min %lld s", min, s % 60);
	else if (h < 48)
		snprintf(text, size, "%lld h %lld min", h, min % 60);
	else
		snprintf(text, size, "%lld days", h / 24);
	return text;
}

const char *bytes_text(long long bytes)
{
	size_t size;
	char *text = room(&size);

	if (bytes < 1000)
		snprintf(text, size, "%lld B", bytes);
	else if (bytes < 1000000)
		snprintf(text, size, "%.1f kB", (double)bytes / 1e3);
	else
		snprintf(text, size, "%.1f MB", (double)bytes / 1e6);
	return text;
}

void progress_show(const char *what, size_t done, size_t all)
{
	static struct timespec last;
	struct timespec now;

	if (!isatty(STDERR_FILENO) || all < PROGRESS_LEAST || clock_gettime(CLOCK_MONOTONIC, &now))
		return;
	/* Ten times a second is enough for people, and for a slow line. */
	if (done < all &&
	    (now.tv_sec - last.tv_sec) * 10 + (now.tv_nsec - last.tv_nsec) / 100000000 < 1)
		return;
	last = now;
	fprintf(stderr, "\r%s: %zu of %zu%s", what, done, all, done < all ? "" : "\n");
	fflush(stderr);
}

const char *colour_begin(const struct ctl *ctl, enum colour colour)
{
	static const char *const codes[] = {
		[PLAIN] = "",	       [BOLD] = "\033[1m",   [RED] = "\033[31m",
		[YELLOW] = "\033[33m", [GREEN] = "\033[32m",
	};

	return ctl->colour ? codes[colour] : "";
}

const char *colour_end(const struct ctl *ctl)
{
	return ctl->colour ? "\033[0m" : "";
}

enum colour state_colour(const char *state)
{
	return !strcmp(state, "normal") ? GREEN : !strcmp(state, "training") ? YELLOW : PLAIN;
}

void json_line(const json_t *value)
{
	json_dumpf(value, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
	putchar('\n');
	fflush(stdout);
}
