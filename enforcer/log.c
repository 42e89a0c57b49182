// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/log.h"

#include <stdarg.h>
#include <stdio.h>

#define LINE_MAX_BYTES 1024

static bool use_syslog;
static bool show_debug;

void log_open(bool to_syslog)
{
	if (to_syslog && !use_syslog)
		openlog("ebphd", LOG_PID | LOG_NDELAY, LOG_DAEMON);
	use_syslog = to_syslog;
}

void log_set_debug(bool debug)
{
	show_debug = debug;
}

bool log_debug_enabled(void)
{
	return show_debug;
}

/* Paths and hints come from anybody: a control character in one must not forge a line. */
static void make_printable(char *line)
{
	for (unsigned char *c = (unsigned char *)line; *c; c++)
		if (*c < ' ' || *c == 0x7f)
			*c = '?';
}

void log_line(int priority, const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	va_list args;

	if (priority == LOG_DEBUG && !show_debug)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	make_printable(line);
	if (use_syslog)
		syslog(priority, "%s", line);
	else
		fprintf(stderr, "ebphd: %s%s\n", priority == LOG_WARNING ? "warning: " : "", line);
}
