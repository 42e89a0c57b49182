// SPDX-License-Identifier: GPL-2.0-or-later
/* The daemon's own list of whom to release (enforcer/delay.c), without its loop. */
#include "enforcer/delay.h"

#include <bpf/bpf.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enforcer/util.h"
#include "tests/bpf/rig.h"
#include "tests/harness/child.h"
#include "tests/harness/tap.h"
#include "tests/start_time.h"

static unsigned int n_released;

static void on_release(void *context, uint32_t pid, uint32_t foreign)
{
	(void)context;
	(void)pid;
	(void)foreign;
	n_released++;
}

struct scene {
	struct rig rig;
	struct delays *delays;
	pid_t pid;	   /* a child of ours, which sleeps */
	uint64_t start_ns; /* when it began */
	int epoll_fd;
};

static void scene_begin(struct scene *scene)
{
	int r;

	rig_new(&scene->rig, 16);
	scene->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	r = delays_new(scene->rig.kernel, scene->epoll_fd, on_release, NULL, &scene->delays);
	REQUIRE(!r, "%s", strerror(-r));
	scene->pid = sleeper_start();
	scene->start_ns = start_time_ns(scene->pid);
}

static void scene_end(struct scene *scene)
{
	if (scene->pid)
		sleeper_end(scene->pid);
	delays_free(scene->delays);
	close(scene->epoll_fd);
	rig_free(&scene->rig);
}

static void child_stop(struct scene *scene)
{
	int status;

	REQUIRE(!kill(scene->pid, SIGSTOP) &&
			waitpid(scene->pid, &status, WUNTRACED) == scene->pid && WIFSTOPPED(status),
		"it does not stop");
}

/* Puts the child on record as the program in the kernel does. */
static struct ebph_delay child_record(const struct scene *scene, uint64_t due_ns)
{
	struct ebph_delay delay = {.due_ns = due_ns, .start_ns = scene->start_ns};
	uint32_t pid = (uint32_t)scene->pid;

	REQUIRE(!bpf_map_update_elem(kernel_delayed_fd(scene->rig.kernel), &pid, &delay, BPF_ANY),
		"%s", strerror(errno));
	return delay;
}

static void child_goes_on(struct scene *scene)
{
	int status;

	REQUIRE(waitpid(scene->pid, &status, WCONTINUED) == scene->pid && WIFCONTINUED(status),
		"it ended");
}

/*
 * In one turn of the daemon's loop: a process has ended, its descriptor is closed, another process
 * is stopped and gets a descriptor of the same number; then comes the news that it has ended.
 */
static void old_news(void)
{
	struct ebph_delay delay;
	struct scene scene;
	int r;

	scene_begin(&scene);
	child_stop(&scene);
	delay = child_record(&scene, now_ns(CLOCK_MONOTONIC));
	r = delay_add(scene.delays, (uint32_t)scene.pid, &delay);
	REQUIRE(!r, "%s", strerror(-r));
	for (int fd = 0; fd < 256; fd++)
		delay_process_ended(scene.delays, fd);
	CHECK(delay_has(scene.delays, (uint32_t)scene.pid), "it is forgotten, and alive");
	delays_run(scene.delays);
	child_goes_on(&scene);
	CHECK(n_released == 1, "%u released", n_released);
	scene_end(&scene);
}

/* Nobody is kept who has ended. */
static void ended(void)
{
	struct ebph_delay delay;
	struct scene scene;

	scene_begin(&scene);
	child_stop(&scene);
	delay = child_record(&scene, now_ns(CLOCK_MONOTONIC) + 3600 * NSEC_PER_SEC);
	REQUIRE(!delay_add(scene.delays, (uint32_t)scene.pid, &delay), "not added");
	sleeper_end(scene.pid);
	for (int fd = 0; fd < 256; fd++)
		delay_process_ended(scene.delays, fd);
	CHECK(!delay_has(scene.delays, (uint32_t)scene.pid), "it is kept, and dead");
	scene.pid = 0;
	scene_end(&scene);
}

/* A process on record whom the list does not have. */
static void forgotten(void)
{
	struct scene scene;

	scene_begin(&scene);
	child_stop(&scene);
	child_record(&scene, now_ns(CLOCK_MONOTONIC) + 3600 * NSEC_PER_SEC);
	CHECK(!delays_sweep(scene.delays), "it has an hour to wait");
	child_record(&scene, now_ns(CLOCK_MONOTONIC) - 2 * NSEC_PER_SEC);
	CHECK(delays_sweep(scene.delays) == 1, "it is not found");
	CHECK(!delays_sweep(scene.delays), "it is found twice");
	delays_run(scene.delays);
	child_goes_on(&scene);
	CHECK(!delays_sweep(scene.delays), "it is found again");
	scene_end(&scene);
}

#define GONE 1000

/* Likewise, among many on record who are no more: their ends were missed. */
static void forgotten_among_many(void)
{
	const struct ebph_overdue *overdue;
	unsigned int found;
	struct scene scene;
	int r;

	scene_begin(&scene);
	child_stop(&scene);
	child_record(&scene, now_ns(CLOCK_MONOTONIC) - 2 * NSEC_PER_SEC);
	rig_gone_record(&scene.rig, GONE);
	found = delays_sweep(scene.delays);
	CHECK(found == 1, "%u found", found);
	delays_run(scene.delays);
	child_goes_on(&scene);
	r = kernel_overdue(scene.rig.kernel, now_ns(CLOCK_MONOTONIC), 0, &overdue);
	REQUIRE(!r, "%s", strerror(-r));
	CHECK(!overdue->count, "%u are still on record", overdue->count);
	scene_end(&scene);
}

/* Nobody can be told from another who has the same number now: rather he goes on than not. */
static void goes_on_unknown(struct scene *scene)
{
	struct ebph_delay delay = child_record(scene, now_ns(CLOCK_MONOTONIC));
	int r = delay_add(scene->delays, (uint32_t)scene->pid, &delay);

	REQUIRE(!r, "%s", strerror(-r));
	delays_run(scene->delays);
	child_goes_on(scene);
	child_stop(scene);
	child_record(scene, now_ns(CLOCK_MONOTONIC));
	CHECK(delayed_release_all(kernel_delayed_fd(scene->rig.kernel)) == 1, "not released");
	child_goes_on(scene);
}

static void no_descriptor(void)
{
	struct rlimit before, none;
	struct scene scene;

	scene_begin(&scene);
	child_stop(&scene);
	getrlimit(RLIMIT_NOFILE, &before);
	none = before;
	none.rlim_cur = 0;
	REQUIRE(!setrlimit(RLIMIT_NOFILE, &none), "%s", strerror(errno));
	goes_on_unknown(&scene);
	setrlimit(RLIMIT_NOFILE, &before);
	scene_end(&scene);
}

static void no_proc(void)
{
	struct scene scene;

	scene_begin(&scene);
	child_stop(&scene);
	REQUIRE(!unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
			!umount2("/proc", MNT_DETACH),
		"%s", strerror(errno));
	goes_on_unknown(&scene);
	scene_end(&scene);
}

const struct test delay_tests[] = {
	{.name = "delay: news of a process that ended before does not forget another",
	 .run = old_news},
	{.name = "delay: who has ended is not kept", .run = ended},
	{.name = "delay: a process that was forgotten goes on all the same", .run = forgotten},
	{.name = "delay: so it does among a thousand on record who are no more",
	 .run = forgotten_among_many},
	{.name = "delay: without a descriptor to be had it goes on", .run = no_descriptor},
	{.name = "delay: without /proc it goes on", .run = no_proc},
	{},
};
