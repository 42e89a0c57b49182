// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What lmbench measures, as far as ebpH's tables have it, written anew: calls that do little, a
 * byte between two processes and back, the start of a process. All on one processor.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enforcer/util.h"
#include "tests/bench/bench.h"
#include "tests/harness/tap.h"

#define SELECT_MOST 500
#define SAMPLES	    9 /* of which the least counts */

static int zero_fd, null_fd, file_fd;
static int many_fd[SELECT_MOST], silent_fd; /* nobody writes through the latter to the former */
static fd_set many;			    /* all of them */

/* ---- one call, or two ----------------------------------------------------------------------- */

/* Something that is done @n times in a row, with a number of its own. */
struct repeat {
	void (*once)(int number);
	int n, number;
};

static void getppid_once(int number)
{
	(void)number;
	syscall(SYS_getppid);
}

static void read_once(int number)
{
	char byte;

	REQUIRE(read(zero_fd, &byte, (size_t)number) == number, "%s", strerror(errno));
}

static void write_once(int number)
{
	REQUIRE(write(null_fd, "", (size_t)number) == number, "%s", strerror(errno));
}

static void stat_once(int number)
{
	struct stat st;

	(void)number;
	REQUIRE(!stat(LINES_PROGRAM, &st), "%s", strerror(errno));
}

static void fstat_once(int number)
{
	struct stat st;

	(void)number;
	REQUIRE(!fstat(file_fd, &st), "%s", strerror(errno));
}

static void open_once(int number)
{
	int fd = open(LINES_PROGRAM, O_RDONLY | O_CLOEXEC);

	(void)number;
	REQUIRE(fd >= 0, "%s", strerror(errno));
	close(fd);
}

static void select_once(int number)
{
	struct timeval at_once = {};
	fd_set set = many;

	select(many_fd[number - 1] + 1, &set, NULL, NULL, &at_once);
}

static void handler(int signal_number)
{
	(void)signal_number;
}

static void install_once(int number)
{
	const struct sigaction action = {.sa_handler = handler};

	REQUIRE(!sigaction(number, &action, NULL), "%s", strerror(errno));
}

static void handle_once(int number)
{
	raise(number);
}

static void repeat_run(const struct repeat *repeat)
{
	for (int i = 0; i < repeat->n; i++)
		repeat->once(repeat->number);
}

static double repeat_sample(void *context)
{
	const struct repeat *repeat = context;
	double start = measure_now();

	repeat_run(repeat);
	return (measure_now() - start) / repeat->n;
}

static void repeat_prepare(void *context, const struct variant *variant)
{
	(void)variant;
	for (int i = 0; i < 3; i++)
		repeat_run(context);
}

/* ---- two processes -------------------------------------------------------------------------- */

#define ROUND_TRIPS 500

/* There and back is what lmbench calls latency. @fds: ours and the partner's to read, then to write
 */
static double round_trips(const int fds[4])
{
	double start = 0;
	char byte = 0;

	for (int i = -ROUND_TRIPS / 10; i < ROUND_TRIPS; i++) {
		if (!i)
			start = measure_now();
		REQUIRE(write(fds[2], &byte, 1) == 1 && read(fds[0], &byte, 1) == 1, "%s",
			strerror(errno));
	}
	return (measure_now() - start) / ROUND_TRIPS;
}

static double partner_sample(const int fds[4])
{
	pid_t pid = fork();
	char byte;
	double ns;

	REQUIRE(pid >= 0, "fork: %s", strerror(errno));
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (read(fds[1], &byte, 1) == 1 && write(fds[3], &byte, 1) == 1)
			;
		_exit(1);
	}
	ns = round_trips(fds);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return ns;
}

static double pipe_sample(void *context)
{
	int there[2] = {}, back[2] = {};
	double ns;

	(void)context;
	REQUIRE(!pipe2(there, O_CLOEXEC) && !pipe2(back, O_CLOEXEC), "%s", strerror(errno));
	ns = partner_sample((const int[]){back[0], there[0], there[1], back[1]});
	for (int i = 0; i < 2; i++) {
		close(there[i]);
		close(back[i]);
	}
	return ns;
}

static double unix_sample(void *context)
{
	int pair[2];
	double ns;

	(void)context;
	REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "%s", strerror(errno));
	ns = partner_sample((const int[]){pair[0], pair[1], pair[0], pair[1]});
	close(pair[0]);
	close(pair[1]);
	return ns;
}

/* ---- the table ------------------------------------------------------------------------------ */

static const char *const nothing[] = {NULL}, *const lines[] = {LINES_PROGRAM};
static const char *const shell[] = {"/bin/sh"}, *const lines_by_shell[] = {"-c", LINES_PROGRAM,
									   NULL};
static struct spawn fork_exit = {.paths = nothing, .n_paths = 1, .forks = true};
static struct spawn fork_exec = {.paths = lines, .n_paths = 1, .forks = true};
static struct spawn fork_shell = {
	.paths = shell, .n_paths = 1, .forks = true, .arguments = lines_by_shell};

#define REPEAT(what, function, times, value)                                                       \
	{                                                                                          \
		.name = (what), .prepare = repeat_prepare, .sample = repeat_sample,                \
		.context = &(struct repeat){(function), (times), (value)}, .n_samples = SAMPLES    \
	}

static const struct work works[] = {
	REPEAT("getppid", getppid_once, 2000, 0),
	REPEAT("read", read_once, 2000, 1),
	REPEAT("write", write_once, 2000, 1),
	REPEAT("stat", stat_once, 1000, 0),
	REPEAT("fstat", fstat_once, 1000, 0),
	REPEAT("open+close", open_once, 500, 0),
	REPEAT("select, 10 descriptors", select_once, 1000, 10),
	REPEAT("select, 100 descriptors", select_once, 300, 100),
	REPEAT("select, 250 descriptors", select_once, 200, 250),
	REPEAT("select, 500 descriptors", select_once, 100, 500),
	REPEAT("signal, install", install_once, 2000, SIGUSR1),
	REPEAT("signal, handle", handle_once, 500, SIGUSR1),
	{.name = "pipe, there and back", .sample = pipe_sample, .n_samples = SAMPLES},
	{.name = "AF_UNIX, there and back", .sample = unix_sample, .n_samples = SAMPLES},
	SPAWN_WORK("fork+exit", &fork_exit),
	SPAWN_WORK("fork+execve", &fork_exec),
	SPAWN_WORK("fork+sh", &fork_shell),
};

/* What DESIGN.md wants, percent beyond none; 0: nothing. */
static double bound_of(const char *work)
{
	return !strcmp(work, "getppid") ? 80 : !strcmp(work, "fork+execve") ? 3 : 0;
}

static void files_open(void)
{
	int ends[2];

	zero_fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	file_fd = open(LINES_PROGRAM, O_RDONLY | O_CLOEXEC);
	REQUIRE(zero_fd >= 0 && null_fd >= 0 && file_fd >= 0 && !pipe2(ends, O_CLOEXEC), "%s",
		strerror(errno));
	FD_ZERO(&many);
	for (int i = 0; i < SELECT_MOST; i++) {
		many_fd[i] = fcntl(ends[0], F_DUPFD_CLOEXEC, 0);
		REQUIRE(many_fd[i] >= 0 && many_fd[i] < FD_SETSIZE, "%s", strerror(errno));
		FD_SET(many_fd[i], &many);
	}
	close(ends[0]);
	silent_fd = ends[1];
}

static void files_close(void)
{
	for (int i = 0; i < SELECT_MOST; i++)
		close(many_fd[i]);
	close(silent_fd);
	close(zero_fd);
	close(null_fd);
	close(file_fd);
}

void lmbench_bench(struct bench *bench)
{
	const struct sigaction standard = {.sa_handler = SIG_DFL};
	FILE *data = plot_open(bench, "lmbench");
	int out = output_away();
	struct measurement m;

	files_open();
	REQUIRE(!measure(works, ARRAY_SIZE(works), bench->variants, N_COMPARED, bench->rounds, &m),
		"no memory");
	files_close();
	sigaction(SIGUSR1, &standard, NULL);
	output_back(out);
	for (size_t i = 0; i < ARRAY_SIZE(works); i++) {
		report_time(bench->report, works[i].name, &m, i, NONE);
		beyond_report(bench, &m, i, bound_of(works[i].name), data);
	}
	plot_close(data);
	measurement_free(&m);
}
