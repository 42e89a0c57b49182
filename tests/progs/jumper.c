// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Signal handlers in all their ways: one within the other, on a stack of their own, left by
 * siglongjmp(), interrupting calls that are made again and calls that are not, with a fork in them.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JUMPED 0x65627068 /* see tests/bpf/strace_predict.py */
#define JUMPS  10	  /* more than EBPH_FRAMES */

static sigjmp_buf back;
static int ends[2];
static char alternate[65536];

static void must(int good)
{
	if (!good)
		_exit(1);
}

static void handle(int signal, void (*handler)(int), int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

	must(!sigaction(signal, &action, NULL));
}

static void on_inner(int signal)
{
	(void)signal;
	getuid();
	getgid();
}

static void on_outer(int signal)
{
	(void)signal;
	getpid();
	raise(SIGUSR2);
	getppid();
}

static void on_jump(int signal)
{
	(void)signal;
	geteuid();
	siglongjmp(back, 1);
}

/* One handler within the other, the first one on a stack of its own. */
static void nested(void)
{
	stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)};

	must(!sigaltstack(&stack, NULL));
	handle(SIGUSR1, on_outer, SA_ONSTACK);
	handle(SIGUSR2, on_inner, 0);
	raise(SIGUSR1);
	getegid();
	handle(SIGUSR1, on_outer, SA_RESETHAND | SA_NODEFER);
	raise(SIGUSR1);
	getegid();
}

/* More handlers than anybody would remember are left, on either stack; then one returns. */
static void jumps(void)
{
	for (volatile int i = 0; i < JUMPS; i++) {
		handle(SIGUSR1, on_jump, i & 1 ? SA_ONSTACK : 0);
		if (!sigsetjmp(back, 1))
			raise(SIGUSR1);
		getegid();
	}
	handle(SIGUSR1, on_outer, 0);
	raise(SIGUSR1);
	getegid();
}

/* Goes back to a handler from one that interrupted it, and returns from the former. */
static void on_return_by_jump(int signal)
{
	(void)signal;
	handle(SIGUSR2, on_jump, 0);
	if (!sigsetjmp(back, 1))
		raise(SIGUSR2);
	prctl(JUMPED, 1, 0, 0, 0);
	getppid();
}

static void jump_within(void)
{
	handle(SIGUSR1, on_return_by_jump, 0);
	raise(SIGUSR1);
	getegid();
}

static void on_alarm(int signal)
{
	(void)signal;
	getuid();
	must(write(ends[1], "x", 1) == 1);
}

static void alarm_soon(void)
{
	const struct itimerval soon = {.it_value.tv_usec = 50000};

	must(!setitimer(ITIMER_REAL, &soon, NULL));
}

/* Calls that wait: a read is made again after the handler, a sleep is not. */
static void interrupted(void)
{
	struct timespec second = {.tv_sec = 1};
	char byte;

	handle(SIGALRM, on_alarm, SA_RESTART);
	alarm_soon();
	must(read(ends[0], &byte, 1) == 1);
	handle(SIGALRM, on_alarm, 0);
	alarm_soon();
	must(read(ends[0], &byte, 1) == -1);
	must(read(ends[0], &byte, 1) == 1);
	alarm_soon();
	must(nanosleep(&second, NULL) == -1);
	must(read(ends[0], &byte, 1) == 1);
}

static void on_second(int signal)
{
	(void)signal;
	must(write(ends[1], "y", 1) == 1);
}

/*
 * Two signals interrupt one read, and the handler of one waits until the other's has ended: the
 * read is made again only then. Another process sends both while this one is stopped.
 */
static void one_after_the_other(void)
{
	const struct timespec pause = {.tv_nsec = 50000000};
	struct sigaction action = {.sa_handler = on_inner, .sa_flags = SA_RESTART};
	pid_t pid = getpid(), child;
	char byte;

	sigfillset(&action.sa_mask);
	must(!sigaction(SIGUSR1, &action, NULL));
	action.sa_handler = on_second;
	must(!sigaction(SIGUSR2, &action, NULL));
	child = fork();
	if (!child) {
		nanosleep(&pause, NULL);
		kill(pid, SIGSTOP);
		nanosleep(&pause, NULL);
		kill(pid, SIGUSR1);
		kill(pid, SIGUSR2);
		kill(pid, SIGCONT);
		_exit(0);
	}
	must(read(ends[0], &byte, 1) == 1 && byte == 'y');
	must(waitpid(child, NULL, 0) == child);
}

static void on_fork(int signal)
{
	(void)signal;
	if (fork())
		wait(NULL);
	getuid();
}

/* The child returns from a handler that its parent has entered. */
static void fork_within(void)
{
	pid_t pid = getpid();

	handle(SIGUSR1, on_fork, 0);
	raise(SIGUSR1);
	getegid();
	if (getpid() != pid)
		_exit(0);
}

int main(void)
{
	must(!pipe(ends));
	nested();
	jumps();
	jump_within();
	interrupted();
	one_after_the_other();
	fork_within();
	return 0;
}
