// SPDX-License-Identifier: GPL-2.0-or-later
/* Does a call cost more when another processor makes calls of the same program? */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enforcer/util.h"
#include "tests/bench/bench.h"
#include "tests/harness/tap.h"

static uint32_t *ready; /* in shared memory: the other one is at work */

static void other_run(const struct work *work, pid_t parent)
{
	cpu_set_t set;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	CPU_ZERO(&set);
	CPU_SET((sched_getcpu() + 1) % (int)sysconf(_SC_NPROCESSORS_ONLN), &set);
	if (getppid() != parent || sched_setaffinity(0, sizeof(set), &set))
		_exit(1);
	for (;;) {
		work->sample(work->context);
		__atomic_store_n(ready, 1, __ATOMIC_RELEASE);
	}
}

/* The sample of another work, while a copy of us does the same on the next processor. */
static double both_sample(void *context)
{
	const struct work *work = context;
	const pid_t self = getpid();
	double ns;
	pid_t pid;

	*ready = 0;
	pid = fork();
	REQUIRE(pid >= 0, "fork: %s", strerror(errno));
	if (!pid)
		other_run(work, self);
	while (!__atomic_load_n(ready, __ATOMIC_ACQUIRE))
		REQUIRE(!waitpid(pid, NULL, WNOHANG), "there is no other processor for us");
	ns = work->sample(work->context);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return ns;
}

static struct work on_both(struct work *work)
{
	return (struct work){work->name, NULL, both_sample, work, work->n_samples};
}

void cpus_bench(struct bench *bench)
{
	const struct work works[] = {getppid_work, on_both(&getppid_work), miss_work,
				     on_both(&miss_work)};
	struct measurement m;
	char name[128];

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		fputs("cpus is left out: there is one processor\n", stderr);
		return;
	}
	ready = mmap(NULL, sizeof(*ready), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	REQUIRE(ready != MAP_FAILED, "%s", strerror(errno));
	REQUIRE(!measure(works, ARRAY_SIZE(works), bench->variants, N_COMPARED, bench->rounds, &m),
		"no memory");
	for (size_t i = 0; i < ARRAY_SIZE(works); i += 2) {
		for (size_t v = 0; v < N_COMPARED; v++) {
			snprintf(name, sizeof(name), "%s, %s: two processors over one",
				 works[i].name, bench->variants[v].name);
			report_over(bench->report, name, &m, i + 1, i, v);
		}
	}
	measurement_free(&m);
	munmap(ready, sizeof(*ready));
}
