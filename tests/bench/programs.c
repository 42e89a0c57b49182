// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whole programs, as people run them, with the daemon itself beside them: how long they take, how
 * much of it in the kernel, how many requests they answer. On one processor, the daemon where it
 * likes. Servers are our own children, with files of their own, and listen to nobody else.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enforcer/util.h"
#include "tests/bench/bench.h"
#include "tests/bench/ebphd.h"
#include "tests/harness/tap.h"

#define ROUNDS_SHARE 6	/* every so many of the other cases' rounds, one of these */
#define READY_LIMIT  10 /* s */
#define IDLE_US	     500000
#define IDLE_NS	     5e6
#define RUNS	     3 /* of each in a turn */

/* What a run took, or with a rate a request, ns: on the clock, of a processor, in the kernel. */
struct cost {
	double wall, processor, system;
};

/* Commands are for a shell in our folder; $top: where the source is, $port: one that is free. */
struct program {
	const char *name;
	const char *needs;   /* the commands, and patterns of absolute paths, that must be there */
	const char *prepare; /* before the first turn; NULL: nothing */
	const char *command;
	const char *server; /* runs meanwhile; NULL: nothing does */
	const char *ready;  /* a command that fails as long as the server is not up */
	const char *rate;   /* stands before the requests per second; NULL: the time counts */
	bool user;	    /* next to nothing in the kernel: system time is not reported */
	double wall_bound, system_bound; /* percent beyond none; 0: there is none */
	struct cost best;		 /* of a turn's runs */
};

static struct program programs[] = {
	{
		.name = "compile (gcc -O2, eight files)",
		.needs = "gcc",
		.command = "for f in catalog delay event image method release take wire; do "
			   "gcc -std=gnu11 -O2 -g -D_GNU_SOURCE -DEBPH_VERSION='\"0\"' -I$top "
			   "-I$top/build "
			   "-c $top/enforcer/$f.c -o $f.o || exit; done",
		.wall_bound = 0.5,
		.system_bound = 4,
	},
	{
		.name = "kernel build (kernel/time of Debian's source, tinyconfig)",
		.needs = "/usr/src/linux-source-*.tar.xz make gcc bison flex bc xz",
		.prepare = "mkdir linux && cd linux && "
			   "tar -xf /usr/src/linux-source-*.tar.xz --strip-components=1 && "
			   "make -s ARCH=x86_64 tinyconfig && make -s prepare",
		.command = "rm -f linux/kernel/time/*.o && make -s -C linux kernel/time/",
		.wall_bound = 0.5,
		.system_bound = 4,
	},
	{
		.name = "git (init, add, commit, log, gc, clone)",
		.needs = "git",
		.command = "rm -rf repo clone && cp -r tree repo && cd repo && git init -q && "
			   "git add -A && git commit -q -m all && git status --short && "
			   "git log -p && git gc -q && git clone -q . ../clone",
	},
	{
		.name = "tar (pack, unpack)",
		.needs = "tar",
		.command = "rm -rf copy && mkdir copy && tar -cf again.tar trees && "
			   "tar -xf again.tar -C copy",
	},
	{
		.name = "gzip (pack, unpack)",
		.needs = "gzip",
		.user = true,
		.command = "gzip -1 <trees.tar >trees.tar.gz && gzip -d <trees.tar.gz >trees.again",
	},
	{
		.name = "redis-benchmark (GET)",
		.needs = "redis-server redis-benchmark",
		.command = "redis-benchmark -s redis.sock -q -n 30000 -t get",
		.server = "exec redis-server --port 0 --unixsocket redis.sock --save '' "
			  "--appendonly no",
		.ready = "redis-cli -s redis.sock ping",
		.rate = "GET: ",
	},
	{
		.name = "nginx under wrk",
		.needs = "nginx wrk",
		.command = "wrk -t1 -c16 -d1s http://127.0.0.1:$port/page",
		.server = "rm -f nginx.pid; exec nginx -p . -c nginx.conf",
		.ready = "test -s nginx.pid",
		.rate = "Requests/sec:",
	},
};

/* What they work on, once. */
static const char preparation[] =
	"mkdir tree && cp -r $top/bpf $top/conf $top/ctl $top/enforcer $top/tests tree/ && "
	"mkdir trees && for i in 1 2 3 4 5 6 7 8; do cp -r tree trees/$i || exit; done && "
	"tar -cf trees.tar trees && head -c 4096 /dev/zero >page && "
	"echo \"daemon off; master_process off; pid nginx.pid; error_log stderr; events {} "
	"http { access_log off; client_body_temp_path temp; "
	"server { listen 127.0.0.1:$port; root .; } }\" >nginx.conf";

static char folder[] = "/dev/shm/ebph-programs.XXXXXX";

/* ---- running -------------------------------------------------------------------------------- */

/* A shell in our folder; its output goes to the file "output", or with @server to "server". */
static pid_t shell_start(const char *command, bool server)
{
	AUTO_FREE char *line = NULL;
	const pid_t self = getpid();
	pid_t pid;

	REQUIRE(asprintf(&line, "exec >%s 2>&1 </dev/null; %s", server ? "server" : "output",
			 command) > 0,
		"no memory");
	pid = fork();
	REQUIRE(pid >= 0, "fork: %s", strerror(errno));
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* what is executed keeps it */
	if (getppid() == self && !chdir(folder))
		execl("/bin/sh", "sh", "-c", line, NULL);
	_exit(127);
}

static double ns_of(struct timeval time)
{
	return (double)time.tv_sec * 1e9 + (double)time.tv_usec * 1e3;
}

/* Waits for its end, and adds what it took of a processor to @cost. Return: did it end well? */
static bool shell_end(pid_t pid, struct cost *cost)
{
	struct rusage used;
	int status;

	REQUIRE(wait4(pid, &status, 0, &used) == pid, "%s", strerror(errno));
	cost->system += ns_of(used.ru_stime);
	cost->processor += ns_of(used.ru_stime) + ns_of(used.ru_utime);
	return !status;
}

static bool shell_run(const char *command, struct cost *ret)
{
	double begin = measure_now();
	bool well;

	*ret = (struct cost){};
	well = shell_end(shell_start(command, false), ret);
	ret->wall = measure_now() - begin;
	return well;
}

/* The number behind the last @text in the output. */
static double rate_read(const char *text)
{
	AUTO_FREE char *path = NULL;
	AUTO_FCLOSE FILE *file = NULL;
	char buffer[65536] = "";
	double rate = 0;

	REQUIRE(asprintf(&path, "%s/output", folder) > 0, "no memory");
	file = fopen(path, "re");
	REQUIRE(file && fread(buffer, 1, sizeof(buffer) - 1, file), "%s: empty", path);
	for (const char *at = buffer; (at = strstr(at, text)); at++) {
		double number = strtod(at + strlen(text), NULL);

		rate = number > 0 ? number : rate;
	}
	return rate;
}

static void server_wait(const struct program *program, pid_t server)
{
	double begin = measure_now();
	struct cost cost;

	while (!shell_run(program->ready, &cost)) {
		REQUIRE(!waitpid(server, NULL, WNOHANG) &&
				measure_now() - begin < READY_LIMIT * 1e9,
			"%s does not come up: see %s/server", program->name, folder);
		usleep(20000);
	}
}

static struct cost program_run(const struct program *program)
{
	pid_t server = program->server ? shell_start(program->server, true) : 0;
	struct cost cost;
	double rate, n;

	if (server)
		server_wait(program, server);
	REQUIRE(shell_run(program->command, &cost), "%s failed: see %s/output", program->name,
		folder);
	if (!server)
		return cost;
	kill(server, SIGTERM);
	shell_end(server, &cost);
	rate = rate_read(program->rate);
	REQUIRE(rate > 0, "%s: no rate in %s/output", program->name, folder);
	n = rate * cost.wall / 1e9;
	return (struct cost){1e9 / rate, cost.processor / n, cost.system / n};
}

static double lesser(double a, double b)
{
	return b < a ? b : a;
}

/* The best of some runs: what disturbs only adds. */
static double wall_sample(void *context)
{
	struct program *program = context;
	struct cost best = {};

	for (int i = 0; i < RUNS; i++) {
		struct cost now = program_run(program);

		if (!i)
			best = now;
		best.wall = lesser(best.wall, now.wall);
		best.processor = lesser(best.processor, now.processor);
		best.system = lesser(best.system, now.system);
	}
	program->best = best;
	return best.wall;
}

static double processor_sample(void *context)
{
	return ((struct program *)context)->best.processor;
}

static double system_sample(void *context)
{
	return ((struct program *)context)->best.system;
}

/* ---- with the daemon ------------------------------------------------------------------------ */

/* Its start is not what is measured: waits until it has nothing more to do. */
static void daemon_attach(void *context)
{
	struct ebphd_times before, now;

	ebphd_start(context);
	now = ebphd_times(context);
	do {
		before = now;
		usleep(IDLE_US);
		now = ebphd_times(context);
	} while (now.had - before.had > IDLE_NS);
}

static void daemon_detach(void *context)
{
	ebphd_end(context);
}

/* ---- the case ------------------------------------------------------------------------------- */

static bool is_there(const char *needs)
{
	AUTO_FREE char *line = NULL;
	struct cost cost;

	REQUIRE(asprintf(&line, "for c in %s; do command -v $c || test -f $c || exit 1; done",
			 needs) > 0,
		"no memory");
	return shell_run(line, &cost);
}

/* A port that nobody listens on, of this host alone. */
static unsigned int port_find(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(address);

	REQUIRE(fd >= 0 && !bind(fd, (struct sockaddr *)&address, size) &&
			!getsockname(fd, (struct sockaddr *)&address, &size),
		"%s", strerror(errno));
	return ntohs(address.sin_port);
}

static void environment_set(void)
{
	char top[4096], port[16];

	REQUIRE(getcwd(top, sizeof(top)), "%s", strerror(errno));
	snprintf(port, sizeof(port), "%u", port_find());
	setenv("top", top, 1);
	setenv("port", port, 1);
	/* A make that is measured is none of the make that runs us. */
	unsetenv("MAKEFLAGS");
	unsetenv("MFLAGS");
	unsetenv("MAKELEVEL");
	/* git asks neither this host's nor this user's configuration. */
	setenv("HOME", folder, 1);
	setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
	setenv("GIT_AUTHOR_NAME", "bench", 1);
	setenv("GIT_AUTHOR_EMAIL", "bench@localhost", 1);
	setenv("GIT_COMMITTER_NAME", "bench", 1);
	setenv("GIT_COMMITTER_EMAIL", "bench@localhost", 1);
}

static void program_report(struct bench *bench, const struct program *program,
			   const struct measurement *m)
{
	static const char *const what[] = {"time", "processor time", "system time"};
	const double bounds[] = {program->wall_bound, 0, program->system_bound};
	const char *const of = program->rate ? " of a request" : "";
	char name[160];

	for (size_t i = 0; i < m->n_works && i < ARRAY_SIZE(what); i++) {
		snprintf(name, sizeof(name), "%s: %s%s, none", program->name, what[i], of);
		report_time(bench->report, name, m, i, NONE);
		for (size_t v = EMPTY; v < m->n_variants; v++) {
			snprintf(name, sizeof(name), "%s: %s%s, %s beyond none", program->name,
				 what[i], of, m->variants[v].name);
			report_percent(bench->report, name, m, i, v, NONE,
				       v == EBPH ? bounds[i] : 0);
		}
	}
	for (size_t v = 0; program->rate && v < m->n_variants; v++) {
		snprintf(name, sizeof(name), "%s: requests per second, %s", program->name,
			 m->variants[v].name);
		report_value(bench->report, name, "1/s",
			     1e9 / spread_of(measured(m, 0, v), m->n_rounds).median, 0);
	}
}

/* Each program by itself: its variants are to be close together in time. */
static void program_measure(struct bench *bench, struct program *program,
			    const struct variant *variants)
{
	const size_t rounds = (bench->rounds + ROUNDS_SHARE - 1) / ROUNDS_SHARE;
	const struct work works[] = {
		{program->name, NULL, wall_sample, program, 1},
		{program->name, NULL, processor_sample, program, 1},
		{program->name, NULL, system_sample, program, 1},
	};
	struct measurement m;
	struct cost cost;

	if (!is_there(program->needs)) {
		fprintf(stderr, "%s is left out: %s (scripts/deps bench)\n", program->name,
			program->needs);
		return;
	}
	REQUIRE(!program->prepare || shell_run(program->prepare, &cost), "%s: see %s/output",
		program->name, folder);
	REQUIRE(!measure(works, program->user ? 2 : 3, variants, N_COMPARED, rounds, &m),
		"no memory");
	program_report(bench, program, &m);
	measurement_free(&m);
}

void programs_bench(struct bench *bench)
{
	struct variant variants[N_COMPARED];
	AUTO_FREE char *daemon_folder = NULL;
	struct ebphd daemon = {};
	struct cost cost;

	REQUIRE(mkdtemp(folder), "%s: %s", folder, strerror(errno));
	REQUIRE(asprintf(&daemon_folder, "%s/daemon", folder) > 0, "no memory");
	daemon.folder = daemon_folder;
	environment_set();
	REQUIRE(shell_run("mkdir daemon", &cost) && shell_run(preparation, &cost), "see %s/output",
		folder);
	ebphd_configure(&daemon, "", "", "");
	memcpy(variants, bench->variants, sizeof(variants));
	variants[EBPH] = (struct variant){"ebphd", daemon_attach, daemon_detach, &daemon};
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		program_measure(bench, &programs[i], variants);
	folder_remove(folder);
}
