/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ebphctl under test. */
#ifndef EBPH_TESTS_CONTROL_H
#define EBPH_TESTS_CONTROL_H

#include "tests/harness/child.h"

/* Where it is never delayed; scripts/vm puts it there. */
#define EBPHCTL "/usr/sbin/ebphctl"

/* Skips the test where there is no EBPHCTL. */
void control_require(void);

/* Runs it with @words, a list ended by NULL: its exit status must be @status, it must say @said. */
void ctl_run(int status, const char *said, const char *const *words);
void ctl_run_as(const struct child_how *how, int status, const char *said,
		const char *const *words);

#define CTL(status, said, ...) ctl_run(status, said, (const char *const[]){__VA_ARGS__, NULL})

#endif
