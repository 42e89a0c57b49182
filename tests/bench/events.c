// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Anomalies and the daemon: what it takes of the processor at 1, 1,000, 100,000 a second, when one
 * program makes them all and when many do; and how many a second it takes in without missing one.
 * They are made by children of the benchmark, in dry-run.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "bpf/abi.h"
#include "enforcer/util.h"
#include "tests/bench/bench.h"
#include "tests/bench/ebphd.h"
#include "tests/harness/tap.h"

#define EACH	       60   /* anomalies of an executable in a second: fewer than are reported */
#define EXECUTABLES    1700 /* more than 100,000 / EACH */
#define TRAINING_LIMIT 60   /* s until all are normal */
#define SECONDS	       4
#define TAKE_LIMIT     20 /* s until the daemon has taken what there was */

static struct copies copies;
static struct ebphd ebphd;
static FILE *events;	     /* what the daemon writes, read up to here */
static size_t n_anomalies;   /* lines that tell of one, so far */
static size_t n_normal;	     /* and of a program that has become normal */
static double lost, limited; /* by the last counters */

/* ---- what the daemon says ------------------------------------------------------------------- */

static double member(const char *line, const char *name)
{
	const char *at = strstr(line, name);

	return at ? strtod(at + strlen(name), NULL) : 0;
}

/* Reads on. Return: has it told its counters? */
static bool events_read(void)
{
	static char line[65536];
	bool told = false;

	clearerr(events);
	while (fgets(line, sizeof(line), events)) {
		if (strstr(line, "\"event\":\"anomaly\""))
			n_anomalies++;
		if (strstr(line, "\"after\":\"normal\""))
			n_normal++;
		if (!strstr(line, "\"event\":\"counters\""))
			continue;
		told = true;
		lost = member(line, "\"event_lost\":") + member(line, "\"journal_failed\":");
		limited = member(line, "\"event_limited\":");
	}
	return told;
}

static void counters_ask(void)
{
	double begin = measure_now();

	kill(ebphd.pid, SIGUSR1);
	while (!events_read()) {
		REQUIRE(measure_now() - begin < TAKE_LIMIT * 1e9, "no counters");
		usleep(5000);
	}
}

/* ---- making anomalies ----------------------------------------------------------------------- */

/* A stream of anomalies. */
struct flow {
	size_t rate;	    /* a second */
	size_t executables; /* in turns */
	size_t each;	    /* made by one run of an executable */
};

/* What came of it. */
struct taken {
	double made, rate, reported, lost, limited, cpu_percent, waited_percent;
};

static void flow_make(const struct flow *flow, size_t total, double begin)
{
	struct spawn spawn = {.paths = copies.paths, .n_paths = flow->executables};
	char number[16];
	const char *const arguments[] = {number, NULL};

	spawn.arguments = arguments;
	snprintf(number, sizeof(number), "%zu", flow->each);
	for (size_t made = 0; made < total; made += flow->each) {
		while (measure_now() < begin + (double)made / (double)flow->rate * 1e9)
			usleep(200);
		spawn_once(&spawn);
	}
	while (measure_now() < begin + SECONDS * 1e9)
		usleep(1000);
}

static struct taken flow_measure(const struct flow *flow)
{
	size_t runs = flow->rate ? flow->rate * SECONDS / flow->each : 0;
	struct taken before, taken = {.made = (double)(runs * flow->each)};
	struct ebphd_times times, at_end;
	double begin, took, limit;

	counters_ask();
	before = (struct taken){.reported = (double)n_anomalies, .lost = lost, .limited = limited};
	times = ebphd_times(&ebphd);
	begin = measure_now();
	flow_make(flow, runs * flow->each, begin);
	took = measure_now() - begin;
	at_end = ebphd_times(&ebphd);
	taken.cpu_percent = (at_end.had - times.had) / took * 100;
	taken.waited_percent = (at_end.waited - times.waited) / took * 100;
	taken.rate = taken.made / took * 1e9;
	limit = measure_now() + TAKE_LIMIT * 1e9;
	do { /* what is still in the ring buffer */
		counters_ask();
		taken.reported = (double)n_anomalies - before.reported;
		taken.lost = lost - before.lost;
		taken.limited = limited - before.limited;
	} while (taken.reported + taken.lost + taken.limited < taken.made && measure_now() < limit);
	CHECK(taken.reported + taken.lost + taken.limited >= taken.made,
	      "%zu anomalies a second: of %.0f only %.0f were reported, %.0f lost, %.0f limited",
	      flow->rate, taken.made, taken.reported, taken.lost, taken.limited);
	return taken;
}

/* ---- the case ------------------------------------------------------------------------------- */

/* Slowly enough for the daemon to have slots for them all. */
static void profiles_train(void)
{
	struct spawn spawn = {.paths = copies.paths, .n_paths = copies.n};
	double begin = measure_now();

	while (n_normal < copies.n) {
		REQUIRE(measure_now() - begin < TRAINING_LIMIT * 1e9,
			"only %zu of %zu programs have become normal", n_normal, copies.n);
		for (size_t i = 0; i < copies.n; i++) {
			spawn_once(&spawn);
			if (i % 50 == 0)
				usleep(10000);
		}
		events_read();
	}
}

static void daemon_begin(char *folder)
{
	AUTO_FREE char *path = NULL, *section = NULL;

	REQUIRE(mkdtemp(folder), "%s: %s", folder, strerror(errno));
	ebphd.folder = folder;
	REQUIRE(asprintf(&section,
			 "[detection]\nmin_calls = 10\nmin_runs = 3\nanomaly_limit = 1000000000\n"
			 "[binary %s/*]\nnormal_wait = 0s\n",
			 copies.folder) > 0,
		"no memory");
	ebphd_configure(&ebphd, "scope = listed\n", "max_profiles = 4096\n", section);
	ebphd_start(&ebphd);
	path = ebphd_path(&ebphd, "events");
	events = fopen(path, "re");
	REQUIRE(events, "%s: %s", path, strerror(errno));
}

/* Return: the percentage that was lost. */
static double flow_report(struct report *report, const struct flow *flow)
{
	struct taken taken = flow_measure(flow);
	const double missed = taken.made > 0 ? taken.lost / taken.made * 100 : 0;
	char what[64], name[128];

	snprintf(what, sizeof(what), "%zu anomalies a second of %s", flow->rate,
		 flow->executables == 1 ? "one program" : "many programs");
	snprintf(name, sizeof(name), "%s: made", what);
	report_value(report, name, "1/s", taken.rate, 0);
	snprintf(name, sizeof(name), "%s: reported, the others are counted", what);
	report_value(report, name, "1/s", taken.reported / SECONDS, 0);
	snprintf(name, sizeof(name), "%s: lost", what);
	report_value(report, name, "%", missed, 0);
	snprintf(name, sizeof(name), "%s: processor time of ebphd", what);
	report_value(report, name, "%", taken.cpu_percent, 0);
	snprintf(name, sizeof(name), "%s: ebphd waited for a processor", what);
	report_value(report, name, "%", taken.waited_percent, 0);
	return missed;
}

void events_bench(struct bench *bench)
{
	static const struct flow flows[] = {
		{0, 1, 1},
		{1, 1, 1},
		{1000, 1, 100},
		{100000, 1, 1000},
		{1000, EXECUTABLES, EACH},
		{5000, EXECUTABLES, EACH},
		{10000, EXECUTABLES, EACH},
		{20000, EXECUTABLES, EACH},
		{30000, EXECUTABLES, EACH},
		{50000, EXECUTABLES, EACH},
		{100000, EXECUTABLES, EACH},
	};
	char folder[] = "/dev/shm/ebph-events.XXXXXX";
	size_t most = 0;

	copies_make(&copies, STRANGE_PROGRAM, EXECUTABLES);
	daemon_begin(folder);
	profiles_train();
	for (size_t i = 0; i < ARRAY_SIZE(flows); i++) {
		fprintf(stderr, "\revents: %zu a second ", flows[i].rate);
		if (flow_report(bench->report, &flows[i]) <= 0 && flows[i].executables > 1)
			most = flows[i].rate;
	}
	fputs("\r\033[K", stderr);
	report_value(bench->report, "most anomalies a second, of those tried, without a loss",
		     "1/s", (double)most, 0);
	fclose(events);
	ebphd_end(&ebphd);
	folder_remove(folder);
	copies_remove(&copies);
}
