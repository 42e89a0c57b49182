// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/e2e/serve.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/harness/child.h"
#include "tests/harness/daemon.h"
#include "tests/harness/tap.h"

#define WORDS_MAX 8

void serve_start(struct child *child, const char *path, const char *const *target)
{
	static const struct child_how with_input = {.wants_input = true};
	const char *argv[WORDS_MAX + 2] = {path};

	for (size_t i = 0; i < WORDS_MAX && target[i]; i++)
		argv[i + 1] = target[i];
	child_start(child, argv, &with_input);
}

int serve_shell(const char *path, struct child *ret)
{
	unlink(SHELL_WAS_HERE);
	serve_start(ret, path, (const char *const[]){SERVE_SHELL, NULL});
	REQUIRE(write(ret->in_fd, "shell\n", 6) == 6, "it does not listen");
	return child_wait(ret);
}

const char *serve_train(struct daemon *daemon)
{
	const char *path = strdup(program_path(PROGRAM("serve")));
	struct child child;

	for (int i = 0; i < 4; i++) {
		serve_start(&child, path, (const char *const[]){SERVE_SHELL, NULL});
		for (int j = 0; j < 10; j++)
			child_ask(&child, "hello\n");
		REQUIRE(child_wait(&child) == 0, "%s", child.output);
	}
	event_wait(daemon, "state", "path", path, "after", "normal", NULL);
	return path;
}
