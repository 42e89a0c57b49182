// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Executes a program that does not exist, then goes on as itself; one more line for each
 * argument. ebpH changed the profile of a process before its exec had succeeded.
 */
#include <unistd.h>

int main(int argc, char **argv)
{
	char *const nothing[] = {"nothing", NULL};

	(void)argv;
	execv("/nonexistent/program", nothing);
	for (int i = 0; i < argc; i++)
		if (write(STDOUT_FILENO, "still me\n", 9) != 9)
			return 1;
	return 0;
}
