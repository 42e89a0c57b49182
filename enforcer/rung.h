/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which mechanisms of the response this kernel has. Found by trial, not by what it says. */
#ifndef EBPH_RUNG_H
#define EBPH_RUNG_H

#include <stdbool.h>

/* How an execve is made to fail, the best first; from 6.2 on ABORT_LSM is before ABORT_FMOD_RET. */
enum abort_rung {
	ABORT_OVERRIDE, /* kprobe and bpf_override_return */
	ABORT_FMOD_RET, /* fmod_ret/security_bprm_check */
	ABORT_LSM,	/* lsm/bprm_check_security */
	ABORT_KILL,	/* SIGKILL at the call: only if it is wanted */
	ABORT_NONE,	/* it is not: alert only */
};

/* "bpf_override_return", ...: what the user reads. */
const char *abort_rung_name(enum abort_rung rung);

/* The rung with that name. Return: 0 or -EINVAL. */
int abort_rung_from_name(const char *name, enum abort_rung *ret);

/*
 * How we are asked before something happens: on the hooks of the security modules.
 * They serve delays before the call takes effect, and refuse a foreign SIGCONT.
 */
enum hook_rung {
	HOOK_FMOD_RET, /* at the kernel's functions security_... */
	HOOK_LSM,      /* among the security modules */
	HOOK_NONE,     /* we are not: a process is stopped after the call */
};

/* "fmod_ret", "lsm", "none". */
const char *hook_rung_name(enum hook_rung rung);

/* The rung of the abort that is on the same hooks. */
enum abort_rung hook_abort_rung(enum hook_rung rung);

/**
 * hook_rung_find() - the best of them on this kernel, by trial.
 * @best: the first rung to be tried for an abort; fmod_ret and lsm are the first here, too
 */
enum hook_rung hook_rung_find(enum abort_rung best);

/* What can be done on this kernel. */
struct support {
	enum abort_rung rung;
	enum hook_rung defers; /* delays before the call takes effect, by these hooks */
	enum hook_rung hooks;  /* that refuse a foreign SIGCONT, and see what an execve executes */
	bool interrupts;       /* each thread is seen that a stop makes repeat a call */
	bool perf;	       /* perf's side of the calls' tracepoint is needed, and there */
};

/**
 * support_find() - what can be done on this kernel.
 * @best:     the first rung to be tried for an abort
 * @kill:     the process may be killed where its execve cannot be refused
 * @deferral: delays are to come before the call takes effect, where they can
 *
 * By trial: loads and attaches a program that does nothing for each way in turn, and takes it away
 * again.
 */
void support_find(enum abort_rung best, bool kill, bool deferral, struct support *ret);

#endif
