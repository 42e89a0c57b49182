/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes by identity: a pid and when it began, held by a pidfd. */
#ifndef EBPH_PROCESS_H
#define EBPH_PROCESS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * process_open() - a pidfd for a process, if it is the one that began at @start_ns.
 * @start_ns: CLOCK_BOOTTIME; compared in clock ticks, as /proc shows it
 *
 * Return: a pidfd, owned by the caller; -ESRCH when it is gone; -errno when that is not known: no
 * descriptor, no memory, /proc cannot be read.
 */
int process_open(uint32_t pid, uint64_t start_ns);

/* Has the process of a pidfd ended? */
bool process_has_ended(int pidfd);

/* Return: 0; -ESRCH when the process is gone; -errno. */
int process_signal(int pidfd, int signal);

/* Has the process ended that forked @pid, which has executed nothing since? false: not known. */
bool process_is_orphan(pid_t pid);

/*
 * Closes every descriptor but two and the standard ones, in a child of the daemon: a link that it
 * kept open would keep the programs attached beyond the daemon's life.
 */
void descriptors_close_but(int a, int b);

/*
 * Gives the standard streams up, in a child of the daemon: the terminal, or whoever waits for the
 * end of ebphd's output, is not its to hold.
 */
void standard_streams_leave(void);

/* What the daemon needs of its limits: many descriptors, and not to be killed for memory. */
void limits_raise(void);

/* Waits until every BPF program that runs at this moment has ended. */
void running_programs_wait(void);

#endif
