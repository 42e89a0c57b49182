// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/harness/control.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness/tap.h"

#define WORDS_MAX 8

void control_require(void)
{
	if (access(EBPHCTL, X_OK))
		skip("there is no " EBPHCTL);
}

void ctl_run_as(const struct child_how *how, int status, const char *said, const char *const *words)
{
	const char *argv[WORDS_MAX + 2] = {EBPHCTL};
	struct child child;
	int n = 0, got;

	for (; words[n] && n < WORDS_MAX; n++)
		argv[n + 1] = words[n];
	got = run(&child, argv, how);
	CHECK(WIFEXITED(got) && WEXITSTATUS(got) == status, "ebphctl %s %s: status %#x: %s",
	      words[0], words[1] ? words[1] : "", (unsigned int)got, child.output);
	CHECK(strstr(child.output, said), "ebphctl %s %s: not \"%s\" but: %s", words[0],
	      words[1] ? words[1] : "", said, child.output);
}

void ctl_run(int status, const char *said, const char *const *words)
{
	ctl_run_as(NULL, status, said, words);
}
