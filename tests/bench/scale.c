// SPDX-License-Identifier: GPL-2.0-or-later
/* Does a call cost more where there are more profiles? */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enforcer/util.h"
#include "tests/bench/bench.h"
#include "tests/harness/tap.h"

#define SLOTS	   10240
#define FEW	   10
#define MANY	   10000
#define POLL_EVERY 64 /* executables; fewer than slots are kept in stock */

static char folder[] = "/dev/shm/ebph-bench.XXXXXX";
static const char *copies[MANY];

/* Executables that differ in nothing but who they are. */
static void copies_make(void)
{
	AUTO_CLOSE int from = open(TINY_PROGRAM, O_RDONLY | O_CLOEXEC);
	struct stat st = {};

	REQUIRE(from >= 0 && !fstat(from, &st), TINY_PROGRAM ": %s", strerror(errno));
	REQUIRE(mkdtemp(folder), "%s: %s", folder, strerror(errno));
	for (size_t i = 0; i < MANY; i++) {
		AUTO_CLOSE int to = -1;
		char *path = NULL;
		off_t offset = 0;

		REQUIRE(asprintf(&path, "%s/%zu", folder, i) > 0, "no memory");
		copies[i] = path;
		to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
		REQUIRE(to >= 0 && sendfile(to, from, &offset, (size_t)st.st_size) == st.st_size,
			"%s: %s", path, strerror(errno));
	}
}

static void copies_remove(void)
{
	for (size_t i = 0; i < MANY; i++) {
		unlink(copies[i]);
		free((char *)copies[i]);
	}
	rmdir(folder);
}

/* Each executable runs once, and so gets a profile. */
static void profiles_fill(struct rig *rig, size_t n)
{
	struct spawn spawn = {.paths = copies, .n_paths = n};
	const uint32_t before = profiles_in_state(rig->profiles, EBPH_STATE_TRAINING);
	uint32_t made;

	bench_rig_attach(rig);
	for (size_t i = 0; i < n; i++) {
		spawn_once(&spawn);
		if (i % POLL_EVERY == 0)
			rig_poll(rig);
		if (i % 1000 == 0)
			fprintf(stderr, "\r%zu profiles of %zu ", i, n);
	}
	bench_rig_detach(rig);
	fputs("\r\033[K", stderr);
	made = profiles_in_state(rig->profiles, EBPH_STATE_TRAINING) - before;
	CHECK(made >= n, "%u profiles of %zu", made, n);
}

void scale_bench(struct bench *bench)
{
	static struct rig few, many;
	static struct spawn spawn = {.paths = copies, .n_paths = FEW};
	const struct variant variants[] = {
		{"none", NULL, NULL, NULL},
		{"10 profiles", bench_rig_attach, bench_rig_detach, &few},
		{"10,000 profiles", bench_rig_attach, bench_rig_detach, &many},
	};
	const struct work works[] = {getppid_work, mix_work, miss_work,
				     SPAWN_WORK("vfork+execve+exit", &spawn)};
	static const double bounds[] = {1.05, 1.05, 0, 0};
	struct report *report = bench->report;
	struct measurement m;
	char name[96];

	copies_make();
	bench_rig_new(&few, SLOTS);
	bench_rig_new(&many, SLOTS);
	profiles_fill(&few, FEW);
	profiles_fill(&many, MANY);
	REQUIRE(!measure(works, ARRAY_SIZE(works), variants, ARRAY_SIZE(variants), bench->rounds,
			 &m),
		"no memory");
	for (size_t i = 0; i < ARRAY_SIZE(works); i++) {
		for (size_t v = 1; v < ARRAY_SIZE(variants); v++) {
			snprintf(name, sizeof(name), "%s, %s", works[i].name, variants[v].name);
			report_time(report, name, &m, i, v);
		}
		snprintf(name, sizeof(name), "%s: with 10,000 profiles over with 10",
			 works[i].name);
		report_ratio(report, name, &m, i, 2, 1, bounds[i]);
	}
	report_value(report, "kernel memory of a profile, all in all, at 10,000", "bytes",
		     (double)(many.profiles->pair_memory + kernel_memory(many.kernel)) / MANY, 0);
	measurement_free(&m);
	rig_free(&many);
	rig_free(&few);
	copies_remove();
}
