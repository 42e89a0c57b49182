// SPDX-License-Identifier: GPL-2.0-or-later
/* profile list, show, diff, and what is decided about one */
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/heatmap.h"

/* ---- list ---------------------------------------------------------------------------------- */

struct table {
	const struct ctl *ctl;
	unsigned long rows;
};

static void profile_row(struct table *table, const json_t *profile)
{
	const char *state = text_of(profile, "state");
	long long id = number_of(profile, "id");
	char name[24] = "disk";

	if (!table->rows++)
		printf("%s%6s %-8s %6s %10s %7s %7s %9s %9s  %s%s\n",
		       colour_begin(table->ctl, BOLD), "ID", "STATE", "PAIRS", "CALLS", "RUNS",
		       "THREADS", "ANOMALIES", "MEMORY", "PROGRAM", colour_end(table->ctl));
	if (id)
		snprintf(name, sizeof(name), "%lld", id);
	printf("%6s %s%-8s%s %6lld %10lld %7lld %7lld %9lld %9s  %s\n", name,
	       colour_begin(table->ctl, state_colour(state)), state, colour_end(table->ctl),
	       number_of(profile, "pairs"),
	       number_of(profile, "calls") + number_of(profile, "normal_calls"),
	       number_of(profile, "runs"), number_of(profile, "threads"),
	       number_of(profile, "anomalies"), bytes_text(number_of(profile, "memory")),
	       text_of(profile, "path"));
}

static bool profiles_take(void *context, const json_t *part)
{
	struct table *table = context;
	const json_t *profile;
	size_t i;

	json_array_foreach(json_object_get(part, "profiles"), i, profile) {
		if (table->ctl->json)
			json_line(profile);
		else
			profile_row(table, profile);
	}
	return true;
}

int command_profiles(struct ctl *ctl)
{
	struct table table = {.ctl = ctl};
	const char *state = option_value(ctl, "state");
	int r = ctl_stream(ctl, "ListProfiles",
			   state ? json_pack("{s:s}", "state", state) : json_object(),
			   profiles_take, &table);

	if (!r && !table.rows && !ctl->json)
		puts("no such profiles");
	return r;
}

/* ---- pairs ---------------------------------------------------------------------------------- */

static bool pairs_collect(void *context, const json_t *part)
{
	json_array_extend(context, json_object_get(part, "pairs"));
	return true;
}

/* All pairs of a profile. */
static int pairs_get(const struct ctl *ctl, const char *name, json_t **ret)
{
	json_t *pairs = json_array();
	int r = ctl_stream(ctl, "ListPairs", json_pack("{s:s}", "name", name), pairs_collect,
			   pairs);

	if (r)
		json_decref(pairs);
	else
		*ret = pairs;
	return r;
}

static void distances_print(const json_t *array)
{
	const json_t *distance;
	size_t i;

	json_array_foreach(array, i, distance) {
		printf("%s%lld", i ? " " : "", (long long)json_integer_value(distance));
	}
}

static void pairs_csv(const json_t *pairs)
{
	const json_t *pair;
	size_t i;

	puts("current,earlier,normal,seen");
	json_array_foreach(pairs, i, pair) {
		printf("%s,%s,", text_of(pair, "current"), text_of(pair, "earlier"));
		distances_print(json_object_get(pair, "normal"));
		putchar(',');
		distances_print(json_object_get(pair, "seen"));
		putchar('\n');
	}
}

static void pairs_show(const json_t *pairs)
{
	const json_t *pair;
	size_t i;

	puts("pairs: a call, one before it, at which distances; in brackets: seen, not accepted");
	json_array_foreach(pairs, i, pair) {
		printf("  %-18s %-18s ", text_of(pair, "current"), text_of(pair, "earlier"));
		distances_print(json_object_get(pair, "normal"));
		if (json_array_size(json_object_get(pair, "seen"))) {
			fputs(" [", stdout);
			distances_print(json_object_get(pair, "seen"));
			putchar(']');
		}
		putchar('\n');
	}
}

/* ---- show ----------------------------------------------------------------------------------- */

static void profile_show(const struct ctl *ctl, const json_t *profile)
{
	const char *state = text_of(profile, "state");

	printf("%s%s%s\n", colour_begin(ctl, BOLD), text_of(profile, "path"), colour_end(ctl));
	if (!number_of(profile, "id")) {
		printf("  %s, on disk only: it comes into memory when the program runs\n", state);
		return;
	}
	printf("  id %lld, %s%s%s, %lld pairs, %s%s%s\n", number_of(profile, "id"),
	       colour_begin(ctl, state_colour(state)), state, colour_end(ctl),
	       number_of(profile, "pairs"), bytes_text(number_of(profile, "memory")),
	       json_is_true(json_object_get(profile, "protected")) ? ", never answered" : "",
	       json_is_true(json_object_get(profile, "saved")) ? ", saved" : ", not saved yet");
	printf("  %lld runs, %lld threads now; %lld calls learned from, %lld made while normal\n",
	       number_of(profile, "runs"), number_of(profile, "threads"),
	       number_of(profile, "calls"), number_of(profile, "normal_calls"));
	printf("  %lld anomalies, %lld since it became normal; %lld delays, %s in all; %lld "
	       "execves to refuse\n",
	       number_of(profile, "anomalies"), number_of(profile, "recent_anomalies"),
	       number_of(profile, "delays"), time_text(number_of(profile, "delays_ms")),
	       number_of(profile, "aborts"));
}

/* What is to be shown of the pairs. */
static int pairs_do(struct ctl *ctl)
{
	const char *picture = option_value(ctl, "heatmap");
	json_t *pairs;
	int r = pairs_get(ctl, ctl->arguments[0], &pairs);

	if (r)
		return r;
	if (picture && heatmap_write(picture, ctl->arguments[0], pairs))
		r = CTL_REFUSED;
	else if (option_value(ctl, "csv"))
		pairs_csv(pairs);
	else if (!picture && ctl->json)
		json_line(pairs);
	else if (!picture)
		pairs_show(pairs);
	json_decref(pairs);
	return r;
}

int command_show(struct ctl *ctl)
{
	bool data = option_value(ctl, "csv") || option_value(ctl, "heatmap");
	json_t *answer;
	int r;

	if (data)
		return pairs_do(ctl);
	r = ctl_call(ctl, "GetProfile", json_pack("{s:s}", "name", ctl->arguments[0]), &answer);
	if (r)
		return r;
	if (ctl->json)
		json_line(json_object_get(answer, "profile"));
	else
		profile_show(ctl, json_object_get(answer, "profile"));
	json_decref(answer);
	return option_value(ctl, "pairs") ? pairs_do(ctl) : CTL_DONE;
}

/* ---- diff ----------------------------------------------------------------------------------- */

/* Pairs by "current earlier distance". */
static json_t *pairs_spread(const json_t *pairs)
{
	json_t *set = json_object(), *pair, *distance;
	char key[128];
	size_t i, j;

	json_array_foreach((json_t *)pairs, i, pair) {
		json_array_foreach(json_object_get(pair, "normal"), j, distance) {
			snprintf(key, sizeof(key), "%s after %s, %lld before",
				 text_of(pair, "current"), text_of(pair, "earlier"),
				 (long long)json_integer_value(distance));
			json_object_set_new(set, key, json_true());
		}
	}
	return set;
}

/* Those of one that the other lacks. Return: how many. */
static size_t lacking_print(const struct ctl *ctl, const char *mark, enum colour colour, json_t *of,
			    json_t *in)
{
	const char *key;
	json_t *value;
	size_t n = 0;

	json_object_foreach(of, key, value)
	{
		if (json_object_get(in, key))
			continue;
		n++;
		if (ctl->json)
			printf("{\"only\":\"%s\",\"pair\":\"%s\"}\n",
			       *mark == '-' ? "first" : "second", key);
		else
			printf("%s%s %s%s\n", colour_begin(ctl, colour), mark, key,
			       colour_end(ctl));
	}
	return n;
}

int command_diff(struct ctl *ctl)
{
	json_t *pairs[2] = {NULL, NULL}, *sets[2];
	int r = pairs_get(ctl, ctl->arguments[0], &pairs[0]);
	size_t first, second;

	if (!r)
		r = pairs_get(ctl, ctl->arguments[1], &pairs[1]);
	for (int i = 0; i < 2; i++) {
		sets[i] = pairs_spread(pairs[i]);
		json_decref(pairs[i]);
	}
	if (!r) {
		first = lacking_print(ctl, "-", RED, sets[0], sets[1]);
		second = lacking_print(ctl, "+", GREEN, sets[1], sets[0]);
		if (!ctl->json)
			printf("%zu only in the first, %zu only in the second\n", first, second);
	}
	json_decref(sets[0]);
	json_decref(sets[1]);
	return r;
}

/* ---- what is decided ------------------------------------------------------------------------- */

static int change_one(const struct ctl *ctl, const char *name)
{
	const char *verb = strchr(ctl->command->name, ' ') + 1;
	json_t *answer;
	int r = ctl_call(ctl, "ChangeProfile", json_pack("{s:s, s:s}", "name", name, "verb", verb),
			 &answer);
	const json_t *profile = json_object_get(answer, "profile");

	if (r)
		return r;
	if (ctl->json)
		json_line(profile);
	else if (!strcmp(verb, "delete"))
		printf("%s has no profile any more\n", text_of(profile, "path"));
	else
		printf("%s is %s\n", text_of(profile, "path"), text_of(profile, "state"));
	json_decref(answer);
	return CTL_DONE;
}

/* Those in memory that are to become normal. */
static bool learning_take(void *context, const json_t *part)
{
	const json_t *profile;
	char name[32];
	size_t i;

	json_array_foreach(json_object_get(part, "profiles"), i, profile) {
		const char *state = text_of(profile, "state");

		snprintf(name, sizeof(name), "id:%lld", number_of(profile, "id"));
		if (number_of(profile, "id") &&
		    (!strcmp(state, "training") || !strcmp(state, "frozen")))
			json_array_append_new(context, json_string(name));
	}
	return true;
}

static int change_all(struct ctl *ctl)
{
	json_t *names = json_array(), *name;
	int r = ctl_stream(ctl, "ListProfiles", json_object(), learning_take, names);
	size_t i;

	json_array_foreach(names, i, name) {
		ctl->about = json_string_value(name);
		r |= change_one(ctl, ctl->about);
		progress_show("normalized", i + 1, json_array_size(names));
	}
	if (!r && !json_array_size(names) && !ctl->json)
		puts("all are normal");
	json_decref(names);
	return r ? CTL_REFUSED : CTL_DONE;
}

int command_change(struct ctl *ctl)
{
	bool all = ctl->command->options[0].name && option_value(ctl, "all");

	if (all == !!ctl->n_arguments) {
		fputs("ebphctl: profile normalize takes a PROFILE, or --all\n", stderr);
		return CTL_USAGE;
	}
	return all ? change_all(ctl) : change_one(ctl, ctl->arguments[0]);
}
