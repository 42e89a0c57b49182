/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the benchmark's cases share. */
#ifndef EBPH_BENCH_H
#define EBPH_BENCH_H

#include "tests/bench/measure.h"
#include "tests/bench/report.h"
#include "tests/bpf/rig.h"

/* Order of variants in every case that has them. */
enum { NONE, EMPTY, STORAGE, EBPH, BESIDE, N_VARIANTS };

struct bench {
	struct report *report;
	size_t rounds;
	struct rig rig;
	struct variant variants[N_VARIANTS];
	size_t n_variants; /* without BESIDE, if there is none */
};

/* The programs as ebphd sets them up, in dry-run. */
void bench_rig_new(struct rig *rig, uint32_t n_slots);

/* Attach and detach of a variant whose context is a struct rig. */
void bench_rig_attach(void *context);
void bench_rig_detach(void *context);

/* Is this variant one of ours? Then its context is the struct rig that it learns in. */
bool is_ours(const struct variant *variant);

/*
 * Takes events, and does what ebphd would have done by now: every executable has its name, so
 * that no exec asks for it.
 */
void bench_settle(struct rig *rig);

/* The empty program, and the one that finds its thread's storage and no more. */
void empty_variants(struct variant *ret_empty, struct variant *ret_storage);

/**
 * beside_variant() - sys_enter of another build, working on the maps of this one.
 * @path: its ebph.o
 *
 * Only struct task_state may differ between the two.
 */
void beside_variant(const char *path, struct rig *rig, struct variant *ret);

/* The cases. Each adds its figures to the report. */
void calls_bench(struct bench *bench);
void exec_bench(struct bench *bench);
void scale_bench(struct bench *bench);
void memory_bench(struct bench *bench);
void start_bench(struct bench *bench);
void late_bench(struct bench *bench);

/* ---- works ------------------------------------------------------------------------------ */

/* System calls one after the other, without arguments. */
struct loop {
	struct rig *rig; /* set by the preparation; NULL while nothing of ours is attached */
	const short *calls;
	size_t n;
};

extern struct work getppid_work, mix_work, miss_work;

/* Makes calls at random until the benchmark's own pair set has 64 blocks; @rig is attached. */
void pairs_fill(struct rig *rig);

/* Starts a program again and again and waits for its end. */
struct spawn {
	const char *const *paths; /* taken in turns */
	size_t n_paths, next;
	bool forks; /* with a copy of the address space; else with vfork() */
};

void spawn_once(struct spawn *spawn);
void spawn_prepare(void *context, const struct variant *variant);
double spawn_sample(void *context);
#define SPAWN_WORK(what, spawn)                                                                    \
	{                                                                                          \
		.name = (what), .prepare = spawn_prepare, .sample = spawn_sample,                  \
		.context = (spawn), .n_samples = 1                                                 \
	}

#define LINES_PROGRAM "build/tests/progs/lines"
#define TINY_PROGRAM  "build/tests/bench-tiny"

#endif
