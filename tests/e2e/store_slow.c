// SPDX-License-Identifier: GPL-2.0-or-later
/* A disk that does not answer for a while: a saver that is stopped is nothing else to ebphd. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enforcer/store.h"
#include "enforcer/util.h"
#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/shelf.h"
#include "tests/harness/tap.h"

static pid_t saver_stop(const struct daemon *daemon)
{
	pid_t saver = daemon_child(daemon, "ebph-saver");

	REQUIRE(saver > 0, "there is no saver");
	REQUIRE(!kill(saver, SIGSTOP), "saver %d cannot be stopped", saver);
	return saver;
}

/* A program like all of these, until it is normal; its path, to be freed. */
static char *copy_train(struct daemon *daemon, const char *name)
{
	char *path = program_copy(program_path(PROGRAM("lines")), daemon->folder, name);

	train(daemon, path, (const char *const[]){path, NULL});
	return path;
}

/* What was saved of a program is all that is known of one that does the same. */
static void copy_check(const char *dir, const char *name, const struct image *same)
{
	struct image image;
	char prefix[64];

	snprintf(prefix, sizeof(prefix), "%s-", name);
	if (!shelf_await(dir, prefix, STORE_SUFFIX, 1))
		return;
	shelf_read(shelf_at(dir, prefix, 0), &image);
	CHECK(image.state == EBPH_STATE_NORMAL, "%s is in state %u", name, image.state);
	CHECK(image_holds(&image, same) && image_holds(same, &image), "%s: %zu words, not %zu",
	      name, image.n_words, same->n_words);
	image_clear(&image);
}

/* It is stopped for what it never did, and released when that is over; by the same daemon. */
static void delay_check(struct daemon *daemon, const char *path)
{
	const long delays_ms[] = {20, 40, 80, 160};
	struct child child;

	CHECK(RUN(&child, path, "a", "b", "c", "d") == 0, "%s", child.output);
	for (size_t i = 0; i < sizeof(delays_ms) / sizeof(*delays_ms); i++) {
		json_t *stop = event_at(daemon, "stop", child.pid, i);
		json_t *release = event_at(daemon, "release", child.pid, i);
		double lasted;

		if (!CHECK(stop && release, "no stop or no release %zu", i))
			return;
		CHECK(event_number(stop, "delay_ms") == delays_ms[i], "stop %zu: %ld ms", i,
		      event_number(stop, "delay_ms"));
		lasted = json_real_value(json_object_get(release, "time")) -
			 json_real_value(json_object_get(stop, "time"));
		/* Generous, for a machine that is emulated: else it were for as long as the disk.
		 */
		CHECK(lasted < 5, "a delay of %ld ms lasted %.1f s", delays_ms[i], lasted);
	}
}

/* Programs whose profiles wait for the disk; the last one comes when it is known to be slow. */
static const char *const waiting[] = {"first", "second", "third"};

#define N_WAITING (sizeof(waiting) / sizeof(*waiting))

static void learns_on(void)
{
	const struct daemon_conf conf = {.state_dir = shelf_new()};
	struct daemon daemon;
	struct image known;
	char *known_path, *log;
	pid_t saver;

	daemon_start(&daemon, "enforce", &conf);
	known_path = copy_train(&daemon, "known");
	shelf_await(conf.state_dir, "known-", STORE_SUFFIX, 1);
	shelf_read(shelf_at(conf.state_dir, "known-", 0), &known);
	saver = saver_stop(&daemon);
	for (size_t i = 0; i < N_WAITING - 1; i++)
		free(copy_train(&daemon, waiting[i]));
	event_wait(&daemon, "store", "state", "slow", NULL);
	free(copy_train(&daemon, waiting[N_WAITING - 1]));
	delay_check(&daemon, known_path);
	counters_ask(&daemon);
	for (size_t i = 0; i < N_WAITING; i++)
		CHECK(shelf_count(conf.state_dir, waiting[i], "") == 0, "who is stopped saved %s",
		      waiting[i]);

	kill(saver, SIGCONT);
	event_wait(&daemon, "store", "state", "good", NULL);
	for (size_t i = 0; i < N_WAITING; i++)
		copy_check(conf.state_dir, waiting[i], &known);
	nothing_lost(&daemon);
	daemon_stop(&daemon);
	CHECK(shelf_count(conf.state_dir, "", STORE_SUFFIX) == shelf_count(conf.state_dir, "", ""),
	      "something half is left");
	log = daemon_log(&daemon);
	CHECK(strstr(log, "has been busy with one profile for 10 s"), "not said: %s", log);
}

/* ---- the end ------------------------------------------------------------------------------- */

#define SYSTEMD_S 90 /* then it kills: TimeoutStopSec in scripts/ebphd.service */

/* It ends in time, though a profile is in the saver's hand and others wait; and says how many. */
static void end_check(struct daemon *daemon)
{
	uint64_t begin = now_ns(CLOCK_MONOTONIC), took;
	unsigned int n = 0;
	const char *line;
	json_t *lost;
	char *log;

	daemon_stop(daemon);
	took = (now_ns(CLOCK_MONOTONIC) - begin) / NSEC_PER_SEC;
	CHECK(took < SYSTEMD_S, "it took %llu s", (unsigned long long)took);
	lost = event_wait(daemon, "store", "state", "lost", NULL);
	CHECK(event_number(lost, "profiles") >= (long)N_WAITING, "%ld profiles are lost",
	      event_number(lost, "profiles"));
	log = daemon_log(daemon);
	line = strstr(log, " profiles could not be saved in ");
	while (line && line > log && line[-1] >= '0' && line[-1] <= '9')
		line--;
	CHECK(line && sscanf(line, "%u", &n) == 1 && n == event_number(lost, "profiles"),
	      "%u lost, its log: %s", n, log);
	free(log);
}

/* The next ebphd says who is to blame. */
static void next_check(const struct daemon *daemon, const char *dir, pid_t saver)
{
	char path[128], text[256], line[256];
	struct child child;
	int status;

	snprintf(path, sizeof(path), "%s/next.conf", daemon->folder);
	snprintf(text, sizeof(text),
		 "[enforcer]\nrun_dir = %s/run\n[store]\nstate_dir = %s\n[log]\nevents =\n",
		 daemon->folder, dir);
	file_put(path, text, strlen(text), 0644);
	status = RUN(&child, "build/ebphd", "--foreground", "--config", path, "--mode", "dry-run");
	snprintf(line, sizeof(line),
		 "profiles cannot be kept in %s: it is still used by the saver of an earlier "
		 "ebphd, which hangs (pid %d)",
		 dir, saver);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1, "status %#x", (unsigned int)status);
	CHECK(strstr(child.output, line), "it says %s", child.output);
}

/* Lets the saver go on, which has one job in hand, and waits for its end. */
static void saver_end_check(const char *dir, pid_t saver)
{
	int files = shelf_count(dir, "", STORE_SUFFIX);
	struct pollfd ended = {.fd = (int)syscall(SYS_pidfd_open, saver, 0), .events = POLLIN};
	struct image image;

	REQUIRE(ended.fd >= 0, "the saver has gone");
	kill(saver, SIGCONT);
	poll(&ended, 1, -1);
	close(ended.fd);
	CHECK(shelf_count(dir, "", STORE_SUFFIX) == files + 1, "%d files after %d",
	      shelf_count(dir, "", STORE_SUFFIX), files);
	CHECK(shelf_count(dir, "", STORE_SUFFIX) == shelf_count(dir, "", ""),
	      "something half is left");
	for (int i = 0; i <= files; i++) {
		shelf_read(shelf_at(dir, "", i), &image);
		image_clear(&image);
	}
}

static void ends(void)
{
	const struct daemon_conf conf = {.state_dir = shelf_new()};
	struct daemon daemon;
	pid_t saver;

	daemon_start(&daemon, "dry-run", &conf);
	saver = saver_stop(&daemon);
	for (size_t i = 0; i < N_WAITING; i++)
		free(copy_train(&daemon, waiting[i]));
	end_check(&daemon);
	next_check(&daemon, conf.state_dir, saver);
	saver_end_check(conf.state_dir, saver);
	daemon_start(&daemon, "dry-run", &conf);
	daemon_stop(&daemon);
}

const struct test store_slow_tests[] = {
	{.name = "store: a slow disk holds nobody up, and loses nothing",
	 .run = learns_on,
	 .is_long = true},
	{.name = "store: the end does not wait for a disk for ever", .run = ends, .is_long = true},
	{},
};
