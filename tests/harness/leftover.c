// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/harness/leftover.h"

#include <bpf/bpf.h>
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/harness/tap.h"

#define PIN_FOLDER "/sys/fs/bpf/ebph"

int programs_loaded(void)
{
	__u32 id = 0;
	int n = 0;

	while (!bpf_prog_get_next_id(id, &id)) {
		struct bpf_prog_info info = {};
		__u32 size = sizeof(info);
		int fd = bpf_prog_get_fd_by_id(id);

		if (fd < 0)
			continue; /* gone meanwhile */
		if (!bpf_obj_get_info_by_fd(fd, &info, &size))
			n += !strncmp(info.name, "ebph_", 5) || !strncmp(info.name, "probe_", 6);
		close(fd);
	}
	return n;
}

/* How many processes are stopped (by a signal, not by a tracer) or are our guardians. */
static int processes_left(bool tell)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int n = 0;

	while (proc && (entry = readdir(proc))) {
		char path[300], line[512] = "", *end;
		FILE *file;
		bool left;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		if (!fgets(line, sizeof(line), file))
			line[0] = '\0';
		fclose(file);
		end = strrchr(line, ')');
		left = end && (end[2] == 'T' || (strstr(line, "(ebph-guardian)") && end[2] != 'Z'));
		if (left && tell)
			note("left behind: process %.*s", (int)(end + 3 - line), line);
		n += left;
	}
	if (proc)
		closedir(proc);
	return n;
}

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

bool leftover_none(int limit_ms)
{
	const struct timespec pause = {.tv_nsec = 20000000};
	long end = now_ms() + limit_ms;

	for (;;) {
		int programs = programs_loaded(), processes = processes_left(false);
		bool pinned = !access(PIN_FOLDER, F_OK);

		if (!programs && !processes && !pinned)
			return true;
		if (now_ms() > end) {
			if (programs)
				note("left behind: %d BPF programs", programs);
			if (pinned)
				note("left behind: " PIN_FOLDER);
			processes_left(true);
			return false;
		}
		nanosleep(&pause, NULL);
	}
}
