/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EBPH_TESTS_START_TIME_H
#define EBPH_TESTS_START_TIME_H

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/*
 * When a process began, CLOCK_BOOTTIME, rounded down to clock ticks: field 22 of /proc/PID/stat.
 * Its name must have no blank; the enforcer has to do without that. What cannot be read aborts.
 */
static inline uint64_t start_time_ns(pid_t pid)
{
	char path[32], line[1024], *field = line;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file || !fgets(line, sizeof(line), file))
		abort();
	fclose(file);
	for (int i = 1; i < 22; i++) {
		field = strchr(field, ' ');
		if (!field)
			abort();
		field++;
	}
	if (!isdigit((unsigned char)*field))
		abort();
	return strtoull(field, NULL, 10) * (1000000000 / (uint64_t)sysconf(_SC_CLK_TCK));
}

#endif
