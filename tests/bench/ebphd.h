/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon itself, as a child of the benchmark. */
#ifndef EBPH_BENCH_EBPHD_H
#define EBPH_BENCH_EBPHD_H

#include <stdio.h>
#include <sys/types.h>

struct ebphd {
	const char *folder; /* its files: conf, events, log, state/, run/ */
	pid_t pid;
};

/*
 * Writes its configuration: dry-run, all files in the folder. @enforcer, @store: lines more in
 * these sections; @more: other sections.
 */
void ebphd_configure(const struct ebphd *daemon, const char *enforcer, const char *store,
		     const char *more);

/* Starts it. Return: ms until it had all programs attached. */
double ebphd_start(struct ebphd *daemon);

/* Ends it, and waits for that. */
void ebphd_end(struct ebphd *daemon);

/* Processor time that it has had so far, and has waited for, ns. */
struct ebphd_times {
	double had, waited;
};

struct ebphd_times ebphd_times(const struct ebphd *daemon);

/* The path of one of its files, to be freed. */
char *ebphd_path(const struct ebphd *daemon, const char *file);

/* Removes a folder with all that is in it. */
void folder_remove(const char *path);

#endif
