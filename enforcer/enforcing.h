/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What only an enforcing daemon needs: the record that outlives it, and who reads it then. */
#ifndef EBPH_ENFORCING_H
#define EBPH_ENFORCING_H

#include <stdbool.h>
#include <sys/types.h>

#include "conf/conf.h"
#include "enforcer/event.h"
#include "enforcer/kernel.h"

struct enforcing {
	struct kernel *kernel;
	struct event_sink *sink;
	const char *bpf_dir;
	pid_t guardian; /* 0: none */
	int bpf_dir_fd;
	bool pinned;
	bool begun;	 /* stays so when the mode changes: there may be delays */
	bool background; /* what the guardian says goes to syslog */
};

/**
 * enforcing_possible() - says loudly what is missing where the configuration asks to enforce.
 * Return: 0; -ENOTSUP, with a line logged, where it asks for all or nothing.
 */
int enforcing_possible(const struct conf *conf, enum abort_rung rung);

/**
 * enforcing_begin() - pins the record of delays, starts the guardian, has the answers attached.
 *
 * At the start before kernel_attach(). Does nothing when it has been done.
 *
 * Return: 0; -errno with a line logged.
 */
int enforcing_begin(struct enforcing *enforcing);

/* A child has ended or was stopped, by its wait status: if it is the guardian, mends that. */
void enforcing_child_changed(struct enforcing *enforcing, pid_t pid, int status);

/* Now and then: sees to it that there is a guardian, or nobody is stopped. */
void enforcing_tick(struct enforcing *enforcing);

/* Releases everyone; the programs are detached. */
void enforcing_release(struct enforcing *enforcing);

/* Detaches the programs, releases everyone and takes everything away. */
void enforcing_end(struct enforcing *enforcing);

#endif
