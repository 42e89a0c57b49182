/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which mechanisms of the response this kernel has. Found by trial, not by what it says. */
#ifndef EBPH_RUNG_H
#define EBPH_RUNG_H

#include <stdbool.h>

/* How an execve is made to fail, the best first. */
enum abort_rung {
	ABORT_OVERRIDE, /* kprobe and bpf_override_return */
	ABORT_FMOD_RET, /* fmod_ret/security_bprm_check */
	ABORT_LSM,	/* lsm/bprm_check_security */
	ABORT_NONE,	/* it is not: alert only */
};

/* "bpf_override_return", ...: what the user reads. */
const char *abort_rung_name(enum abort_rung rung);

/* The rung with that name. Return: 0 or -EINVAL. */
int abort_rung_from_name(const char *name, enum abort_rung *ret);

/**
 * abort_rung_find() - the best way to abort an execve on this kernel.
 * @best: the first to be tried
 *
 * Loads and attaches a program that does nothing for each rung in turn, and takes it away again.
 *
 * Return: the rung; ABORT_NONE when none loads, attaches and fires.
 */
enum abort_rung abort_rung_find(enum abort_rung best);

/**
 * deferral_possible() - can a delay be served before the call takes effect?
 *
 * By fmod_ret; elsewhere the process is stopped after the call.
 */
bool deferral_possible(void);

/**
 * interrupts_visible() - can we see each thread that a stop makes repeat a call?
 *
 * By fentry, which the kernels have that have fmod_ret. Without it the repeated calls of the
 * other threads of a stopped process pass for new ones.
 */
bool interrupts_visible(void);

/* What the response can do on this kernel. */
struct support {
	enum abort_rung rung;
	bool defers;	     /* deferral_possible() */
	bool interrupts;     /* interrupts_visible() */
	const char *refuses; /* the program that refuses a foreign SIGCONT; NULL: none can */
};

#endif
