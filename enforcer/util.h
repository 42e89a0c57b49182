/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ownership by scope, time, small things that the C library lacks. */
#ifndef EBPH_UTIL_H
#define EBPH_UTIL_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define NSEC_PER_SEC	  1000000000ull
#define NSEC_PER_MSEC	  1000000ull

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* The value of a pointer or descriptor whose owner gives it away. */
#define TAKE_PTR(pointer)                                                                          \
	({                                                                                         \
		__typeof__(pointer) taken_ = (pointer);                                            \
		(pointer) = NULL;                                                                  \
		taken_;                                                                            \
	})
#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int taken_ = (fd);                                                                 \
		(fd) = -1;                                                                         \
		taken_;                                                                            \
	})

/* Closes *@fd unless it is negative, and makes it -1; errno stays. */
static inline void close_fd(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

static inline void free_ptr(void *pointer)
{
	free(*(void **)pointer);
}

static inline void close_file(FILE **file)
{
	if (*file)
		fclose(*file);
}

#define AUTO_CLOSE  __attribute__((cleanup(close_fd)))
#define AUTO_FREE   __attribute__((cleanup(free_ptr)))
#define AUTO_FCLOSE __attribute__((cleanup(close_file)))

/* The time of @clock in nanoseconds. */
static inline uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

#endif
