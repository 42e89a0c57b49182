/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One run of a program, seen by strace and by the BPF programs. */
#ifndef EBPH_STRACE_H
#define EBPH_STRACE_H

#include <stdbool.h>

#define STRACE_FOLDER "/tmp/ebph-strace.XXXXXX"

/*
 * A folder with its own copies of the programs that a test runs, in bin/, which is all of their
 * PATH: each a file of its own, so that its profile knows of this run only, whatever else the host
 * is doing.
 */
struct sandbox {
	char folder[sizeof(STRACE_FOLDER)];
	unsigned n_pairs; /* that all executables have learned */
	bool differs;	  /* from what was predicted */
};

/**
 * sandbox_new() - makes the folder.
 * @programs: names of programs in /usr/bin, or paths; ended by NULL
 */
void sandbox_new(struct sandbox *sandbox, const char *const *programs);

/* Removes all of it, unless there is something to be looked at. */
void sandbox_free(struct sandbox *sandbox);

/* Puts an executable script there, "#!" and the path of our copy of @interpreter before @body. */
void sandbox_script(struct sandbox *sandbox, const char *name, const char *interpreter,
		    const char *body);

/**
 * sandbox_compare() - runs a program under strace, with all of ours attached; compares the pairs
 * that each executable's profile has with those that follow from strace's log.
 * @argv: the program by its name in the sandbox, and arguments
 */
void sandbox_compare(struct sandbox *sandbox, const char *const *argv);

#endif
