// SPDX-License-Identifier: GPL-2.0-or-later
/* Programs that are replaced, and profiles that are moved by hand. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enforcer/store.h"
#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/shelf.h"
#include "tests/harness/tap.h"

/* A program at a path of its own, a copy of `lines`. To be freed. */
static char *prog_new(void)
{
	char folder[] = "/tmp/prog-XXXXXX";

	REQUIRE(mkdtemp(folder), "no folder");
	return program_copy(program_path(PROGRAM("lines")), folder, "prog");
}

/* Puts another file in its place, as a package manager does. */
static void prog_replace(const char *prog)
{
	char *folder = strdup(prog), *next;

	*strrchr(folder, '/') = '\0';
	next = program_copy(prog, folder, "prog.new");
	REQUIRE(!rename(next, prog), "cannot rename %s", next);
	free(next);
	free(folder);
}

/* How many anomalies it has with one more argument than ever. */
static size_t strange_anomalies(struct daemon *daemon, const char *prog)
{
	struct child child;

	CHECK(RUN(&child, prog, "x") == 0, "%s", child.output);
	counters_ask(daemon);
	counters_ask(daemon); /* what was reported before the first answer is in the file now */
	return events_count(daemon, "anomaly", child.pid);
}

/* Runs ebphd with the configuration of a daemon of before. Return: the wait status. */
static int manage(const struct daemon *daemon, const char *option, const char *argument,
		  struct child *child)
{
	char conf[128];

	snprintf(conf, sizeof(conf), "%s/ebph.conf", daemon->folder);
	return RUN(child, "build/ebphd", "--config", conf, option, argument);
}

/* It refuses: status 1, one line that says @what. */
static void refused(int status, const struct child *child, const char *what)
{
	const char *end = strchr(child->output, '\n');

	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1, "status %#x", (unsigned int)status);
	CHECK(strstr(child->output, what), "it says %s", child->output);
	CHECK(end && !end[1], "not one line: %s", child->output);
}

/* ---- another file at the same path --------------------------------------------------------- */

/* Trains a program that gets an argument, and replaces it. Return: what of it is on disk. */
static struct image old_version(struct daemon *daemon, const char *dir, const char *prog)
{
	struct image old;

	train(daemon, prog, (const char *const[]){prog, "x", NULL});
	shelf_await(dir, "prog-", STORE_SUFFIX, 1);
	shelf_read(shelf_at(dir, "prog-", 0), &old);
	CHECK(old.state == EBPH_STATE_NORMAL, "state %u", old.state);
	prog_replace(prog);
	return old;
}

/* The profile that is not @old's. */
static struct image new_version(const char *dir, const struct image *old)
{
	struct image image;

	shelf_read(shelf_at(dir, "prog-", 0), &image);
	if (image.exe.ino == old->exe.ino && shelf_count(dir, "prog-", STORE_SUFFIX) > 1)
		shelf_read(shelf_at(dir, "prog-", 1), &image);
	CHECK(image.exe.ino != old->exe.ino, "it is the old one");
	return image;
}

static void inherited(void)
{
	const struct daemon_conf conf = {.store = "save_interval = 1s\non_upgrade = inherit\n",
					 .state_dir = shelf_new()};
	const char *prog = prog_new();
	struct image old, young;
	struct daemon daemon;
	struct child child;
	json_t *event;

	daemon_start(&daemon, "dry-run", &conf);
	old = old_version(&daemon, conf.state_dir, prog);
	CHECK(RUN(&child, prog) == 0, "%s", child.output);
	event = event_wait(&daemon, "inherit", "path", prog, NULL);
	CHECK(event_number(event, "words") == (long)old.n_words, "%ld words of %zu",
	      event_number(event, "words"), old.n_words);
	/* Both are kept while it trains. */
	shelf_await(conf.state_dir, "prog-", STORE_SUFFIX, 2);
	young = new_version(conf.state_dir, &old);
	CHECK(young.state == EBPH_STATE_TRAINING, "state %u", young.state);
	CHECK(young.n_words >= old.n_words && young.runs == 1, "%zu words after %zu, %u runs",
	      young.n_words, old.n_words, young.runs);
	train(&daemon, prog, (const char *const[]){prog, NULL});
	shelf_await(conf.state_dir, "prog-", STORE_SUFFIX, 1);
	young = new_version(conf.state_dir, &old);
	CHECK(young.state == EBPH_STATE_NORMAL, "state %u", young.state);
	/* Without an argument it was trained, with one it was before. */
	CHECK(strange_anomalies(&daemon, prog) == 0, "what it knew is gone");
	daemon_stop(&daemon);
	CHECK(events_count_of(&daemon, "inherit", prog) == 1, "inherited %zu times",
	      events_count_of(&daemon, "inherit", prog));
}

static void fresh(void)
{
	const struct daemon_conf conf = {.store = "save_interval = 1s\non_upgrade = fresh\n",
					 .state_dir = shelf_new()};
	const char *prog = prog_new();
	struct image old, young;
	struct daemon daemon;
	struct child child;

	daemon_start(&daemon, "dry-run", &conf);
	old = old_version(&daemon, conf.state_dir, prog);
	CHECK(RUN(&child, prog) == 0, "%s", child.output);
	shelf_await(conf.state_dir, "prog-", STORE_SUFFIX, 2);
	young = new_version(conf.state_dir, &old);
	CHECK(young.state == EBPH_STATE_TRAINING && !image_holds(&young, &old),
	      "state %u, %zu words after %zu", young.state, young.n_words, old.n_words);
	train(&daemon, prog, (const char *const[]){prog, NULL});
	shelf_await(conf.state_dir, "prog-", STORE_SUFFIX, 1);
	CHECK(strange_anomalies(&daemon, prog) == 2, "it knows what the old one did");
	daemon_stop(&daemon);
	CHECK(events_count_of(&daemon, "inherit", prog) == 0, "it has inherited");
}

static void put_back(void)
{
	/* The new version does what the old one never did, and is not normal yet. */
	const struct daemon_conf conf = {.store = "save_interval = 1s\non_upgrade = fresh\n",
					 .state_dir = shelf_new()};
	const char *prog = prog_new();
	struct daemon before, after;
	struct child child;
	json_t *load;
	int status;

	daemon_start(&before, "dry-run", &conf);
	train(&before, prog, (const char *const[]){prog, NULL});
	shelf_await(conf.state_dir, "prog-", STORE_SUFFIX, 1);
	prog_replace(prog);
	CHECK(RUN(&child, prog, "x") == 0, "%s", child.output);
	shelf_await(conf.state_dir, "prog-", STORE_SUFFIX, 2);
	daemon_stop(&before);

	status = manage(&before, "--put-back", "/no/such/program", &child);
	refused(status, &child, "/no/such/program has no older profile, and no profile at all");
	status = manage(&before, "--put-back", prog, &child);
	CHECK(status == 0 && strstr(child.output, "(normal, "), "status %#x: %s",
	      (unsigned int)status, child.output);
	CHECK(shelf_count(conf.state_dir, "prog-", "") == 1, "%d files of it",
	      shelf_count(conf.state_dir, "prog-", ""));
	status = manage(&before, "--put-back", prog, &child);
	refused(status, &child, "has no older profile");

	daemon_start(&after, "dry-run", &conf);
	CHECK(RUN(&child, prog) == 0, "%s", child.output);
	load = event_wait(&after, "load", "path", prog, NULL);
	CHECK(!strcmp(event_text(load, "state"), "normal"), "it is %s", event_text(load, "state"));
	CHECK(strange_anomalies(&after, prog) == 2, "it goes by what the new version did");
	daemon_stop(&after);
	CHECK(events_count(&after, "anomaly", child.pid) == 0, "the usual run has anomalies");
	CHECK(shelf_count(conf.state_dir, "prog-", "") == 1, "%d files of it",
	      shelf_count(conf.state_dir, "prog-", ""));
}

/* ---- import -------------------------------------------------------------------------------- */

static void imported(void)
{
	const struct daemon_conf here = {.state_dir = shelf_new()},
				 there = {.state_dir = shelf_new()};
	const char *prog = prog_new();
	struct daemon daemon, other;
	struct child child;
	char words[64];
	json_t *load;
	char *file;
	int status;

	daemon_start(&daemon, "dry-run", &here);
	train(&daemon, prog, (const char *const[]){prog, NULL});
	daemon_stop(&daemon);
	file = shelf_at(here.state_dir, "prog-", 0);

	/* Only for its configuration. */
	daemon_start(&other, "dry-run", &there);
	daemon_stop(&other);
	CHECK(shelf_count(there.state_dir, "prog-", "") == 0, "it knows the program");
	status = manage(&other, "--import", file, &child);
	CHECK(status == 0, "status %#x: %s", (unsigned int)status, child.output);
	status = manage(&other, "--profiles", NULL, &child);
	snprintf(words, sizeof(words), "runs  %s  (for the file that is there)\n", prog);
	CHECK(status == 0 && strstr(child.output, words), "it lists %s", child.output);

	daemon_start(&other, "dry-run", &there);
	CHECK(RUN(&child, prog) == 0, "%s", child.output);
	load = event_wait(&other, "load", "path", prog, NULL);
	CHECK(!strcmp(event_text(load, "state"), "normal"), "it is %s", event_text(load, "state"));
	CHECK(strange_anomalies(&other, prog) == 2, "it does not go by the profile");
	daemon_stop(&other);
	/* From now on it is a profile of this file. */
	CHECK(shelf_count(there.state_dir, "prog-", "") == 1, "%d files of it",
	      shelf_count(there.state_dir, "prog-", ""));
	status = manage(&other, "--profiles", NULL, &child);
	snprintf(words, sizeof(words), "runs  %s\n", prog);
	CHECK(status == 0 && strstr(child.output, words), "it lists %s", child.output);
}

static char *frames_copy;

/* Trains `frames` on @phases. Return: its profile's file. */
static char *frames_train(const char *dir, const char *phases, struct image *ret)
{
	const struct daemon_conf conf = {.state_dir = dir};
	struct daemon daemon;
	char *file;

	daemon_start(&daemon, "dry-run", &conf);
	train(&daemon, frames_copy, (const char *const[]){frames_copy, phases, NULL});
	daemon_stop(&daemon);
	file = shelf_at(dir, "frames-", 0);
	shelf_read(file, ret);
	return file;
}

static void imported_over(void)
{
	const struct daemon_conf conf = {.state_dir = shelf_new()};
	struct image here, there, both;
	struct daemon daemon;
	struct child child;
	char folder[] = "/tmp/frames-XXXXXX", *file;
	int status;

	REQUIRE(mkdtemp(folder), "no folder");
	frames_copy = program_copy(program_path(PROGRAM("frames")), folder, "frames");
	file = frames_train(shelf_new(), "faf", &there);
	frames_train(conf.state_dir, "fhf", &here);
	CHECK(!image_holds(&here, &there) && !image_holds(&there, &here), "they do not differ");
	daemon_start(&daemon, "dry-run", &conf);
	daemon_stop(&daemon);
	status = manage(&daemon, "--import", file, &child);
	CHECK(status == 0 && strstr(child.output, "united with what was known here"),
	      "status %#x: %s", (unsigned int)status, child.output);
	shelf_read(shelf_at(conf.state_dir, "frames-", 0), &both);
	CHECK(shelf_count(conf.state_dir, "frames-", "") == 1, "%d files of it",
	      shelf_count(conf.state_dir, "frames-", ""));
	CHECK(image_holds(&both, &here) && image_holds(&both, &there), "%zu words of %zu and %zu",
	      both.n_words, here.n_words, there.n_words);
	CHECK(both.state == EBPH_STATE_NORMAL, "state %u", both.state);
	/* What either of them knew is normal, what neither knew is not. */
	daemon_start(&daemon, "dry-run", &conf);
	CHECK(RUN(&child, frames_copy, "faf") == 0, "%s", child.output);
	CHECK(RUN(&child, frames_copy, "fhf") == 0, "%s", child.output);
	CHECK(RUN(&child, frames_copy, "fnf") == 0, "%s", child.output);
	daemon_stop(&daemon);
	CHECK(events_count_of(&daemon, "anomaly", frames_copy) ==
		      events_count(&daemon, "anomaly", child.pid),
	      "what was known is an anomaly");
	CHECK(events_count(&daemon, "anomaly", child.pid) > 0, "what nobody knew is none");
}

/* ---- refused ----------------------------------------------------------------------------- */

static void refusals(void)
{
	static const char text[200] = "Not a profile, though as long as one.\n";
	static const char *const options[] = {"--profiles", "--import", "--put-back"};
	const struct daemon_conf conf = {.state_dir = shelf_new()};
	const char *prog = prog_new();
	struct child children[3], child;
	struct daemon daemon;
	char path[128], line[192];
	unsigned char *bytes;
	size_t n;
	int status;

	daemon_start(&daemon, "dry-run", &conf);
	train(&daemon, prog, (const char *const[]){prog, NULL});
	shelf_await(conf.state_dir, "prog-", STORE_SUFFIX, 1);
	/* Each waits a moment for the directory: all at once. */
	snprintf(path, sizeof(path), "%s/ebph.conf", daemon.folder);
	snprintf(line, sizeof(line), "%s cannot be used: another ebphd uses it", conf.state_dir);
	for (int i = 0; i < 3; i++)
		child_start(&children[i],
			    (const char *const[]){"build/ebphd", "--config", path, options[i],
						  i == 1 ? shelf_at(conf.state_dir, "prog-", 0) :
						  i == 2 ? prog :
							   NULL,
						  NULL},
			    NULL);
	for (int i = 0; i < 3; i++) {
		status = child_wait(&children[i]);
		refused(status, &children[i], line);
	}
	daemon_stop(&daemon);

	bytes = file_bytes(shelf_at(conf.state_dir, "prog-", 0), &n);
	snprintf(path, sizeof(path), "%s/bad", daemon.folder);
	file_put(path, bytes, n - 8, 0600);
	snprintf(line, sizeof(line), "%s cannot be imported: its checksum is wrong", path);
	status = manage(&daemon, "--import", path, &child);
	refused(status, &child, line);
	file_put(path, text, sizeof(text), 0600);
	snprintf(line, sizeof(line), "%s cannot be imported: it is no profile", path);
	status = manage(&daemon, "--import", path, &child);
	refused(status, &child, line);
	unlink(path);
	snprintf(line, sizeof(line), "%s cannot be imported: No such file or directory", path);
	status = manage(&daemon, "--import", path, &child);
	refused(status, &child, line);
	CHECK(shelf_count(conf.state_dir, "prog-", "") == 1, "%d files of it",
	      shelf_count(conf.state_dir, "prog-", ""));
}

const struct test store_manage_tests[] = {
	{.name = "store: an upgraded program trains on", .run = inherited, .is_once = true},
	{.name = "store: an upgraded program begins anew", .run = fresh, .is_once = true},
	{.name = "store: the older version's profile is put back",
	 .run = put_back,
	 .is_long = true},
	{.name = "store: a profile is imported", .run = imported, .is_once = true},
	{.name = "store: an imported profile is united with the one there",
	 .run = imported_over,
	 .is_long = true},
	{.name = "store: what cannot be imported, and when", .run = refusals, .is_once = true},
	{},
};
