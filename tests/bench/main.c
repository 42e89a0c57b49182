// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * usage: bench [--rounds N] [--beside EBPH.O] [--json FILE] [--plots DIR] [CASE...]
 * Without a CASE, all are run. Needs root; follows all calls of the host meanwhile, in dry-run:
 * nobody is stopped but children of the case late. What is to be plotted goes into DIR.
 */
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "enforcer/util.h"
#include "tests/bench/bench.h"
#include "tests/harness/tap.h"

static bool failed;

static const struct {
	const char *name;
	void (*run)(struct bench *bench);
} cases[] = {
	{"calls", calls_bench},	      {"exec", exec_bench},   {"lmbench", lmbench_bench},
	{"programs", programs_bench}, {"scale", scale_bench}, {"cpus", cpus_bench},
	{"memory", memory_bench},     {"start", start_bench}, {"events", events_bench},
	{"conf", conf_bench},	      {"late", late_bench},
};

/* As the tests' own, for the rig. */
bool check(bool condition, const char *text, const char *file, int line, const char *format, ...)
{
	va_list args;

	if (condition)
		return true;
	fprintf(stderr, "\n%s:%d: not so: %s: ", file, line, text);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	failed = true;
	return false;
}

void test_end(void)
{
	exit(1); /* what is attached goes with the process */
}

static bool is_wanted(const char *name, char **words)
{
	if (!*words)
		return true;
	for (; *words; words++)
		if (!strcmp(*words, name))
			return true;
	return false;
}

static void usage(void)
{
	fputs("usage: bench [--rounds N] [--beside EBPH.O] [--json FILE] [--plots DIR] [CASE...]\n"
	      "cases:",
	      stderr);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		fprintf(stderr, " %s", cases[i].name);
	fputc('\n', stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"rounds", required_argument, NULL, 'r'},
						{"beside", required_argument, NULL, 'b'},
						{"json", required_argument, NULL, 'j'},
						{"plots", required_argument, NULL, 'p'},
						{}};
	const char *beside = NULL, *json = NULL;
	static struct bench bench = {.rounds = 30};
	int option, r = 0;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'r')
			bench.rounds = strtoul(optarg, NULL, 10);
		else if (option == 'b')
			beside = optarg;
		else if (option == 'j')
			json = optarg;
		else if (option == 'p')
			bench.plots = optarg;
		else
			usage();
	}
	if (!bench.rounds)
		usage();
	REQUIRE(!geteuid(), "only root may load BPF programs");
	REQUIRE(measure_pin() >= 0, "%s", strerror(errno));
	REQUIRE(!report_new(&bench.report), "no memory");
	/* First: the daemon's code changes what libbpf does with programs at exec. */
	reconstruction_variant(&bench.variants[RECONSTRUCTED]);
	bench_rig_new(&bench.rig, 1024);
	bench.variants[NONE].name = "none";
	empty_variants(&bench.variants[EMPTY], &bench.variants[STORAGE]);
	bench.variants[EBPH] =
		(struct variant){"ebph", bench_rig_attach, bench_rig_detach, &bench.rig};
	bench.n_variants = STORAGE + 1;
	if (beside) {
		beside_variant(beside, &bench.rig, &bench.variants[BESIDE]);
		bench.n_variants = BESIDE + 1;
	}
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (!is_wanted(cases[i].name, argv + optind))
			continue;
		report_case(bench.report, cases[i].name);
		cases[i].run(&bench);
		report_print(bench.report);
	}
	if (json)
		r = report_write(bench.report, json);
	CHECK(!r, "cannot write %s", json);
	report_free(bench.report);
	rig_free(&bench.rig);
	return failed ? 1 : 0;
}
