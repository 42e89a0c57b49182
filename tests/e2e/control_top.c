// SPDX-License-Identifier: GPL-2.0-or-later
/* ebphctl top, on a terminal that tmux plays: what is on its screen, and what is sent to it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "enforcer/util.h"
#include "tests/harness/child.h"
#include "tests/harness/control.h"
#include "tests/harness/daemon.h"
#include "tests/harness/tap.h"

#define TMUX	    "/usr/bin/tmux"
#define ROWS	    24
#define COLUMNS	    80
#define REFRESHES   3
#define PATIENCE_NS (30 * NSEC_PER_SEC)

static const char *socket_path;

/* tmux with the words; its output is in @ret. */
static void tmux(struct child *ret, const char *const *words)
{
	const char *argv[16] = {TMUX, "-S", socket_path, "-f", "/dev/null", "-u"};

	for (int i = 6; i < 15 && *words; i++)
		argv[i] = *words++;
	CHECK(run(ret, argv, NULL) == 0, "tmux: %s", ret->output);
}

#define TMUX_DO(child, ...) tmux(child, (const char *const[]){__VA_ARGS__, NULL})

/* What is on the screen now. */
static void screen_read(struct child *ret)
{
	TMUX_DO(ret, "capture-pane", "-p");
}

/* Waits until @text is on the screen. The test ends when that takes too long. */
static void screen_await(struct child *ret, const char *text)
{
	const struct timespec moment = {.tv_nsec = 100000000};
	uint64_t end = now_ns(CLOCK_MONOTONIC) + PATIENCE_NS;

	for (screen_read(ret); !strstr(ret->output, text); screen_read(ret)) {
		REQUIRE(now_ns(CLOCK_MONOTONIC) < end, "no \"%s\" on the screen: %s", text,
			ret->output);
		nanosleep(&moment, NULL);
	}
}

static void screen_start(const struct daemon *daemon, const char *command)
{
	struct child child;
	char *path;

	if (access(TMUX, X_OK))
		skip("there is no " TMUX);
	if (asprintf(&path, "%s/tmux", daemon->folder) < 0)
		abort();
	socket_path = path;
	TMUX_DO(&child, "new-session", "-d", "-x", "80", "-y", "24", command);
}

static void screen_end(void)
{
	struct child child;

	TMUX_DO(&child, "kill-server");
}

/* Is it as wide and high as the terminal, and no more? */
static void screen_check(const struct child *screen)
{
	int lines = 0;

	for (const char *line = screen->output; *line; lines++) {
		size_t n = strcspn(line, "\n");

		CHECK(n <= COLUMNS, "line %d has %zu columns: %.*s", lines, n, (int)n, line);
		line += n + (line[n] == '\n');
	}
	CHECK(lines == ROWS, "%d lines: %s", lines, screen->output);
}

/* How much is sent for one refresh, in which but the times change. */
static void traffic_check(void)
{
	const struct timespec moment = {.tv_nsec = 100000000};
	char first[COLUMNS + 1] = "", command[128];
	struct child child;
	struct stat st = {0};

	snprintf(command, sizeof(command), "cat >> %s.sent", socket_path);
	TMUX_DO(&child, "pipe-pane", command);
	for (int seen = 0; seen <= REFRESHES; nanosleep(&moment, NULL)) {
		size_t n;

		screen_read(&child);
		n = strcspn(child.output, "\n");
		if (n == strlen(first) && !strncmp(first, child.output, n))
			continue;
		snprintf(first, sizeof(first), "%.*s", (int)n, child.output);
		seen++;
	}
	TMUX_DO(&child, "pipe-pane");
	snprintf(command, sizeof(command), "%s.sent", socket_path);
	CHECK(!stat(command, &st) && st.st_size > 0, "nothing was sent");
	note("%lld bytes for %d refreshes", (long long)st.st_size, REFRESHES);
	CHECK(st.st_size < REFRESHES * COLUMNS * ROWS / 4, "%lld bytes for %d refreshes",
	      (long long)st.st_size, REFRESHES);
}

/* tmux, too, does what it has not done before, and we wait for it. */
static const struct daemon_conf long_delays = {
	.enforcer = "scope = listed\n",
	.response = "delay_base = 10s\nmax_delay = 1h\ndeferral = yes\n",
};

static void live(void)
{
	struct child child, screen;
	struct daemon daemon;
	char text[128];
	const char *lines;

	control_require();
	lines = strdup(program_path(PROGRAM("lines")));
	daemon_start(&daemon, "enforce", &long_delays);
	snprintf(text, sizeof(text), "[binary %s]\n", lines);
	daemon_reload(&daemon, text, "taken");
	train(&daemon, lines, (const char *const[]){lines, NULL});
	child_start(&child, (const char *const[]){lines, "x", NULL}, NULL);
	REQUIRE(child_wait_stopped(&child), "it was not stopped: %s", child.output);
	screen_start(&daemon,
		     "export TERM=screen; " EBPHCTL
		     " top -i 1; echo restored; TERM=nothing " EBPHCTL " top; stty -a; exec cat");
	snprintf(text, sizeof(text), "\n%7d     0 normal ", child.pid);
	screen_await(&screen, text);
	screen_check(&screen);
	CHECK(!strncmp(screen.output, "ebphd enforce: good", 19), "%s", screen.output);
	CHECK(strstr(screen.output, "\ndelayed: 1; 1 delays so far"), "%s", screen.output);
	CHECK(strstr(screen.output, " write         1"), "the call, and how long: %s",
	      screen.output);
	CHECK(strstr(screen.output, "progs/lines\n"), "the program: %s", screen.output);
	CHECK(strstr(screen.output, "sort by (wait)  every 1 s  1 process"), "%s", screen.output);
	TMUX_DO(&screen, "send-keys", "s");
	screen_await(&screen, "sort by (LFC)");
	traffic_check();

	/* Without ebphd nobody is delayed, and it knows nothing. */
	daemon_stop(&daemon);
	delayed_runs_on(&child);
	screen_await(&screen, "ebphd does not answer, trying again: cannot reach ebphd");
	CHECK(!strstr(screen.output, "progs/lines"), "it knows: %s", screen.output);
	screen_check(&screen);
	daemon_start(&daemon, "dry-run", NULL);
	screen_await(&screen, "ebphd dry-run: good");

	TMUX_DO(&screen, "send-keys", "q");
	screen_await(&screen, "icanon");
	CHECK(strstr(screen.output, "restored"), "%s", screen.output);
	CHECK(strstr(screen.output, "TERM names no terminal"), "%s", screen.output);
	CHECK(!strstr(screen.output, "-icanon") && !strstr(screen.output, "-echo "), "%s",
	      screen.output);
	screen_end();
	daemon_stop(&daemon);
}

static void ended(void)
{
	struct child child, screen;
	struct daemon daemon;

	control_require();
	daemon_start(&daemon, "dry-run", NULL);
	CTL(2, "top is for a terminal", "top");
	CTL(2, "an interval is 1 to 3600", "top", "--interval", "0");
	screen_start(&daemon,
		     "export TERM=screen; " EBPHCTL " top; echo status $?; stty -a; exec cat");
	screen_await(&screen, "nobody is delayed");
	CHECK(RUN(&child, "/bin/sh", "-c", "kill -TERM $(pidof ebphctl)") == 0, "%s", child.output);
	screen_await(&screen, "icanon");
	CHECK(strstr(screen.output, "status 143"), "%s", screen.output);
	CHECK(!strstr(screen.output, "-icanon") && !strstr(screen.output, "-echo "), "%s",
	      screen.output);
	screen_end();
	daemon_stop(&daemon);
}

const struct test control_top_tests[] = {
	{.name = "top: a live view, without ebphd and with it again", .run = live, .is_once = true},
	{.name = "top: ended by a signal it leaves the terminal as it was",
	 .run = ended,
	 .is_once = true},
	{},
};
