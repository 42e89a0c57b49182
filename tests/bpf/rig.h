/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The BPF programs and their maps without the daemon: a test attaches what it wants, feeds calls of
 * its own choice to the hot path, and looks at what came of them. The daemon's own code loads the
 * programs, stocks slots and grows pair sets.
 */
#ifndef EBPH_RIG_H
#define EBPH_RIG_H

#include <stdint.h>
#include <sys/types.h>

#include "bpf/state.h"
#include "enforcer/kernel.h"
#include "enforcer/profile.h"
#include "tests/bpf/thread_maps.h"

struct ring_buffer;

struct rig {
	struct conf *conf;
	struct kernel *kernel;
	struct profiles *profiles;
	struct ring_buffer *events;
	struct support support; /* what was loaded */
	/* Told of each event but EBPH_EVENT_GROW, which is answered as the daemon does; may be
	 * NULL. */
	void (*on_event)(void *context, const struct ebph_event *event);
	void *context;
};

/*
 * Loads the programs in mode dry-run, with settings of the defaults but no limit of events, and
 * stocks slots. Nothing is attached. The test ends where that cannot be done. Settings may be
 * changed through kernel_settings() at any time.
 */
void rig_new(struct rig *rig, uint32_t n_slots);

/* As rig_new(), with the programs that defer delays; they are not attached. */
void rig_new_deferring(struct rig *rig);

/* Attaches those, and nothing else. */
void rig_attach_guards(struct rig *rig);

/* As rig_new(), with the programs that ebphd follows calls with on this kernel, to be attached. */
void rig_new_whole(struct rig *rig, uint32_t n_slots);

void rig_free(struct rig *rig);

/* Attaches what follows fork, exec, exit and signals. sys_enter is not: calls are fed. */
void rig_attach_life(struct rig *rig);

/* Attaches all, as ebphd does. From Linux 7.0 on after rig_new_whole(), or calls are missed. */
void rig_attach_all(struct rig *rig);

/* The hot path's program, for rig_call(); it may be inherited across exec if made so. */
int rig_hot_path_fd(const struct rig *rig);

/**
 * rig_normal() - makes the profile of this program a normal one.
 * @first: it knows the calls from this one on
 * @n:     so many of them, one after the other and again
 */
void rig_normal(struct rig *rig, uint64_t first, uint64_t n);

/* Puts @n processes on record as overdue who are no more. */
void rig_gone_record(const struct rig *rig, uint32_t n);

/* The heads of all profiles, which may be mapped into memory. */
int rig_heads_fd(const struct rig *rig);

/* The maps with the states of threads; their descriptors may be inherited across exec if made so.
 */
struct thread_maps rig_thread_maps(const struct rig *rig);

/**
 * rig_call() - the current thread makes a call, as far as the hot path can tell.
 * @hot_path_fd: rig_hot_path_fd()
 * @nr:		 as sys_enter would report it
 *
 * By BPF_PROG_TEST_RUN: nothing is called. Whether it counts as a call of the 32-bit ABI depends on
 * the door that this very function's system call uses; see rig_call_ia32().
 *
 * Return: 0 or -errno.
 */
int rig_call(int hot_path_fd, uint64_t nr);

/* The same through `int $0x80`, so that the kernel sees a 32-bit call. */
int rig_call_ia32(int hot_path_fd, uint32_t nr);

/* What the programs know of a thread. Return: as thread_state(). */
int rig_task(const struct rig *rig, pid_t tid, struct task_state *ret);

/* Takes what is in the ring buffer. Sets that are full are grown, slots are stocked. */
void rig_poll(struct rig *rig);

/* The slot of the executable at @path; 0: none. */
uint32_t rig_slot(const struct rig *rig, const char *path);

#endif
