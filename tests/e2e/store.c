// SPDX-License-Identifier: GPL-2.0-or-later
/* What was learned outlives ebphd, and makes room for what runs now. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "enforcer/store.h"
#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/shelf.h"
#include "tests/harness/tap.h"

static const char *program(const char *relative)
{
	return strdup(program_path(relative));
}

/* ---- restarts ---------------------------------------------------------------------------- */

static void at_once(void)
{
	const struct daemon_conf conf = {.state_dir = shelf_new()};
	const char *lines = program(PROGRAM("lines"));
	struct daemon first, second;
	struct child usual, strange;

	daemon_start(&first, "dry-run", &conf);
	train(&first, lines, (const char *const[]){lines, NULL});
	daemon_stop(&first);
	CHECK(events_count_of(&first, "anomaly", lines) == 0, "anomalies while it trained");

	daemon_start(&second, "dry-run", &conf);
	CHECK(RUN(&strange, lines, "x") == 0, "%s", strange.output);
	CHECK(RUN(&usual, lines) == 0, "%s", usual.output);
	daemon_stop(&second);
	CHECK(events_count(&second, "anomaly", strange.pid) == 2, "%zu anomalies",
	      events_count(&second, "anomaly", strange.pid));
	CHECK(events_count(&second, "anomaly", usual.pid) == 0, "the usual run has anomalies");
	CHECK(events_count_of(&second, "profile", lines) == 0, "it was a new program");
	CHECK(events_count_of(&second, "load", lines) == 0, "it was loaded when it ran");
	CHECK(events_count_of(&second, "state", lines) == 0, "it trained again");
}

/* Is a file as it was, to the byte? */
static void unchanged_check(const char *path, const unsigned char *before, size_t n_before)
{
	size_t n;
	unsigned char *now = file_bytes(path, &n);

	CHECK(n == n_before && !memcmp(now, before, n), "%s has changed", path);
	free(now);
}

static void round_trips(void)
{
	const struct daemon_conf conf = {.state_dir = shelf_new()};
	const char *lines = program(PROGRAM("lines"));
	struct image before, after;
	struct daemon daemon;
	struct child child;
	unsigned char *bytes;
	char *file;
	size_t n;

	daemon_start(&daemon, "dry-run", &conf);
	train(&daemon, lines, (const char *const[]){lines, NULL});
	daemon_stop(&daemon);
	file = shelf_at(conf.state_dir, "lines-", 0);
	bytes = file_bytes(file, &n);
	shelf_read(file, &before);
	CHECK(before.state == EBPH_STATE_NORMAL && before.n_words > 20, "state %u, %zu words",
	      before.state, before.n_words);
	for (int i = 0; i < 2; i++) {
		daemon_start(&daemon, "dry-run", &conf);
		daemon_stop(&daemon);
		unchanged_check(file, bytes, n);
	}
	/* With a run, it is written from memory again: the words are what they were. */
	daemon_start(&daemon, "dry-run", &conf);
	CHECK(RUN(&child, lines) == 0, "%s", child.output);
	daemon_stop(&daemon);
	CHECK(shelf_count(conf.state_dir, "lines-", "") == 1, "%d files of it",
	      shelf_count(conf.state_dir, "lines-", ""));
	shelf_read(file, &after);
	CHECK(after.runs == before.runs + 1, "%u runs after %u", after.runs, before.runs);
	CHECK(after.state == EBPH_STATE_NORMAL && after.n_words == before.n_words &&
		      image_holds(&after, &before) && image_holds(&before, &after),
	      "%zu words instead of %zu", after.n_words, before.n_words);
	CHECK(after.calls == before.calls && after.normal_calls > before.normal_calls,
	      "%llu calls trained on instead of %llu", (unsigned long long)after.calls,
	      (unsigned long long)before.calls);
}

/* ---- room -------------------------------------------------------------------------------- */

#define SLOTS  16
#define COPIES 40

/* Starts `serve` and has it answer a few times. */
static void serve_start(struct child *child, const char *path, const char *other)
{
	const struct child_how how = {.wants_input = true};

	child_start(child, (const char *const[]){path, other, NULL}, &how);
	for (int i = 0; i < 10; i++)
		child_ask(child, "hello\n");
}

static void serve_train(struct daemon *daemon, const char *path)
{
	struct child child;

	do {
		serve_start(&child, path, NULL);
		CHECK(child_wait(&child) == 0, "%s", child.output);
	} while (!event_seen(daemon, "state", path, "normal"));
}

/* It does what it never did: the anomaly is its own. */
static void serve_betray(struct daemon *daemon, struct child *child, const char *path)
{
	json_t *anomaly;

	child_ask(child, "shell\n");
	CHECK(child_wait(child) == 0, "%s", child->output);
	anomaly = event_at(daemon, "anomaly", child->pid, 0);
	if (!anomaly)
		anomaly = event_wait(daemon, "anomaly", "path", path, NULL);
	CHECK(!strcmp(event_text(anomaly, "call"), "execve"), "%s", event_text(anomaly, "call"));
	CHECK(!strcmp(event_text(anomaly, "path"), path), "%s", event_text(anomaly, "path"));
}

/* How many copies are executed together: each waits up to a second until it may learn. */
#define GROUP 4

/* Executes @n copies of a program, a multiple of GROUP, each until it is in @state. */
static void copies_run(struct daemon *daemon, const char *from, int n, const char *state)
{
	const char *paths[GROUP];
	char name[32];

	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "copy%d", i);
		paths[i % GROUP] = program_copy(from, daemon->folder, name);
		run_until(daemon, (const char *const[]){paths[i % GROUP], NULL}, "profile", NULL);
		for (int j = 0; state && i % GROUP == GROUP - 1 && j < GROUP; j++)
			run_until(daemon, (const char *const[]){paths[j], NULL}, "state", state);
	}
}

/* As many again as there is room for are normal: who has not run for the longest time leaves. */
static void on_demand(void)
{
	const struct daemon_conf conf = {
		.store = "max_profiles = 16\nsave_interval = 1s\n",
		.state_dir = shelf_new(),
	};
	const char *lines = program(PROGRAM("lines")), *serve = program(PROGRAM("serve"));
	const char *idle, *busy;
	struct daemon daemon;
	struct child runs, back;
	json_t *load;

	daemon_start(&daemon, "dry-run", &conf);
	idle = program_copy(serve, daemon.folder, "idle");
	busy = program_copy(serve, daemon.folder, "busy");
	serve_train(&daemon, idle);
	serve_train(&daemon, busy);
	serve_start(&runs, busy, lines);
	copies_run(&daemon, lines, SLOTS, "normal");
	event_wait(&daemon, "evict", "path", idle, NULL);

	serve_start(&back, idle, lines);
	load = event_wait(&daemon, "load", "path", idle, NULL);
	CHECK(!strcmp(event_text(load, "state"), "normal"), "it is %s", event_text(load, "state"));
	CHECK(event_number(load, "words") > 20, "%ld words", event_number(load, "words"));
	for (int i = 0; i < 3; i++)
		child_ask(&back, "hello\n"); /* as it was trained */
	serve_betray(&daemon, &back, idle);
	serve_betray(&daemon, &runs, busy);
	nothing_lost(&daemon);
	daemon_stop(&daemon);
	CHECK(events_count_of(&daemon, "evict", busy) == 0, "who runs has left memory");
	CHECK(events_count_of(&daemon, "state", idle) == 2, "it trained again");
}

/* However long ago a normal program ran, those that train leave first. */
static void normal_last(void)
{
	const struct daemon_conf conf = {
		.store = "max_profiles = 16\nsave_interval = 1s\n",
		.state_dir = shelf_new(),
	};
	const char *lines = program(PROGRAM("lines")), *normal;
	struct daemon daemon;

	daemon_start(&daemon, "dry-run", &conf);
	normal = program_copy(lines, daemon.folder, "normal");
	train(&daemon, normal, (const char *const[]){normal, NULL});
	copies_run(&daemon, lines, COPIES, NULL);
	daemon_stop(&daemon);
	CHECK(events_count(&daemon, "evict", 0) >= COPIES - SLOTS, "%zu have left",
	      events_count(&daemon, "evict", 0));
	CHECK(events_count_of(&daemon, "evict", normal) == 0, "the normal one has left, too");
	CHECK(shelf_count(conf.state_dir, "copy", STORE_SUFFIX) == COPIES, "%d files",
	      shelf_count(conf.state_dir, "copy", STORE_SUFFIX));
}

#define MANY_PAIRS  1000 /* `various` has some more */
#define MANY_COPIES 60

/* What maps and pair sets take in MB, by the log's last word on it. */
static void memory_ask(struct daemon *daemon, double *ret_maps, double *ret_sets)
{
	char *log, *rest;

	*ret_maps = *ret_sets = -1;
	counters_ask(daemon); /* comes after the line of the log */
	log = daemon_log(daemon);
	for (rest = log; (rest = strstr(rest, "in the kernel: ")); rest++)
		sscanf(rest, "in the kernel: maps %lf MB, pair sets %lf MB", ret_maps, ret_sets);
	free(log);
	REQUIRE(*ret_maps > 0 && *ret_sets > 0, "the log does not say it");
}

/*
 * The least limit in kB with which ebphd starts, or nearly: maps differ from kernel to kernel.
 * @ret_maps: what they take of it in MB, while no pair waits for room
 */
static long memory_least(double *ret_maps)
{
	const struct daemon_conf conf = {.store = "max_profiles = 8192\n", .state_dir = ""};
	struct daemon daemon;
	double sets;
	long least;

	daemon_start(&daemon, "dry-run", &conf);
	memory_ask(&daemon, ret_maps, &sets);
	daemon_stop(&daemon);
	least = (long)(*ret_maps * 1e6 / 1024 * 8 / 7) + 64;
	return least < 4096 ? 4096 : least; /* no option is less */
}

static void memory_limited(void)
{
	char store[128];
	const struct daemon_conf conf = {.store = store, .state_dir = shelf_new()};
	const char *various = program(PROGRAM("various"));
	double fixed, maps, sets, most = 0;
	long limit = memory_least(&fixed);
	struct daemon daemon;
	struct image image;

	snprintf(store, sizeof(store),
		 "max_profiles = 8192\nmemory_limit = %ldK\nsave_interval = 1s\n", limit);
	daemon_start(&daemon, "dry-run", &conf);
	for (int i = 0; i < MANY_COPIES; i++) {
		const char *path;
		char name[32];

		snprintf(name, sizeof(name), "copy%d", i);
		path = program_copy(various, daemon.folder, name);
		run_until(&daemon, (const char *const[]){path, NULL}, "profile", NULL);
		if (i % 8 == 7) {
			memory_ask(&daemon, &maps, &sets);
			most = fixed + sets > most ? fixed + sets : most;
		}
	}
	nothing_lost(&daemon);
	daemon_stop(&daemon);
	CHECK(most * 1e6 <= (double)limit * 1024, "%.2f MB of %ld kB", most, limit);
	CHECK(events_count(&daemon, "evict", 0) > 0, "nobody has left, %.2f MB of %ld kB", most,
	      limit);
	for (int i = 0; i < MANY_COPIES; i++) {
		char *file = shelf_at(conf.state_dir, "copy", i);

		shelf_read(file, &image);
		CHECK(image.n_words > MANY_PAIRS, "%s has %zu words", file, image.n_words);
		image_clear(&image);
		free(file);
	}
}

const struct test store_tests[] = {
	{.name = "store: normal at once after a restart", .run = at_once, .is_once = true},
	{.name = "store: restarts change nothing on disk", .run = round_trips, .is_long = true},
	{.name = "store: who left memory comes back when it runs",
	 .run = on_demand,
	 .is_once = true},
	{.name = "store: normal profiles leave last", .run = normal_last, .is_once = true},
	{.name = "store: memory_limit holds, and no pair is lost",
	 .run = memory_limited,
	 .is_once = true},
	{},
};
