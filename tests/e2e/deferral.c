// SPDX-License-Identifier: GPL-2.0-or-later
/* Delays that are served before the call takes effect. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "enforcer/util.h"
#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/tap.h"

/* One call of guarded.c on its way: its process works in a folder of its own. */
struct attempt {
	const char *name;
	const char *call; /* as events name it */
	bool (*effect)(const struct attempt *attempt);
	struct child child;
	char folder[96];
	int peer;     /* a socket where its datagrams would arrive */
	pid_t victim; /* a process that it would kill */
};

static bool stat_of(const struct attempt *attempt, const char *name, struct stat *ret)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", attempt->folder, name);
	return !lstat(path, ret);
}

/* The file is as it was made: 4 bytes, mode 0600, root's. */
static bool file_changed(const struct attempt *attempt)
{
	struct stat st;

	return !stat_of(attempt, "file", &st) || st.st_size != 4 ||
	       st.st_mode != (S_IFREG | 0600) || st.st_uid != 0;
}

static bool new_exists(const struct attempt *attempt)
{
	struct stat st;

	return stat_of(attempt, "new", &st);
}

static bool own_exists(const struct attempt *attempt)
{
	struct stat st;

	return stat_of(attempt, "own", &st);
}

static bool folder_gone(const struct attempt *attempt)
{
	struct stat st;

	return !stat_of(attempt, "folder", &st);
}

static bool folder_mounted(const struct attempt *attempt)
{
	struct stat in, out;

	return stat_of(attempt, "folder", &in) && stat_of(attempt, "", &out) &&
	       in.st_dev != out.st_dev;
}

static bool attribute_set(const struct attempt *attempt)
{
	char path[160], value[8];

	snprintf(path, sizeof(path), "%s/file", attempt->folder);
	return getxattr(path, "trusted.mark", value, sizeof(value)) > 0;
}

static bool datagram_arrived(const struct attempt *attempt)
{
	char text[16];

	return recv(attempt->peer, text, sizeof(text), MSG_DONTWAIT | MSG_PEEK) > 0;
}

static bool victim_dead(const struct attempt *attempt)
{
	siginfo_t info = {};

	waitid(P_PID, (id_t)attempt->victim, &info, WEXITED | WNOHANG | WNOWAIT);
	return info.si_pid == attempt->victim;
}

/* Is there a line of /proc/PID/FILE that begins with @start? */
static bool proc_says(pid_t pid, const char *name, const char *start)
{
	char path[64], line[256];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	file = fopen(path, "re");
	while (file && !found && fgets(line, sizeof(line), file))
		found = !strncmp(line, start, strlen(start));
	if (file)
		fclose(file);
	return found;
}

static bool identity_changed(const struct attempt *attempt)
{
	return proc_says(attempt->child.pid, "status", "Uid:\t7\t");
}

static bool memory_mapped(const struct attempt *attempt)
{
	return proc_says(attempt->child.pid, "maps", "10000000-10001000 r-xp");
}

static struct attempt attempts[] = {
	{.name = "write", .call = "write", .effect = file_changed},
	{.name = "pwritev", .call = "pwrite64", .effect = file_changed},
	{.name = "ftruncate", .call = "ftruncate", .effect = file_changed},
	{.name = "truncate", .call = "truncate", .effect = file_changed},
	{.name = "openat_new", .call = "openat", .effect = new_exists},
	{.name = "openat_cut", .call = "openat", .effect = file_changed},
	{.name = "unlink", .call = "unlink", .effect = file_changed},
	{.name = "rmdir", .call = "rmdir", .effect = folder_gone},
	{.name = "mkdir", .call = "mkdir", .effect = new_exists},
	{.name = "mknod", .call = "mknodat", .effect = new_exists},
	{.name = "symlink", .call = "symlink", .effect = new_exists},
	{.name = "link", .call = "link", .effect = new_exists},
	{.name = "rename", .call = "rename", .effect = new_exists},
	{.name = "chmod", .call = "chmod", .effect = file_changed},
	{.name = "chown", .call = "chown", .effect = file_changed},
	{.name = "setxattr", .call = "setxattr", .effect = attribute_set},
	{.name = "bind", .call = "bind", .effect = own_exists},
	{.name = "sendto", .call = "sendto", .effect = datagram_arrived},
	{.name = "setuid", .call = "setuid", .effect = identity_changed},
	{.name = "mount", .call = "mount", .effect = folder_mounted},
	{.name = "kill", .call = "kill", .effect = victim_dead},
	{.name = "mmap", .call = "mmap", .effect = memory_mapped},
};

#define N_ATTEMPTS (sizeof(attempts) / sizeof(*attempts))

/* A small kernel may have been built without attributes in tmpfs. */
static void attributes_try(const char *folder)
{
	if (!setxattr(folder, "trusted.try", "x", 1, 0) || errno != EOPNOTSUPP)
		return;
	note("this kernel has no attributes: unlink once more in place of setxattr");
	for (size_t i = 0; i < N_ATTEMPTS; i++)
		if (attempts[i].effect == attribute_set)
			attempts[i] = (struct attempt){
				.name = "unlink", .call = "unlink", .effect = file_changed};
}

static const char *folder_of_next_child;

static void folder_enter(void)
{
	if (chdir(folder_of_next_child))
		_exit(125);
}

static void attempt_prepare(struct attempt *attempt, size_t number, const char *base)
{
	struct sockaddr_un peer = {.sun_family = AF_UNIX};

	snprintf(attempt->folder, sizeof(attempt->folder), "%s/%zu", base, number);
	REQUIRE(!mkdir(attempt->folder, 0700), "%s", strerror(errno));
	snprintf(peer.sun_path, sizeof(peer.sun_path), "%s/peer", attempt->folder);
	attempt->peer = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	REQUIRE(!bind(attempt->peer, (struct sockaddr *)&peer, sizeof(peer)), "%s: %s",
		peer.sun_path, strerror(errno));
	attempt->victim = fork();
	if (!attempt->victim)
		for (;;)
			pause();
}

static void attempt_start(struct attempt *attempt, const char *path)
{
	const struct child_how how = {.prepare = folder_enter};
	char victim[16];

	snprintf(victim, sizeof(victim), "%d", attempt->victim);
	folder_of_next_child = attempt->folder;
	child_start(&attempt->child, (const char *const[]){path, attempt->name, victim, NULL},
		    &how);
}

static void guarded_train(struct daemon *daemon, const char *path)
{
	static char folder[128];
	const struct child_how how = {.prepare = folder_enter};
	struct child child;

	for (int i = 0; i < 4; i++) {
		snprintf(folder, sizeof(folder), "%s/usual%d", daemon->folder, i);
		REQUIRE(!mkdir(folder, 0700), "%s", strerror(errno));
		folder_of_next_child = folder;
		REQUIRE(run(&child, (const char *const[]){path, NULL}, &how) == 0, "%s",
			child.output);
	}
	event_wait(daemon, "state", "path", path, "after", "normal", NULL);
}

/* Each call, never made in training: while it waits it has done nothing, afterwards it is done. */
static void effects(void)
{
	/* Long enough to look at all of them while they wait. */
	const struct daemon_conf conf = {
		.response = "deferral = yes\ndelay_base = 3s\nmax_delay = 6s\n"};
	const char *path = strdup(program_path(PROGRAM("guarded")));
	struct daemon daemon;

	daemon_start(&daemon, "enforce", &conf);
	guarded_train(&daemon, path);
	attributes_try(daemon.folder);
	for (size_t i = 0; i < N_ATTEMPTS; i++) {
		attempt_prepare(&attempts[i], i, daemon.folder);
		attempt_start(&attempts[i], path);
	}
	for (size_t i = 0; i < N_ATTEMPTS; i++) {
		CHECK(child_wait_stopped(&attempts[i].child), "%s: never stopped",
		      attempts[i].name);
		CHECK(!attempts[i].effect(&attempts[i]), "%s: done before the delay was over",
		      attempts[i].name);
	}
	/* What it has done to itself can be seen only while it lives: at the next stop of each. */
	for (size_t i = 0; i < N_ATTEMPTS; i++) {
		CHECK(child_wait_stopped(&attempts[i].child), "%s: not stopped again",
		      attempts[i].name);
		if (attempts[i].effect == victim_dead) /* it has the signal, and dies of it soon */
			waitid(P_PID, (id_t)attempts[i].victim, NULL, WEXITED | WNOWAIT);
		CHECK(attempts[i].effect(&attempts[i]), "%s: not done after the delay",
		      attempts[i].name);
	}
	for (size_t i = 0; i < N_ATTEMPTS; i++) {
		struct attempt *attempt = &attempts[i];
		json_t *stop;

		CHECK(child_wait(&attempt->child) == 0, "%s", attempt->child.output);
		CHECK(strstr(attempt->child.output, "good"), "%s: %s", attempt->name,
		      attempt->child.output);
		stop = event_at(&daemon, "stop", attempt->child.pid, 0);
		CHECK(!strcmp(event_text(stop, "call"), attempt->call), "%s: stopped at %s",
		      attempt->name, event_text(stop, "call"));
		CHECK(json_is_true(json_object_get(stop, "deferred")), "%s: not deferred",
		      attempt->name);
		kill(attempt->victim, SIGKILL);
	}
	daemon_stop(&daemon);
}

/* Somebody who may continue the process does so all the time: the call waits all the same. */
static void foreign_continue(void)
{
	const struct daemon_conf conf = {
		.response = "deferral = yes\ndelay_base = 1s\nmax_delay = 2s\n"};
	const char *path = strdup(program_path(PROGRAM("guarded")));
	struct attempt *attempt = &attempts[0];
	uint64_t begin_ns, waited;
	struct daemon daemon;
	size_t n = 0;

	daemon_start(&daemon, "enforce", &conf);
	guarded_train(&daemon, path);
	attempt_prepare(attempt, 0, daemon.folder);
	begin_ns = now_ns(CLOCK_MONOTONIC);
	attempt_start(attempt, path);
	for (;;) {
		json_t *release;

		REQUIRE(child_wait_stopped(&attempt->child), "%s", attempt->child.output);
		release = event_at(&daemon, "release", attempt->child.pid, 0);
		if (release)
			break;
		/* Every call waits for itself; what is looked at is the first. */
		if (events_count(&daemon, "stop", attempt->child.pid) && attempt->effect(attempt))
			break;
		kill(attempt->child.pid, SIGCONT);
		n++;
	}
	waited = now_ns(CLOCK_MONOTONIC) - begin_ns;
	CHECK(n > 3, "only %zu times", n);
	CHECK(waited > 1900 * NSEC_PER_MSEC, "it waited %llu ms",
	      (unsigned long long)(waited / NSEC_PER_MSEC));
	kill(attempt->victim, SIGKILL);
	CHECK(child_wait(&attempt->child) == 0, "%s", attempt->child.output);
	daemon_stop(&daemon);
}

const struct test deferral_tests[] = {
	{.name = "deferral: no call takes effect before its delay is over",
	 .run = effects,
	 .is_long = true},
	{.name = "deferral: a foreign SIGCONT does not shorten it", .run = foreign_continue},
	{},
};
