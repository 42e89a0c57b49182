// SPDX-License-Identifier: GPL-2.0-or-later
/* Profiles that ebphctl takes out, in, and together, while ebphd runs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enforcer/store.h"
#include "tests/harness/child.h"
#include "tests/harness/control.h"
#include "tests/harness/daemon.h"
#include "tests/harness/shelf.h"
#include "tests/harness/tap.h"

#define LARGE 20000 /* pairs: 160 KB */
#define MANY  12    /* files, so many that progress is shown */

static char folder[64]; /* of the test */

/* A name in it; to be freed. */
static char *in_folder(const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", folder, name) < 0)
		abort();
	return path;
}

static char *program(const char *name)
{
	return program_copy(program_path(name), folder, strrchr(name, '/') + 1);
}

static void start(struct daemon *daemon, const struct daemon_conf *conf)
{
	control_require();
	snprintf(folder, sizeof(folder), "/tmp/exchange-XXXXXX");
	REQUIRE(mkdtemp(folder), "no folder");
	daemon_start(daemon, "dry-run", conf);
}

/* Does what a profile has become count, too? Return: the anomalies of one run. */
static size_t anomalies(struct daemon *daemon, const char *prog, const char *argument)
{
	struct child child;

	CHECK(RUN(&child, prog, argument) == 0, "%s", child.output);
	counters_ask(daemon);
	counters_ask(daemon); /* what was reported before the first answer is in the file now */
	return events_count(daemon, "anomaly", child.pid);
}

/* Trains `frames` on @phases and takes its profile out. */
static char *frames_export(struct daemon *daemon, const char *frames, const char *phases)
{
	char *file = in_folder(phases);

	train(daemon, frames, (const char *const[]){frames, phases, NULL});
	CTL(0, " bytes", "profile", "export", frames, file);
	return file;
}

static void united(void)
{
	struct daemon first, second;
	struct image there, here, both;
	char *frames, *file, *union_file;

	start(&first, NULL);
	frames = program(PROGRAM("frames"));
	file = frames_export(&first, frames, "faf");
	daemon_stop(&first);

	daemon_start(&second, "dry-run", NULL); /* with a store of its own */
	shelf_read(frames_export(&second, frames, "fhf"), &here);
	shelf_read(file, &there);
	CHECK(!image_holds(&here, &there) && !image_holds(&there, &here), "they do not differ");
	CHECK(there.state == EBPH_STATE_NORMAL && !strcmp(there.path, frames), "%s is %u",
	      there.path, there.state);
	CHECK(anomalies(&second, frames, "faf") > 0, "it knows what it has not seen");
	CTL(0, "united with what was known here", "profile", "import", file);
	event_wait(&second, "operator", "verb", "import", "path", frames, NULL);
	CHECK(anomalies(&second, frames, "faf") == 0, "what came in does not count");
	CHECK(anomalies(&second, frames, "fhf") == 0, "what was there is gone");
	CHECK(anomalies(&second, frames, "fnf") > 0, "what nobody knew is no anomaly");
	union_file = in_folder("union");
	CTL(0, " bytes", "profile", "export", frames, union_file);
	shelf_read(union_file, &both);
	CHECK(both.state == EBPH_STATE_NORMAL, "state %u", both.state);
	CHECK(image_holds(&both, &here) && image_holds(&both, &there), "%zu words of %zu and %zu",
	      both.n_words, here.n_words, there.n_words);
	daemon_stop(&second);
}

/* To where there is nothing, to a file, to another program. */
static void placed(void)
{
	const struct daemon_conf conf = {.state_dir = shelf_new()};
	struct daemon daemon;
	struct child child;
	struct image image, lines;
	char *prog, *file, *all, *other;
	json_t *load;

	start(&daemon, &conf);
	prog = program(PROGRAM("lines"));
	file = in_folder("file");
	all = in_folder("all");
	train(&daemon, prog, (const char *const[]){prog, NULL});
	CTL(0, " bytes", "profile", "export", prog, file);
	CTL(0, "has no profile any more", "profile", "delete", prog);
	CTL(0, "is normal; it comes into memory when it runs", "profile", "import", file);
	CHECK(shelf_count(conf.state_dir, "lines-", STORE_SUFFIX) == 1, "it is not on disk");
	CTL(0, "united with what was known here; it comes", "profile", "import", file);
	CTL(0, "united with what was known here; it comes", "profile", "merge", prog, file);
	CTL(0, " bytes", "profile", "export", prog, file); /* what is on disk only */
	shelf_read(file, &image);
	CHECK(image.runs >= 9 && image.runs % 3 == 0, "%u runs of three", image.runs);
	CHECK(!mkdir(all, 0700), "no folder");
	CTL(0, all, "profile", "export", "--all", all);
	CHECK(shelf_count(all, "lines-", STORE_SUFFIX) == 1, "not all of them");

	CHECK(RUN(&child, prog) == 0, "%s", child.output);
	load = event_wait(&daemon, "load", "path", prog, NULL);
	CHECK(!strcmp(event_text(load, "state"), "normal"), "it is %s", event_text(load, "state"));
	CHECK(anomalies(&daemon, prog, NULL) == 0, "the usual run has anomalies");
	CHECK(anomalies(&daemon, prog, "x") == 2, "it does not go by what came in");
	/* For another program, that is none of the file's business. */
	other = program(PROGRAM("frames"));
	shelf_read(frames_export(&daemon, other, "fhf"), &image);
	CTL(0, "frames is normal with", "profile", "merge", other, file);
	CTL(0, " bytes", "profile", "export", other, all);
	shelf_read(file, &lines);
	CHECK(!image_holds(&image, &lines), "they do not differ");
	shelf_read(shelf_at(all, "frames-", 0), &image);
	CHECK(image_holds(&image, &lines) && !strcmp(image.path, other), "it is of %s", image.path);
	daemon_stop(&daemon);
}

static void image_put(const char *file, const struct image *image)
{
	void *bytes;
	size_t n;

	REQUIRE(image_encode(image, &bytes, &n) == 0, "no image");
	file_put(file, bytes, n, 0600);
	free(bytes);
}

/* A profile that takes many parts, in and out again. It is of another machine. */
static void large(void)
{
	struct daemon daemon;
	struct image image = {
		.machine = 4711,
		.state = EBPH_STATE_NORMAL,
		.exe = {.ino = 1},
		.path = "/no/such/program",
		.words = calloc(LARGE, sizeof(uint64_t)),
	};
	unsigned char *bytes, *back;
	char *in, *out;
	size_t n, n_back;

	start(&daemon, NULL);
	in = in_folder("in");
	out = in_folder("out");
	for (uint32_t i = 0; i < LARGE; i++)
		image.words[i] = ebph_word_key(i / 100, i % 100) | 0x0101;
	image.n_words = LARGE;
	image_put(in, &image);
	bytes = file_bytes(in, &n);
	CTL(0, "/no/such/program is normal; it comes", "profile", "import", in);
	/* What is not taken: the same executable by another path, and what knows nothing. */
	image.path = "/no/other/program";
	image_put(in, &image);
	CTL(1, "is known here by another path", "profile", "import", in);
	image.n_words = 0;
	image_put(in, &image);
	CTL(1, "all would be an anomaly", "profile", "import", in);
	CTL(0, " bytes", "profile", "export", "/no/such/program", out);
	back = file_bytes(out, &n_back);
	CHECK(n == n_back && !memcmp(bytes, back, n), "%zu bytes became %zu", n, n_back);
	daemon_stop(&daemon);
}

/* One line, that names the file and says why; and the others are taken. */
static void refused(void)
{
	struct daemon daemon;
	struct child child;
	unsigned char *bytes;
	char *prog, *file, *bad, *many;
	size_t n;

	start(&daemon, NULL);
	prog = program(PROGRAM("lines"));
	file = in_folder("file");
	bad = in_folder("bad");
	many = in_folder("many");
	train(&daemon, prog, (const char *const[]){prog, NULL});
	CTL(0, " bytes", "profile", "export", prog, file);
	bytes = file_bytes(file, &n);
	file_put(bad, bytes, n - 8, 0600);
	CTL(1, "bad: its checksum is wrong\n", "profile", "import", bad);
	CTL(1, "/etc/passwd: it is ", "profile", "import", "/etc/passwd");
	CTL(1, "/no/such: No such file", "profile", "import", "/no/such");
	CTL(1, "/dev/zero: it is larger than any profile", "profile", "import", "/dev/zero");
	CTL(1, "there is no profile of nobody", "profile", "merge", "nobody", file);
	CTL(1, "there is no profile of nobody", "profile", "export", "nobody", "/tmp/x");
	CTL(1, "/no/such/x: No such file", "profile", "export", prog, "/no/such/x");
	REQUIRE(!symlink("/dev/null", in_folder("link")), "no link");
	CTL(1, "link: that is no regular file", "profile", "export", prog, in_folder("link"));
	CTL(1, "/no/such: it is no folder", "profile", "export", "--all", "/no/such");
	CTL(2, "takes a PROFILE and a FILE", "profile", "export", prog);

	CHECK(!mkdir(many, 0700), "no folder");
	for (int i = 0; i < MANY; i++) {
		char name[32];

		snprintf(name, sizeof(name), "many/%02d" STORE_SUFFIX, i);
		file_put(in_folder(name), bytes, i == 3 ? n - 8 : n, 0600);
	}
	CHECK(run(&child, (const char *const[]){EBPHCTL, "profile", "import", many, NULL},
		  &(const struct child_how){.on_terminal = true}) != 0,
	      "the bad one was taken");
	CHECK(strstr(child.output, "imported: 12 of 12"), "no progress: %s", child.output);
	CHECK(strstr(child.output, "03" STORE_SUFFIX ": its checksum is wrong"), "%s",
	      child.output);
	CTL(0, "verb=import", "events", "--name", "operator");
	counters_ask(&daemon);
	CHECK(events_count(&daemon, "operator", 0) == MANY - 1, "%zu were taken",
	      events_count(&daemon, "operator", 0));
	daemon_stop(&daemon);
}

const struct test control_exchange_tests[] = {
	{.name = "exchange: the union of two hosts' profiles", .run = united, .is_once = true},
	{.name = "exchange: where there was none, on disk, of another program",
	 .run = placed,
	 .is_once = true},
	{.name = "exchange: a large profile, in parts", .run = large, .is_once = true},
	{.name = "exchange: what cannot be taken in or out", .run = refused, .is_once = true},
	{},
};
