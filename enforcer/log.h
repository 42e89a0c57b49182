/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines for people: to stderr in the foreground, to syslog as a daemon. */
#ifndef EBPH_LOG_H
#define EBPH_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <syslog.h>

/*
 * Writing never blocks: the reader may be a process that we have stopped. What cannot be written
 * is counted.
 */

/* From now on lines go to syslog; at the start they go to stderr. */
void log_open(void);

/* Lines that could not be written. */
uint64_t log_lost(void);

/* Shows debug lines too, those of libbpf among them. */
void log_set_debug(bool debug);
bool log_debug_enabled(void);

/* Shows nothing that is less urgent than @priority. */
void log_set_least(int priority);

/*
 * From now on lines also go to @copy, the caller's, for who is told what came of his request; NULL:
 * no more.
 */
void log_copy(FILE *copy);

/* One line of @priority (LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG), without line end. */
void log_line(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_ERR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARNING, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

#endif
