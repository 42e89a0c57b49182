// SPDX-License-Identifier: GPL-2.0-or-later
/* Very many sections [binary]: how long until they hold, and does a call cost more? */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enforcer/config.h"
#include "enforcer/util.h"
#include "tests/bench/bench.h"
#include "tests/harness/tap.h"

#define SECTIONS  1000
#define SLOTS	  2048
#define TAKEN_MAX 100 /* ms */
#define GLOB_IN	  50  /* one section in so many is a glob */

static char path[] = "/dev/shm/ebph-conf.XXXXXX";
static char own_path[4096];

static void program_path_make(size_t i, char ret_path[static 64])
{
	snprintf(ret_path, 64, "/usr/lib/ebph-bench/%zu/program", i);
}

/* Each section is different from all others, the first one is for this program. */
static void conf_write(void)
{
	int fd = mkstemp(path);
	FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
	char program[64];

	REQUIRE(file && !fchmod(fd, 0600), "%s: %s", path, strerror(errno));
	fprintf(file, "[allow]\ncalls = fsync fdatasync\n[binary %s]\ntolerance = 3\n", own_path);
	for (size_t i = 1; i < SECTIONS; i++) {
		program_path_make(i, program);
		fprintf(file,
			"[binary %s%s]\nmode = dry-run\ntolerance = 2\nanomaly_limit = %zu\n"
			"allow_calls = read write\n",
			program, i % GLOB_IN ? "" : "*", i);
	}
	REQUIRE(!fclose(file), "%s: %s", path, strerror(errno));
}

/* A program in memory for each of the sections. */
static void profiles_make(struct rig *rig)
{
	struct ebph_exe exe = {.dev = 1};
	char program[64];
	uint32_t slot;

	for (size_t i = 1; i < SECTIONS; i++) {
		int r;

		exe.ino = i;
		r = profiles_place(rig->profiles, &exe, NULL, 0, &slot);
		REQUIRE(!r, "no room for program %zu: %s", i, strerror(-r));
		program_path_make(i, program);
		rig->profiles->notes[slot].path = strdup(program);
		REQUIRE(rig->profiles->notes[slot].path, "no memory");
	}
	REQUIRE(!profiles_placed(rig->profiles), "%s", strerror(errno));
}

/* As ebphd at its start and at a reload. Adds to the times, in ms. */
static void conf_take(struct rig *rig, struct conf **conf, double *ret_read, double *ret_taken)
{
	const struct config_source source = {.path = path};
	struct conf_diag diag = {0};
	struct conf *next;
	double begin = measure_now();
	int r = config_load(&source, &next, &diag);

	*ret_read = (measure_now() - begin) / 1e6;
	REQUIRE(!r, "%s: %s", path, diag.n_items ? diag.items[0].message : strerror(-r));
	conf_diag_clear(&diag);
	r = rules_renew(rig->profiles, next);
	*ret_taken = (measure_now() - begin) / 1e6;
	REQUIRE(!r, "%s", strerror(-r));
	conf_free(*conf);
	*conf = next;
}

static void times_report(struct bench *bench, struct rig *rig, struct conf **conf)
{
	AUTO_FREE double *read = calloc(bench->rounds, sizeof(*read));
	AUTO_FREE double *taken = calloc(bench->rounds, sizeof(*taken));

	REQUIRE(read && taken, "no memory");
	for (size_t i = 0; i < bench->rounds; i++)
		conf_take(rig, conf, &read[i], &taken[i]);
	CHECK(rig->profiles->rules.n >= SECTIONS - 1, "only %zu rules", rig->profiles->rules.n);
	report_values(bench->report, "configuration of 1,000 sections [binary]: read and checked",
		      "ms", read, bench->rounds, 0);
	report_values(bench->report,
		      "configuration of 1,000 sections [binary]: read, checked and in effect for "
		      "1,000 programs",
		      "ms", taken, bench->rounds, TAKEN_MAX);
}

/* Of three rigs, one knows 1,000 sections, one of which is for this program; one is not to follow
 * it. */
static void calls_report(struct bench *bench, struct rig *plain, struct rig *with,
			 struct rig *unlisted)
{
	const struct variant variants[] = {
		{"without sections", bench_rig_attach, bench_rig_detach, plain},
		{"with 1,000 sections", bench_rig_attach, bench_rig_detach, with},
		{"out of scope", bench_rig_attach, bench_rig_detach, unlisted},
		bench->variants[NONE],
		bench->variants[EMPTY],
	};
	const struct work works[] = {getppid_work, mix_work, miss_work};
	struct measurement m;
	char name[96];
	uint32_t slot;

	/* Large pair sets: in small ones chance decides which pairs take a slower way. */
	bench_rig_attach(plain);
	pairs_fill(plain);
	bench_rig_detach(plain);
	bench_rig_attach(with);
	pairs_fill(with);
	slot = rig_slot(with, "/proc/self/exe");
	REQUIRE(slot, "this program has no profile");
	with->profiles->notes[slot].path = strdup(own_path);
	rule_apply(with->profiles, slot);
	CHECK(with->kernel->heads[slot].rule, "this program has no rule");
	bench_rig_detach(with);
	REQUIRE(!measure(works, ARRAY_SIZE(works), variants, ARRAY_SIZE(variants), bench->rounds,
			 &m),
		"no memory");
	for (size_t i = 0; i < ARRAY_SIZE(works); i++) {
		snprintf(name, sizeof(name), "%s: with 1,000 sections [binary] over without",
			 works[i].name);
		report_ratio(bench->report, name, &m, i, 1, 0,
			     i + 1 < ARRAY_SIZE(works) ? 1.05 : 0);
		snprintf(name, sizeof(name),
			 "%s, out of scope: overhead of ebph over that of empty", works[i].name);
		report_overhead(bench->report, name, &m, i, 2, 4, 3, 0);
	}
	measurement_free(&m);
}

void conf_bench(struct bench *bench)
{
	static struct rig plain, with, unlisted;
	struct conf *conf = NULL;
	ssize_t n = readlink("/proc/self/exe", own_path, sizeof(own_path) - 1);

	REQUIRE(n > 0, "%s", strerror(errno));
	conf_write();
	bench_rig_new(&plain, SLOTS);
	bench_rig_new(&with, SLOTS);
	bench_rig_new(&unlisted, SLOTS);
	kernel_settings(unlisted.kernel)->listed_only = 1;
	profiles_make(&with);
	times_report(bench, &with, &conf);
	calls_report(bench, &plain, &with, &unlisted);
	rig_free(&unlisted);
	rig_free(&with);
	rig_free(&plain);
	conf_free(conf);
	unlink(path);
}
