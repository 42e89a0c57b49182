/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every map, once: the types here, the objects in maps.bpf.c. BPF side only. */
#ifndef EBPH_MAPS_H
#define EBPH_MAPS_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include "abi.h"
#include "pairset.h"
#include "state.h"

struct tasks_map {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task_state);
};

/*
 * Two seats for threads' states, see seat.h. A seat without an owner is empty, and all zero. Mapped
 * into memory by tests.
 */
struct seats_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1 << EBPH_SEAT_PAIRS_MIN_BITS);
	__type(key, __u32);
	__type(value, struct seat_pair);
};

/* Executable to slot. The daemon sizes it to twice the number of slots, see profile.c. */
struct profiles_map {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct ebph_exe);
	__type(value, __u32);
};

/* Slot to head. Slot 0 is never used: it means none. */
struct heads_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 4097);
	__type(key, __u32);
	__type(value, struct ebph_profile);
};

/* A pair set: blocks, a power of two of them. This is the template; sizes differ. */
struct pair_set {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_INNER_MAP);
	__uint(max_entries, EBPH_SET_BLOCKS_MIN);
	/* Sizes, not types: clang leaves an inner map's types out of an extern's BTF. */
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct ebph_block));
};

/* Slot to pair set. */
struct pairs_map {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__array(values, struct pair_set);
};

/* Slots with an empty pair set behind them, which the daemon has prepared. */
struct free_slots_map {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 4096);
	__type(value, __u32);
};

/* Pairs that found no room in their set, until it has grown. */
struct late_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u64); /* ebph_late_key() */
	__type(value, __u64);
};

/* Recent anomalies: ebph_heat_decay(). */
struct heats_map {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct ebph_heat_key);
	__type(value, __u64);
};

/* What is different for single programs. */
struct rules_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, EBPH_RULES_MAX);
	__type(key, __u32);
	__type(value, struct ebph_ruling);
};

/* Real user ids whose processes are never delayed or refused anything. */
struct allowed_users_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u8);
};

/* Files that may be executed. */
struct targets_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, EBPH_TARGETS_MAX);
	__type(key, struct ebph_target);
	__type(value, __u8);
};

/* Ids of control groups (version 2) whose processes are never delayed or refused anything. */
struct allowed_cgroups_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, EBPH_CGROUPS_MAX);
	__type(key, __u64);
	__type(value, __u8);
};

struct delayed_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32768);
	__type(key, __u32);
	__type(value, struct ebph_delay);
};

struct events_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
};

/* Apart from .events, so that no flood of other news can keep a stop from being made. */
struct stops_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
};

struct counters_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, EBPH_COUNTER_MAX);
	__type(key, __u32);
	__type(value, __u64);
};

extern struct tasks_map tasks SEC(".maps");
extern struct seats_map seats SEC(".maps");
extern struct profiles_map profiles SEC(".maps");
extern struct heads_map heads SEC(".maps");
extern struct pairs_map pairs SEC(".maps");
extern struct free_slots_map free_slots SEC(".maps");
extern struct late_map late SEC(".maps");
extern struct heats_map heats SEC(".maps");
extern struct rules_map rules SEC(".maps");
extern struct allowed_users_map allowed_users SEC(".maps");
extern struct targets_map targets SEC(".maps");
extern struct allowed_cgroups_map allowed_cgroups SEC(".maps");
extern struct delayed_map delayed SEC(".maps");
extern struct events_map events SEC(".maps");
extern struct stops_map stops SEC(".maps");
extern struct counters_map counters SEC(".maps");

extern struct ebph_settings settings;

/* Written by the daemon before it loads the programs: this kernel knows control groups. */
extern const volatile bool has_cgroups;

/* Counts @counter (enum ebph_counter) once more. */
static inline void count(__u32 counter)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &counter);

	if (value)
		__sync_fetch_and_add(value, 1); /* per CPU, but from 7.0 on we may be preempted */
}

#endif
