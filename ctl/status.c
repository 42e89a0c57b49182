// SPDX-License-Identifier: GPL-2.0-or-later
/* status, support, mode, set, reload */
#include <string.h>

#include "ctl/ctl.h"

/* A call whose answer is shown by @show, or as JSON. */
static int ask(struct ctl *ctl, const char *method, json_t *parameters,
	       void (*show)(const struct ctl *ctl, const json_t *answer))
{
	json_t *answer;
	int r = ctl_call(ctl, method, parameters, &answer);

	if (r)
		return r;
	if (ctl->json)
		json_line(answer);
	else
		show(ctl, answer);
	json_decref(answer);
	return CTL_DONE;
}

/* ---- status -------------------------------------------------------------------------------- */

static enum colour health_colour(const char *health)
{
	if (!strcmp(health, "good"))
		return GREEN;
	return strncmp(health, "good", 4) != 0 ? RED : YELLOW;
}

static void counters_show(const struct ctl *ctl, const json_t *counters)
{
	const json_t *counter;
	size_t i;

	json_array_foreach(counters, i, counter) {
		printf("  %s%-18s %6lld%s  %s\n", colour_begin(ctl, YELLOW),
		       text_of(counter, "name"), number_of(counter, "value"), colour_end(ctl),
		       text_of(counter, "meaning"));
	}
}

static void status_show(const struct ctl *ctl, const json_t *answer)
{
	const json_t *s = json_object_get(answer, "status");
	const char *health = text_of(s, "health");
	bool defers = json_is_true(json_object_get(s, "deferral"));

	printf("health    %s%s%s\n", colour_begin(ctl, health_colour(health)), health,
	       colour_end(ctl));
	printf("ebphd     %s, pid %lld, up %s, on Linux %s\n", text_of(s, "version"),
	       number_of(s, "pid"), time_text(number_of(s, "uptime_ms")), text_of(s, "kernel"));
	printf("mode      %s%s%s; execves are refused by %s; delays come %s the call\n",
	       colour_begin(ctl, BOLD), text_of(s, "mode"), colour_end(ctl),
	       text_of(s, "abort_rung"), defers ? "before" : "after");
	printf("breaker   %s\n", text_of(s, "breaker"));
	printf("profiles  %lld training, %lld frozen, %lld normal, %lld loading; %lld on disk\n",
	       number_of(s, "profiles_training"), number_of(s, "profiles_frozen"),
	       number_of(s, "profiles_normal"), number_of(s, "profiles_loading"),
	       number_of(s, "profiles_saved"));
	printf("delayed   %lld now; %lld delays decided, %s in all; %lld execves to refuse\n",
	       number_of(s, "delayed"), number_of(s, "delays"),
	       time_text(number_of(s, "delays_ms")), number_of(s, "aborts"));
	printf("calls     %lld, %lld anomalies\n", number_of(s, "calls"),
	       number_of(s, "anomalies"));
	printf("memory    kernel: maps %s, pairs %s, of %s at most; ebphd: %s\n",
	       bytes_text(number_of(s, "memory_maps")), bytes_text(number_of(s, "memory_pairs")),
	       bytes_text(number_of(s, "memory_limit")), bytes_text(number_of(s, "memory_daemon")));
	if (json_array_size(json_object_get(s, "counters")))
		puts("counters");
	counters_show(ctl, json_object_get(s, "counters"));
}

int command_status(struct ctl *ctl)
{
	return ask(ctl, "Status", json_object(), status_show);
}

/* ---- support -----------------------------------------------------------------------------------
 */

static void support_show(const struct ctl *ctl, const json_t *answer)
{
	const json_t *mechanism;
	size_t i;

	printf("Linux %s, as found by trial when ebphd started:\n", text_of(answer, "kernel"));
	json_array_foreach(json_object_get(answer, "mechanisms"), i, mechanism) {
		bool works = json_is_true(json_object_get(mechanism, "works"));

		printf("  %s%-3s%s %-10s %s\n", colour_begin(ctl, works ? GREEN : RED),
		       works ? "yes" : "no", colour_end(ctl), text_of(mechanism, "name"),
		       text_of(mechanism, "meaning"));
	}
}

int command_support(struct ctl *ctl)
{
	return ask(ctl, "Support", json_object(), support_show);
}

/* ---- the configuration ----------------------------------------------------------------------- */

static void mode_show(const struct ctl *ctl, const json_t *answer)
{
	(void)ctl;
	puts(text_of(answer, "mode"));
}

int command_mode(struct ctl *ctl)
{
	return ask(ctl, "Mode",
		   ctl->n_arguments ? json_pack("{s:s}", "mode", ctl->arguments[0]) : json_object(),
		   mode_show);
}

static void said_show(const struct ctl *ctl, const json_t *answer)
{
	const json_t *line;
	size_t i;

	(void)ctl;
	json_array_foreach(json_object_get(answer, "said"), i, line) {
		puts(printable(json_string_value(line), false));
	}
}

int command_set(struct ctl *ctl)
{
	char *name = ctl->arguments[0], *dot = strrchr(name, '.');

	if (!dot) {
		fprintf(stderr,
			"ebphctl: %s: expected SECTION.OPTION, such as "
			"response.tolerance\n",
			name);
		return CTL_USAGE;
	}
	*dot = '\0';
	return ask(ctl, "SetOption",
		   json_pack("{s:s, s:s, s:s}", "section", name, "name", dot + 1, "value",
			     ctl->arguments[1]),
		   said_show);
}

int command_reload(struct ctl *ctl)
{
	return ask(ctl, "Reload", json_object(), said_show);
}
