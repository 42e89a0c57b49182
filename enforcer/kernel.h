/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The BPF programs and maps, as the daemon holds them. */
#ifndef EBPH_ENFORCER_KERNEL_H
#define EBPH_ENFORCER_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/abi.h"
#include "bpf/pairset.h"
#include "conf/conf.h"
#include "enforcer/rung.h"

struct ebph_bpf;

struct kernel {
	struct ebph_bpf *skeleton;
	struct ebph_profile *heads; /* by slot, shared with the programs */
	size_t heads_bytes;
	uint32_t n_slots; /* slots are 1 .. n_slots */
	enum abort_rung rung;
	enum hook_rung defers;	   /* delays are served before the call: bpf/guard.bpf.c */
	enum hook_rung hooks;	   /* refuse a foreign SIGCONT, and see what an execve executes */
	struct ontime_bpf *ontime; /* the kernel releases on time; NULL: it cannot */
	bool preemptible;	   /* programs at tracepoints have twins: bpf/second.h */
};

#define KERNEL(major, minor) ((major)*1000u + (minor))

/* The version of the running kernel, to be compared with KERNEL(). */
unsigned int kernel_version(void);

/*
 * Can a thread be preempted within a program at a tracepoint (bpf/second.h)? Before 7.0 the
 * tracepoints' own code kept preemption off (DECLARE_TRACE(), a46023d5616e).
 */
bool programs_preemptible(void);

/**
 * kernel_check() - can this system run us at all?
 * @ret_reason: one line, what is wrong and what to do; static
 *
 * Return: 0, or -EPERM, -ENOSYS, -ENOTSUP with the reason.
 */
int kernel_check(const char **ret_reason);

/**
 * kernel_new() - loads the programs and makes the maps; nothing is attached yet.
 * @conf: sizes and settings
 * @support: what to load of the response's programs
 * @ret:  result, to be freed with kernel_free()
 *
 * Return: 0, or -errno with a line logged by libbpf.
 */
int kernel_new(const struct conf *conf, const struct support *support, struct kernel **ret);

/* Detaches and unloads everything. NULL is fine. */
void kernel_free(struct kernel *kernel);

/**
 * kernel_attach() - from now on calls are followed.
 * Return: 0, or -errno.
 */
int kernel_attach(struct kernel *kernel);

/**
 * kernel_arm() - from now on the programs can refuse execves, and delay before the call.
 *
 * To enforce from the start, before kernel_attach().
 *
 * Return: 0, or -errno.
 */
int kernel_arm(struct kernel *kernel);

/**
 * kernel_ask_targets() - from now on the programs are asked what an execve executes, in any mode.
 *
 * Return: 0; -ENOTSUP: this kernel cannot ask; -errno.
 */
int kernel_ask_targets(struct kernel *kernel);

/* The programs run no more, and none is still running. */
void kernel_detach(struct kernel *kernel);

/* The settings that the programs read; what is stored here takes effect at once. */
struct ebph_settings *kernel_settings(struct kernel *kernel);

/**
 * kernel_configure() - hands the programs what they need of the configuration, at the start and at
 * a reload; it takes effect at once. A call may see half of it: each field is good alone.
 */
void kernel_configure(struct kernel *kernel, const struct conf *conf);

/* The circuit breaker, as the programs write it. */
const struct ebph_breaker *kernel_breaker(struct kernel *kernel);

/* Lets the guards rest again when the last delay that they served is long over. */
void kernel_guards_rest(struct kernel *kernel);

/**
 * kernel_introduce() - the calling process is one of ours: not watched, never stopped.
 * Return: 0, or -errno.
 */
int kernel_introduce(struct kernel *kernel, enum ebph_ours who);

/**
 * kernel_merge() - unites words with the pair set of a slot, safe against learning CPUs.
 *
 * Return: 0; -ENOSPC when some found no room and cannot wait for it; -errno.
 */
int kernel_merge(struct kernel *kernel, uint32_t slot, const uint64_t *words, size_t n_words);

/**
 * kernel_block_read() - reads a block of the pair set that is behind a slot now.
 *
 * Return: 0; -EINVAL when there is no such block; -errno.
 */
int kernel_block_read(struct kernel *kernel, uint32_t slot, uint32_t block, struct ebph_block *ret);

/**
 * kernel_command() - does to the profile of a slot what an operator says.
 *
 * Return: 0; -EINVAL when the slot has no profile; -errno.
 */
int kernel_command(struct kernel *kernel, uint32_t slot, enum ebph_verb verb);

/**
 * kernel_release() - asks whether a delay is over, and clears its record if so.
 * @now_ns: CLOCK_MONOTONIC; UINT64_MAX: it is over, whatever was said
 * @ret: the record: .due_ns until when it must still be waited for, 0: over; .foreign; .released
 *
 * Return: 0, or -errno.
 */
int kernel_release(struct kernel *kernel, uint32_t tgid, uint64_t start_ns, uint64_t now_ns,
		   struct ebph_delay *ret);

/**
 * kernel_overdue() - finds processes on record as due at @before_ns (CLOCK_MONOTONIC) or before.
 * @skip: so many of them are left out
 * @ret:  valid until the next call; at most EBPH_OVERDUE_MAX of them
 *
 * Return: 0, or -errno.
 */
int kernel_overdue(struct kernel *kernel, uint64_t before_ns, uint32_t skip,
		   const struct ebph_overdue **ret);

/**
 * kernel_threads() - all threads that have a profile now.
 * @pardon: whose delay is over, and whose locality frame is emptied: EBPH_PARDON_*
 * @ret:    array, to be freed by the caller
 *
 * Return: 0 or -errno.
 */
int kernel_threads(struct kernel *kernel, uint32_t pardon, struct ebph_thread **ret, size_t *ret_n);

/* Whole anomalies in the heat of a profile's processes of a user. */
uint32_t kernel_heat(struct kernel *kernel, uint32_t slot, uint32_t uid);

/* Until when a process is delayed, CLOCK_MONOTONIC; 0: it is not. */
uint64_t kernel_delayed_until(struct kernel *kernel, uint32_t pid, uint64_t start_ns);

/* The sum of a counter over all CPUs. */
uint64_t kernel_counter(struct kernel *kernel, enum ebph_counter counter);
const char *kernel_counter_name(enum ebph_counter counter);
const char *kernel_counter_help(enum ebph_counter counter);

/*
 * Events that are lost because the kernel skipped a program of ours that was under way already on
 * that CPU (recursion_misses), and the program's twin, where it has one, too.
 */
uint64_t kernel_missed_runs(struct kernel *kernel);

/* Kernel memory of one map, in bytes, by the kernel's own account; 0 if it does not say. */
uint64_t map_memory(int map_fd);

/* Kernel memory of all maps but the pair sets. */
uint64_t kernel_memory(struct kernel *kernel);

int kernel_pairs_fd(const struct kernel *kernel);
int kernel_profiles_fd(const struct kernel *kernel);
int kernel_free_slots_fd(const struct kernel *kernel);
int kernel_late_fd(const struct kernel *kernel);
int kernel_delayed_fd(const struct kernel *kernel);
int kernel_rules_fd(const struct kernel *kernel);
int kernel_allowed_users_fd(const struct kernel *kernel);
int kernel_targets_fd(const struct kernel *kernel);
int kernel_allowed_cgroups_fd(const struct kernel *kernel);
int kernel_stops_fd(const struct kernel *kernel);
int kernel_events_fd(const struct kernel *kernel);

#endif
