// SPDX-License-Identifier: GPL-2.0-or-later
/* Its signal handler writes a line; with an argument, it executes that instead. */
#include <signal.h>
#include <unistd.h>

static char **arguments;

static void on_signal(int signal)
{
	(void)signal;
	if (arguments[1])
		execv(arguments[1], arguments + 1);
	if (write(STDOUT_FILENO, "handled\n", 8) != 8)
		_exit(1);
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal};

	(void)argc;
	arguments = argv;
	if (sigaction(SIGUSR1, &action, NULL) || kill(getpid(), SIGUSR1))
		return 1;
	return 0;
}
