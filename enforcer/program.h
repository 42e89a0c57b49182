/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EBPH_PROGRAM_H
#define EBPH_PROGRAM_H

#include <stdbool.h>

#include "enforcer/kernel.h"

/**
 * programs_select() - chooses what is to be loaded, before it is.
 * @kernel:  opened; .rung is set, .preemptible is a result
 * @support: what this kernel can do
 *
 * Return: 0 or -errno.
 */
int programs_select(struct kernel *kernel, const struct support *support);

/* Attaches those that answer. Return: 0 or -errno. */
int programs_arm(struct kernel *kernel);

/* Attaches those that know what an execve executes. Return: 0; -ENOTSUP: there are none; -errno. */
int programs_ask_targets(struct kernel *kernel);

/* Attaches what must be there before any other program runs. Return: 0 or -errno. */
int programs_attach_first(struct kernel *kernel);

/*
 * Attaches all others. To enforce, programs_arm() comes first: the answer before the question, no
 * anomaly may come while nothing could answer it. Return: 0 or -errno.
 */
int programs_attach(struct kernel *kernel);

/*
 * Detaches all. What takes calls into profiles goes first: those that say whose a thread's state is
 * take a while to follow, and what came meanwhile would be taken for another program's.
 */
void programs_detach(struct kernel *kernel);

#endif
