// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * usage: exec HOW TARGET [ARG...]
 * Executes TARGET in one of the many ways that there are, or has a child do it and waits for it,
 * telling the child's pid as the parent sees it.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char **target;

static void target_execute(void)
{
	execv(target[0], target);
	_exit(126);
}

static void *on_thread(void *nothing)
{
	(void)nothing;
	target_execute();
	return NULL;
}

static int child_wait(pid_t pid)
{
	int status;

	dprintf(STDOUT_FILENO, "pid %d\n", pid);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
	const char *how = argc > 2 ? argv[1] : "";
	pthread_t thread;
	int fd;

	target = argv + 2;
	if (!strcmp(how, "execve")) {
		target_execute();
	} else if (!strcmp(how, "execveat")) {
		syscall(SYS_execveat, AT_FDCWD, target[0], target, NULL, 0);
	} else if (!strcmp(how, "fexecve")) {
		fd = open(target[0], O_PATH | O_CLOEXEC);
		syscall(SYS_execveat, fd, "", target, NULL, AT_EMPTY_PATH);
	} else if (!strcmp(how, "thread")) {
		if (!pthread_create(&thread, NULL, on_thread, NULL))
			pthread_join(thread, NULL);
	} else if (!strcmp(how, "vfork")) {
		/* The C library's way to vfork: CLONE_VM | CLONE_VFORK. */
		pid_t pid;

		if (posix_spawn(&pid, target[0], NULL, NULL, target, environ))
			return 3;
		return child_wait(pid);
	} else if (!strcmp(how, "pidns")) {
		pid_t pid;

		if (unshare(CLONE_NEWPID))
			return 3;
		pid = fork();
		if (!pid)
			target_execute();
		return child_wait(pid);
	}
	return 2;
}
