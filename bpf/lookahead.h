/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lookahead pairs: the window of a thread's last calls, the locality frame that counts recent
 * anomalies, and the rule that ends training. The set of a program's pairs is in pairset.h.
 *
 * After Somayaji, "Operating System Stability and Security through Process Homeostasis" (2002),
 * chapter 4: a program's behaviour is the set of pairs (current call, earlier call, distance)
 * within a window of nine calls; LFC is how many of the last 128 calls were anomalous.
 *
 * Pure C: clang compiles it for BPF and the host compiler for the tests and for user space.
 */
#ifndef EBPH_LOOKAHEAD_H
#define EBPH_LOOKAHEAD_H

#include "callid.h"

#define EBPH_WINDOW    9		 /* calls, the current one included */
#define EBPH_DISTANCES (EBPH_WINDOW - 1) /* 1..8 */
#define EBPH_FRAME     128		 /* calls in a locality frame */

/* ---- window ---------------------------------------------------------------------------- */

/*
 * Nine ids of 11 bits, the current one lowest: 99 bits. EBPH_WINDOW_VALID is set in every
 * window, so that the empty entries of a cache of windows (all zero) equal none.
 */
struct ebph_window {
	__u64 lo; /* bits 0..63 */
	__u64 hi; /* bits 64..98, EBPH_WINDOW_VALID */
};

#define EBPH_WINDOW_VALID   (1ull << 63)
#define EBPH_WINDOW_HI_MASK ((1ull << (EBPH_WINDOW * EBPH_CALL_BITS - 64)) - 1)

/* A window before the first call: nine times EBPH_CALL_NONE. */
static inline void ebph_window_clear(struct ebph_window *w)
{
	w->lo = ~0ull;
	w->hi = EBPH_WINDOW_HI_MASK | EBPH_WINDOW_VALID;
}

/* Makes @id the current call; the oldest of nine falls out. */
static inline void ebph_window_shift(struct ebph_window *w, __u32 id)
{
	w->hi = (((w->hi << EBPH_CALL_BITS) | (w->lo >> (64 - EBPH_CALL_BITS))) &
		 EBPH_WINDOW_HI_MASK) |
		EBPH_WINDOW_VALID;
	w->lo = (w->lo << EBPH_CALL_BITS) | (id & EBPH_CALL_MASK);
}

/* The id @distance calls before the current one (0: the current one itself). */
static inline __u32 ebph_window_at(const struct ebph_window *w, __u32 distance)
{
	__u32 bit = distance * EBPH_CALL_BITS;

	if (bit >= 64)
		return (w->hi >> (bit - 64)) & EBPH_CALL_MASK;
	if (bit + EBPH_CALL_BITS <= 64)
		return (w->lo >> bit) & EBPH_CALL_MASK;
	return ((w->lo >> bit) | (w->hi << (64 - bit))) & EBPH_CALL_MASK;
}

static inline int ebph_window_equal(const struct ebph_window *a, const struct ebph_window *b)
{
	return a->lo == b->lo && a->hi == b->hi;
}

/* A number from the window for the choice of a cache entry; what is in it is compared whole. */
static inline __u32 ebph_window_hash(const struct ebph_window *w)
{
	__u64 h = (w->lo ^ (w->hi * 0x9e3779b97f4a7c15ull)) * 0x9e3779b97f4a7c15ull;

	return (__u32)(h >> 32);
}

/* ---- locality frame -------------------------------------------------------------------- */

/* Which of the last 128 calls were anomalies, the newest in bit 0, and how many. */
struct ebph_frame {
	__u64 lo;
	__u64 hi;
	__u32 count; /* LFC */
};

/*
 * Takes one call into the frame. The count follows the bit that falls out: ebpH cleared the
 * bits but kept the sum, and a stale count stuck for ever.
 */
static inline void ebph_frame_push(struct ebph_frame *f, __u32 anomaly)
{
	f->count += (anomaly & 1) - (__u32)(f->hi >> 63);
	f->hi = (f->hi << 1) | (f->lo >> 63);
	f->lo = (f->lo << 1) | (anomaly & 1);
}

/* ---- heat ------------------------------------------------------------------------------- */

/*
 * Recent anomalies of a whole profile, over all its processes of one user: each counts 1 when it
 * happens, half after the half-life, a quarter after two. A thousand processes with two anomalies
 * each, as in the attack on lpr of the UNM data, show no LFC above 2; together they are an attack.
 *
 * One word, so that it is changed by one compare-and-swap: in the high half the time of the last
 * change in units of 2^24 ns (17 ms; it wraps after two years), in the low half the heat then in
 * 1/256 of an anomaly.
 */
#define EBPH_HEAT_TIME_SHIFT 24
#define EBPH_HEAT_ONE	     256u

/* 2^-x for x in [0, 1), both in 24 bits: the cubic that has its values and slopes at both ends. */
static inline __u64 ebph_exp2_neg(__u64 x)
{
	__u64 x2 = (x * x) >> 24, x3 = (x2 * x) >> 24;

	return (1u << 24) - ((11629080 * x) >> 24) + ((3906877 * x2) >> 24) - ((666408 * x3) >> 24);
}

/**
 * ebph_heat_decay() - a heat word as it is at a later time.
 * @heat:	  the word
 * @now_ns:	  CLOCK_BOOTTIME
 * @half_life_ns: at least a second
 *
 * Return: the word; as it was where so little time has passed that nothing changes. It is rounded
 * down: who only asks must not store it, or would cool it by asking.
 */
static inline __u64 ebph_heat_decay(__u64 heat, __u64 now_ns, __u64 half_life_ns)
{
	__u32 now = (__u32)(now_ns >> EBPH_HEAT_TIME_SHIFT), then = (__u32)(heat >> 32);
	__u64 elapsed_ns = (__u64)(__u32)(now - then) << EBPH_HEAT_TIME_SHIFT;
	__u64 halvings = elapsed_ns / half_life_ns, value = (__u32)heat, x;

	if (!value)
		return (__u64)now << 32;
	if ((__u32)(now - then) > 0x80000000u)
		return heat; /* another CPU's clock was ahead */
	x = ((elapsed_ns % half_life_ns) >> 16 << 24) / ((half_life_ns >> 16) + 1);
	value = halvings < 32 ? ((value >> halvings) * ebph_exp2_neg(x)) >> 24 : 0;
	return value == (__u32)heat ? heat : (__u64)now << 32 | value;
}

/* As ebph_heat_decay(), with one anomaly more. */
static inline __u64 ebph_heat_add(__u64 heat, __u64 now_ns, __u64 half_life_ns)
{
	heat = ebph_heat_decay(heat, now_ns, half_life_ns);
	return (__u32)heat < 0xffffffffu - EBPH_HEAT_ONE ? heat + EBPH_HEAT_ONE : heat;
}

/* Whole anomalies in a heat word. */
static inline __u32 ebph_heat_count(__u64 heat)
{
	return (__u32)heat / EBPH_HEAT_ONE;
}

/* ---- freezing -------------------------------------------------------------------------- */

/**
 * ebph_may_freeze() - pH's rule for the end of training, with our minima.
 * @calls:	    calls that the profile has trained on (pH: train_count)
 * @last_mod_calls: @calls at the moment when the last pair was added (last_mod_count)
 * @runs:	    how often the program was executed
 * @factor, @factor_den: normal_factor, 128/32 in pH
 * @min_calls, @min_runs: neither predecessor had these, and a program run once could freeze
 *
 * pH_train() of pH 0.22 asks after *every* call whether
 *	calls * factor_den > (calls - last_mod_calls) * factor	and  calls > last_mod_calls.
 * The first call without news is where that is easiest to meet, so asking now and then must give
 * what asking every time would have given: it is asked for the call after the last modification.
 */
static inline int ebph_may_freeze(__u64 calls, __u64 last_mod_calls, __u32 runs, __u32 factor,
				  __u32 factor_den, __u64 min_calls, __u32 min_runs)
{
	return calls > last_mod_calls && (last_mod_calls + 1) * factor_den > factor &&
	       calls >= min_calls && runs >= min_runs;
}

#endif
