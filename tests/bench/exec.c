// SPDX-License-Identifier: GPL-2.0-or-later
/* What it costs to start a program. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enforcer/util.h"
#include "tests/bench/bench.h"
#include "tests/harness/tap.h"

#define SPAWNS	      60 /* of one sample, each timed by itself */
#define ARGUMENTS_MAX 2

struct start {
	const char *path;
	const char *const *arguments;
};

static int program_become(void *context)
{
	const struct start *start = context;
	char *argv[ARGUMENTS_MAX + 2] = {(char *)start->path}, *const envp[] = {NULL};

	if (!start->path)
		_exit(0);
	for (int i = 0; i < ARGUMENTS_MAX && start->arguments && start->arguments[i]; i++)
		argv[i + 1] = (char *)start->arguments[i];
	execve(argv[0], argv, envp);
	_exit(127);
}

/*
 * Not posix_spawn(): in its child the C library makes more than a hundred calls of its own. With
 * @forks the child gets a copy of the memory; without, as after vfork(), it borrows ours.
 */
static pid_t program_start(const struct start *start, bool forks)
{
	static char stack[16384] __attribute__((aligned(16)));
	pid_t pid;

	if (!forks)
		return clone(program_become, stack + sizeof(stack),
			     CLONE_VM | CLONE_VFORK | SIGCHLD, (void *)start);
	pid = fork();
	if (!pid)
		program_become((void *)start);
	return pid;
}

void spawn_once(struct spawn *spawn)
{
	const char *path = spawn->paths[spawn->next];
	const struct start start = {path, spawn->arguments};
	int status;
	pid_t pid;

	spawn->next = (spawn->next + 1) % spawn->n_paths;
	pid = program_start(&start, spawn->forks);
	REQUIRE(pid >= 0, "fork: %s", strerror(errno));
	REQUIRE(waitpid(pid, &status, 0) == pid && !status, "%s: status %d",
		path ? path : "a child", status);
}

void spawn_prepare(void *context, const struct variant *variant)
{
	struct spawn *spawn = context;

	for (size_t i = 0; i < 2 * spawn->n_paths || i < 3; i++)
		spawn_once(spawn);
	if (is_ours(variant))
		bench_settle(variant->context);
}

double spawn_sample(void *context)
{
	double ns[SPAWNS];

	for (int i = 0; i < SPAWNS; i++) {
		double start = measure_now();

		spawn_once(context);
		ns[i] = measure_now() - start;
	}
	return spread_of(ns, SPAWNS).median;
}

int output_away(void)
{
	AUTO_CLOSE int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);

	fflush(stdout);
	REQUIRE(out >= 0 && dup2(null, STDOUT_FILENO) >= 0, "/dev/null: %s", strerror(errno));
	return out;
}

void output_back(int out)
{
	dup2(out, STDOUT_FILENO);
	close(out);
}

void beyond_report(struct bench *bench, const struct measurement *m, size_t work, double bound,
		   FILE *plot)
{
	const char *what = m->works[work].name;
	char name[128];

	plot_line(plot, "\"%s\"", what);
	for (size_t v = EMPTY; v < N_COMPARED; v++) {
		snprintf(name, sizeof(name), "%s: %s beyond none", what, bench->variants[v].name);
		plot_line(plot, " %g",
			  report_percent(bench->report, name, m, work, v, NONE,
					 v == EBPH ? bound : 0));
	}
	plot_line(plot, "\n");
}

void exec_bench(struct bench *bench)
{
	static const char *const tiny[] = {TINY_PROGRAM}, *const lines[] = {LINES_PROGRAM};
	static struct spawn tiny_spawn = {.paths = tiny, .n_paths = 1};
	static struct spawn lines_spawn = {.paths = lines, .n_paths = 1};
	static struct spawn lines_fork = {.paths = lines, .n_paths = 1, .forks = true};
	const struct work works[] = {
		SPAWN_WORK("vfork+execve+exit, static program", &lines_spawn),
		SPAWN_WORK("fork+execve+exit, static program", &lines_fork),
		SPAWN_WORK("vfork+execve+exit, program of one call", &tiny_spawn),
	};
	static const double bounds[] = {3, 3, 0};
	int out = output_away();
	struct measurement m;
	char name[96];

	REQUIRE(!measure(works, ARRAY_SIZE(works), bench->variants, N_COMPARED, bench->rounds, &m),
		"no memory");
	output_back(out);
	for (size_t i = 0; i < ARRAY_SIZE(works); i++) {
		snprintf(name, sizeof(name), "%s: none", works[i].name);
		report_time(bench->report, name, &m, i, NONE);
		beyond_report(bench, &m, i, bounds[i], NULL);
	}
	measurement_free(&m);
}
