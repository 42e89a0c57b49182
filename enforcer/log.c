// SPDX-License-Identifier: GPL-2.0-or-later
#include "enforcer/log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "enforcer/util.h"

#define LINE_MAX_BYTES 1024

static bool to_background;
static int least = LOG_INFO; /* the least urgent that is shown */
static int syslog_fd = -1;
static uint64_t lost;
static FILE *log_copied;

void log_open(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};

	to_background = true;
	close_fd(&syslog_fd);
	syslog_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (syslog_fd >= 0 && connect(syslog_fd, (struct sockaddr *)&address, sizeof(address)))
		close_fd(&syslog_fd);
}

uint64_t log_lost(void)
{
	return lost;
}

void log_set_debug(bool debug)
{
	least = debug ? LOG_DEBUG : LOG_INFO;
}

void log_set_least(int priority)
{
	least = priority;
}

void log_copy(FILE *copy)
{
	log_copied = copy;
}

bool log_debug_enabled(void)
{
	return least == LOG_DEBUG;
}

/*
 * Paths and hints come from anybody: a control character in one must not forge a line. The second
 * set of them (U+0080 to U+009F) begins with C2 in UTF-8.
 */
static void make_printable(char *line)
{
	for (unsigned char *c = (unsigned char *)line; *c; c++)
		if (*c < ' ' || *c == 0x7f || (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0))
			*c = '?';
}

/* Not by syslog(3): that waits for the reader, whom we may have stopped ourselves. */
static bool to_syslog(int priority, const char *line)
{
	char message[LINE_MAX_BYTES + 64];
	int n = snprintf(message, sizeof(message), "<%d>ebphd[%d]: %s", LOG_DAEMON | priority,
			 getpid(), line);

	for (int i = 0; i < 2; i++) {
		if (syslog_fd >= 0 && send(syslog_fd, message, (size_t)n, MSG_NOSIGNAL) == n)
			return true;
		if (syslog_fd >= 0 && errno == EAGAIN)
			return false;
		log_open(); /* it may have been restarted */
	}
	return false;
}

/* Likewise for a terminal that stands still, or a pipe that nobody reads. */
static bool to_stderr(int priority, const char *line)
{
	struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
	char message[LINE_MAX_BYTES + 64];
	int n = snprintf(message, sizeof(message), "ebphd: %s%s\n",
			 priority == LOG_WARNING ? "warning: " : "", line);

	if (poll(&out, 1, 0) != 1 || !(out.revents & POLLOUT))
		return false;
	return write(STDERR_FILENO, message, (size_t)n) == n;
}

void log_line(int priority, const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	va_list args;

	if (priority > least)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	make_printable(line);
	if (log_copied)
		fprintf(log_copied, "%s\n", line);
	if (!(to_background ? to_syslog(priority, line) : to_stderr(priority, line)))
		lost++;
}
