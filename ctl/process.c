// SPDX-License-Identifier: GPL-2.0-or-later
/* ps, release */
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"

struct table {
	const struct ctl *ctl;
	bool threads;
	unsigned long rows;
};

static void process_show(struct table *table, const json_t *process)
{
	const struct ctl *ctl = table->ctl;
	long long remaining = number_of(process, "remaining_ms");
	const char *state = text_of(process, "state");

	if (!table->rows++)
		printf("%s%7s %s%5s %-8s %4s %5s %-12s %-10s %s%s\n", colour_begin(ctl, BOLD),
		       "PID", table->threads ? "    TID " : "", "UID", "STATE", "LFC", "HEAT",
		       "LAST CALL", "WAITS", "PROGRAM", colour_end(ctl));
	printf("%7lld ", number_of(process, "pid"));
	if (table->threads)
		printf("%7lld ", number_of(process, "tid"));
	printf("%5lld %s%-8s%s %4lld %5lld %-12s %s%-10s%s %s\n", number_of(process, "uid"),
	       colour_begin(ctl, state_colour(state)), state, colour_end(ctl),
	       number_of(process, "lfc"), number_of(process, "heat"), text_of(process, "last_call"),
	       remaining ? colour_begin(ctl, RED) : "", remaining ? time_text(remaining) : "-",
	       remaining ? colour_end(ctl) : "", text_of(process, "path"));
}

static bool processes_take(void *context, const json_t *part)
{
	struct table *table = context;
	const json_t *process;
	size_t i;

	json_array_foreach(json_object_get(part, "processes"), i, process) {
		if (table->ctl->json)
			json_line(process);
		else
			process_show(table, process);
	}
	return true;
}

int command_ps(struct ctl *ctl)
{
	struct table table = {.ctl = ctl, .threads = option_value(ctl, "threads")};
	bool delayed = option_value(ctl, "delayed");
	int r = ctl_stream(ctl, "ListProcesses",
			   json_pack("{s:b, s:b, s:b}", "threads", table.threads, "delayed",
				     delayed, "hot", option_value(ctl, "hot") != NULL),
			   processes_take, &table);

	if (!r && !table.rows && !ctl->json)
		puts(delayed ? "nobody is delayed" : "no such processes");
	return r;
}

int command_release(struct ctl *ctl)
{
	bool all = option_value(ctl, "all");
	json_t *answer;
	char *end = "";
	long pid = 0;
	int r;

	if (ctl->n_arguments)
		pid = strtol(ctl->arguments[0], &end, 10);
	if (all == !!ctl->n_arguments || *end || pid < 0) {
		fputs("ebphctl: release takes the PID of a process, or --all\n", stderr);
		return CTL_USAGE;
	}
	r = ctl_call(ctl, "Release",
		     all ? json_object() : json_pack("{s:I}", "pid", (json_int_t)pid), &answer);
	if (r)
		return r;
	if (ctl->json)
		json_line(answer);
	else
		printf("released: %lld\n", number_of(answer, "released"));
	json_decref(answer);
	return CTL_DONE;
}
