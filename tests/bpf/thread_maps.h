/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the programs know of a thread, read from outside: bpf/seat.h says where it is. */
#ifndef EBPH_THREAD_MAPS_H
#define EBPH_THREAD_MAPS_H

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf/state.h"

struct thread_maps {
	int tasks_fd; /* task storage */
	int seats_fd; /* of @n_pairs pairs of seats */
	uint32_t n_pairs;
};

/* All pairs of seats, as they are. Return: NULL, errno: they cannot be mapped. */
static inline const struct seat_pair *seats_map(const struct thread_maps *maps)
{
	void *pairs = mmap(NULL, maps->n_pairs * sizeof(struct seat_pair), PROT_READ, MAP_SHARED,
			   maps->seats_fd, 0);

	return pairs == MAP_FAILED ? NULL : pairs;
}

static inline void seats_unmap(const struct thread_maps *maps, const struct seat_pair *pairs)
{
	munmap((void *)pairs, maps->n_pairs * sizeof(*pairs));
}

/* Looks among the seats. Return: as thread_state(). */
static inline int seat_state(const struct thread_maps *maps, pid_t tid, struct task_state *ret)
{
	const struct seat_pair *pairs = seats_map(maps);
	int r = -ENOENT;

	if (!pairs)
		return -errno;
	for (uint32_t i = 0; i < 2 * maps->n_pairs && r; i++) {
		const struct seat_pair *pair = &pairs[i / 2];

		if (pair->owner[i % 2] && pair->state[i % 2].tid == (uint32_t)tid) {
			*ret = pair->state[i % 2];
			r = 0;
		}
	}
	seats_unmap(maps, pairs);
	return r;
}

/* Looks in task storage. Return: as thread_state(). */
static inline int storage_state(const struct thread_maps *maps, pid_t tid, struct task_state *ret)
{
	union bpf_attr attr;
	int r = 0, fd;

	fd = (int)syscall(SYS_pidfd_open, tid, 0);
	/* A thread that is no leader has a pidfd from 6.9 on only: PIDFD_THREAD, which is O_EXCL.
	 */
	if (fd < 0)
		fd = (int)syscall(SYS_pidfd_open, tid, O_EXCL);
	if (fd < 0)
		return -errno;
	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)maps->tasks_fd;
	attr.key = (uintptr_t)&fd;
	attr.value = (uintptr_t)ret;
	if (syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attr, sizeof(attr)))
		r = -errno;
	close(fd);
	return r;
}

/*
 * Return: 0; -ENOENT when they know nothing of it; -EINVAL when it has no seat, and is not the
 * first thread of its process, before Linux 6.9; -errno.
 */
static inline int thread_state(const struct thread_maps *maps, pid_t tid, struct task_state *ret)
{
	int r = seat_state(maps, tid, ret);

	return r == -ENOENT ? storage_state(maps, tid, ret) : r;
}

#endif
