// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Threads that wait for each other in turn, send each other signals, make threads and processes of
 * their own; at the end one that is not the first executes this program again, which ends while
 * its other threads wait or are about to make a call.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS 8
#define TURNS	20

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t next = PTHREAD_COND_INITIALIZER;
static pthread_t threads[THREADS];
static int turn, ends[2];
static char **arguments;

static void must(int good)
{
	if (!good)
		_exit(1);
}

static void on_signal(int signal)
{
	(void)signal;
	getuid();
}

/* What each thread does in its turn: one of a few things. */
static void act(long self)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	pid_t child;

	switch (self & 3) {
	case 0:
		getppid();
		break;
	case 1:
		nanosleep(&pause, NULL);
		break;
	case 2:
		pthread_kill(pthread_self(), SIGUSR1);
		break;
	case 3:
		child = turn < THREADS ? fork() : -1;
		if (!child)
			_exit(0);
		if (child > 0)
			waitpid(child, NULL, 0);
		break;
	}
}

static void *take_turns(void *argument)
{
	const long self = *(const long *)argument;

	for (int i = 0; i < TURNS; i++) {
		pthread_mutex_lock(&mutex);
		while (turn % THREADS != self)
			pthread_cond_wait(&next, &mutex);
		act(self);
		turn++;
		pthread_cond_broadcast(&next);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void *wait_in_vain(void *unused)
{
	char byte;

	(void)!read(ends[0], &byte, 1);
	return unused;
}

static void *call_on(void *unused)
{
	for (;;)
		getppid();
	return unused;
}

/* Makes threads, and replaces them all, or ends them all. */
static void *execute(void *unused)
{
	const struct timespec pause = {.tv_nsec = 50000000};
	pthread_t other;

	for (int i = 0; i < THREADS; i++)
		must(!pthread_create(&other, NULL, i & 1 ? call_on : wait_in_vain, NULL));
	nanosleep(&pause, NULL);
	if (!arguments[1])
		execl(arguments[0], arguments[0], "again", NULL);
	_exit(0);
	return unused;
}

int main(int argc, char **argv)
{
	static long numbers[THREADS];
	pthread_t last;

	(void)argc;
	arguments = argv;
	signal(SIGUSR1, on_signal);
	must(!pipe(ends));
	for (long i = 0; i < THREADS; i++) {
		numbers[i] = i;
		must(!pthread_create(&threads[i], NULL, take_turns, &numbers[i]));
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	must(!pthread_create(&last, NULL, execute, NULL));
	pthread_join(last, NULL);
	return 1;
}
