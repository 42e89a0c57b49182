// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * usage: exec HOW TARGET [ARG...]
 * Executes TARGET in one of the many ways that there are, or has a child do it and waits for it,
 * telling the child's pid as the parent sees it; "nothing" executes nothing. Ends with 2 where that
 * fails.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char **target;

static void target_execute(void)
{
	execv(target[0], target);
	_exit(126);
}

/* By the door of 32-bit programs, which takes addresses of 32 bits. @at: by execveat. */
static void execute_32(bool at)
{
	const size_t n = strlen(target[0]) + 1;
	uint32_t *argv = mmap(NULL, n + 2 * sizeof(*argv), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	char *path = (char *)(argv + 2);
	long result = at ? 358 : 11; /* arch/x86/entry/syscalls/syscall_32.tbl */

	if (argv == MAP_FAILED)
		return;
	memcpy(path, target[0], n);
	argv[0] = (uint32_t)(uintptr_t)path;
	/* execve(path, argv, none), or execveat(folder, path, argv, none, no flags) */
	__asm__ volatile("int $0x80"
			 : "+a"(result)
			 : "b"(at ? (long)AT_FDCWD : (long)path), "c"(at ? path : (char *)argv),
			   "d"(at ? argv : NULL), "S"(0L), "D"(0L)
			 : "memory");
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
	} else if (!strcmp(how, "execve32") || !strcmp(how, "execveat32")) {
		execute_32(how[6] == 'a');
	} else if (!strcmp(how, "nothing")) {
		return 0;
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
