// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A server with a back door: answers each line of its input, and at the line "shell" executes
 * its second argument with the rest of its arguments, which no training ever asks for. At the line
 * "wait" it makes a call before that which a delay comes after, not before.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Without stdio: the same calls for every request. */
static void answer(const char *text)
{
	if (write(STDOUT_FILENO, text, strlen(text)) < 0)
		_exit(1);
}

int main(int argc, char **argv)
{
	char request[128], line[160];
	ssize_t n;

	while ((n = read(STDIN_FILENO, request, sizeof(request) - 1)) > 0) {
		request[n] = '\0';
		if (!strcmp(request, "wait\n"))
			syscall(SYS_epoll_wait, -1, NULL, 0, 0);
		if ((!strcmp(request, "shell\n") || !strcmp(request, "wait\n")) && argc > 1) {
			execv(argv[1], argv + 1);
			snprintf(line, sizeof(line), "refused: %s\n", strerror(errno));
			answer(line);
		} else {
			answer("served\n");
		}
	}
	return 0;
}
