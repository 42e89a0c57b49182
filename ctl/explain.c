// SPDX-License-Identifier: GPL-2.0-or-later
/* events, explain */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/ctl.h"

/* ---- events --------------------------------------------------------------------------------- */

static void time_print(const json_t *event)
{
	double when = json_number_value(json_object_get(event, "time"));
	time_t seconds = (time_t)when;
	struct tm tm;
	char text[32] = "";

	if (localtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%F %T", &tm);
	printf("%s.%03d ", text, (int)((when - (double)seconds) * 1000));
}

/* A member that is not shown apart: NAME=VALUE. */
static void member_print(const char *name, const json_t *value)
{
	char *text;

	if (!strcmp(name, "time") || !strcmp(name, "event") || !strcmp(name, "path"))
		return;
	if (json_is_string(value)) {
		printf(" %s=%s", name, printable(json_string_value(value), false));
		return;
	}
	text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	printf(" %s=%s", name, text ? printable(text, false) : "?");
	free(text);
}

static void event_print(const struct ctl *ctl, json_t *event)
{
	const char *name = text_of(event, "event");
	json_t *value;

	time_print(event);
	printf("%s%-8s%s %s",
	       colour_begin(ctl, !strcmp(name, "anomaly") || !strcmp(name, "stop") ? RED : PLAIN),
	       name, colour_end(ctl), text_of(event, "path"));
	json_object_foreach(event, name, value)
	{
		member_print(name, value);
	}
	putchar('\n');
}

static bool event_take(void *context, const json_t *part)
{
	const struct ctl *ctl = context;
	json_t *event = json_object_get(part, "event");

	if (!event)
		return true; /* the end */
	if (ctl->json) {
		json_object_set(event, "number", json_object_get(part, "number"));
		json_line(event);
		return true;
	}
	printf("%6lld ", number_of(part, "number"));
	event_print(ctl, event);
	fflush(stdout);
	return true;
}

static json_t *names_of(const char *list)
{
	json_t *names = json_array();

	for (size_t n; *list; list += n + (list[n] == ',')) {
		n = strcspn(list, ",");
		if (n)
			json_array_append_new(names, json_stringn(list, n));
		else if (!*list)
			break;
	}
	return names;
}

int command_events(struct ctl *ctl)
{
	const char *names = option_value(ctl, "name"), *path = option_value(ctl, "path");
	const char *pid = option_value(ctl, "pid");
	json_t *parameters = json_pack("{s:b}", "follow", option_value(ctl, "follow") != NULL);

	if (names)
		json_object_set_new(parameters, "names", names_of(names));
	if (path)
		json_object_set_new(parameters, "path", json_string(path));
	if (pid)
		json_object_set_new(parameters, "pid", json_integer(atoll(pid)));
	return ctl_stream(ctl, "ListEvents", parameters, event_take, ctl);
}

/* ---- explain ------------------------------------------------------------------------------------
 */

static const char *times(long long n)
{
	return n == 1 ? "" : "s";
}

static void process_tell(const struct ctl *ctl, const json_t *process)
{
	long long remaining = number_of(process, "remaining_ms");

	printf("Process %lld runs %s%s%s", number_of(process, "pid"), colour_begin(ctl, BOLD),
	       text_of(process, "path"), colour_end(ctl));
	if (remaining)
		printf(" and %sis delayed for another %s%s", colour_begin(ctl, RED),
		       time_text(remaining), colour_end(ctl));
	else
		fputs(" and is not delayed", stdout);
	printf(".\nOf its last 128 calls %lld %s unusual; all processes of this program and user "
	       "have a heat of %lld.\n",
	       number_of(process, "lfc"), number_of(process, "lfc") == 1 ? "was" : "were",
	       number_of(process, "heat"));
}

static void profile_tell(const json_t *profile)
{
	const char *state = text_of(profile, "state");

	printf("Its profile (id %lld) is %s: %lld pairs of calls, learned from %lld calls in %lld "
	       "run%s.\n",
	       number_of(profile, "id"), state, number_of(profile, "pairs"),
	       number_of(profile, "calls"), number_of(profile, "runs"),
	       times(number_of(profile, "runs")));
	if (!strcmp(state, "normal"))
		printf("It has made %lld calls since it became normal, %lld of them unusual.\n",
		       number_of(profile, "normal_calls"), number_of(profile, "recent_anomalies"));
	else
		puts("It is still learning: nothing that it does is answered.");
}

/* "write(1 before), brk(3 before)": which earlier calls were never seen at these distances. */
static void unseen_tell(const json_t *anomaly)
{
	const json_t *earlier = json_object_get(anomaly, "earlier"), *distance;
	size_t i;

	json_array_foreach(json_object_get(anomaly, "distances"), i, distance) {
		size_t d = (size_t)json_integer_value(distance);

		printf("%s%s %s", i ? ", " : "",
		       json_string_value(json_array_get(earlier, d - 1)) ?: "?",
		       d == 1 ? "right before it" : "");
		if (d > 1)
			printf("%zu calls before", d);
	}
}

static void answer_tell(const json_t *anomaly)
{
	const char *mode = text_of(anomaly, "mode");
	bool enforced = !strcmp(mode, "enforce");
	bool stop = json_is_true(json_object_get(anomaly, "stop"));
	bool defer = json_is_true(json_object_get(anomaly, "defer"));

	if (json_is_true(json_object_get(anomaly, "abort")))
		printf("    It %s refused.\n", enforced ? "was" : "would have been");
	if (stop)
		printf("    The process %s stopped for %s %s the call (%lld recent "
		       "anomal%s).\n",
		       enforced ? "was" : "would have been",
		       time_text(number_of(anomaly, "delay_ms")), defer ? "before" : "after",
		       number_of(anomaly, "recent"),
		       number_of(anomaly, "recent") == 1 ? "y" : "ies");
	if (!stop && !json_is_true(json_object_get(anomaly, "abort")))
		puts("    Nothing was done about it.");
	if (!enforced)
		printf("    The mode was %s: nothing is done in it.\n", mode);
}

static void anomaly_tell(const struct ctl *ctl, const json_t *anomaly, const json_t *profile)
{
	fputs("  ", stdout);
	time_print(anomaly);
	printf("pid %lld called %s%s%s. Never seen before it: ", number_of(anomaly, "pid"),
	       colour_begin(ctl, BOLD), text_of(anomaly, "call"), colour_end(ctl));
	unseen_tell(anomaly);
	if (profile)
		printf(" (in %lld calls, %lld run%s)", number_of(profile, "calls"),
		       number_of(profile, "runs"), times(number_of(profile, "runs")));
	puts(".");
	answer_tell(anomaly);
}

static void advice(const json_t *profile, const json_t *process)
{
	long long id = number_of(profile, "id");

	if (strcmp(text_of(profile, "state"), "normal") != 0)
		return;
	printf("If this is what the program should do:\n"
	       "  ebphctl profile tolerize id:%lld    it learns again, and this is accepted\n"
	       "  ebphctl profile normalize id:%lld   this is accepted, and what is new from now "
	       "on "
	       "is not\n",
	       id, id);
	if (number_of(process, "remaining_ms"))
		printf("  ebphctl release %lld               it goes on now\n",
		       number_of(process, "pid"));
	printf("If not, end it, and have what it did forgotten:\n"
	       "  ebphctl profile sensitize id:%lld\n",
	       id);
}

static void explanation_show(const struct ctl *ctl, const json_t *answer)
{
	const json_t *profile = json_object_get(answer, "profile");
	const json_t *process = json_object_get(answer, "process");
	const json_t *anomalies = json_object_get(answer, "anomalies"), *anomaly;
	json_t *event = json_object_get(answer, "event");
	size_t i;

	if (event)
		event_print(ctl, event);
	if (process)
		process_tell(ctl, process);
	else if (profile)
		printf("%s%s%s\n", colour_begin(ctl, BOLD), text_of(profile, "path"),
		       colour_end(ctl));
	if (profile)
		profile_tell(profile);
	if (!json_array_size(anomalies)) {
		puts(event ? "Nothing unusual is the reason of it." :
			     "Nothing unusual is known of it lately.");
		return;
	}
	puts(event ? "What was unusual, and the reason of it:" :
		     "What was unusual, the latest last:");
	json_array_foreach(anomalies, i, anomaly) {
		anomaly_tell(ctl, anomaly, profile);
	}
	if (profile)
		advice(profile, process);
}

/* "event:12", "4711", or a profile's name. */
static json_t *asked_for(const char *what)
{
	bool event = !strncmp(what, "event:", 6);
	const char *digits = event ? what + 6 : what;
	char *end;
	long long number = strtoll(digits, &end, 10);

	if (*end || !*digits || number < 0)
		return json_pack("{s:s}", "name", what);
	return json_pack("{s:I}", event ? "event" : "pid", (json_int_t)number);
}

int command_explain(struct ctl *ctl)
{
	json_t *answer;
	int r = ctl_call(ctl, "Explain", asked_for(ctl->arguments[0]), &answer);

	if (r)
		return r;
	if (ctl->json)
		json_line(answer);
	else
		explanation_show(ctl, answer);
	json_decref(answer);
	return CTL_DONE;
}
