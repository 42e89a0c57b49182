// SPDX-License-Identifier: GPL-2.0-or-later
/* Bad input: one line that says what is wrong and what to do, and nothing left behind. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/leftover.h"
#include "tests/harness/tap.h"

#define NOBODY 65534
#define CONF   "/tmp/refusal.conf"

/* Writes the configuration that the next refused() uses. */
static void conf_write(const char *text, mode_t mode)
{
	FILE *file;

	unlink(CONF);
	file = fopen(CONF, "we");
	REQUIRE(file, "%s", strerror(errno));
	fputs(text, file);
	fclose(file);
	chmod(CONF, mode);
}

/*
 * Runs ebphd as @how says, and checks that it ends with status 1, that it says @what, and that it
 * needs one line for it: three where a line of the configuration is shown, with a mark below.
 */
static void refused_with(const char *const *argv, const struct child_how *how, const char *what,
			 int n_lines)
{
	struct child child;
	int status = run(&child, argv, how), lines = 0;

	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1, "status %#x", (unsigned int)status);
	CHECK(strstr(child.output, what), "it says: %s", child.output);
	for (const char *c = child.output; *c; c++)
		lines += *c == '\n';
	CHECK(lines == n_lines, "it says it in %d lines: %s", lines, child.output);
	CHECK(leftover_none(10000), "something is left");
}

static void refused(const char *mode, const struct child_how *how, const char *what)
{
	refused_with((const char *const[]){"build/ebphd", "--foreground", "--config", CONF,
					   "--mode", mode, NULL},
		     how, what, 1);
}

static void no_permission(void)
{
	const struct child_how how = {.uid = NOBODY};

	conf_write("[log]\nevents = /tmp/events\n", 0644);
	refused("dry-run", &how, "no permission to load BPF programs: run ebphd as root");
}

static void btf_hide(void)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/sys/kernel/btf", "tmpfs", 0, NULL))
		_exit(125);
}

static void no_btf(void)
{
	const struct child_how how = {.prepare = btf_hide};

	conf_write("", 0644);
	refused("dry-run", &how, "this kernel has no BTF");
}

static void kernel_age(void)
{
	if (personality(0x0020000) < 0) /* UNAME26: the kernel says that it is 2.6.x */
		_exit(125);
}

static void old_kernel(void)
{
	const struct child_how how = {.prepare = kernel_age};

	conf_write("", 0644);
	refused("dry-run", &how, "this kernel is too old: ebph needs Linux 6.1 or later");
}

static void no_config(void)
{
	unlink(CONF);
	refused("dry-run", NULL, "copy ebph.conf.example there or give another with --config FILE");
}

static void unreadable_config(void)
{
	const struct child_how how = {.uid = NOBODY};

	conf_write("", 0600);
	refused("dry-run", &how, "Permission denied");
}

static void unknown_key(void)
{
	conf_write("[enforcer]\nmodus = enforce\n", 0644);
	refused_with((const char *const[]){"build/ebphd", "--foreground", "--config", CONF, NULL},
		     NULL, CONF ":2:1: ", 3);
}

static void unknown_mode(void)
{
	conf_write("", 0644);
	refused("kill", NULL, "--mode kill: there is monitor, dry-run and enforce");
}

static void no_bpffs(void)
{
	conf_write("[enforcer]\nbpf_dir = /tmp/no-bpf-here\n[log]\nevents = /tmp/events\n", 0644);
	refused("enforce", NULL, "is a bpf file system mounted there?");
	rmdir("/tmp/no-bpf-here");
}

static void no_event_file(void)
{
	conf_write("[log]\nevents = /proc/no/such/file\n", 0644);
	refused("dry-run", NULL, "cannot open the event file /proc/no/such/file");
}

static void required_rung(void)
{
	conf_write("[enforcer]\nrequire = yes\n[log]\nevents = /tmp/events\n", 0644);
	refused_with((const char *const[]){"build/ebphd", "--foreground", "--config", CONF,
					   "--mode", "enforce", "--best-rung", "none", NULL},
		     NULL, "this kernel cannot abort an execve, and require = yes: not enforcing",
		     1);
}

/* Who unshares does not enter himself, only his children do. */
static void child_enter(void)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		return;
	waitpid(pid, &status, 0);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 125);
}

static void namespace_enter(void)
{
	if (unshare(CLONE_NEWPID | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		_exit(125);
	child_enter();
	if (mount("proc", "/proc", "proc", 0, NULL))
		_exit(125);
}

static void in_container(void)
{
	const struct child_how how = {.prepare = namespace_enter};

	conf_write("", 0644);
	refused("dry-run", &how, "ebphd is in a container's pid or time namespace");
}

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80 /* include/uapi/linux/sched.h */
#endif

static void time_enter(void)
{
	if (unshare(CLONE_NEWTIME))
		_exit(125);
	child_enter();
}

static void in_other_time(void)
{
	const struct child_how how = {.prepare = time_enter};

	if (access("/proc/self/ns/time", F_OK))
		skip("this kernel has no time namespaces");
	conf_write("", 0644);
	refused("dry-run", &how, "ebphd is in a container's pid or time namespace");
}

static void second_daemon(void)
{
	struct daemon daemon;
	struct child child;
	char expected[64];
	int status;

	daemon_start(&daemon, "dry-run", NULL);
	conf_write("[log]\nevents = /tmp/events\n", 0644);
	status = RUN(&child, "build/ebphd", "--foreground", "--config", CONF);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1, "status %#x", (unsigned int)status);
	snprintf(expected, sizeof(expected), "another ebphd is running (pid %d)", daemon.pid);
	CHECK(strstr(child.output, expected), "it says: %s", child.output);
	daemon_stop(&daemon);
}

/* In the background the exit status tells the truth, too. */
static void background(void)
{
	struct child child;
	char text[32] = "";
	int fd, status;

	conf_write("[enforcer]\nrun_dir = /tmp/background\n[log]\nevents = /tmp/events\n", 0644);
	status = RUN(&child, "build/ebphd", "--config", CONF);
	CHECK(status == 0, "status %#x: %s", (unsigned int)status, child.output);
	CHECK(programs_loaded() > 0, "it does not run");
	fd = open("/tmp/background/ebphd.lock", O_RDONLY | O_CLOEXEC);
	REQUIRE(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0, "%s", strerror(errno));
	close(fd);
	status = RUN(&child, "build/ebphd", "--config", CONF);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1, "a second one: status %#x",
	      (unsigned int)status);
	CHECK(strstr(child.output, "another ebphd is running"), "it says: %s", child.output);
	REQUIRE(atoi(text) > 1, "no pid in the lock file");
	kill(atoi(text), SIGTERM);
}

const struct test refusal_tests[] = {
	{.name = "refusal: no permission for BPF", .run = no_permission},
	{.name = "refusal: no BTF", .run = no_btf},
	{.name = "refusal: a kernel too old", .run = old_kernel},
	{.name = "refusal: no configuration", .run = no_config, .is_once = true},
	{.name = "refusal: an unreadable configuration", .run = unreadable_config, .is_once = true},
	{.name = "refusal: an unknown key", .run = unknown_key, .is_once = true},
	{.name = "refusal: an unknown mode", .run = unknown_mode, .is_once = true},
	{.name = "refusal: no bpf file system", .run = no_bpffs},
	{.name = "refusal: no event file", .run = no_event_file, .is_once = true},
	{.name = "refusal: enforcement is required and cannot be had", .run = required_rung},
	{.name = "refusal: inside a container", .run = in_container},
	{.name = "refusal: in a time namespace", .run = in_other_time, .is_once = true},
	{.name = "refusal: a second daemon", .run = second_daemon, .is_once = true},
	{.name = "refusal: in the background as well", .run = background, .is_once = true},
	{},
};
