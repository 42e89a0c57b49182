/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Only one ebphd runs on a host. */
#ifndef EBPH_LOCK_H
#define EBPH_LOCK_H

#include <sys/types.h>

/**
 * lock_take() - takes the lock that only one daemon can hold, and writes our pid into it.
 * @run_dir:	where it lies; the folder is made if need be
 * @ret_fd:	the lock is held until this is closed
 * @ret_holder: with -EBUSY, the pid of who holds it; 0 when that cannot be read
 *
 * Return: 0; -EBUSY; -errno.
 */
int lock_take(const char *run_dir, int *ret_fd, pid_t *ret_holder);

#endif
