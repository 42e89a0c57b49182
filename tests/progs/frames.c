// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * usage: frames PHASES
 * Signal handlers that end in all ways. Each letter of PHASES is a phase:
 *   f  calls that fill the window, so that what came before is out of sight
 *   h  a handler that returns; the calls around it are made nowhere else
 *   n  handlers nested six deep, more than any stack of windows needs to hold
 *   j  twenty handlers that are left by siglongjmp()
 *   a  a handler on a stack of its own
 */
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEPTH 6
#define JUMPS 20

static sigjmp_buf back;
static int depth;

/* Always the same call, unlike raise(), which blocks signals meanwhile. */
static void signal_me(int signal)
{
	syscall(SYS_tgkill, getpid(), gettid(), signal);
}

static void on_simple(int signal)
{
	(void)signal;
	syscall(SYS_getuid);
	syscall(SYS_geteuid);
}

static void on_nested(int signal)
{
	if (++depth < DEPTH)
		signal_me(signal);
	syscall(SYS_getpgrp);
}

static void on_jump(int signal)
{
	(void)signal;
	syscall(SYS_sched_yield);
	siglongjmp(back, 1);
}

static void handle(int signal, void (*handler)(int), int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

	if (sigaction(signal, &action, NULL))
		_exit(1);
}

static void phase(char letter)
{
	volatile int jumps = 0;

	switch (letter) {
	case 'f':
		for (int i = 0; i < 10; i++)
			syscall(SYS_getppid);
		break;
	case 'h':
		syscall(SYS_getgid);
		signal_me(SIGUSR1);
		syscall(SYS_getegid);
		break;
	case 'n':
		depth = 0;
		signal_me(SIGUSR2);
		break;
	case 'j':
		sigsetjmp(back, 1);
		if (jumps++ < JUMPS)
			signal_me(SIGALRM);
		break;
	case 'a':
		signal_me(SIGHUP);
		break;
	}
}

int main(int argc, char **argv)
{
	static char room[65536];
	const stack_t stack = {.ss_sp = room, .ss_size = sizeof(room)};

	if (argc != 2 || sigaltstack(&stack, NULL))
		return 2;
	handle(SIGUSR1, on_simple, 0);
	handle(SIGUSR2, on_nested, SA_NODEFER);
	handle(SIGALRM, on_jump, 0);
	handle(SIGHUP, on_simple, SA_ONSTACK);
	for (const char *c = argv[1]; *c; c++)
		phase(*c);
	return 0;
}
