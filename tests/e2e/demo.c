// SPDX-License-Identifier: GPL-2.0-or-later
/* The story of `make demo`: what ebphd does, with comments. Run inside a VM by scripts/demo. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/harness/child.h"
#include "tests/harness/control.h"
#include "tests/harness/daemon.h"
#include "tests/harness/tap.h"

static const char *lines, *serve;

static void say(const char *text)
{
	printf("\n== %s\n", text);
	fflush(stdout);
}

/* Shows what ebphd has written that holds one of the words. */
static void show_log(struct daemon *daemon, const char *const *words)
{
	char *log = daemon_log(daemon), *rest = log, *line;

	while ((line = strsep(&rest, "\n"))) {
		for (const char *const *word = words; *word; word++) {
			if (strstr(line, *word)) {
				printf("   %s\n", line);
				break;
			}
		}
	}
	free(log);
}

#define SHOW(daemon, ...) show_log(daemon, (const char *const[]){__VA_ARGS__, NULL})

static void show_output(const struct child *child)
{
	char *copy = strdup(child->output), *rest = copy, *line;

	while ((line = strsep(&rest, "\n")))
		if (*line)
			printf("   the program: %s\n", line);
	free(copy);
}

static void dry_run(void)
{
	struct daemon daemon;
	struct child child;

	say("A program that writes one line. ebphd learns it: here in four runs, on a host in "
	    "days.");
	daemon_start(&daemon, "dry-run", NULL);
	train(&daemon, lines, (const char *const[]){lines, NULL});
	SHOW(&daemon, "is normal");
	say("Now it writes a second line, as it never did. Dry-run: reported, counted, not "
	    "touched.");
	RUN(&child, lines, "more");
	show_output(&child);
	daemon_stop(&daemon);
	SHOW(&daemon, "anomaly:");
}

static void enforce(void)
{
	const struct daemon_conf conf = {.response = "deferral = yes\ndelay_base = 100ms\n"};
	struct daemon daemon;
	struct child child;

	say("The same in enforce mode, three lines too many: it stands still, longer each time.");
	daemon_start(&daemon, "enforce", &conf);
	train(&daemon, lines, (const char *const[]){lines, NULL});
	RUN(&child, lines, "and", "more", "lines");
	show_output(&child);
	daemon_stop(&daemon);
	SHOW(&daemon, "anomaly:", "delayed:", "released:");
}

static void abort_execve(void)
{
	const struct daemon_conf conf = {.response = "deferral = yes\n"};
	const struct child_how how = {.wants_input = true};
	struct daemon daemon;
	struct child child;

	say("A server that has never executed anything is made to run a shell.");
	daemon_start(&daemon, "enforce", &conf);
	for (int i = 0; i < 4; i++) {
		child_start(&child, (const char *const[]){serve, NULL}, &how);
		for (int j = 0; j < 8; j++)
			child_ask(&child, "hello\n");
		child_wait(&child);
	}
	event_wait(&daemon, "state", "path", serve, "after", "normal", NULL);
	child_start(&child, (const char *const[]){serve, "/bin/sh", "-c", "echo A SHELL", NULL},
		    &how);
	child_ask(&child, "hello\n");
	show_output(&child);
	child_ask(&child, "shell\n");
	show_output(&child);
	child_wait(&child);
	daemon_stop(&daemon);
	SHOW(&daemon, "anomaly:", "delayed:", "refused:");
}

static void death(void)
{
	const struct daemon_conf conf = {.response = "deferral = yes\ndelay_base = 10s\n"};
	struct daemon daemon;
	struct child child;

	say("ebphd is killed (-9) while a program has to wait 20 s: the guardian lets it go.");
	daemon_start(&daemon, "enforce", &conf);
	train(&daemon, lines, (const char *const[]){lines, NULL});
	child_start(&child, (const char *const[]){lines, "more", NULL}, NULL);
	child_wait_stopped(&child);
	event_wait(&daemon, "stop", NULL);
	kill(daemon.pid, SIGKILL);
	daemon_wait(&daemon);
	printf("   the program ended with status %d\n", child_wait(&child));
	show_output(&child);
	SHOW(&daemon, "delayed:", "ebphd died");
}

/* An operator's command, and all of what it says. */
static void operate(const char *const *words)
{
	const char *argv[8] = {EBPHCTL};
	struct child child;
	char *rest = child.output, *line;

	fputs("   # ebphctl", stdout);
	for (int i = 0; words[i] && i < 6; i++) {
		printf(" %s", words[i]);
		argv[i + 1] = words[i];
	}
	CHECK(run(&child, argv, NULL) == 0, "%s", child.output);
	for (fputc('\n', stdout); (line = strsep(&rest, "\n")) && (*line || rest);)
		printf("   %s\n", line);
	fflush(stdout);
}

#define OPERATE(...) operate((const char *const[]){__VA_ARGS__, NULL})

static void ask(void)
{
	const struct daemon_conf conf = {
		.response = "delay_base = 10s\nmax_delay = 1h\ndeferral = yes\n"};
	struct daemon daemon;
	struct child child;
	char pid[16];

	say("It is three in the morning, and a program that has always written one line hangs.");
	daemon_start(&daemon, "enforce", &conf);
	train(&daemon, lines, (const char *const[]){lines, NULL});
	child_start(&child, (const char *const[]){lines, "more", NULL}, NULL);
	child_wait_stopped(&child);
	event_wait(&daemon, "stop", NULL);
	snprintf(pid, sizeof(pid), "%d", child.pid);
	say("What is delayed?");
	OPERATE("ps", "--delayed");
	say("Why?");
	OPERATE("explain", pid);
	say("It is as it should be: the program may do that from now on ...");
	OPERATE("profile", "tolerize", lines);
	say("... and this one goes on at once.");
	OPERATE("release", pid);
	CHECK(child_wait(&child) == 0, "%s", child.output);
	show_output(&child);
	OPERATE("ps", "--delayed");
	daemon_stop(&daemon);
}

static const struct {
	const char *name;
	void (*play)(void);
} scenes[] = {
	{"dry-run", dry_run}, {"enforce", enforce}, {"abort", abort_execve},
	{"ask", ask},	      {"death", death},
};

void demo_play(const char *scene)
{
	lines = strdup(program_path(PROGRAM("lines")));
	serve = strdup(program_path(PROGRAM("serve")));
	for (size_t i = 0; i < sizeof(scenes) / sizeof(*scenes); i++)
		if (!scene || !strcmp(scene, scenes[i].name))
			scenes[i].play();
	if (!scene)
		say("That was all. README.md says how to go on.");
}
