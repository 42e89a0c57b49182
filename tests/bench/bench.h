/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the benchmark's cases share. */
#ifndef EBPH_BENCH_H
#define EBPH_BENCH_H

#include <stdio.h>

#include "tests/bench/measure.h"
#include "tests/bench/report.h"
#include "tests/bpf/rig.h"

/* Order of variants in every case that has them; most have those before N_COMPARED. */
enum { NONE, EMPTY, EBPH, RECONSTRUCTED, N_COMPARED, STORAGE = N_COMPARED, BESIDE, N_VARIANTS };

struct bench {
	struct report *report;
	size_t rounds;
	const char *plots; /* folder for what is plotted; NULL: nothing is */
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

/* ebpH's design, reconstructed: reconstruction.bpf.c. */
void reconstruction_variant(struct variant *ret);

/* What the kernel says of its map of @n profiles, bytes. Those that it had are gone. */
double reconstruction_memory(size_t n);

/**
 * beside_variant() - sys_enter of another build, working on the maps of this one.
 * @path: its ebph.o
 *
 * Only struct task_state may differ between the two.
 */
void beside_variant(const char *path, struct rig *rig, struct variant *ret);

/*
 * What is plotted (plots.gp): NAME.dat in the folder for it. Return: NULL when there is none, which
 * the others take.
 */
FILE *plot_open(const struct bench *bench, const char *name);
void plot_line(FILE *data, const char *format, ...) __attribute__((format(printf, 2, 3)));
void plot_close(FILE *data);

/* The cases. Each adds its figures to the report. */
void calls_bench(struct bench *bench);
void exec_bench(struct bench *bench);
void lmbench_bench(struct bench *bench);
void programs_bench(struct bench *bench);
void scale_bench(struct bench *bench);
void memory_bench(struct bench *bench);
void start_bench(struct bench *bench);
void cpus_bench(struct bench *bench);
void events_bench(struct bench *bench);
void late_bench(struct bench *bench);
void conf_bench(struct bench *bench);

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
	const char *const *paths; /* taken in turns; NULL: the child ends at once */
	size_t n_paths, next;
	bool forks;		      /* with a copy of the address space; else with vfork() */
	const char *const *arguments; /* at most two, then NULL; may be NULL */
};

void spawn_once(struct spawn *spawn);
void spawn_prepare(void *context, const struct variant *variant);
double spawn_sample(void *context);
#define SPAWN_WORK(what, spawn)                                                                    \
	{                                                                                          \
		.name = (what), .prepare = spawn_prepare, .sample = spawn_sample,                  \
		.context = (spawn), .n_samples = 1                                                 \
	}

/* Standard output goes nowhere. Return: what it was, for output_back(). */
int output_away(void);
void output_back(int out);

/**
 * beyond_report() - by how many percent a work takes longer in each variant than in NONE.
 * @bound: for EBPH
 * @plot:  gets a line of the same: the work's name, a number for each variant; may be NULL
 */
void beyond_report(struct bench *bench, const struct measurement *m, size_t work, double bound,
		   FILE *plot);

#define LINES_PROGRAM	"build/tests/progs/lines"
#define TINY_PROGRAM	"build/tests/bench-tiny"
#define STRANGE_PROGRAM "build/tests/bench-strange"

/* Executables that differ in nothing but who they are. */
struct copies {
	char folder[32];
	size_t n;
	const char **paths;
};

void copies_make(struct copies *copies, const char *program, size_t n);
void copies_remove(struct copies *copies);

#endif
