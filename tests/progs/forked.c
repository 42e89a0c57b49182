// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Forks. The child prints its pid, and once more for each argument; the parent waits for it.
 * ebpH's fork hook read a pid that was not assigned yet, and its children went untracked.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char line[32];
	int n, status;
	pid_t pid;

	(void)argv;
	pid = fork();
	if (!pid) {
		n = snprintf(line, sizeof(line), "%d\n", getpid());
		for (int i = 0; i < argc; i++)
			if (write(STDOUT_FILENO, line, (size_t)n) != n)
				_exit(1);
		_exit(0);
	}
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 1;
}
