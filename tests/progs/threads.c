// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Three threads that sleep, again and again, while the first one writes a line, and one more for
 * each argument. Stopping the process makes the sleepers go on with restart_syscall.
 */
#include <pthread.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#define SLEEPERS 3

static void *sleep_often(void *unused)
{
	const struct timespec pause = {.tv_nsec = 100000000};

	for (int i = 0; i < 10; i++)
		nanosleep(&pause, NULL);
	return unused;
}

int main(int argc, char **argv)
{
	const struct timespec pause = {.tv_nsec = 250000000};
	pthread_t threads[SLEEPERS];

	(void)argv;
	for (int i = 0; i < SLEEPERS; i++)
		if (pthread_create(&threads[i], NULL, sleep_often, NULL))
			return 1;
	nanosleep(&pause, NULL);
	for (int i = 0; i < argc; i++)
		if (write(STDOUT_FILENO, "line\n", 5) != 5)
			return 1;
	for (int i = 0; i < SLEEPERS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
