// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/ebphd.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enforcer/util.h"
#include "tests/bench/bench.h"
#include "tests/harness/tap.h"

#define DAEMON	    "build/ebphd"
#define START_LIMIT 60 /* s */

char *ebphd_path(const struct ebphd *daemon, const char *file)
{
	char *path;

	REQUIRE(asprintf(&path, "%s/%s", daemon->folder, file) > 0, "no memory");
	return path;
}

void ebphd_configure(const struct ebphd *daemon, const char *enforcer, const char *store,
		     const char *more)
{
	AUTO_FREE char *conf = ebphd_path(daemon, "conf");
	AUTO_FCLOSE FILE *file = fopen(conf, "we");

	REQUIRE(file, "%s: %s", conf, strerror(errno));
	fprintf(file,
		"[enforcer]\nmode = dry-run\nrun_dir = %s/run\n%s"
		"[store]\nstate_dir = %s/state\n%s"
		"[log]\nevents = %s/events\n%s",
		daemon->folder, enforcer, daemon->folder, store, daemon->folder, more);
}

static void daemon_become(const char *conf, const char *log, pid_t parent)
{
	int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	cpu_set_t set;

	/* We are kept on one processor, it is not. */
	memset(&set, 0xff, sizeof(set));
	sched_setaffinity(0, sizeof(set), &set);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0 || getppid() != parent)
		_exit(126);
	execl(DAEMON, DAEMON, "--foreground", "--config", conf, NULL);
	_exit(127);
}

static bool file_has(const char *path, const char *text)
{
	AUTO_FCLOSE FILE *file = fopen(path, "re");
	char line[1024];

	while (file && fgets(line, sizeof(line), file))
		if (strstr(line, text))
			return true;
	return false;
}

double ebphd_start(struct ebphd *daemon)
{
	AUTO_FREE char *conf = ebphd_path(daemon, "conf"), *log = ebphd_path(daemon, "log");
	AUTO_FREE char *events = ebphd_path(daemon, "events");
	double begin, now;
	pid_t self = getpid();

	unlink(events);
	begin = measure_now();
	daemon->pid = fork();
	REQUIRE(daemon->pid >= 0, "fork: %s", strerror(errno));
	if (!daemon->pid)
		daemon_become(conf, log, self);
	do {
		usleep(1000);
		now = measure_now();
		REQUIRE(!waitpid(daemon->pid, NULL, WNOHANG), DAEMON " ended: see %s", log);
		REQUIRE(now - begin < START_LIMIT * 1e9, DAEMON " does not start: see %s", log);
	} while (!file_has(events, "\"event\":\"start\""));
	return (now - begin) / 1e6;
}

void ebphd_end(struct ebphd *daemon)
{
	int status;

	kill(daemon->pid, SIGTERM);
	REQUIRE(waitpid(daemon->pid, &status, 0) == daemon->pid && !status, DAEMON ": status %d",
		status);
	daemon->pid = 0;
}

struct ebphd_times ebphd_times(const struct ebphd *daemon)
{
	AUTO_FCLOSE FILE *file = NULL;
	char path[64];
	struct ebphd_times times;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", daemon->pid);
	file = fopen(path, "re");
	REQUIRE(file && fscanf(file, "%lf %lf", &times.had, &times.waited) == 2, "%s: %s", path,
		strerror(errno));
	return times;
}

static int entry_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void folder_remove(const char *path)
{
	nftw(path, entry_remove, 16, FTW_DEPTH | FTW_PHYS);
}
