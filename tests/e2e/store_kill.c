// SPDX-License-Identifier: GPL-2.0-or-later
/* ebphd or its saver is killed: what was saved is there, whole. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "enforcer/store.h"
#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/shelf.h"
#include "tests/harness/tap.h"

/* ---- kill -9 ------------------------------------------------------------------------------- */

#define NEW_EACH  4
#define FILES_MAX 512

/* What is on disk, file by file. */
struct shelf_state {
	char *files[FILES_MAX];
	struct image images[FILES_MAX];
	int n;
};

static void state_read(const char *dir, struct shelf_state *ret)
{
	ret->n = shelf_count(dir, "round", STORE_SUFFIX);
	REQUIRE(ret->n <= FILES_MAX, "%d files", ret->n);
	for (int i = 0; i < ret->n; i++) {
		ret->files[i] = shelf_at(dir, "round", i);
		shelf_read(ret->files[i], &ret->images[i]);
	}
}

/* Each file is there, is whole, and has all that it had. Frees what is known of them. */
static void state_check(struct shelf_state *state, const char *when)
{
	struct image now;

	for (int i = 0; i < state->n; i++) {
		shelf_read(state->files[i], &now);
		CHECK(image_holds(&now, &state->images[i]) && now.runs >= state->images[i].runs,
		      "%s: %s has lost some", when, state->files[i]);
		image_clear(&now);
		image_clear(&state->images[i]);
		free(state->files[i]);
	}
}

/* Whatever came into memory at the start has all its words there. */
static void memory_check(struct daemon *daemon, const struct shelf_state *state)
{
	int n = 0;

	counters_ask(daemon); /* comes after the memory of each profile */
	for (int i = 0; i < state->n; i++) {
		const struct image *image = &state->images[i];
		json_t *event;

		for (size_t j = 0; (event = event_at(daemon, "memory", 0, j)); j++) {
			if (strcmp(event_text(event, "path"), image->path) != 0)
				continue;
			CHECK(event_number(event, "words") == (long)image->n_words,
			      "%s has %ld words of %zu", image->path, event_number(event, "words"),
			      image->n_words);
			n++;
			break;
		}
	}
	CHECK(n >= NEW_EACH, "%d of %d profiles are in memory", n, state->n);
}

/* A few new programs until they are saved, then they and older ones until the kill. */
static void killed_round(struct daemon *daemon, const char *dir, const char *folder, int round)
{
	const char *const programs[] = {PROGRAM("lines"), PROGRAM("various"), PROGRAM("frames")};
	char prefix[32], name[48], path[128];
	struct child child;

	snprintf(prefix, sizeof(prefix), "round%d-", round);
	for (int i = 0; i < NEW_EACH; i++) {
		snprintf(name, sizeof(name), "%s%d", prefix, i);
		run_until(daemon,
			  (const char *const[]){program_copy(programs[i % 3], folder, name), "f",
						NULL},
			  "profile", NULL);
	}
	shelf_await(dir, prefix, STORE_SUFFIX, NEW_EACH);
	for (int i = 0; i < 5 + round * 7 % 20; i++) {
		snprintf(path, sizeof(path), "%s/round%d-%d", folder, round * i % (round + 1),
			 i % NEW_EACH);
		CHECK(RUN(&child, path, "fhf") == 0, "%s says %s", path, child.output);
	}
}

static void killed_rounds(int rounds)
{
	const struct daemon_conf conf = {.store = "save_interval = 1s\n", .state_dir = shelf_new()};
	static struct shelf_state state;
	char folder[] = "/tmp/killed-XXXXXX";
	struct daemon daemon;
	char *log;

	REQUIRE(mkdtemp(folder), "no folder");
	for (int i = 0; i < rounds; i++) {
		daemon_start(&daemon, "dry-run", &conf);
		killed_round(&daemon, conf.state_dir, folder, i);
		state_read(conf.state_dir, &state);
		kill(daemon.pid, SIGKILL);
		CHECK(WIFSIGNALED(daemon_wait(&daemon)), "it did not die");
		state_check(&state, "after the kill");
	}
	state_read(conf.state_dir, &state);
	daemon_start(&daemon, "dry-run", &conf);
	memory_check(&daemon, &state);
	nothing_lost(&daemon);
	daemon_stop(&daemon);
	log = daemon_log(&daemon);
	CHECK(strstr(log, " 0 files not used"), "its log: %s", log);
	state_check(&state, "after a restart");
	CHECK(shelf_count(conf.state_dir, "", ".tmp") == 0, "something half is left");
	CHECK(shelf_count(conf.state_dir, "", ".damaged") == 0, "something is damaged");
}

static void killed(void)
{
	killed_rounds(2);
}

static void killed_often(void)
{
	killed_rounds(50);
}

/* ---- the saver --------------------------------------------------------------------------- */

/* Another is started, and does what the dead one had been told to. */
static void saver_killed(void)
{
	const struct daemon_conf conf = {.state_dir = shelf_new()}; /* saves every 5 minutes */
	const char *lines = strdup(program_path(PROGRAM("lines"))), *copy;
	struct daemon daemon;
	pid_t old, young;
	char *log;

	daemon_start(&daemon, "dry-run", &conf);
	old = daemon_child(&daemon, "ebph-saver");
	REQUIRE(old > 0, "there is no saver");
	/* It dies with a job in hand: the profile that became normal. */
	kill(old, SIGSTOP);
	copy = program_copy(lines, daemon.folder, "first");
	train(&daemon, copy, (const char *const[]){copy, NULL});
	counters_ask(&daemon);
	CHECK(shelf_count(conf.state_dir, "first-", "") == 0, "who is stopped has saved it");
	kill(old, SIGKILL);
	shelf_await(conf.state_dir, "first-", STORE_SUFFIX, 1);
	young = daemon_child(&daemon, "ebph-saver");
	REQUIRE(young > 0 && young != old, "saver %d after %d", young, old);
	/* And without one. */
	kill(young, SIGKILL);
	copy = program_copy(lines, daemon.folder, "second");
	train(&daemon, copy, (const char *const[]){copy, NULL});
	shelf_await(conf.state_dir, "second-", STORE_SUFFIX, 1);
	nothing_lost(&daemon);
	daemon_stop(&daemon);
	log = daemon_log(&daemon);
	CHECK(strstr(log, "the process that saves profiles died: starting another"), "not said: %s",
	      log);
}

const struct test store_kill_tests[] = {
	{.name = "store: kill -9 loses nothing that was saved", .run = killed, .is_once = true},
	{.name = "store: kill -9 fifty times", .run = killed_often, .is_long = true},
	{.name = "store: a killed saver is replaced", .run = saver_killed, .is_once = true},
	{},
};
