/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the state of a thread is. BPF side only.
 *
 * Task storage is its home: the kernel frees it with the thread, and no flood can evict it. But to
 * find it there is a call of a helper, 12 to 17 ns, more than all the rest of what a verified call
 * takes. So threads have seats, in an array whose lookup the verifier puts in line: a thread takes
 * one of the two of its pair when its state is made, keeps it as long as it lives, and its state is
 * there and not in task storage. Who finds both taken goes to task storage. Nobody is turned out.
 *
 * The seat is given back when the kernel gives back the thread: ebph_free, which is attached before
 * any seat is taken. Should that event be lost, the seat stays taken, and a thread that later has
 * the same address finds what ebph_exit has left there: nothing but the recent anomalies.
 */
#ifndef EBPH_SEAT_H
#define EBPH_SEAT_H

#include "kernel.h"
#include "maps.h"

/* Written by the daemon before it loads the programs: 32 - log2 of the number of pairs. */
extern const volatile __u32 seats_shift;

/*
 * Likewise: a lookup in task storage fails while another one is under way on the same CPU, as it
 * does before Linux 6.2 (e8b02296a6b8), and can where that other one was preempted.
 */
extern const volatile bool lookups_fail;

/* The pair of seats that a thread may sit in, by its address. */
static __always_inline struct seat_pair *seats_of(struct task_struct *task)
{
	__u32 address, pair;

	/* Arithmetic on a pointer is refused; half of it is a number. */
	asm("%0 = %1" : "=w"(address) : "w"((__u32)(__u64)task));
	pair = address * 0x9e3779b1u >> seats_shift;
	return bpf_map_lookup_elem(&seats, &pair);
}

/* The state of a thread. Return: NULL: it has none. */
static __always_inline struct task_state *state_of(struct task_struct *task)
{
	struct seat_pair *pair = seats_of(task);

	if (pair && pair->owner[0] == (__u64)task)
		return &pair->state[0];
	if (pair && pair->owner[1] == (__u64)task)
		return &pair->state[1];
	return bpf_task_storage_get(&tasks, task, NULL, 0);
}

/**
 * state_make() - the state of a thread, made now if there is none.
 *
 * Return: the state, all zero if it is new but for its tid; NULL: no memory for it, counted.
 */
__hidden struct task_state *state_make(struct task_struct *task);

#endif
