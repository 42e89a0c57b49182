// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/harness/child.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "tests/harness/tap.h"

static void child_exec(const char *const *argv, const struct child_how *how, int in, int out)
{
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	if (how && how->prepare)
		how->prepare();
	if (how && how->uid && (setgid(how->uid) || setuid(how->uid)))
		_exit(126);
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

/* Return: the reading end of what the child will write to *@ret_out. */
static int output_open(const struct child_how *how, int *ret_out)
{
	struct termios raw;
	int ends[2];

	if (how && how->on_terminal) {
		REQUIRE(!openpty(&ends[0], &ends[1], NULL, NULL, NULL), "%s", strerror(errno));
		REQUIRE(!tcgetattr(ends[1], &raw), "%s", strerror(errno));
		cfmakeraw(&raw);
		REQUIRE(!tcsetattr(ends[1], TCSANOW, &raw), "%s", strerror(errno));
		fcntl(ends[0], F_SETFD, FD_CLOEXEC);
		fcntl(ends[1], F_SETFD, FD_CLOEXEC);
	} else {
		REQUIRE(!pipe2(ends, O_CLOEXEC), "%s", strerror(errno));
	}
	*ret_out = ends[1];
	return ends[0];
}

void child_start(struct child *child, const char *const *argv, const struct child_how *how)
{
	int in[2] = {-1, -1}, out;

	memset(child, 0, sizeof(*child));
	snprintf(child->what, sizeof(child->what), "%s", argv[1] ? argv[1] : argv[0]);
	child->out_fd = output_open(how, &out);
	if (how && how->wants_input)
		REQUIRE(!pipe2(in, O_CLOEXEC), "%s", strerror(errno));
	else
		in[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	child->in_fd = in[1];
	child->pid = fork();
	REQUIRE(child->pid >= 0, "fork: %s", strerror(errno));
	if (!child->pid)
		child_exec(argv, how, in[0], out);
	close(in[0]);
	close(out);
}

pid_t sleeper_start(void)
{
	pid_t pid = fork();

	if (!pid)
		for (;;)
			pause();
	REQUIRE(pid > 0, "fork: %s", strerror(errno));
	return pid;
}

void sleeper_end(pid_t pid)
{
	REQUIRE(!kill(pid, SIGKILL) && waitpid(pid, NULL, 0) == pid, "%s", strerror(errno));
}

/* Takes more of the output. Return: false at its end. */
static bool output_read(struct child *child)
{
	size_t room = sizeof(child->output) - 1 - child->n_output;
	char rest[512];
	ssize_t n;

	do
		n = room ? read(child->out_fd, child->output + child->n_output, room) :
			   read(child->out_fd, rest, sizeof(rest));
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return false; /* a terminal's other end is gone: EIO */
	if (room)
		child->n_output += (size_t)n;
	child->output[child->n_output] = '\0';
	return true;
}

static int state_wait(struct child *child, bool until_stopped)
{
	int status = 0;

	for (;;) {
		REQUIRE(waitpid(child->pid, &status, WUNTRACED) == child->pid, "%s",
			strerror(errno));
		if (!WIFSTOPPED(status))
			return status;
		child->stops++;
		if (until_stopped)
			return status;
	}
}

int child_wait(struct child *child)
{
	int status;

	if (child->in_fd >= 0)
		close(child->in_fd);
	child->in_fd = -1;
	/* First the end, then the output: waiting sees each stop, and no test prints a pipeful. */
	status = state_wait(child, false);
	while (output_read(child))
		;
	close(child->out_fd);
	return status;
}

bool child_wait_stopped(struct child *child)
{
	return WIFSTOPPED(state_wait(child, true));
}

bool child_is_stopped(const struct child *child)
{
	char path[32], line[512], *end = NULL;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", child->pid);
	file = fopen(path, "re");
	if (file && fgets(line, sizeof(line), file))
		end = strrchr(line, ')');
	if (file)
		fclose(file);
	return end && !strncmp(end, ") T", 3);
}

void child_ask(struct child *child, const char *line)
{
	size_t n = strlen(line);

	child->n_output = 0;
	child->output[0] = '\0';
	REQUIRE(write(child->in_fd, line, n) == (ssize_t)n, "%s", strerror(errno));
	child_listen(child);
}

void child_listen(struct child *child)
{
	while (!strchr(child->output, '\n')) {
		int status = 0;

		if (output_read(child))
			continue;
		waitpid(child->pid, &status, 0);
		REQUIRE(false, "%s ended after \"%s\", status %#x", child->what, child->output,
			(unsigned int)status);
	}
}

int run(struct child *child, const char *const *argv, const struct child_how *how)
{
	child_start(child, argv, how);
	return child_wait(child);
}

#define PROCESSORS_MAX 16

void processors_load(bool begin)
{
	static struct child load[PROCESSORS_MAX];
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	for (long i = 0; i < n && i < PROCESSORS_MAX; i++) {
		if (begin) {
			child_start(&load[i],
				    (const char *const[]){PROGRAM("spin"), "1000000000", NULL},
				    NULL);
		} else {
			kill(load[i].pid, SIGKILL);
			child_wait(&load[i]);
		}
	}
}
