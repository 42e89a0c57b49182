/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EBPH_TESTS_START_TIME_H
#define EBPH_TESTS_START_TIME_H

/* After cmocka.h. */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/*
 * When a process began, CLOCK_BOOTTIME, rounded down to clock ticks: field 22 of /proc/PID/stat.
 * The caller's process must have no blank in its name; the enforcer has to do without that.
 */
static inline uint64_t start_time_ns(pid_t pid)
{
	char path[32], line[1024], *field = line;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	fclose(file);
	for (int i = 1; i < 22; i++) {
		field = strchr(field, ' ');
		assert_non_null(field);
		field++;
	}
	assert_true(isdigit((unsigned char)*field));
	return strtoull(field, NULL, 10) * (1000000000 / (uint64_t)sysconf(_SC_CLK_TCK));
}

#endif
