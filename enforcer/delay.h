/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whom we stopped, and letting them go: on time, or all at once. */
#ifndef EBPH_DELAY_H
#define EBPH_DELAY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/abi.h"
#include "enforcer/kernel.h"

/*
 * Told of each process whose delay was over. @foreign: the signal by which somebody else has
 * stopped it meanwhile, and by which it stays stopped; 0: it was continued
 */
typedef void delay_released_fn(void *context, uint32_t pid, uint32_t foreign);

/* Processes that are delayed now, the next one due on top of a heap. */
struct delays {
	struct kernel *kernel;
	struct delayed_process *heap;
	size_t n, allocated;
	int timer_fd; /* readable when the next one is due */
	int epoll_fd; /* the owner's; a pidfd in it is readable when its process has ended */
	delay_released_fn *on_release;
	void *context; /* its first argument */
};

/* Return: 0 or -errno. To be freed with delays_free(), which releases nobody. */
int delays_new(struct kernel *kernel, int epoll_fd, delay_released_fn *on_release, void *context,
	       struct delays **ret);
void delays_free(struct delays *delays);

/**
 * delay_add() - a process was stopped and is to be released when its delay is over.
 * Return: 0; -ESRCH when it is gone already; -ENOMEM, and then it has been released at once.
 */
int delay_add(struct delays *delays, uint32_t pid, const struct ebph_delay *delay);

/* To be called when a pidfd in .epoll_fd is readable: if that process has ended, it need not be
 * released. */
void delay_process_ended(struct delays *delays, int pidfd);

/* To be called when .timer_fd is readable: releases who is due. */
void delays_run(struct delays *delays);

/* Releases everybody, due or not. */
void delays_release(struct delays *delays);

/**
 * delays_sweep() - looks for processes on record that should have gone on a second ago, and that
 * nobody would release any more. They are due then. To be called now and then: there should be
 * none, but a host must not hang by what we have not thought of.
 *
 * Return: how many there were.
 */
unsigned int delays_sweep(struct delays *delays);

/* Is a process waiting for its release? */
bool delay_has(const struct delays *delays, uint32_t pid);

/**
 * delay_release() - releases one process, due or not.
 * Return: 0; -ESRCH when it is not delayed; -errno when it cannot be continued, and is tried again.
 */
int delay_release(struct delays *delays, uint32_t pid);

/**
 * process_continue() - sends SIGCONT to a process, if it is the one that was stopped.
 * @start_ns: CLOCK_BOOTTIME when it began
 * @foreign:  of its record: SIGSTOP: it stays stopped; SIGTSTP: it gets it again, for SIGCONT takes
 *	      it off the queue, and the process may have a handler for it
 *
 * Return: 0; -ESRCH when it is gone; -errno.
 */
int process_continue(uint32_t pid, uint64_t start_ns, uint32_t foreign);

/* Likewise for a process that a descriptor stands for. */
int pidfd_continue(int pidfd, uint32_t foreign);

/**
 * delayed_release_all() - releases everyone in a map of delays, as after the daemon's death.
 * @map_fd: the map `delayed`
 *
 * Return: how many were released.
 */
unsigned int delayed_release_all(int map_fd);

/**
 * delayed_release_overdue() - continues everyone in a map of delays who should have been released
 * some time ago, as the guardian does for a daemon that hangs. The records stay.
 *
 * Return: how many were continued.
 */
unsigned int delayed_release_overdue(int map_fd);

/**
 * delayed_lock() - the right to use @dir, bpf_dir of the configuration; the folder is made.
 *
 * Return: a descriptor that holds the lock until it is closed; -EBUSY when another daemon has
 * it; -errno.
 */
int delayed_lock(const char *dir);

/**
 * delayed_pin(), delayed_open_pinned(), delayed_unpin() - the map's place on the bpf file system,
 * where it outlives the daemon.
 * @map_fd: for unpinning, the map that must be the one there; -1 for any
 *
 * Return: 0 or a descriptor; -ENOENT when nothing is pinned there; -errno.
 */
int delayed_pin(int map_fd, const char *dir);
int delayed_open_pinned(const char *dir);
int delayed_unpin(int map_fd, const char *dir);

#endif
