// SPDX-License-Identifier: GPL-2.0-or-later
/* Delays that are served before the call takes effect: for each call that has a guard. */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpf/guard.h"
#include "enforcer/callname.h"
#include "enforcer/util.h"
#include "bpf/guard_table.h" /* in build */
#include "tests/e2e/effect.h"
#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/tap.h"
#include "tests/progs/guarded_calls.h"

/* ---- one process of guarded.c ------------------------------------------------------------ */

/* A row of guarded_calls, made twice: without ebph, and when it was never made in training. */
struct trial {
	const struct guarded_call *row;
	struct child child;
	struct attempt attempt;
	char plain[64]; /* what it said without ebph; "" where this kernel has no such call */
};

static struct trial trials[GUARDED_CALLS_MAX];
static const char *guarded; /* the program */

static int socket_at(const char *folder, const char *name, int type)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", folder, name);
	REQUIRE(!bind(fd, (struct sockaddr *)&address, sizeof(address)), "%s: %s", address.sun_path,
		strerror(errno));
	return fd;
}

/* A process that does nothing, of user @uid, who has no other. Stopped when it is ready. */
static pid_t victim_start(uid_t uid)
{
	sigset_t waiting;
	pid_t pid = fork();

	if (pid) {
		waitpid(pid, NULL, WUNTRACED);
		return pid;
	}
	close_range(STDERR_FILENO + 1, ~0u, 0); /* or the input of others would never end */
	sigemptyset(&waiting);
	sigaddset(&waiting, VICTIM_SIGNAL);
	sigprocmask(SIG_BLOCK, &waiting, NULL);
	if (setresuid(uid, uid, uid))
		_exit(1);
	raise(SIGSTOP);
	for (;;)
		pause();
}

static struct attempt *attempt_of_next_child;

static void folder_enter(void)
{
	if (chdir(attempt_of_next_child->folder))
		_exit(125);
}

/* The first root of this machine can not be left: goes to a copy of it, with another at hand. */
static void root_enter(void)
{
	folder_enter();
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mkdir("root", 0700) || mount("/", "root", NULL, MS_BIND | MS_REC, NULL) ||
	    chroot("root"))
		_exit(125);
	folder_enter();
	if (mount("none", "mounted", "tmpfs", 0, NULL) || mkdir("mounted/old", 0700) ||
	    mkdir("mounted/marker", 0700))
		_exit(125);
}

static void attempt_start(struct child *child, struct attempt *attempt, const char *name,
			  const char *folder)
{
	static uid_t uid = 20000;
	struct child_how how = {.wants_input = true, .prepare = folder_enter};
	char path[128], victim[16];

	snprintf(attempt->folder, sizeof(attempt->folder), "%s", folder);
	snprintf(path, sizeof(path), "%s/mounted", folder);
	REQUIRE(!mkdir(folder, 0700) && !mkdir(path, 0700), "%s: %s", path, strerror(errno));
	attempt->peer = socket_at(folder, "peer", SOCK_DGRAM);
	attempt->door = socket_at(folder, "door", SOCK_STREAM);
	REQUIRE(!listen(attempt->door, 4), "%s", strerror(errno));
	attempt->victim = victim_start(uid++);
	snprintf(victim, sizeof(victim), "%d", attempt->victim);
	if (!strcmp(name, "umount2") || !strcmp(name, "ia32_umount"))
		REQUIRE(!mount("none", path, "tmpfs", 0, NULL), "%s", strerror(errno));
	if (!strcmp(name, "pivot_root"))
		how.prepare = root_enter;
	attempt_of_next_child = attempt;
	child_start(child, (const char *const[]){guarded, name, victim, NULL}, &how);
	attempt->pid = child->pid;
}

static void queue_remove(const char *name, pid_t victim)
{
	char path[16];

	snprintf(path, sizeof(path), "/%s%d", name, victim);
	mq_unlink(path);
}

static void attempt_end(struct child *child, const struct attempt *attempt)
{
	CHECK(child_wait(child) == 0, "%s", child->output);
	close(attempt->peer);
	close(attempt->door);
	shmctl(shmget(attempt->victim, 0, 0), IPC_RMID, NULL);
	msgctl(msgget(attempt->victim, 0), IPC_RMID, NULL);
	semctl(semget(attempt->victim, 0, 0), 0, IPC_RMID);
	queue_remove(OLD_QUEUE, attempt->victim);
	queue_remove(NEW_QUEUE, attempt->victim);
	kill(attempt->victim, SIGKILL);
	waitpid(attempt->victim, NULL, 0);
}

/* ---- each call --------------------------------------------------------------------------- */

/* Without ebph: does the test see the effect, and what does the program see? */
static void plain_run(struct trial *trial, const char *folder)
{
	struct attempt attempt = {};
	struct child child;
	int n;

	attempt_start(&child, &attempt, trial->row->name, folder);
	child_listen(&child);
	if (strstr(child.output, strerror(ENOSYS)) || strstr(child.output, strerror(EOPNOTSUPP))) {
		note("%s: not on this kernel", trial->row->name);
	} else {
		memcpy(trial->plain, child.output, sizeof(trial->plain) - 1);
		n = trial->row->effect(&attempt);
		CHECK(n == trial->row->times, "%s: %d without ebph: %s", trial->row->name, n,
		      child.output);
		CHECK(!trial->row->times || strstr(child.output, "good"), "%s: %s",
		      trial->row->name, child.output);
	}
	attempt_end(&child, &attempt);
}

/* Every @step-th row. Return: how many there are to try on this kernel; these come first. */
static size_t plain_run_all(const char *base, size_t step)
{
	char folder[96];
	size_t n = 0;

	effects_begin();
	for (size_t i = 0; guarded_calls[i].name; i++) {
		if (i % step)
			continue;
		trials[n] = (struct trial){.row = &guarded_calls[i]};
		snprintf(folder, sizeof(folder), "%s/plain-%s", base, guarded_calls[i].name);
		plain_run(&trials[n], folder);
		n += trials[n].plain[0] != 0;
	}
	effects_undo();
	return n;
}

/* Until its profile is normal: more runs when its pairs had to wait for a larger set. */
static void guarded_train(struct daemon *daemon)
{
	for (int i = 0; !event_seen(daemon, "state", guarded, "normal"); i++) {
		struct attempt attempt = {};
		struct child child;
		char folder[96];

		snprintf(folder, sizeof(folder), "%s/usual%d", daemon->folder, i);
		attempt_start(&child, &attempt, "none", folder);
		attempt_end(&child, &attempt);
	}
}

/* It stands still: nothing has happened. */
static void stop_check(struct trial *trial, const char *base)
{
	const char *name = trial->row->name;
	char folder[96];
	int n;

	snprintf(folder, sizeof(folder), "%s/%s", base, name);
	attempt_start(&trial->child, &trial->attempt, name, folder);
	CHECK(child_wait_stopped(&trial->child), "%s: never stopped", name);
	n = trial->row->effect(&trial->attempt);
	CHECK(n == 0, "%s: %d before the delay was over", name, n);
}

/* It has gone on: the call has been made once, and its program sees what it always saw. */
static void result_check(struct trial *trial)
{
	const char *name = trial->row->name;
	int n;

	child_listen(&trial->child);
	n = trial->row->effect(&trial->attempt);
	CHECK(n == trial->row->times, "%s: %d after the delay", name, n);
	CHECK(!strcmp(trial->child.output, trial->plain), "%s: %s, and without ebph %s", name,
	      trial->child.output, trial->plain);
	attempt_end(&trial->child, &trial->attempt);
}

/*
 * Its first stop was before the call, and the second one after it; @silent: unless ebphd was silent
 * then, because so many ran on at once.
 */
static void events_check(struct daemon *daemon, const struct trial *trial, bool silent)
{
	json_t *stop = event_at(daemon, "stop", trial->attempt.pid, 0);

	CHECK(!strcmp(event_text(stop, "call"), trial->row->call), "%s: stopped at %s",
	      trial->row->name, event_text(stop, "call"));
	CHECK(json_is_true(json_object_get(stop, "deferred")), "%s: not deferred",
	      trial->row->name);
	stop = event_at(daemon, "stop", trial->attempt.pid, 1);
	CHECK(silent || !strcmp(event_text(stop, "call"), "getppid"), "%s: then stopped at %s",
	      trial->row->name, event_text(stop, "call"));
	note("%s was deferred (%s)", trial->row->call, trial->row->name); /* for docs/guards.md */
}

/* Calls that were never made in training: while one waits it has done nothing, then it is done. */
static void effects(size_t step, const char *rung)
{
	/* Long enough to look at one while it waits: what comes after it takes as long again. */
	const struct daemon_conf conf = {
		.response = "deferral = yes\ndelay_base = 2s\nmax_delay = 2s\n"};
	char base[] = "/tmp/guarded-XXXXXX";
	struct daemon daemon;
	bool silent;
	size_t n;

	guarded = strdup(program_path(PROGRAM("guarded")));
	REQUIRE(mkdtemp(base), "%s", strerror(errno));
	n = plain_run_all(base, step);
	daemon_start_with(&daemon, "enforce", &conf,
			  (const char *const[]){"--best-rung", rung, NULL});
	guarded_train(&daemon);
	for (size_t i = 0; i < n; i++)
		stop_check(&trials[i], base);
	for (size_t i = 0; i < n; i++)
		result_check(&trials[i]);
	silent = event_number(counters_ask(&daemon), "stop_no_heartbeat") > 0;
	daemon_stop(&daemon);
	effects_undo();
	for (size_t i = 0; i < n; i++)
		events_check(&daemon, &trials[i], silent);
	if (silent)
		note("ebphd was silent for a while: what came after the calls was not looked at");
	note("%zu calls tried", n);
}

static void effects_some(void)
{
	effects(10, "bpf_override_return");
}

static void effects_all(void)
{
	effects(1, "fmod_ret");
}

static void effects_by_lsm(void)
{
	if (!lsm_has_bpf())
		skip("bpf is not among this kernel's security modules");
	effects(1, "lsm");
}

/* ---- which calls these are --------------------------------------------------------------- */

static const __u8 guard_table[EBPH_CALL_MASK + 1] = {GUARD_TABLE};

/* Calls that have a guard and are not among these. */
static const struct {
	const char *call, *why;
} untried[] = {
	{"execve", "needs a hot thread that executes as ever: see tests/e2e/trap.c"},
	{"execveat", "as execve: the same function of the kernel"},
	{"clock_settime64", "as clock_settime: there is one clock only to look at"},
	{"stime", "likewise"},
};

static bool is_tried(const char *call)
{
	for (const struct guarded_call *row = guarded_calls; row->name; row++)
		if (!strcmp(row->call, call))
			return true;
	for (size_t i = 0; i < sizeof(untried) / sizeof(*untried); i++)
		if (!strcmp(untried[i].call, call))
			return true;
	return false;
}

/* Every call that has a guard is tried; of ia32, those that a 64-bit program has not. */
static void table(void)
{
	char buffer[CALLNAME_MAX];
	size_t n = 0;

	for (__u32 id = 0; id < EBPH_CALL_X32; id++) {
		const char *name = callname(id, buffer);

		if (guard_table[id] == GUARD_NONE || guard_table[id] == GUARD_LATER)
			continue;
		n++;
		CHECK(is_tried(name) || (id >= EBPH_CALL_IA32 && is_tried(strchr(name, ':') + 1)),
		      "%s has a guard that nobody tries", name);
	}
	CHECK(n > 150, "only %zu calls have a guard", n);
}

/* Somebody who may continue the process does so all the time: the call waits all the same. */
static void foreign_continue(void)
{
	const struct daemon_conf conf = {
		.response = "deferral = yes\ndelay_base = 1s\nmax_delay = 2s\n"};
	struct trial trial = {.row = guarded_calls};
	uint64_t begin_ns, waited;
	struct daemon daemon;
	char folder[96];
	size_t n = 0;

	guarded = strdup(program_path(PROGRAM("guarded")));
	/* Where nothing refuses it. */
	daemon_start_with(&daemon, "enforce", &conf,
			  (const char *const[]){"--best-rung", "none", NULL});
	guarded_train(&daemon);
	while (strcmp(trial.row->name, "write") != 0)
		trial.row++;
	snprintf(folder, sizeof(folder), "%s/write", daemon.folder);
	begin_ns = now_ns(CLOCK_MONOTONIC);
	attempt_start(&trial.child, &trial.attempt, "write", folder);
	for (;;) {
		REQUIRE(child_wait_stopped(&trial.child), "%s", trial.child.output);
		if (event_at(&daemon, "release", trial.child.pid, 0))
			break;
		/* Every call waits for itself; what is looked at is the first. */
		if (events_count(&daemon, "stop", trial.child.pid) &&
		    trial.row->effect(&trial.attempt))
			break;
		kill(trial.child.pid, SIGCONT);
		n++;
	}
	waited = now_ns(CLOCK_MONOTONIC) - begin_ns;
	CHECK(n > 3, "only %zu times", n);
	CHECK(waited > 1900 * NSEC_PER_MSEC, "it waited %llu ms",
	      (unsigned long long)(waited / NSEC_PER_MSEC));
	attempt_end(&trial.child, &trial.attempt);
	daemon_stop(&daemon);
}

const struct test deferral_tests[] = {
	{.name = "deferral: no call takes effect before its delay is over", .run = effects_some},
	{.name = "deferral: none of all calls that have a guard does",
	 .run = effects_all,
	 .is_long = true},
	{.name = "deferral: likewise by lsm", .run = effects_by_lsm, .is_long = true},
	{.name = "deferral: every call that has a guard is tried", .run = table, .is_once = true},
	{.name = "deferral: a foreign SIGCONT does not shorten it",
	 .run = foreign_continue,
	 .is_once = true},
	{},
};
